"""Why a job is not running.

What belongs here: one answer from the facts of one moment (`operations.Facts`): a code for
programs, a sentence for people, and what to do next. What does not: gathering the facts, and how
the answer is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from msgspec import MsgspecError, Struct

from boundary.jobs.core import conversion, wire
from boundary.jobs.core.names import shown_id
from boundary.jobs.core.operations import AHEAD, Facts, Glimpse, Holding
from boundary.jobs.core.records import Job, JobError, Status
from boundary.jobs.core.stats import WorkerNote, worker_note

Reason: TypeAlias = Literal[
    "due_later",
    "retrying",
    "paused",
    "no_worker",
    "no_handler",
    "slots_busy",
    "waiting_turn",
    "running",
    "stopping",
    "lease_ended",
    "parked",
    "completed",
    "failed",
    "cancelled",
]
"""
due_later: it waits for an instant. retrying: so, after a failed run. paused: its queue is.
no_worker: no live worker serves its queue. no_handler: some do, none knows its type. slots_busy:
each that would run it runs all it can. waiting_turn: others come first, or nothing stands in its
way. running: a worker holds it. stopping: so, and was asked to stop it. lease_ended: the worker
that held it is lost. parked: stored, but in no queue. completed, failed, cancelled: it ended so.
"""

NAMED = 5
"""Workers and job types a sentence names."""

SHOWN = 200
"""Characters of an error a sentence shows."""

SECOND = 1_000


class BusyWith(Struct, frozen=True):
    """A job that keeps a worker busy."""

    job_id: UUID
    job_type: str
    queue: str
    worker: str
    started_at: datetime | None


class Why(Struct, frozen=True, kw_only=True):
    """Why a job is not running, at the moment it was asked.

    Attributes:
        reason: A stable code.
        sentence: The same for people.
        next_step: What to do about it, or that nothing need be done.
        until: When this changes by itself: it is due, or the lease of its worker ends.
        ahead: How many ready jobs of its queue come before it; 10,000: that many or more.
        workers: Ids of the workers meant: that hold it, that serve its queue but do not know its
            type, or that are busy.
        busy_with: Some of what these run, for `slots_busy`.
        error: Why its latest run failed.
        paused: Its queue is paused, whatever else holds it up.
    """

    job_id: UUID
    job_type: str
    queue: str
    status: Status
    reason: Reason
    sentence: str
    next_step: str
    asked_at: datetime
    until: datetime | None = None
    ahead: int | None = None
    workers: tuple[str, ...] = ()
    busy_with: tuple[BusyWith, ...] = ()
    error: JobError | None = None
    paused: bool = False


class _Worker(Struct, frozen=True):
    """A live worker that said what it serves."""

    row: Holding
    note: WorkerNote

    @property
    def place(self) -> str:
        """Where it runs, for people."""
        return f"{self.note.host}:{self.note.pid}"

    @property
    def is_full(self) -> bool:
        """Whether it runs all it can."""
        return self.row.held >= self.note.concurrency


class _Answer(Struct, frozen=True):
    """What differs from reason to reason."""

    reason: Reason
    sentence: str
    next_step: str
    until: int | None = None
    ahead: int | None = None
    workers: tuple[str, ...] = ()
    busy_with: tuple[BusyWith, ...] = ()


def why(facts: Facts) -> Why:
    """The first reason that holds, in the order in which it would have to be mended."""
    job = conversion.job_of(facts.record)
    answer = _answer(facts, job)
    return Why(
        job_id=job.id,
        job_type=job.job_type,
        queue=job.queue,
        status=job.status,
        reason=answer.reason,
        sentence=answer.sentence,
        next_step=answer.next_step,
        asked_at=wire.at(facts.now),
        until=wire.instant(answer.until),
        ahead=answer.ahead,
        workers=answer.workers,
        busy_with=answer.busy_with,
        error=job.error if job.status in {"retrying", "failed"} else None,
        paused=facts.paused,
    )


def _answer(facts: Facts, job: Job) -> _Answer:
    record = facts.record
    if record.completed is not None or record.ending:
        return _finished(facts, job)
    if record.status == "running":
        return _running(facts, job)
    if record.parked:
        return _Answer(
            "parked",
            "It is stored, but in no queue: it was saved and never enqueued.",
            "Enqueue it: queue.enqueue_job(queue, job).",
        )
    if record.due is not None and record.due > facts.now:
        return _later(facts, job, record.due)
    return _ready(facts, job)


def _finished(facts: Facts, job: Job) -> _Answer:
    ago = span(facts.now - (facts.record.completed or facts.now))
    if job.status == "completed":
        return _Answer("completed", f"It completed {ago} ago.", "Nothing: it is done.")
    if job.status == "cancelled":
        reason = f" ({job.reason})" if job.reason else ""
        return _Answer(
            "cancelled",
            f"It was cancelled {ago} ago{reason}.",
            "Nothing; enqueue a new job if it is wanted after all.",
        )
    runs = job.retry_count + 1
    said = f": {job.error.type}: {_brief(job.error.message)}" if job.error else ""
    return _Answer(
        "failed",
        f"It failed for good {ago} ago, in run {runs} of at most {job.max_retries + 1}{said}.",
        f"Mend the cause, then run it again: boundary-jobs retry {job.id}.",
    )


def _running(facts: Facts, job: Job) -> _Answer:
    record = facts.record
    since = span(facts.now - (record.started or facts.now))
    found = {one.worker: one for one in facts.workers}.get(record.worker or "")
    who = (record.worker,) if record.worker else ()
    if found is None:
        return _Answer(
            "lease_ended",
            f"Worker {record.worker} took it {since} ago and is lost: its lease has ended.",
            "Any live worker's sweep takes it back within seconds; see that one runs: "
            "boundary-jobs workers.",
            workers=who,
        )
    left = span(found.expires - facts.now)
    if record.cancelling:
        return _Answer(
            "stopping",
            f"It runs since {since} on {record.worker} and was asked to stop.",
            "Wait for its handler to look at ctx.cancelled; if it never does, restart the worker.",
            found.expires,
            workers=who,
        )
    return _Answer(
        "running",
        f"It is running: {record.worker} took it {since} ago, its lease ends in {left} unless "
        "renewed.",
        f"Nothing; to end it: boundary-jobs cancel {job.id}.",
        found.expires,
        workers=who,
    )


def _later(facts: Facts, job: Job, due: int) -> _Answer:
    left = span(due - facts.now)
    also = f" Queue {job.queue} is paused too." if facts.paused else ""
    if job.status != "retrying":
        return _Answer(
            "due_later",
            f"It is scheduled for {wire.at(due):%Y-%m-%d %H:%M:%S} UTC, in {left}.{also}",
            "Wait; or enqueue it anew without a delay.",
            due,
        )
    said = f": {job.error.type}: {_brief(job.error.message)}" if job.error else ""
    return _Answer(
        "retrying",
        f"Run {job.retry_count} of at most {job.max_retries + 1} failed{said}. It is tried again "
        f"in {left}.{also}",
        "Wait for the retry, or mend what it says.",
        due,
    )


def _ready(facts: Facts, job: Job) -> _Answer:
    if facts.paused:
        return _Answer(
            "paused",
            f"Queue {job.queue} is paused; workers pass over it.",
            f"Let it go on: boundary-jobs resume {job.queue}.",
            ahead=facts.ahead,
        )
    workers = _said(facts.workers)
    serving = [one for one in workers if one.note.serves(job.queue)]
    if not serving:
        return _nobody(facts, job, workers)
    knowing = [one for one in serving if one.note.knows(job.job_type)]
    if not knowing:
        return _Answer(
            "no_handler",
            f"{_count(len(serving), 'worker serves', 'workers serve')} queue {job.queue}, and none "
            f"has a handler for {job.job_type}: {_names(one.place for one in serving)}.",
            f"Start a worker with the module that registers {job.job_type}, or mend its name.",
            ahead=facts.ahead,
            workers=_ids(serving),
        )
    if all(one.is_full for one in knowing):
        return _busy(facts, knowing)
    return _turn(facts, job, knowing)


def _nobody(facts: Facts, job: Job, workers: list[_Worker]) -> _Answer:
    others = f" {len(workers)} serve other queues." if workers else ""
    return _Answer(
        "no_worker",
        f"No live worker serves queue {job.queue}.{others}",
        f"Start one: boundary-jobs worker MODULE --queues {job.queue}.",
        ahead=facts.ahead,
        workers=_ids(workers),
    )


def _busy(facts: Facts, knowing: list[_Worker]) -> _Answer:
    slots = sum(one.note.concurrency for one in knowing)
    busy_with = tuple(
        [_busy_with(glimpse, one.row.worker) for one in knowing for glimpse in one.row.some]
    )
    kinds = _names(one.job_type for one in busy_with)
    return _Answer(
        "slots_busy",
        f"{_count(slots, 'slot', 'slots')} on {_count(len(knowing), 'worker', 'workers')} would "
        f"run it, and all are busy, with {kinds}. {_ahead(facts.ahead)}.",
        "Wait, or start another worker, or raise --concurrency.",
        ahead=facts.ahead,
        workers=_ids(knowing),
        busy_with=busy_with,
    )


def _turn(facts: Facts, job: Job, knowing: list[_Worker]) -> _Answer:
    if facts.record.due is not None:
        return _Answer(
            "waiting_turn",
            "Its instant has come; the next claim of a worker puts it in line.",
            "Nothing. If this stays, see that scheduled_processor.enabled is not switched off.",
            facts.record.due,
            workers=_ids(knowing),
        )
    fast = "Nothing: it is taken within a moment. If this stays, look at the worker's log."
    return _Answer(
        "waiting_turn",
        f"It waits its turn: {_ahead(facts.ahead)}, and "
        f"{_count(len(knowing), 'worker takes', 'workers take')} jobs from queue {job.queue}.",
        fast if facts.ahead == 0 else "Wait, or start another worker, or give it a priority.",
        ahead=facts.ahead,
        workers=_ids(knowing),
    )


def _said(rows: tuple[Holding, ...]) -> list[_Worker]:
    """The workers that said what they serve; a note of another version serves nothing."""
    found: list[_Worker] = []
    for row in rows:
        try:
            note = worker_note(row.info)
        except MsgspecError:
            note = None
        if note is not None:
            found.append(_Worker(row, note))
    return found


def _busy_with(glimpse: Glimpse, worker: str) -> BusyWith:
    return BusyWith(
        shown_id(glimpse.id),
        glimpse.job_type,
        glimpse.queue,
        worker,
        wire.instant(glimpse.started),
    )


def _ids(workers: list[_Worker]) -> tuple[str, ...]:
    return tuple([one.row.worker for one in workers])


def _names(names: Iterable[str]) -> str:
    every = list(dict.fromkeys(names))
    more = f" and {len(every) - NAMED} more" if len(every) > NAMED else ""
    return ", ".join(every[:NAMED]) + more


def _ahead(number: int) -> str:
    if number == 0:
        return "It is the next of its queue"
    more = " or more" if number >= AHEAD else ""
    return f"{number:,}{more} of its queue are ahead of it"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _brief(text: str) -> str:
    line = text.splitlines()[0] if text.strip() else text
    return line if len(line) <= SHOWN else line[:SHOWN] + "…"


def span(ms: int) -> str:
    """A duration in its two largest units: ``2 min 5 s``."""
    if ms < SECOND:
        return f"{max(ms, 0)} ms"
    seconds = ms // SECOND
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    parts: list[str] = []
    for name, size in units:
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number} {name}")
    return " ".join(parts[:2])
