"""What a caller can do with schedules, each written once as steps.

What belongs here: putting, editing, pausing, firing and showing schedules, and what a worker does
with those declared in code. What does not: which ticks fire and whose word counts
(`core.schedules`), other calls (`flows`).

A change reads what is stored, decides, and puts the new over the old; where somebody else was
faster, it reads and decides again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias, TypedDict
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from boundary.jobs.core import conversion, wire
from boundary.jobs.core import priority as priorities
from boundary.jobs.core import schedules as core
from boundary.jobs.core.names import checked_name, shown_id
from boundary.jobs.core.operations import (
    MISFIRE_CAP,
    Act,
    FireNow,
    Misfire,
    PutSchedule,
    RemoveSchedule,
    Schedule,
    Schedules,
    Time,
    What,
)
from boundary.jobs.core.records import Job, Priority
from boundary.jobs.core.redaction import redacted
from boundary.jobs.core.schedules import Origin
from boundary.jobs.core.values import JSON
from boundary.jobs.core.wire import Millis, NewJob, Record
from boundary.jobs.errors import RecordError, UsageError
from boundary.jobs.shell import flows, statistics_flows
from boundary.jobs.shell.draft import Draft
from boundary.jobs.shell.flows import Flow, ask
from boundary.jobs.shell.hands import Hand
from boundary.jobs.shell.options import as_span
from boundary.jobs.shell.registry import Rule, schedule_of

_MILLISECOND = timedelta(milliseconds=1)

MOST_SHOWN = 10_000
"""Most fire times that are told at once."""

UNREADABLE = "[unreadable]"
"""The one argument of a schedule whose arguments cannot be read."""


Decide: TypeAlias = Callable[[Schedule | None, Millis], Schedule | None]
"""From what is stored and the store's time to what is to be stored; None: nothing."""


class ScheduleInfo(Struct, frozen=True, kw_only=True):
    """A schedule: a job of this kind is enqueued at each tick.

    Attributes:
        cron: Its expression, in the local time of `timezone`; or
        every: its interval.
        next_at: Its next tick; None: it is paused.
        args: What each job is given.
        misfire: What becomes of ticks nobody fired in time: ``skip``, ``once`` or ``all`` (of
            these the latest `misfire_cap`).
        paused: It does not tick until it is resumed.
        origin: ``run time``; ``code``: as declared in code; ``edited``: declared in code and
            edited since.
        orphaned: It was declared in code, and no worker that is alive declares it; it goes on.
        fired_at: When a job was last made for a tick of it.
        last_job: That job's id.
    """

    name: str
    job_type: str
    queue: str
    priority: Priority
    args: dict[str, JSON]
    cron: str | None
    every: timedelta | None
    timezone: str
    next_at: datetime | None
    misfire: Misfire = "once"
    misfire_cap: int = MISFIRE_CAP
    paused: bool = False
    origin: Origin = "run time"
    orphaned: bool = False
    fired_at: datetime | None = None
    last_job: UUID | None = None

    def __repr__(self) -> str:
        """What tells it from others, without what looks like a secret."""
        when = f"every={self.every!r}" if self.cron is None else f"cron={self.cron!r}"
        return (
            f"ScheduleInfo(name={self.name!r}, {when}, job_type={self.job_type!r}, "
            f"next_at={self.next_at!r}, args={redacted(self.args)!r})"
        )

    def upcoming(self, count: int = 1) -> list[datetime]:
        """Its next ticks, the first `count` (to 10,000) of them; none while it is paused.

        Raises:
            UsageError: `count` is not a whole number from 1 on.
        """
        flows.checked_limit(count, MOST_SHOWN)
        if self.next_at is None:
            return []
        every_ms = None if self.every is None else self.every // _MILLISECOND
        next_at = wire.millis(self.next_at)
        one = Schedule(
            self.name, self.job_type, "", 0, b"", next_at, self.cron, every_ms, self.timezone
        )
        return [wire.at(tick) for tick in core.first_of(one, count)]


class ScheduleEdits(TypedDict, total=False):
    """What can be changed of a schedule that stands; what is not named stays.

    Attributes:
        cron: A new expression, instead of whatever it ticked by.
        every: A new interval, instead of whatever it ticked by.
        timezone: The zone of its expression.
        misfire: What becomes of missed ticks.
        misfire_cap: How many ``all`` makes up for.
        queue: Where its jobs wait.
        priority: Their order within the queue.
    """

    cron: str | None
    every: float | timedelta | None
    timezone: str | None
    misfire: Misfire | None
    misfire_cap: int | None
    queue: str | None
    priority: Priority | None


def rule_of(
    *,
    cron: str | None,
    every: float | timedelta | None,
    timezone: str,
    misfire: Misfire,
    misfire_cap: int,
) -> Rule:
    """When a schedule ticks, checked, but for the expression and its zone.

    Raises:
        UsageError: Something is not what it may be.
    """
    if (cron is None) == (every is None):
        raise UsageError("give cron (an expression) or every (an interval), one of the two")
    policy, cap = core.checked_misfire(misfire, misfire_cap)
    return Rule(cron, None if every is None else as_span("every", every, 1), timezone, policy, cap)


# Change


def schedule(
    name: str, draft: Draft, rule: Rule, *, paused: bool | None, hand: Hand | None = None
) -> Flow[ScheduleInfo]:
    """A job like this draft is enqueued at each tick, once, however many workers there are."""
    checked_name("schedule", name)

    stands = yield from _put(
        name,
        lambda old, now: core.put_over(old, schedule_of(name, draft, rule, now), paused=paused),
        _act(hand, "schedule", name),
    )
    assert stands is not None
    return _info(stands)


def edit_schedule(
    name: str, edits: ScheduleEdits, hand: Hand | None = None
) -> Flow[ScheduleInfo | None]:
    """The schedule is as before but for the edits. None: there is none of this name."""
    given = {key: value for key, value in edits.items() if value is not None}
    unknown = given.keys() - ScheduleEdits.__annotations__.keys()
    if unknown:
        raise UsageError(
            f"there is no edit {min(unknown)!r}; there are "
            f"{', '.join(ScheduleEdits.__annotations__)}"
        )
    if "cron" in given and "every" in given:
        raise UsageError("give cron (an expression) or every (an interval), not both")
    act = _act(hand, "edit_schedule", name)
    return (yield from _amend(name, lambda old, now: _edited(old, given, now), act))


def _edited(old: Schedule, edits: Mapping[str, Any], now: Millis) -> Schedule:
    misfire, cap = core.checked_misfire(
        edits.get("misfire", old.misfire), edits.get("misfire_cap", old.misfire_cap)
    )
    every = edits.get("every")
    by_same = "cron" not in edits and every is None
    new = replace(
        old,
        cron=old.cron if by_same else edits.get("cron"),
        every_ms=old.every_ms if by_same else None if every is None else as_span("every", every, 1),
        timezone=edits.get("timezone", old.timezone),
        misfire=misfire,
        misfire_cap=cap,
        queue=checked_name("queue", edits.get("queue", old.queue)),
        priority=priorities.rank(edits["priority"]) if "priority" in edits else old.priority,
    )
    first = core.first_tick(new.cron, new.every_ms, new.timezone, now)
    return core.put_over(old, replace(new, next_at=first))


def pause_schedule(name: str, hand: Hand | None = None) -> Flow[ScheduleInfo | None]:
    """It does not tick until it is resumed. None: there is none of this name."""
    act = _act(hand, "pause_schedule", name)
    return (yield from _amend(name, lambda old, _: replace(old, next_at=None), act))


def resume_schedule(name: str, hand: Hand | None = None) -> Flow[ScheduleInfo | None]:
    """It ticks again, from now on. None: there is none of this name."""
    return (yield from _amend(name, core.resumed, _act(hand, "resume_schedule", name)))


def unschedule(name: str, hand: Hand | None = None) -> Flow[bool]:
    """No schedule has this name. Whether one had."""
    act = _act(hand, "unschedule", checked_name("schedule", name))
    return (yield from ask(RemoveSchedule(name, act)))


def fire_schedule(
    name: str, new_id: Callable[[], bytes], hand: Hand | None = None
) -> Flow[Job | None]:
    """One of its jobs waits now, as stored; its ticks stay as they are. None: no such schedule."""
    one = yield from _stored(checked_name("schedule", name))
    if one is None:
        return None
    job = NewJob(new_id(), one.job_type, one.queue, one.priority, one.payload)
    now = (yield from ask(FireNow(job, _act(hand, "fire_schedule", name)))).now
    return conversion.job_of(
        Record(0, job.id, job.job_type, job.queue, job.priority, job.payload, now, now)
    )


def declare(declared: Callable[[Millis], Sequence[Schedule]]) -> Flow[list[ScheduleInfo]]:
    """What code declares is stored, unless it was before and was edited since. As they stand."""
    stand: list[ScheduleInfo] = []
    for one in declared((yield from ask(Time()))):
        stored = yield from _put(one.name, _as_declared(one))
        assert stored is not None
        stand.append(_info(stored))
    return stand


def _as_declared(one: Schedule) -> Decide:
    return lambda old, _: core.declared_over(old, one)


def _act(hand: Hand | None, what: What, name: str) -> Act | None:
    return None if hand is None else hand.act(what, name, undoable=False)


def _amend(
    name: str, change: Callable[[Schedule, Millis], Schedule], act: Act | None
) -> Flow[ScheduleInfo | None]:
    checked_name("schedule", name)
    stands = yield from _put(name, lambda old, now: None if old is None else change(old, now), act)
    return None if stands is None else _info(stands)


def _put(name: str, decide: Decide, act: Act | None = None) -> Flow[Schedule | None]:
    """What is decided about the stored one is stored in its place; what stands then."""
    while True:
        old = yield from _stored(name)
        # In this order: no tick that fired before the look lies after this moment.
        now = yield from ask(Time())
        new = decide(old, now)
        if new is None or new == old or (yield from ask(PutSchedule(new, old, act))):
            return new


def _stored(name: str) -> Flow[Schedule | None]:
    found = yield from ask(Schedules())
    return next((one for one in found if one.name == name), None)


# Look


def schedules() -> Flow[list[ScheduleInfo]]:
    """All schedules, by name."""
    found = yield from ask(Schedules())
    if not any(one.declared for one in found):
        return [_info(one) for one in found]
    workers = yield from statistics_flows.workers()
    kept = {name for worker in workers for name in worker.schedules}
    return [
        _info(one, orphaned=bool(workers and one.declared and one.name not in kept))
        for one in found
    ]


def shown(one: Schedule) -> ScheduleInfo:
    """A schedule that code declares, as people see it."""
    return _info(replace(one, declared=core.fingerprint(one)))


def _info(one: Schedule, *, orphaned: bool = False) -> ScheduleInfo:
    return ScheduleInfo(
        name=one.name,
        job_type=one.job_type,
        queue=one.queue,
        priority=priorities.name(one.priority),
        args=_args(one),
        cron=one.cron,
        every=None if one.every_ms is None else one.every_ms * _MILLISECOND,
        timezone=one.timezone,
        next_at=None if one.next_at is None else wire.at(one.next_at),
        misfire=one.misfire,
        misfire_cap=one.misfire_cap,
        paused=one.next_at is None,
        origin=core.origin(one),
        orphaned=orphaned,
        fired_at=None if one.fired_at is None else wire.at(one.fired_at),
        last_job=None if one.last_job is None else shown_id(one.last_job),
    )


def _args(one: Schedule) -> dict[str, JSON]:
    """Its arguments; one that cannot be read hides no others, and says what is wrong."""
    try:
        return wire.decode_payload(one.payload).args
    except RecordError as error:
        return {UNREADABLE: str(error)}
