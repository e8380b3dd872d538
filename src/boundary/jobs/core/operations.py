"""The vocabulary: everything that can be asked of a store, each as one atomic step.

What belongs here: each operation as a frozen record whose docstring is its contract, and the
records it answers with. What does not: how any store does it (`model` is the reference, the
adapters are checked against it).

Every operation is batch-first and atomic: it happens wholly or not at all, and no other
operation sees a half of it. Instants are milliseconds since the epoch by the *store's* clock.
An operation validates before it writes; if it raises, nothing has changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Generic, Literal, TypeAlias, TypeVar, cast

from msgspec import Struct
from msgspec.structs import replace

from boundary.jobs.core import searching
from boundary.jobs.core.records import DEFAULT_QUEUE, Status
from boundary.jobs.core.stats import Counters
from boundary.jobs.core.wire import Millis, NewJob, Record
from boundary.jobs.errors import UsageError

R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")

MAX_DIGITS = 19
"""Digits of a cursor: what fits 64 bits."""

BATCH = 250
"""Most jobs one operation carries: a script that has written cannot be stopped half-way."""

Verdict: TypeAlias = Literal["done", "requested", "refused", "missing"]
"""`done`; `requested` (a worker was asked); `refused` (its status does not allow it); `missing`."""

Settling: TypeAlias = Literal[
    "succeed", "fail", "exhaust", "discard", "cancel", "release", "snooze", "quarantine"
]
"""The life-cycle events by which a worker ends its hold on a job."""


ENQUEUE_BATCH = 500
"""Most jobs one `Enqueue` carries."""

FRAME = 4_000
"""Most bytes of a frame of events: what a named pipe takes wholly or not at all."""


class Topic(StrEnum):
    """What a listener can be told of. A notice is a hint: it may come late, twice or never."""

    WORK = "work"
    """A queue may hold a job it did not hold before, or something may be due sooner.

    Of those that wait for work at least one is told; a claim that leaves ready jobs behind tells
    the next.
    """
    RESULT = "result"
    """A job may have reached its end."""
    CONTROL = "control"
    """A worker may have been asked something (a running job was cancelled, an order given)."""


class Interest(Struct, frozen=True):
    """What a listener wants to be told of; it may be told of more.

    Attributes:
        queues: Of `WORK`, in these queues; None: in any.
        job: Of `RESULT`, of the job with this id; None: of any.
    """

    topic: Topic
    queues: tuple[str, ...] | None = None
    job: bytes | None = None


class Operation(Struct, Generic[R_co], frozen=True):
    """A question to a store, answered with `R_co`."""


# A job comes in


class Enqueued(Struct, frozen=True, gc=False):
    """When the store took the jobs, and for each whether it is new.

    `watched` (here and in other replies): somebody follows events, so tell of it by `Announce`.
    """

    now: Millis
    fresh: tuple[bool, ...]
    watched: bool = False


class Enqueue(Operation[Enqueued], frozen=True):
    """Each job is stored and waits: at the tail of its queue and priority, or for its instant.

    An id the store holds already makes no second job (`fresh` is False and nothing of it
    changes), except that a parked job starts to wait as if it came in now.

    Raises:
        StoreFull: No room; none was stored.
    """

    jobs: tuple[NewJob, ...]


# A worker's cycle


def queue_order(names: Iterable[str]) -> list[str]:
    """The order in which a worker of every queue serves them: the default one, then by name."""
    return sorted(names, key=lambda name: (name != DEFAULT_QUEUE, name))


Misfire: TypeAlias = Literal["skip", "once", "all"]
"""What becomes of ticks nobody fired in time: none, the latest, each (`core.schedules.due`)."""

MISFIRE_CAP = 100
"""How many missed ticks ``all`` makes up for unless told otherwise."""


class Schedule(Struct, frozen=True):
    """A standing order: make such a job at each tick.

    Exactly one of `cron` and `every_ms` is set.

    Attributes:
        next_at: The next tick; None: it is paused.
        job_type, queue, priority, payload: What each tick enqueues.
        misfire: What becomes of missed ticks.
        misfire_cap: How many of them ``all`` makes up for, the latest.
        declared: Of one that code declared, what tells that declaration from others; else empty.
        fired_at: When a job was last made for it.
        last_job: That job's id.
    """

    name: str
    job_type: str
    queue: str
    priority: int
    payload: bytes
    next_at: Millis | None
    cron: str | None = None
    every_ms: int | None = None
    timezone: str = "UTC"
    misfire: Misfire = "once"
    misfire_cap: int = MISFIRE_CAP
    declared: bytes = b""
    fired_at: Millis | None = None
    last_job: bytes | None = None

    @property
    def ticks(self) -> tuple[str | None, int | None, str]:
        """What says when it ticks."""
        return self.cron, self.every_ms, self.timezone


def lease_end(expires: Millis, now: Millis, lease_ms: int) -> Millis:
    """When a lease that would end at `expires` ends after a claim.

    While half of it is left a claim leaves it alone, so that a worker that looks for jobs again
    and again, and finds none, does not make the store write each time; heartbeats renew it anyway.
    """
    return expires if 2 * (expires - now) >= lease_ms else now + lease_ms


class Claimed(Struct, frozen=True, gc=False):
    """What a claim brought.

    Attributes:
        now: The store's clock.
        jobs: In the order to run them; each is `running`, its `token` new.
        next_due: The earliest instant at which a waiting job or a tick comes due.
        cancelling: Ids of jobs this worker holds that were asked to stop.
        ticks: Schedules whose tick is due; `Fire` them.
        alive: False: the store does not know this worker (any more) and gave it nothing; what it
            held was taken back. It must go on under a new incarnation.
        watched: As in `Enqueued`; a claim that brought no jobs need not look, and says False.
    """

    now: Millis
    jobs: tuple[Record, ...]
    next_due: Millis | None = None
    cancelling: tuple[bytes, ...] = ()
    ticks: tuple[Schedule, ...] = ()
    alive: bool = True
    watched: bool = False


class Claim(Operation[Claimed], frozen=True):
    """Jobs that are ready are held by this worker under its lease.

    The lease is renewed unless half of it is left (`lease_end`).

    First, up to `promote` jobs whose instant has come join the tail of their queue, in order of
    that instant. Then jobs are taken queue by queue in the order given, critical to low within a
    queue, first in first out within a priority; paused queues are passed over. A queue is taken
    from while fewer than `slots` plus its number in `ahead` were taken in all, and fewer than its
    number in `limits` from itself. A taken job gets `token + 1`, status `running`, `started` = now, no progress and no cancel request.

    Attributes:
        worker: Incarnation of the worker.
        queues: In strict order; None: every queue that has jobs, ``default`` first, then by name.
        slots: Jobs that can start at once; 0 only looks.
        lease_ms: How long after its renewal the worker's hold on all it has ends.
        ahead: (queue, jobs beyond `slots`) that are taken to be run within milliseconds.
        limits: (queue, jobs) of which no more can run here now; 0: it is passed over.
        promote: Most jobs to promote; 0: promotion is switched off here.
        join: Make the worker known if it is not.
    """

    worker: str
    queues: tuple[str, ...] | None
    slots: int
    lease_ms: int
    ahead: tuple[tuple[str, int], ...] = ()
    promote: int = BATCH
    join: bool = False
    limits: tuple[tuple[str, int], ...] = ()


class Outcome(Struct, frozen=True, gc=False):
    """How a run ended.

    Attributes:
        token: From the claim; another token means the job was taken back meanwhile.
        event: `succeed`, `exhaust`, `discard`, `cancel`, `quarantine` end the job; `fail` makes it
            `retrying` and `snooze` `pending`, due after `delay_ms`; `release` makes it `pending`,
            at the head of its queue at once, or due after `delay_ms` if that is above 0.
        trail: Replaces the record's trail.
        retry_count: Replaces the record's.
        keep_ms: How long the record stays if this ends the job; 0: not at all; None: for good.
        duration_ms: How long the run took, for the statistics.
        wait_ms: How long it was waited for, for the same.
        cause: If this makes it a dead letter, the fingerprint of why (`core.causes`); empty: the
            store names one by the ending.
    """

    id: bytes
    token: int
    event: Settling
    trail: bytes = b""
    retry_count: int = 0
    delay_ms: int = 0
    keep_ms: int | None = None
    duration_ms: float = 0.0
    wait_ms: int = 0
    cause: str = ""


class Settled(Struct, frozen=True, gc=False):
    """For each outcome, whether it was accepted."""

    now: Millis
    accepted: tuple[bool, ...]
    watched: bool = False


class Settle(Operation[Settled], frozen=True):
    """Each outcome whose job this worker still holds under that token takes effect; others none.

    A job that was asked to stop and does not end by itself here (`fail`, `snooze`, `release`)
    becomes `cancelled`. Counters of the queue grow by succeeded (`succeed`), failed (`exhaust`,
    `discard`, `quarantine`) and retried (`fail`), with the duration and the wait of each of these;
    so do those of the queue and job type in this minute and this hour.
    """

    worker: str
    outcomes: tuple[Outcome, ...]


class SettleAndClaim(Operation[tuple[Settled, Claimed]], frozen=True):
    """`settle`, then `claim`, as one step: what one round trip of a busy worker does."""

    settle: Settle
    claim: Claim


Word: TypeAlias = Literal["quiet", "unquiet", "drain", "restart"]
"""`quiet`: claim nothing; `unquiet`: claim again; `drain`: end what runs and leave; `restart`: the
same, and somebody starts in its place."""


class Order(Struct, frozen=True):
    """What an operator asks of a worker.

    Attributes:
        id: 16 bytes; another order has another.
    """

    id: bytes
    word: Word


class Beat(Struct, frozen=True, gc=False):
    """Whether the worker is (still) known, and what is asked of it.

    Attributes:
        cancelling: Ids of its jobs that were asked to stop.
        order: The latest given to it; it stays, so that none is lost with an answer.
    """

    now: Millis
    alive: bool
    cancelling: tuple[bytes, ...] = ()
    order: Order | None = None
    watched: bool = False


class Heartbeat(Operation[Beat], frozen=True):
    """The worker's lease ends `lease_ms` after now, and `info` is what `Stats` shows of it.

    A worker the store does not know is made known if `join`, else the answer is not `alive`.
    """

    worker: str
    lease_ms: int
    info: bytes
    join: bool = False


class Inherit(Operation[Beat], frozen=True):
    """The worker goes on as `heir`, with the jobs in `known`; what else it held is released.

    For a worker that does not know whether its last claim took place: what that may have brought
    it goes back as by `Depart`, and the same claim, should it come late, is one of a worker nobody
    knows. Jobs keep their tokens, the heir its order. If the worker is not known the answer is about the heir: alive
    if this was done before.

    Attributes:
        known: (id, token) of each. A job may be held under a later token than the worker knows:
            its outcome was accepted, and the claim of which nothing was heard brought it again.
    """

    worker: str
    heir: str
    known: tuple[tuple[bytes, int], ...]
    lease_ms: int
    info: bytes
    keep_ms: int | None


class Depart(Operation[int], frozen=True):
    """The worker is forgotten; what it held is released to the head of its queues. How many.

    Jobs given back together keep the order in which they were enqueued (so in `Reclaim`). One
    that was asked to stop is `cancelled` instead, and kept for `keep_ms`.
    """

    worker: str
    keep_ms: int | None


class Report(Operation[bool], frozen=True):
    """The progress of a running job is as given, if it is held under that token."""

    id: bytes
    token: int
    progress: bytes


# Those who watch


class Announce(Operation[bool], frozen=True):
    """Who watches hears these frames of events; nothing that is stored changes.

    Whether anybody watches, as far as is known. A frame may get lost, or come twice; it comes
    wholly or not at all, those of one caller that waits for each reply in their order. Nothing
    waits for who watches.

    Attributes:
        frames: As `events.frames_of` makes them, at most `FRAME` bytes each.
    """

    frames: tuple[bytes, ...]


def as_watched(reply: T) -> T:
    """The reply, saying that somebody watches, if it is one that does."""
    told: object = reply
    if isinstance(told, Enqueued | Claimed | Settled | Beat):
        return cast("T", replace(told, watched=True))
    if isinstance(told, tuple):
        parts = cast("tuple[object, ...]", told)
        if parts and isinstance(parts[0], Settled):
            return cast("T", tuple([as_watched(one) for one in parts]))
    return reply


# Duties any worker may carry out


class Promote(Operation[int], frozen=True):
    """Up to `limit` jobs whose instant has come wait at the tail of their queue. How many."""

    limit: int = BATCH


class Reclaim(Operation[tuple[bytes, ...]], frozen=True):
    """Up to `limit` jobs of workers whose lease has ended are taken back; their ids.

    Each has one crash more. At the head of its queue, unless it was asked to stop (then
    `cancelled`) or else has reached `max_crashes` (then `failed`, a dead letter with
    `WorkerLost`, counted as failed). The latest enqueued go first, so that several calls keep
    the order too. A worker left with nothing is forgotten.
    """

    max_crashes: int
    keep_ms: int | None
    limit: int = BATCH


class Prune(Operation[int], frozen=True):
    """Up to `limit` finished jobs past their retention are gone. How many."""

    limit: int = BATCH


Amiss: TypeAlias = Literal[
    "ready",
    "due",
    "running",
    "stopping",
    "status",
    "dead letter",
    "history",
    "retention",
    "log",
    "lane",
    "entry without a job",
    "count",
]
"""What a job (by its record) is missing from, or what is there without a job."""


class Repaired(Struct, frozen=True):
    """What a step of a repair came to.

    Attributes:
        looked: Jobs it looked at.
        amiss: How often each kind of fault was found; a kind that was not is left out.
        cursor: Where to go on; None: all was looked at.
    """

    looked: int
    amiss: tuple[tuple[Amiss, int], ...] = ()
    cursor: str | None = None


class Repair(Operation[Repaired], frozen=True):
    """A stretch of the store is as the jobs' records say.

    The record is the truth; all else (who is ready, due, held, dead, when it is pruned) can be made
    anew of it. A job its record has ready joins the tail of its lane; one that runs is held by its
    worker again, and if the store does not know that worker, under a lease that has just ended: a
    heartbeat renews it, else `Reclaim` takes the job back, with one crash more, as from any
    lost worker. What stands somewhere without a job is taken out. A sound store stays as it is.

    Jobs that come, go and move between the steps are not at fault, and are left alone.

    Attributes:
        cursor: From an earlier step; None: from the beginning.
        limit: Most jobs to look at. (A step may look at as many as a store keeps in one piece.)
        mend: False: nothing is changed, the answer tells what would be.

    Raises:
        UsageError: The cursor is not one of ours.
    """

    cursor: str | None = None
    limit: int = BATCH
    mend: bool = True


# What operators do is in a log

What: TypeAlias = Literal[
    "cancel", "retry", "delete", "purge", "edit", "pause", "resume", "undo",
    "quiet", "unquiet", "drain", "restart",
    "schedule", "edit_schedule", "pause_schedule", "resume_schedule", "fire_schedule", "unschedule",
]  # fmt: skip
"""What an operator may do: with jobs and queues, with workers, with schedules."""

ONCE: frozenset[What] = frozenset({"pause", "resume", "quiet", "unquiet", "drain", "restart"})
"""Of these every part of a store is told, and each counts the same."""

AUDIT = 10_000
"""Entries the log keeps: the newest."""

ASIDE = 10_000
"""Most jobs of one act that callers ask to be kept aside for its undoing."""


LEFT_BY: dict[str, frozenset[str]] = {
    "cancel": frozenset({"cancelled"}),
    "retry": frozenset({"pending"}),
    "edit": frozenset({"pending", "retrying"}),
}
"""How a job stands that nobody has touched since such an act; others leave none."""


class Act(Struct, frozen=True):
    """That an operation is somebody's act, for the log. Several operations may be one act.

    Attributes:
        id: 16 bytes, unique; ids made later are larger (UUID version 7).
        by: Who.
        target: What it is done to, in words; of `pause` and `resume` the queue, of what is done with a
            schedule its name.
        undo_ms: How long it can be undone; 0: not at all. One operation of an act with 0 makes the
            whole act one that cannot be undone.
    """

    id: bytes
    by: str
    what: What
    target: str
    undo_ms: int = 0


class Entry(Struct, frozen=True):
    """An act in the log.

    Attributes:
        at: When its first operation took place.
        count: Jobs it changed (or asked to stop), or workers it told; of one queue or schedule 1.
        undo_until: Until when it can be undone; None: it cannot.
        undone: When it was undone.
    """

    id: bytes
    at: Millis
    by: str
    what: What
    target: str
    count: int
    undo_until: Millis | None = None
    undone: Millis | None = None


# Schedules


class PutSchedule(Operation[bool], frozen=True):
    """The schedule of this name is as given, if it was `over` (None: if none had the name).

    Whether it stands as given now. (An operation with an `act` that changes something is in the log:
    here, and in all below that take one.) `fired_at` and `last_job` are the store's: they stay as they
    are, whatever `schedule` says. What to put is decided in `core.schedules`; who is answered
    False looks again and decides again.
    """

    schedule: Schedule
    over: Schedule | None = None
    act: Act | None = None


class RemoveSchedule(Operation[bool], frozen=True):
    """No schedule has this name. Whether one had."""

    name: str
    act: Act | None = None


class Schedules(Operation[tuple[Schedule, ...]], frozen=True):
    """All schedules, by name. Nothing changes."""


class Fire(Operation[bool], frozen=True):
    """The tick `tick` of a schedule is done: `job` is enqueued and the next tick is `next_at`.

    Only if the schedule still stands at `tick`, so each tick fires once, however many workers
    try, and none of a paused one. Its `fired_at` is now and its `last_job` this one. Without a
    job the tick is passed over, and these stay. Whether it was done now.
    """

    name: str
    tick: Millis
    next_at: Millis
    job: NewJob | None


class FireNow(Operation[Enqueued], frozen=True):
    """A job such as a schedule makes is enqueued, as by `Enqueue`, apart from the schedule's ticks."""

    job: NewJob
    act: Act | None = None


# What operators ask


class Cancel(Operation[tuple[Verdict, ...]], frozen=True):
    """Each job is `cancelled` if it waits (`done`), asked to stop if it runs (`requested`).

    A finished one is `refused`. Undoing it lets those wait again that waited.
    """

    ids: tuple[bytes, ...]
    keep_ms: int | None
    act: Act | None = None


class Retry(Operation[tuple[Verdict, ...]], frozen=True):
    """Each failed job waits at the tail of its queue with a full new budget; others `refused`.

    `retry_count` and `crashes` are 0, `ending` is empty, `execute_at` and `completed` are none;
    the trail stays. Undoing it makes those dead letters again that have not begun.

    Attributes:
        delays: For each id how long (ms) it waits first; empty: none does.
    """

    ids: tuple[bytes, ...]
    delays: tuple[int, ...] = ()
    act: Act | None = None

    def delay(self, place: int) -> int:
        """That of the id at this place."""
        return self.delays[place] if self.delays else 0


class Delete(Operation[tuple[bool, ...]], frozen=True):
    """No such jobs are stored, wherever they were. For each, whether it was.

    Undoing it brings those back that did not run and whose id is not in use again.
    """

    ids: tuple[bytes, ...]
    act: Act | None = None


class Edit(Operation[Verdict], frozen=True):
    """This payload is the job's, if nothing happened to it since it had this token and `updated`.

    One that waits keeps its place; a failed one is retried as by `Retry`. `refused`: it runs, ended
    otherwise, or has changed meanwhile. Undoing it gives the job back what it had.
    """

    id: bytes
    token: int
    updated: Millis
    payload: bytes
    act: Act | None = None


class SetPaused(Operation[bool], frozen=True):
    """Workers pass over the queue, or no longer do. Whether that is a change."""

    queue: str
    paused: bool
    act: Act | None = None


class Purge(Operation[int], frozen=True):
    """Up to `limit` jobs of the queue that wait (ready, scheduled or retrying) are gone.

    First those that are ready, in the order of a claim, then by their instant. How many; call
    again until it is 0. Undoing it brings them back.
    """

    queue: str
    limit: int = BATCH
    act: Act | None = None


class Undone(Struct, frozen=True):
    """What became of an undoing.

    Attributes:
        verdict: `done`; `missing` (no such act is known), `refused` (it cannot be undone), `late`,
            or `already`.
        restored: Jobs that are as they were; of a pause 1.
        skipped: Jobs that have begun, ended or been changed by somebody else meanwhile.
        left: Jobs still to do: ask again.
    """

    verdict: Literal["done", "missing", "refused", "late", "already"]
    restored: int = 0
    skipped: int = 0
    left: int = 0


class Undo(Operation[Undone], frozen=True):
    """Up to `limit` jobs of an act are as they were before it, as far as they still may be.

    A job that comes back waits at the tail of its queue, or for the instant it waited for, or is
    the dead letter it was; to a search it is the newest. What a pause changed is changed back.
    """

    id: bytes
    act: Act
    limit: int = BATCH


class Instruct(Operation[tuple[str, ...]], frozen=True):
    """The latest order of these workers is this one. Those it was given to, by name.

    Only workers that beat are given orders: their lease has not ended, and they said who they are.
    The log counts those whose order it was not before.

    Attributes:
        workers: None: all of them.
    """

    order: Order
    workers: tuple[str, ...] | None = None
    act: Act | None = None


class Take(Operation[Record | None], frozen=True):
    """This waiting (or parked) job is claimed by this worker, which is made known, else None."""

    id: bytes
    worker: str
    lease_ms: int


class Save(Operation[Verdict], frozen=True):
    """A whole record is stored, for the seed's `save_job`.

    Unknown id: stored as given, `pending` parked, `retrying` due at its `execute_at` (now if
    none), `running` held by its worker (one of its own if it names none) for `lease_ms`, a
    finished one as finished (now if it does not say when); `done`. What only jobs of another
    status have is left out. Known id with the same status and token: payload, trail, progress,
    `started` and `updated` are replaced; `done`. Otherwise `refused`: a status changes by its
    own operation.

    Attributes:
        cause: As of an `Outcome`, for a dead letter.
    """

    record: Record
    lease_ms: int
    cause: str = ""


# What one can look at; none of these changes anything


class Audit(Operation[tuple[Entry, ...]], frozen=True):
    """What operators did, the latest act first.

    Attributes:
        before: Only acts with smaller ids than this one.
        limit: 1 to 200.
    """

    limit: int = 50
    before: bytes | None = None


class Time(Operation[Millis], frozen=True):
    """The store's clock."""


class Find(Operation[tuple[Record | None, ...]], frozen=True):
    """The records of these ids, None for each that is not stored."""

    ids: tuple[bytes, ...]


class Peek(Operation[tuple[Record, ...]], frozen=True):
    """The next ready jobs of the queue in the order they would be claimed, none claimed."""

    queue: str
    limit: int = 1


class Page(Struct, frozen=True):
    """Some records, and where to go on; no cursor: that was all."""

    records: tuple[Record, ...]
    cursor: str | None = None


class Search(Operation[Page], frozen=True):
    """Jobs that match every condition given, newest enqueued first.

    Looks at no more than `scan` jobs, so a page may hold fewer than `limit` (even none) and
    still have a cursor.

    Attributes:
        status: Only these.
        since, until: Created in [since, until).
        text: The arguments, metadata, result or errors mention it: in a text, as a number, as true, false
            or null (`searching` has the rule).
        limit: 1 to 200.
        scan: 1 or more.
        cursor: From an earlier page with the same conditions.

    Raises:
        UsageError: The cursor is not one of ours.
    """

    status: Status | None = None
    job_type: str | None = None
    queue: str | None = None
    since: Millis | None = None
    until: Millis | None = None
    text: str | None = None
    limit: int = 50
    cursor: str | None = None
    scan: int = 3_000

    def matches(self, record: Record) -> bool:
        """Whether the record fulfils every condition but the cursor."""
        return (
            self.status in {None, record.status}
            and self.job_type in {None, record.job_type}
            and self.queue in {None, record.queue}
            and (self.since is None or record.created >= self.since)
            and (self.until is None or record.created < self.until)
            and self.mentioned_by(record)
        )

    def mentioned_by(self, record: Record) -> bool:
        """Whether the record holds what `text` stands for, if anything is looked for."""
        return self.text is None or searching.mentions(record, self.text)

    @property
    def needles(self) -> tuple[bytes, ...]:
        """Bytes of which a record that fulfils the condition on its text has one, in payload or trail.

        For a store to pass over most jobs by; what is left it asks `mentioned_by`.
        """
        return () if self.text is None else searching.sought(self.text).needles


def cursor_position(cursor: str | None) -> int | None:
    """The `seq` below which a search goes on; None: from the newest.

    Raises:
        UsageError: The cursor is not one of ours.
    """
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < MAX_DIGITS):
        raise UsageError(
            f"the cursor {cursor[:40]!r} is not one a search returned; leave it out to start anew"
        )
    return int(cursor)


class DeadLetters(Operation[tuple[Record, ...]], frozen=True):
    """The latest dead letters (`exhaust`, `crash`, `quarantine`), newest first."""

    limit: int = 20
    queue: str | None = None
    job_type: str | None = None


GROUPS = 1_000
"""Causes, each in a queue, that one answer looks at: those seen last."""


class Group(Struct, frozen=True):
    """Dead letters with one cause.

    Attributes:
        cause: Their fingerprint, as `core.causes` makes it.
        job_type: Of all of them.
        queues: In which they are, by name.
        first, last: When the first and the last of them ended.
        sample: The id of the last.
    """

    cause: str
    job_type: str
    queues: tuple[str, ...]
    count: int
    first: Millis
    last: Millis
    sample: bytes


class GroupRow(Struct, frozen=True):
    """The part of a group that is in one queue; `seq` is that of the last."""

    cause: str
    job_type: str
    queue: str
    count: int
    first: Millis
    last: Millis
    seq: int
    sample: bytes


class Groups(Operation[tuple[Group, ...]], frozen=True):
    """Dead letters by cause, that seen last first, then by cause.

    Attributes:
        queue, job_type: Only dead letters of these.
        since: Only those that ended at or after it are counted.
        limit: 1 to 200.
    """

    queue: str | None = None
    job_type: str | None = None
    since: Millis | None = None
    limit: int = 50

    def fold(self, rows: Iterable[GroupRow]) -> tuple[Group, ...]:
        """The groups of which these are parts."""
        parts: dict[str, list[GroupRow]] = {}
        for row in rows:
            parts.setdefault(row.cause, []).append(row)
        groups = [_group(many) for many in parts.values()]
        return tuple(sorted(groups, key=lambda one: (-one.last, one.cause))[: self.limit])


def _group(rows: list[GroupRow]) -> Group:
    latest = max(rows, key=lambda row: (row.last, row.seq))
    return Group(
        latest.cause,
        latest.job_type,
        tuple(sorted({row.queue for row in rows})),
        sum(row.count for row in rows),
        min(row.first for row in rows),
        latest.last,
        latest.sample,
    )


class Members(Operation[tuple[bytes, ...]], frozen=True):
    """Ids of dead letters with this cause, that which ended first first.

    Attributes:
        queue: Only those in it.
        until: Only those that ended at or before it.
    """

    cause: str
    queue: str | None = None
    until: Millis | None = None
    limit: int = BATCH


class History(Operation[tuple[Record, ...]], frozen=True):
    """The latest finished jobs of a type, newest first."""

    job_type: str
    limit: int = 20


class QueueLoad(Struct, frozen=True):
    """How many jobs of a queue are ready, wait for an instant, and run.

    Attributes:
        oldest: Since when the next job is ready, of each priority, whichever is longest so.
    """

    queue: str
    ready: int
    scheduled: int
    running: int
    paused: bool
    oldest: Millis | None = None


class WorkerRow(Struct, frozen=True):
    """A known worker: its `info` as it sent it, the end of its lease, the ids it holds."""

    worker: str
    info: bytes
    expires: Millis
    held: tuple[bytes, ...]


class Snapshot(Struct, frozen=True):
    """A store at one moment, by name: every queue with jobs to run, counters or a pause.

    Jobs to run are ready, wait for an instant or run; parked and finished ones are not counted.
    """

    now: Millis
    loads: tuple[QueueLoad, ...]
    counters: tuple[Counters, ...]
    workers: tuple[WorkerRow, ...]


class Stats(Operation[Snapshot], frozen=True):
    """Queues, counters and workers. `queue` narrows it to one (workers are left out then)."""

    queue: str | None = None


AHEAD = 10_000
"""Jobs ahead of one that are counted; more are as many as these."""

ALIVE = 200
"""Workers one answer tells of."""

GLIMPSES = 5
"""Jobs of each worker it names."""


class Glimpse(Struct, frozen=True):
    """A job that runs, in few words."""

    id: bytes
    job_type: str
    queue: str
    started: Millis | None


class Holding(Struct, frozen=True):
    """A live worker: its `info`, the end of its lease, how many jobs it holds, some of them."""

    worker: str
    info: bytes
    expires: Millis
    held: int
    some: tuple[Glimpse, ...]


class Facts(Struct, frozen=True):
    """What decides when a job runs, at one moment.

    Attributes:
        paused: Its queue is.
        ahead: If it is ready, how many jobs of its queue a claim takes before it, up to `AHEAD`;
            with partitions, those in its own. Else 0.
        workers: Those whose lease has not ended, by name, up to `ALIVE`; of what each holds the
            first `GLIMPSES` by id.
    """

    now: Millis
    record: Record
    paused: bool
    ahead: int
    workers: tuple[Holding, ...]


class Explain(Operation[Facts | None], frozen=True):
    """What there is to know of why a job does not run (`core.why` says it); None: no such job."""

    id: bytes


MINUTE, HOUR = 60_000, 3_600_000
SERIES = 1_440
"""Minutes of which `Series` tells: a day."""

HOURS = 720
"""Hours of which it tells: 30 days."""


class Tally(Struct, frozen=True):
    """What runs came to within one minute or hour.

    Attributes:
        begin: Its first moment.
        counters: Of a queue, or (with the queue empty) of a job type in all queues asked about.
        job_type: None in a tally of a queue.
    """

    begin: Millis
    counters: Counters
    job_type: str | None = None


class Series(Operation[tuple[Tally, ...]], frozen=True):
    """What was counted in each of the last `buckets` minutes or hours, this one included.

    Oldest first, then by name. Buckets and names of which nothing was counted are left out.

    Attributes:
        buckets: 1 to `SERIES` minutes or `HOURS` hours; what is older is forgotten.
        queue, job_type: Only these.
        hourly: In hours instead of minutes.
        by: What each tally is about.
    """

    buckets: int = 60
    queue: str | None = None
    job_type: str | None = None
    hourly: bool = False
    by: Literal["queue", "job_type"] = "queue"

    @property
    def step(self) -> Millis:
        """How long a bucket is."""
        return HOUR if self.hourly else MINUTE

    def since(self, now: Millis) -> Millis:
        """The beginning of the first bucket."""
        most = HOURS if self.hourly else SERIES
        return (now // self.step - min(self.buckets, most) + 1) * self.step

    def fold(self, rows: Iterable[tuple[Millis, str, Counters]]) -> tuple[Tally, ...]:
        """The tallies of what was counted: when, of which job type, and how much in a queue."""
        found: dict[tuple[Millis, str], Counters] = {}
        for begin, job_type, counters in rows:
            if self.queue not in {None, counters.queue} or self.job_type not in {None, job_type}:
                continue
            name = counters.queue if self.by == "queue" else job_type
            was = found.get((begin, name), Counters(counters.queue if self.by == "queue" else ""))
            found[begin, name] = was.add(counters)
        return tuple(
            [
                Tally(begin, counters, None if self.by == "queue" else name)
                for (begin, name), counters in sorted(found.items(), key=lambda one: one[0])
            ]
        )


def notices(operation: Operation[object], reply: object) -> frozenset[Topic]:
    """Who may want to know that this operation happened; stores pass it on after the fact."""
    if isinstance(operation, SettleAndClaim):
        return _settle_notices(operation.settle)
    if isinstance(operation, Settle):
        return _settle_notices(operation)
    if isinstance(reply, Repaired):
        return _WORK if reply.amiss else frozenset()
    return _NOTICES.get(type(operation), frozenset()) if reply else frozenset()


def _settle_notices(operation: Settle) -> frozenset[Topic]:
    if not operation.outcomes:
        return frozenset()
    events = {outcome.event for outcome in operation.outcomes}
    return frozenset({Topic.RESULT, Topic.WORK} if events & _REQUEUING else {Topic.RESULT})


_REQUEUING = frozenset({"fail", "release", "snooze"})
_WORK = frozenset({Topic.WORK})
_NOTICES: dict[type[Operation[Any]], frozenset[Topic]] = {
    Enqueue: _WORK,
    Fire: _WORK,
    FireNow: _WORK,
    PutSchedule: _WORK,
    Retry: _WORK,
    Edit: _WORK,
    Undo: _WORK | {Topic.RESULT},
    SetPaused: _WORK,
    Promote: _WORK,
    Reclaim: _WORK | {Topic.RESULT},
    Depart: _WORK | {Topic.RESULT},
    Inherit: _WORK | {Topic.RESULT},
    Cancel: frozenset({Topic.RESULT, Topic.CONTROL}),
    Delete: frozenset({Topic.RESULT, Topic.CONTROL}),
    Purge: frozenset({Topic.RESULT}),
    Instruct: frozenset({Topic.CONTROL}),
    Save: _WORK | {Topic.RESULT},
}
"""What each operation that is not answered with nothing (0, False, none) is worth telling."""
