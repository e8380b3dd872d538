"""Where instants and chance come from.

What belongs here: the one place that reads the machine's clock and draws random numbers. What
does not: anything that could take `now` or `u` as an argument instead.
"""

from __future__ import annotations

import random
import time


class SystemClock:
    """The machine's clock and random source; `ports.Clock`."""

    def now(self) -> int:
        """Milliseconds since the epoch, by the wall clock."""
        return time.time_ns() // 1_000_000

    def u(self) -> float:
        """A number drawn evenly from [0, 1)."""
        return random.random()  # noqa: S311 (spreads retries, guards nothing)
