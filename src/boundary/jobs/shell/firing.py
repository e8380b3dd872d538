"""A worker's part in ticks: jobs for what is due.

What belongs here: firing a schedule that a claim showed as due, once at a time, and what is said of
it. What does not: which ticks fire (`core.schedules`), when a worker looks again (`dispatcher`).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from boundary.jobs.errors import CronError
from boundary.jobs.shell.registry import fires_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from boundary.jobs.core.operations import Fire, Schedule
    from boundary.jobs.core.wire import Millis

log: logging.Logger = logging.getLogger("boundary.jobs")

REFIRE_MS = 500.0
"""How long a tick that could not be fired is left alone."""


class Firing:
    """Fires what is due, for one shift.

    Args:
        ask: Asks the store; None: it failed, and that was said.
        now: The store's time.
        noticed: Called when there may be jobs, or another tick.
    """

    def __init__(
        self,
        ask: Callable[[Fire], Awaitable[bool | None]],
        now: Callable[[], Millis],
        noticed: Callable[[], None],
    ) -> None:
        self._ask = ask
        self._now = now
        self._noticed = noticed
        self._under_way: set[str] = set()
        self._refused: tuple[str, Millis | None] | None = None
        self._puzzling: set[str] = set()

    async def fire(self, schedule: Schedule) -> None:
        """Jobs for the ticks that are due are enqueued, by this worker or another."""
        if schedule.name in self._under_way:
            return
        self._under_way.add(schedule.name)
        try:
            fired = await self._fire(schedule)
        finally:
            self._under_way.discard(schedule.name)
        tick = (schedule.name, schedule.next_at)
        # Another worker was faster, or is at it: then one more look at once is enough.
        if fired or (fired is False and tick != self._refused):
            self._refused = None if fired else tick
            self._noticed()

    async def _fire(self, schedule: Schedule) -> bool | None:
        """Whether the last of the ticks was fired by this worker; None: it cannot be, now."""
        try:
            fires = fires_of(schedule, self._now())
        except CronError as error:
            self._say_puzzling(schedule, error)
            return None
        fired: bool | None = None
        for fire in fires:
            fired = await self._ask(fire)
            if not fired:
                return fired
            _say_fired(schedule, fire)
        return fired

    def _say_puzzling(self, schedule: Schedule, error: CronError) -> None:
        if schedule.name not in self._puzzling:
            self._puzzling.add(schedule.name)
            log.error("schedule %s cannot tick here: %s", schedule.name, error)


def _say_fired(schedule: Schedule, fire: Fire) -> None:
    if fire.job is None:
        log.warning("schedule %s: missed ticks are skipped", schedule.name)
    else:
        log.info("schedule %s fired", schedule.name, extra={"job_type": schedule.job_type})
