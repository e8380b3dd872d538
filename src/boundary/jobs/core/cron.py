"""When a schedule ticks: cron expressions in a time zone, and fixed intervals.

What belongs here: the next tick after an instant. What does not: who fires it, and how a missed
one is made up for.

The calendar is cronsim's, which follows Debian's cron. Expressions with fixed times (neither
minute nor hour begins with a star): a local time that does not exist (clocks go forward) ticks at
the next instant that does, one that occurs twice ticks once. All others tick whenever their local
time comes round, so `*/20` keeps its spacing. Six fields follow the same rules if their seconds
are one number; with several seconds a minute they tick whenever their local time comes round.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, timedelta, timezone
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

SECOND = timedelta(seconds=1)
INSTANT = timedelta(microseconds=1)
WEEK = timedelta(weeks=1)
HORIZON = timedelta(days=50 * 365)
"""What ticks later than this counts as never, as with cronsim."""

_SECONDS = frozenset(str(second) for second in range(60)) | {f"0{digit}" for digit in range(10)}
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


@lru_cache(maxsize=2_048)  # workers that share a process look at the same series, again and again
def next_tick(expression: str, timezone: str, after: datetime) -> datetime:
    """The first tick after an instant, in UTC.

    Args:
        expression: Five fields, six with seconds first, or an alias such as ``@daily``.
        timezone: An IANA name such as ``Europe/Amsterdam``; its local time is what ticks.
        after: An aware datetime.

    Raises:
        CronError: As `checked`.
    """
    from cronsim import CronSimError  # here: most processes have no schedules

    fields = ALIASES.get(expression.strip().lower(), expression).split()
    try:
        tick = _tick(fields, _zone(timezone), after.astimezone(UTC))
    except (CronSimError, ValueError) as error:  # ValueError: a number of thousands of digits
        raise CronError(
            f"the cron expression {expression!r} cannot be used: {error}; it is {_FORM}"
        ) from error
    if tick is None:
        raise CronError(
            f"the cron expression {expression!r} never fires in the next fifty years; "
            "check its day and month"
        )
    return tick.astimezone(UTC)


def latest_tick(expression: str, timezone: str, first: datetime, now: datetime) -> datetime:
    """The last tick from `first` (a tick itself) up to and with `now`: of a missed series, one.

    Found by halving, so it never disagrees with `next_tick`, however long the series.
    """
    latest, end = first, now
    while end - latest >= SECOND:  # always: `latest` is a tick, and none is after `end`
        middle = latest + (end - latest) / 2
        tick = next_tick(expression, timezone, middle)
        if tick <= now:
            latest = tick
        else:
            end = middle
    return latest


def next_interval(anchor: int, every_ms: int, after: int) -> int:
    """The first instant after `after` that is a whole number of intervals from `anchor` (ms)."""
    return anchor + ((after - anchor) // every_ms + 1) * every_ms


def _tick(fields: list[str], zone: ZoneInfo, after: datetime) -> datetime | None:
    match fields:
        case [second, _, _, _, _, _] if second in _SECONDS:
            into_minute = timedelta(seconds=int(second))
            tick = _tick(fields[1:], zone, after - into_minute)
            return None if tick is None else tick + into_minute
        case [minute, hour, _, _, _] if not minute.startswith("*") and not hour.startswith("*"):
            return _at_fixed_times(" ".join(fields), zone, after)
        case _:
            return _as_time_passes(" ".join(fields), zone, after)


def _at_fixed_times(expression: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Of a local time that occurs twice cronsim names the first, which may be over by `after`."""
    from cronsim import CronSim

    ticks = CronSim(expression, after.astimezone(zone))
    return next((tick for tick in ticks if tick.astimezone(UTC) > after), None)


def _as_time_passes(expression: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Each stretch between two changes of the clocks by itself, at its own offset from UTC.

    Given the zone, cronsim skips ticks where clocks change by part of an hour (Lord Howe).
    """
    from cronsim import CronSim

    begin = after + INSTANT
    while begin < after + HORIZON:
        local = (begin - INSTANT).astimezone(timezone(_offset(zone, begin)))
        tick: datetime | None = next(CronSim(expression, local), None)
        change = None if tick is None else _change(zone, begin, tick)
        if change is None:
            return tick
        begin = change
    return None


def _change(zone: ZoneInfo, begin: datetime, end: datetime) -> datetime | None:
    """The first change of the clocks after `begin`, up to `end`.

    By steps of a week: no zone changes its clocks twice in one (Morocco's Ramadan is a month).
    """
    offset = _offset(zone, begin)
    while begin < end:
        step = min(begin + WEEK, end)
        if _offset(zone, step) != offset:
            seconds = range(int(begin.timestamp()), int(step.timestamp()))
            passed = bisect_left(
                seconds,
                True,
                key=lambda at: _offset(zone, datetime.fromtimestamp(at, UTC)) != offset,
            )
            return datetime.fromtimestamp(seconds.start + passed, UTC)
        begin = step
    return None


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


@lru_cache(maxsize=64)
def _zone(timezone: str) -> ZoneInfo:
    from zoneinfo import ZoneInfo  # as above

    try:
        return ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:
        raise CronError(
            f"there is no time zone {timezone!r}; use an IANA name such as Europe/Amsterdam"
        ) from error
