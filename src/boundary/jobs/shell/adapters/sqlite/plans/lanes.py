"""Places in a lane: a queue's ready jobs of one priority stand in the order of their places.

What belongs here: finding the next free place before or behind all others. What does not: who is
put there.
"""

from __future__ import annotations

from boundary.jobs.shell.adapters.sqlite import statements as sql
from boundary.jobs.shell.adapters.sqlite.plans.steps import Ask, Plan


class Lanes:
    """Hands out the next free places of lanes, asking for each lane once."""

    def __init__(self, probe: str, step: int) -> None:
        self._probe = probe
        self._step = step
        self._last: dict[tuple[str, int], int] = {}

    def look(self, queue: str, priority: int) -> Plan[None]:
        """Learn where the lane ends."""
        lane = (queue, priority)
        if lane not in self._last:
            ((found,),) = yield Ask(self._probe, lane)
            self._last[lane] = max(-sql.LAST_PLACE, min(found or 0, sql.LAST_PLACE))

    def take(self, queue: str, priority: int) -> int:
        """A place behind (or before) all others of a lane that was looked at."""
        place = self._last[queue, priority] = self._last[queue, priority] + self._step
        return place

    def next(self, queue: str, priority: int) -> Plan[int]:
        """Both."""
        yield from self.look(queue, priority)
        return self.take(queue, priority)


def behind_all() -> Lanes:
    """Places behind all others."""
    return Lanes(sql.TAIL, 1)


def before_all() -> Lanes:
    """Places before all others."""
    return Lanes(sql.HEAD, -1)
