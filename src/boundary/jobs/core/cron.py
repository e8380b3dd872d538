"""When a schedule ticks: cron expressions in a time zone, and fixed intervals.

What belongs here: the next tick after an instant. What does not: who fires it, and how a missed
one is made up for.

The calendar is cronsim's, which follows Debian's cron. A local time that does not exist (clocks
go forward) ticks at the next instant that does; one that occurs twice ticks once; expressions
that tick many times a day (a wildcard or a step in minute or hour) keep their spacing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from boundary.jobs.errors import CronError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

_FORM = (
    "five fields (minute hour day month weekday), or six with seconds first, or one of "
    + ", ".join(ALIASES)
)


def checked(expression: str, timezone: str, after: datetime) -> None:
    """The expression ticks, sometime after `after`.

    Raises:
        CronError: It cannot be read, never ticks, or the zone is unknown.
    """
    next_tick(expression, timezone, after)


def next_tick(expression: str, timezone: str, after: datetime) -> datetime:
    """The first tick after an instant, in UTC.

    Args:
        expression: Five fields, six with seconds first, or an alias such as ``@daily``.
        timezone: An IANA name such as ``Europe/Amsterdam``; its local time is what ticks.
        after: An aware datetime.

    Raises:
        CronError: As `checked`.
    """
    from cronsim import CronSim, CronSimError  # here: most processes have no schedules

    local = after.astimezone(_zone(timezone))
    try:
        tick = next(CronSim(ALIASES.get(expression.strip().lower(), expression), local))
    except CronSimError as error:
        raise CronError(
            f"the cron expression {expression!r} cannot be used: {error}; it is {_FORM}"
        ) from error
    except StopIteration:
        raise CronError(
            f"the cron expression {expression!r} never fires in the next fifty years; "
            "check its day and month"
        ) from None
    return tick.astimezone(UTC)


def latest_tick(expression: str, timezone: str, first: datetime, now: datetime) -> datetime:
    """The last tick from `first` (a tick itself) up to `now`; what is left of a missed series."""
    from cronsim import CronSim  # as above

    local = now.astimezone(_zone(timezone))
    pattern = ALIASES.get(expression.strip().lower(), expression)
    for tick in CronSim(pattern, local, reverse=True):
        return max(tick.astimezone(UTC), first)
    return first


def next_interval(anchor: int, every_ms: int, after: int) -> int:
    """The first instant after `after` that is a whole number of intervals from `anchor` (ms)."""
    return anchor + ((after - anchor) // every_ms + 1) * every_ms


@lru_cache(maxsize=64)
def _zone(timezone: str) -> ZoneInfo:
    from zoneinfo import ZoneInfo  # as above

    try:
        return ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:
        raise CronError(
            f"there is no time zone {timezone!r}; use an IANA name such as Europe/Amsterdam"
        ) from error
