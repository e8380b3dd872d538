"""What operators ask and do, each written once as steps.

What belongs here: flows for the person on call. What does not: what every caller can do (`flows`),
the log of acts and taking one back (`audit_flows`), and what an answer means (`core`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import count as counting
from typing import Any, TypeAlias
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from boundary.jobs.core import conversion, lifecycle, trails, wire
from boundary.jobs.core import why as reasons
from boundary.jobs.core.happenings import Retried
from boundary.jobs.core.names import checked_name, shown_id
from boundary.jobs.core.operations import (
    ASIDE,
    BATCH,
    Act,
    Delete,
    Edit,
    Explain,
    Find,
    Group,
    Groups,
    Members,
    Purge,
    Retry,
    Search,
    Stats,
    Time,
    What,
)
from boundary.jobs.core.records import Job, JobError
from boundary.jobs.core.redaction import secrets_in
from boundary.jobs.core.secret import resealed
from boundary.jobs.core.values import JSON
from boundary.jobs.core.why import Why
from boundary.jobs.core.wire import Record
from boundary.jobs.errors import IllegalTransition, PayloadTooLarge, UsageError
from boundary.jobs.shell.flows import (
    PAGE,
    Flow,
    JobId,
    Tell,
    ask,
    checked_limit,
    find,
    job_type_or_none,
    queue_or_none,
)
from boundary.jobs.shell.hands import Action, Hand
from boundary.jobs.shell.options import as_id, as_instant


class FailureGroup(Struct, frozen=True, kw_only=True):
    """Dead letters with one cause: job type, exception type, innermost frames.

    Attributes:
        fingerprint: What `retry_failed` and `delete_failed` take.
        queues: In which they are.
        count: How many there are now (since the instant asked for).
        error: Of the latest.
        sample: The latest; None if it has gone meanwhile.
    """

    fingerprint: str
    job_type: str
    queues: tuple[str, ...]
    count: int
    first_seen: datetime
    last_seen: datetime
    error: JobError | None = None
    sample: Job | None = None


def why(job_id: JobId) -> Flow[Why | None]:
    """Why the job is not running, at this moment. None: no such job."""
    facts = yield from ask(Explain(as_id(job_id)))
    return None if facts is None else reasons.why(facts)


def failure_groups(
    *,
    fingerprint: str | None,
    queue: str | None,
    job_type: str | None,
    since: datetime | None,
    limit: int,
) -> Flow[list[FailureGroup]]:
    """Dead letters by cause, that seen last first."""
    groups = yield from ask(
        Groups(
            queue_or_none(queue),
            job_type_or_none(job_type),
            None if since is None else as_instant("since", since),
            checked_limit(limit, PAGE),
            fingerprint,
        )
    )
    samples = yield from ask(Find(tuple([group.sample for group in groups])))
    jobs = [None if record is None else conversion.job_of(record) for record in samples]
    return [_group(group, job) for group, job in zip(groups, jobs, strict=True)]


def _group(group: Group, sample: Job | None) -> FailureGroup:
    return FailureGroup(
        fingerprint=group.cause,
        job_type=group.job_type,
        queues=group.queues,
        count=group.count,
        first_seen=wire.at(group.first),
        last_seen=wire.at(group.last),
        error=None if sample is None else sample.error,
        sample=sample,
    )


class Picked(Struct, frozen=True):
    """Which dead letters an act is about: of one cause, or of a queue or type, or all."""

    fingerprint: str | None = None
    queue: str | None = None
    job_type: str | None = None
    limit: int | None = None

    @property
    def target(self) -> str:
        """The same in words, for the log."""
        parts = (("cause", self.fingerprint), ("queue", self.queue), ("type", self.job_type))
        told = " ".join(f"{name} {value}" for name, value in parts if value is not None)
        return f"dead letters: {told or 'all'}"


def picked(
    fingerprint: str | None, queue: str | None, job_type: str | None, limit: int | None
) -> Picked:
    """The dead letters meant.

    Raises:
        UsageError: A condition is not what it may be.
    """
    if fingerprint is not None and not fingerprint:
        raise UsageError("the fingerprint is empty; failure_groups() tells which there are")
    return Picked(
        fingerprint,
        queue_or_none(queue),
        job_type_or_none(job_type),
        None if limit is None else checked_limit(limit, None, least=0),
    )


Told: TypeAlias = Callable[[int], object]
"""Called with how many jobs an act on many has changed so far, after each batch."""


def retry_failed(
    pick: Picked,
    hand: Hand | None,
    *,
    first: int = 0,
    rate: float | None = None,
    progress: Told | None = None,
) -> Flow[Action]:
    """Dead letters wait again, each at most once: `first` of them at once, the others spaced."""
    if rate is not None and not 0 < rate <= FASTEST:
        raise UsageError(f"rate is jobs a second, above 0 to {FASTEST}, not {rate!r:.40}")
    if isinstance(first, bool) or first < 0:
        raise UsageError(f"first is how many wait for no rate, from 0 on, not {first!r:.40}")
    number = counting(1)

    def retried(ids: tuple[bytes, ...], act: Act | None) -> Flow[int]:
        delays = () if rate is None else tuple([_delay(next(number), first, rate) for _ in ids])
        verdicts = yield from ask(Retry(ids, delays, act))
        done = tuple([id for id, one in zip(ids, verdicts, strict=True) if one == "done"])
        yield from _tell_retried(done)
        return len(done)

    return (yield from _each_batch("retry", pick, hand, retried, progress))


def _tell_retried(ids: tuple[bytes, ...]) -> Flow[None]:
    records = [one for one in (yield from ask(Find(ids))) if one is not None]
    now = yield from ask(Time())
    yield Tell(Retried(now, tuple([conversion.job_of(one) for one in records])))


def _delay(number: int, first: int, rate: float) -> int:
    """How long (ms) the job of this number waits."""
    return round(max(0, number - max(first, 1)) * 1000 / rate)


FASTEST = 100_000


def delete_failed(pick: Picked, hand: Hand | None, *, progress: Told | None = None) -> Flow[Action]:
    """Dead letters are gone."""

    def deleted(ids: tuple[bytes, ...], act: Act | None) -> Flow[int]:
        return sum((yield from ask(Delete(ids, act))))

    return (yield from _each_batch("delete", pick, hand, deleted, progress))


def _each_batch(
    what: What,
    pick: Picked,
    hand: Hand | None,
    do: Callable[[tuple[bytes, ...], Act | None], Flow[int]],
    progress: Told | None,
) -> Flow[Action]:
    """Do it to the dead letters meant, batch by batch; those that die meanwhile are left out."""
    until = yield from ask(Time())
    done, cursor = 0, None
    while pick.limit is None or done < pick.limit:
        room = BATCH if pick.limit is None else min(BATCH, pick.limit - done)
        ids, cursor = yield from _batch(pick, until, room, cursor)
        act = None
        if hand is not None:
            act = hand.act(what, pick.target, undoable=done + len(ids) <= ASIDE)
        changed = (yield from do(ids, act)) if ids else 0
        done += changed
        if progress is not None:
            progress(done)
        if cursor is None and not changed:
            break
        if pick.fingerprint is None and cursor is None:
            break
    return _action(what, pick.target, done, hand, undoable=0 < done <= ASIDE)


def _batch(
    pick: Picked, until: int, room: int, cursor: str | None
) -> Flow[tuple[tuple[bytes, ...], str | None]]:
    """Some of the dead letters meant, and where a search goes on."""
    if pick.fingerprint is not None:
        ids = yield from ask(Members(pick.fingerprint, pick.queue, until, room))
        return ids, None
    search = Search("failed", pick.job_type, pick.queue, limit=min(room, PAGE), cursor=cursor)
    page = yield from ask(search)
    dead = [one.id for one in page.records if one.ending in lifecycle.DEAD]
    return tuple(dead), page.cursor


def _action(what: What, target: str, count: int, hand: Hand | None, *, undoable: bool) -> Action:
    id = None if hand is None else UUID(bytes=hand.id)
    return Action(
        id=id, what=what, target=target, count=count, undoable=undoable and hand is not None
    )


def purge(queue: str, hand: Hand | None = None, *, progress: Told | None = None) -> Flow[int]:
    """Jobs of the queue that wait are gone. How many."""
    name = checked_name("queue", queue)
    act = None
    if hand is not None:
        snapshot = yield from ask(Stats(name))
        waiting = sum(load.ready + load.scheduled for load in snapshot.loads)
        act = hand.act("purge", name, undoable=waiting <= ASIDE)
    count = 0
    while gone := (yield from ask(Purge(name, act=act))):
        count += gone
        if progress is not None:
            progress(count)
        if act is not None and count > ASIDE:
            act = replace(act, undo_ms=0)
    return count


def edit(
    job_id: JobId,
    args: Mapping[str, Any],
    bind: Callable[[str, Mapping[str, Any]], dict[str, JSON]],
    limit: int,
    hand: Hand | None,
) -> Flow[Job | None]:
    """The job has these arguments; a dead letter waits again. None: no such job."""
    (record,) = yield from ask(Find((as_id(job_id),)))
    if record is None:
        return None
    if record.status not in {"pending", "retrying", "failed"}:
        raise _not_to_edit(record)
    before = conversion.job_of(record).args
    bound = resealed(bind(record.job_type, args), before)
    data = wire.with_args(record.payload, bound)
    if len(data) > limit:
        raise PayloadTooLarge(
            f"the arguments take {len(data):,} bytes, more than {limit:,}; store the data "
            "elsewhere and pass where it is, or raise payload_limit",
            size=len(data),
            limit=limit,
        )
    act = None if hand is None else hand.act("edit", str(shown_id(record.id)))
    trail = _without_former_secrets(record, before, bound)
    verdict = yield from ask(Edit(record.id, record.token, record.updated, data, act, trail))
    if verdict == "refused":
        raise _not_to_edit(record)
    job = yield from find(job_id)
    if record.status == "failed" and job is not None:
        yield Tell(Retried(wire.millis(job.updated_at), (job,)))
    return job


def _without_former_secrets(
    record: Record, before: dict[str, JSON], args: dict[str, JSON]
) -> bytes | None:
    """The trail without what the former arguments had under the name of a secret; None: as it is.

    What is hidden in errors whenever they are shown is known by the arguments, and those are gone.
    """
    gone = secrets_in(before) - secrets_in(args)
    return trails.concealed(record.trail, gone) if gone and record.trail else None


def _not_to_edit(record: Record) -> IllegalTransition:
    return IllegalTransition(
        f"job {shown_id(record.id)} is {record.status}, or changed a moment ago; only a job that "
        "waits or is dead gets other arguments",
        status=record.status,
        event="edit",
    )
