"""Where instants and chance come from.

What belongs here: the one place that reads the machine's clock and draws random numbers, and what a
worker knows of its store's time. What does not: anything that could take `now` or `u` as an argument
instead.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from boundary.jobs.core.wire import Millis

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


class StoreClock:
    """The store's time as well as a worker knows it: what it last said, and what has passed since.

    Args:
        now: Milliseconds that only grow.
        said: What is taken for the store's time until it says something.
    """

    def __init__(self, now: Callable[[], float], said: Millis) -> None:
        self._now = now
        self._offset: float = said - now()

    def said(self, now: Millis) -> None:
        """The store says that this is its time."""
        self._offset = now - self._now()

    def now(self) -> Millis:
        """Milliseconds since the epoch, by the store's clock."""
        return round(self._now() + self._offset)
