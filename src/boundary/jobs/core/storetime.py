"""What time it is in a store whose machine's clock may be set.

What belongs here: one rule. What does not: reading either clock.
"""

from __future__ import annotations

SLEW = 2
"""While the store is ahead of the wall clock, its time passes at one SLEW-th of its speed."""


def store_now(wall: int, mark: int, elapsed: int) -> int:
    """The store's time in milliseconds; it never goes back and never stands still for long.

    Leases, delays and ticks live by it. A wall clock that is set back would freeze them, one that
    jumped ahead and came back would run them too early for ever: so after either, time goes on
    from where it was, at half speed, until the wall clock has caught up.

    Args:
        wall: The machine's wall clock now.
        mark: The latest time the store has told.
        elapsed: Milliseconds since then by a clock nobody sets; below 0 after a reboot.

    Source: the slewing of NTP clients.
    """
    return max(wall, mark + max(elapsed, 0) // SLEW)
