"""Where instants and chance come from.

What belongs here: the one place that reads the machine's clock and draws random numbers. What
does not: anything that could take `now` or `u` as an argument instead.
"""

from __future__ import annotations

import random
import time

_RUNNING = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while a Linux machine sleeps; elsewhere the next best."""


class SystemClock:
    """The machine's clock and random source; `ports.Clock`."""

    def now(self) -> int:
        """Milliseconds since the epoch, by the wall clock."""
        return time.time_ns() // 1_000_000

    def mono(self) -> int:
        """Milliseconds the machine has been running; nobody can set it."""
        return time.clock_gettime_ns(_RUNNING) // 1_000_000

    def u(self) -> float:
        """A number drawn evenly from [0, 1)."""
        return random.random()  # noqa: S311 - it spreads retries, it guards nothing
