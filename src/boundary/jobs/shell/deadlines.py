"""When runs have had their time.

What belongs here: each run's deadline, and one timer for the first of them. What does not: what
happens then (`executor`).
"""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from boundary.jobs.shell.running import Run

LEFT_OVER = 64
"""Deadlines of ended runs that may wait in the heap before it is looked through for them."""


class Deadlines:
    """The deadlines of runs; `over` is called with each whose time has come."""

    def __init__(self, loop: asyncio.AbstractEventLoop, over: Callable[[Run], None]) -> None:
        self._loop = loop
        self._over = over
        self._waiting: list[tuple[float, int, Run]] = []
        self._alarm: asyncio.TimerHandle | None = None
        self._ticket = itertools.count()

    def put(self, run: Run, deadline: float, under_way: int) -> None:
        """The run's timeout, if it has one, is at this moment; so many runs are under way."""
        if run.ended:
            return
        if run.deadline is None and run.payload.timeout_ms is None:
            return
        run.deadline = deadline
        if len(self._waiting) > LEFT_OVER + 4 * under_way:
            self._waiting = [row for row in self._waiting if not row[2].ended]
            heapq.heapify(self._waiting)
        heapq.heappush(self._waiting, (deadline, next(self._ticket), run))
        self._arm()

    def close(self) -> None:
        """Nothing is called any more."""
        if self._alarm is not None:
            self._alarm.cancel()

    def _arm(self) -> None:
        """The timer goes off at the first deadline."""
        first = self._waiting[0][0]
        if self._alarm is None or self._alarm.when() > first:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = self._loop.call_at(first, self._strike)

    def _strike(self) -> None:
        self._alarm = None
        now = self._loop.time()
        while self._waiting and (self._waiting[0][0] <= now or self._waiting[0][2].ended):
            deadline, _, run = heapq.heappop(self._waiting)
            if run.deadline == deadline:
                self._over(run)
        if self._waiting:
            self._arm()
