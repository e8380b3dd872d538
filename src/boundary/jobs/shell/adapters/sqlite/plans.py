"""What each operation does in SQL, as pure generators.

What belongs here: for each operation a plan that yields statements, is sent their rows, and
returns the reply. What does not: a connection, a transaction, a clock. The driver runs a plan
inside one transaction, so a plan is one atomic step; rules of a job come from `core`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from itertools import chain
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import astuple, replace

from boundary.jobs.core import causes, lifecycle, wire
from boundary.jobs.core import operations as ops
from boundary.jobs.core.operations import cursor_position, lease_end, queue_order
from boundary.jobs.core.schedules import is_due, with_last
from boundary.jobs.core.stats import Counters
from boundary.jobs.core.wire import Millis, NewJob, Record
from boundary.jobs.shell.adapters.sqlite import repairing
from boundary.jobs.shell.adapters.sqlite import statements as sql

R = TypeVar("R")


class Ask(Struct, frozen=True, gc=False):
    """Run a statement once; answered with its rows."""

    sql: str
    values: Sequence[Any] = ()


class Do(Struct, frozen=True, gc=False):
    """Run a statement for each row of values; answered with how many rows it changed."""

    sql: str
    rows: Sequence[Sequence[Any]]


Row: TypeAlias = tuple[Any, ...]
Plan: TypeAlias = Generator[Ask | Do, Any, R]

NOWHERE = 2**63 - 1
"""Above every `seq`."""


def plan(operation: ops.Operation[R], now: Millis) -> Plan[R]:
    """The steps of an operation."""
    return _PLANS[type(operation)](operation, now)


def only_looks(operation: ops.Operation[Any]) -> bool:
    """Whether the operation changes nothing."""
    return type(operation) in _LOOKS


def may_be_forgotten(operation: ops.Operation[Any]) -> bool:
    """Whether a power cut may undo the operation though it was answered.

    A claim, a lease, a progress report mean something only to a worker that a power cut ends too;
    its jobs are ready again. Nothing else may be lost.
    """
    return type(operation) in _FLEETING


def is_brief(operation: ops.Operation[Any]) -> bool:
    """Whether it takes a fraction of a millisecond, as no flush does, where nobody is in the way.

    An event loop can do that itself. A claim alone is what an idle worker asks; a busy one hands
    in outcomes with it.
    """
    return type(operation) is ops.Claim


def seldom_writes(operation: ops.Operation[Any]) -> bool:
    """Whether it mostly finds nothing to change: then it should not ask for the write lock.

    An idle worker's claim is one, and should not cost a write to the disk.
    """
    return type(operation) is ops.Claim


def _records(rows: Iterable[Row]) -> tuple[Record, ...]:
    return tuple([_record(row) for row in rows])


def _record(row: Row) -> Record:
    record = Record(*row)
    # SQLite has no booleans.
    return replace(record, cancelling=bool(record.cancelling), parked=bool(record.parked))


# Places in a lane


LAST_PLACE = 2**62
"""What a hand put behind this (or before its negative) stays there; others share a place, by seq."""


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
            self._last[lane] = max(-LAST_PLACE, min(found or 0, LAST_PLACE))

    def take(self, queue: str, priority: int) -> int:
        """A place behind (or before) all others of a lane that was looked at."""
        place = self._last[queue, priority] = self._last[queue, priority] + self._step
        return place

    def next(self, queue: str, priority: int) -> Plan[int]:
        """Both."""
        yield from self.look(queue, priority)
        return self.take(queue, priority)


def _tails() -> Lanes:
    return Lanes(sql.TAIL, 1)


def _heads() -> Lanes:
    return Lanes(sql.HEAD, -1)


# A job comes in


def _enqueue(operation: ops.Enqueue, now: Millis) -> Plan[ops.Enqueued]:
    jobs, tails = operation.jobs, _tails()
    newest = None
    if len(jobs) > 1:
        ((newest,),) = yield Ask(sql.NEWEST)
    for queue, priority in {(job.queue, job.priority) for job in jobs}:
        yield from tails.look(queue, priority)
    rows = [
        (
            *(job.id, job.job_type, job.queue, job.priority, job.payload, now, now),
            *_standing(job, now, tails),
        )
        for job in jobs
    ]
    if (yield from _insert(rows)) == len(jobs):
        return ops.Enqueued(now, (True,) * len(jobs))
    below = NOWHERE if len(jobs) == 1 else newest or 0
    return ops.Enqueued(now, (yield from _sort_out(jobs, rows, below)))


def _insert(rows: list[Row]) -> Plan[int]:
    """How many of the rows are new."""
    whole = len(rows) - len(rows) % sql.TOGETHER
    if not whole:
        inserted: int = yield Do(sql.INSERT, rows)
        return inserted
    chunks = [
        tuple(chain.from_iterable(rows[start : start + sql.TOGETHER]))
        for start in range(0, whole, sql.TOGETHER)
    ]
    together: int = yield Do(sql.INSERT_TOGETHER, chunks)
    alone: int = yield Do(sql.INSERT, rows[whole:])
    return together + alone


def _standing(
    job: NewJob, now: Millis, tails: Lanes
) -> tuple[int | None, Millis | None, Millis | None]:
    """Where a new job stands: its place, what it waits for, what it was told to wait for."""
    if job.parked:
        return None, None, None
    due = job.run_at if job.run_at is not None else now + job.delay_ms
    if due > now:
        return None, due, due
    return tails.take(job.queue, job.priority), None, job.run_at


def _sort_out(jobs: tuple[NewJob, ...], rows: list[Row], newest: int) -> Plan[tuple[bool, ...]]:
    """Which of the jobs are new; those that were parked take the places meant for them."""
    found = yield Ask(sql.IDS_AFTER, (newest,))
    new = {id for (id,) in found}
    fresh: list[bool] = []
    for job, row in zip(jobs, rows, strict=True):
        if job.id in new:
            new.discard(job.id)
            fresh.append(True)
        else:
            fresh.append((yield from _unpark(job, row)))
    return tuple(fresh)


def _unpark(job: NewJob, row: Row) -> Plan[bool]:
    (record,) = _records((yield Ask(sql.BY_ID, (job.id,))))
    if not record.parked or job.parked:
        return False
    *_, now, position, due, execute_at = row
    values = (job.queue, job.priority, now, position, due, execute_at, record.seq)
    yield Ask(sql.UNPARK, values)
    return True


# A worker's cycle


def _claim(operation: ops.Claim, now: Millis) -> Plan[ops.Claimed]:
    ((lease, due, tick),) = yield Ask(sql.AT_HAND, (operation.worker,))
    if lease is None and not operation.join:
        return ops.Claimed(now, (), alive=False)
    expires = now if lease is None else lease
    end = lease_end(expires, now, operation.lease_ms)
    if end != lease:
        yield Ask(sql.RENEW, (operation.worker, end))
    if operation.promote and due is not None and due <= now:
        yield from _promote_due(operation.promote, now)
        ((due,),) = yield Ask(sql.NEXT_DUE)
    jobs: list[Record] = []
    ahead, limits = dict(operation.ahead), dict(operation.limits)
    for queue in (yield from _served(operation)):
        room = operation.slots + ahead.get(queue, 0) - len(jobs)
        room = min(room, limits.get(queue, room))
        if room > 0:
            rows = yield Ask(sql.PICK, (queue, room))
            jobs.extend([_handed_over(row, operation.worker, now) for row in rows])
    if jobs:
        yield from _hand_over(operation.worker, [job.seq for job in jobs], now)
    asked = yield Ask(sql.CANCELLING, (operation.worker,))
    instants = [tick, due] if operation.promote else [tick]
    return ops.Claimed(
        now,
        tuple(jobs),
        min([one for one in instants if one is not None], default=None),
        tuple([id for (id,) in asked]),
        (yield from _due_schedules(now)) if tick is not None and tick <= now else (),
    )


def _hand_over(worker: str, seqs: list[int], now: Millis) -> Plan[None]:
    yield Ask(sql.HAND_OVER, (worker, now, now, str(seqs)))


def _served(operation: ops.Claim) -> Plan[list[str]]:
    """The queues to look into, in order."""
    rows = yield Ask(sql.PAUSED)
    paused = {queue for (queue,) in rows}
    if operation.queues is None:
        rows = yield Ask(sql.QUEUES)
        names: Iterable[str] = queue_order(queue for (queue,) in rows)
    else:
        names = dict.fromkeys(operation.queues)
    return [name for name in names if name not in paused]


def _handed_over(row: Row, worker: str, now: Millis) -> Record:
    (
        seq,
        id,
        job_type,
        queue,
        priority,
        payload,
        created,
        execute_at,
        token,
        retry_count,
        crashes,
        trail,
    ) = row
    return Record(
        seq,
        id,
        job_type,
        queue,
        priority,
        payload,
        created,
        now,
        "running",
        None,
        execute_at,
        now,
        None,
        worker,
        min(token, sql.LAST_TOKEN - 1) + 1,
        retry_count,
        crashes,
        False,
        "",
        trail,
    )


def _due_schedules(now: Millis) -> Plan[tuple[ops.Schedule, ...]]:
    return tuple([one for one in (yield from _all_schedules()) if is_due(one, now)])


def _promote_due(limit: int, now: Millis) -> Plan[int]:
    rows = yield Ask(sql.DUE, (now, limit))
    tails = _tails()
    placed: list[Row] = []
    for seq, queue, priority in rows:
        place = yield from tails.next(queue, priority)
        placed.append((place, now, seq))
    if placed:
        yield Do(sql.PLACE, placed)
    return len(placed)


class Ending:
    """Collects what the outcomes of one batch change, statement by statement."""

    def __init__(self, now: Millis) -> None:
        self.now = now
        self._rows: dict[str, list[Row]] = {}
        self._finished: dict[Row, list[int]] = {}
        self._counts: dict[tuple[str, str], Counters] = {}
        self._heads = _heads()

    def finish(
        self,
        seq: int,
        event: str,
        trail: bytes,
        retry_count: int,
        keep_ms: int | None,
        cause: str | None = None,
    ) -> None:
        """The job reaches its end; a dead letter of this cause."""
        if keep_ms == 0:
            self._put(sql.FORGET, (seq,))
            return
        status = lifecycle.after("running", event)
        prune_at = None if keep_ms is None else self.now + keep_ms
        # Jobs that end alike (most do: completed, no result) are written by one statement.
        alike = (status, event, self.now, self.now, trail, retry_count, prune_at, cause)
        self._finished.setdefault(alike, []).append(seq)

    def postpone(self, seq: int, event: str, due: Millis, trail: bytes, retry_count: int) -> None:
        """The job waits for an instant."""
        status = lifecycle.after("running", event)
        self._put(sql.POSTPONE, (status, due, due, self.now, trail, retry_count, seq))

    def release(
        self, seq: int, lane: tuple[str, int], trail: bytes, retry_count: int
    ) -> Plan[None]:
        """The job is at the head of its lane."""
        place = yield from self._heads.next(*lane)
        self._put(sql.RELEASE, (place, self.now, trail, retry_count, seq))

    def count(
        self, queue: str, job_type: str, event: str, duration_ms: float = 0.0, wait_ms: int = 0
    ) -> None:
        """The event is counted, if it is one that is."""
        field = lifecycle.COUNTED.get(event)
        if field is not None:
            one = Counters(queue, **{field: 1}, duration_ms=duration_ms, wait_ms=float(wait_ms))
            was = self._counts.get((queue, job_type))
            self._counts[queue, job_type] = one if was is None else was.add(one)

    def write(self) -> Plan[None]:
        """Run what was collected."""
        for statement, rows in self._rows.items():
            yield Do(statement, rows)
        yield Do(sql.FINISH, [(*alike, str(seqs)) for alike, seqs in self._finished.items()])
        minute, hour = self.now // ops.MINUTE * ops.MINUTE, self.now // ops.HOUR * ops.HOUR
        for (queue, job_type), one in self._counts.items():
            counted = (one.succeeded, one.failed, one.retried, one.duration_ms, one.wait_ms)
            yield Ask(sql.COUNT, (queue, *counted))
            yield Ask(sql.COUNT_MINUTE, (minute, queue, job_type, *counted))
            yield Ask(sql.COUNT_HOUR, (hour, queue, job_type, *counted))

    def _put(self, statement: str, row: Row) -> None:
        self._rows.setdefault(statement, []).append(row)


def _settle(operation: ops.Settle, now: Millis) -> Plan[ops.Settled]:
    rows = yield Ask(sql.HELD, (operation.worker,))
    held = {row[0]: row for row in rows}
    ending = Ending(now)
    accepted: list[bool] = []
    for outcome in operation.outcomes:
        row = held.get(outcome.id)
        if row is None or row[2] != outcome.token:
            accepted.append(False)
            continue
        del held[outcome.id]
        yield from _accept(ending, row, outcome)
        accepted.append(True)
    yield from ending.write()
    return ops.Settled(now, tuple(accepted))


def _accept(ending: Ending, row: Row, outcome: ops.Outcome) -> Plan[None]:
    _, seq, _, cancelling, queue, priority, job_type = row
    event = lifecycle.settling(outcome.event, cancelling=bool(cancelling))
    ending.count(queue, job_type, event, outcome.duration_ms, outcome.wait_ms)
    if lifecycle.after("running", event) in lifecycle.FINISHED:
        cause = _cause(event, job_type, outcome.cause)
        ending.finish(seq, event, outcome.trail, outcome.retry_count, outcome.keep_ms, cause)
    elif event == "release" and outcome.delay_ms == 0:
        yield from ending.release(seq, (queue, priority), outcome.trail, outcome.retry_count)
    else:
        due = ending.now + outcome.delay_ms
        ending.postpone(seq, event, due, outcome.trail, outcome.retry_count)


def _cause(ending: str, job_type: str, told: str) -> str | None:
    """The cause of a dead letter; None for any other end."""
    if ending not in lifecycle.DEAD:
        return None
    return told or causes.unnamed(ending, job_type)


def _settle_and_claim(
    operation: ops.SettleAndClaim, now: Millis
) -> Plan[tuple[ops.Settled, ops.Claimed]]:
    settled = yield from _settle(operation.settle, now)
    return settled, (yield from _claim(operation.claim, now))


def _heartbeat(operation: ops.Heartbeat, now: Millis) -> Plan[ops.Beat]:
    lease = yield Ask(sql.LEASE, (operation.worker,))
    if not lease and not operation.join:
        return ops.Beat(now, alive=False)
    expires = max(lease[0][0] if lease else now, now + operation.lease_ms)
    yield Ask(sql.BEAT, (operation.worker, expires, operation.info))
    return (yield from _beat(operation.worker, now))


def _inherit(operation: ops.Inherit, now: Millis) -> Plan[ops.Beat]:
    if not (yield Ask(sql.LEASE, (operation.worker,))):
        known = yield Ask(sql.LEASE, (operation.heir,))
        return (yield from _beat(operation.heir, now)) if known else ops.Beat(now, alive=False)
    lease = yield Ask(sql.LEASE, (operation.heir,))
    expires = max(lease[0][0] if lease else now, now + operation.lease_ms)
    yield Ask(sql.BEAT, (operation.heir, expires, operation.info))
    held = yield from _whole("worker = ?", (operation.worker,))
    known = set(operation.known)
    ending = Ending(now)
    for record in held:
        if (record.id, record.token) not in known:
            yield from _give_back(ending, record, "release", operation.keep_ms)
    yield from ending.write()
    yield Ask(sql.ORDER_OF_HEIR, (operation.worker, operation.heir))
    # What is left with the worker is what it knows it has.
    yield Ask("UPDATE job SET worker = ? WHERE worker = ?", (operation.heir, operation.worker))
    yield Ask("DELETE FROM worker WHERE worker = ?", (operation.worker,))
    return (yield from _beat(operation.heir, now))


def _beat(worker: str, now: Millis) -> Plan[ops.Beat]:
    asked = yield Ask(sql.CANCELLING, (worker,))
    ((id, word),) = yield Ask(sql.ORDER, (worker,))
    return ops.Beat(
        now,
        alive=True,
        cancelling=tuple([id for (id,) in asked]),
        order=None if id is None else ops.Order(id, word),
    )


def _depart(operation: ops.Depart, now: Millis) -> Plan[int]:
    held = yield from _whole("worker = ?", (operation.worker,))
    ending = Ending(now)
    for record in held:
        yield from _give_back(ending, record, "release", operation.keep_ms)
    yield from ending.write()
    yield Ask("DELETE FROM worker WHERE worker = ?", (operation.worker,))
    return len(held)


def _whole(condition: str, values: Sequence[Any]) -> Plan[tuple[Record, ...]]:
    """Whole records, latest enqueued first."""
    rows = yield Ask(
        f"SELECT {sql.COLUMNS} FROM job WHERE {condition} ORDER BY seq DESC",
        values,
    )
    return _records(rows)


def _give_back(ending: Ending, record: Record, event: str, keep_ms: int | None) -> Plan[None]:
    """A job leaves its worker unfinished: to the head of its lane, or to its end."""
    event = lifecycle.settling(event, cancelling=record.cancelling)
    ending.count(record.queue, record.job_type, event)
    lane = (record.queue, record.priority)
    if lifecycle.after("running", event) in lifecycle.FINISHED:
        cause = _cause(event, record.job_type, "")
        ending.finish(record.seq, event, record.trail, record.retry_count, keep_ms, cause)
    else:
        yield from ending.release(record.seq, lane, record.trail, record.retry_count)


def _report(operation: ops.Report, now: Millis) -> Plan[bool]:
    values = (operation.progress, operation.id, operation.token)
    return bool((yield Ask(sql.REPORT, values)))


# Duties any worker may carry out


def _promote(operation: ops.Promote, now: Millis) -> Plan[int]:
    return (yield from _promote_due(operation.limit, now))


def _reclaim(operation: ops.Reclaim, now: Millis) -> Plan[tuple[bytes, ...]]:
    rows = yield Ask(sql.LAPSED, (now,))
    held: list[Record] = []
    for (worker,) in rows:
        held += yield from _whole("worker = ?", (worker,))
    held.sort(key=lambda record: -record.seq)
    taken, left = held[: operation.limit], held[operation.limit :]
    yield Do(sql.CRASH, [(record.seq,) for record in taken])
    ending = Ending(now)
    for record in taken:
        hopeless = record.crashes + 1 >= operation.max_crashes and not record.cancelling
        yield from _give_back(ending, record, "crash" if hopeless else "reclaim", operation.keep_ms)
    yield from ending.write()
    busy = {record.worker for record in left}
    gone = [(worker,) for (worker,) in rows if worker not in busy]
    yield Do("DELETE FROM worker WHERE worker = ?", gone)
    return tuple([record.id for record in taken])


def _prune(operation: ops.Prune, now: Millis) -> Plan[int]:
    yield Ask(sql.FORGET_MINUTES, (ops.Series(ops.SERIES).since(now),))
    yield Ask(sql.FORGET_HOURS, (ops.Series(ops.HOURS, hourly=True).since(now),))
    yield Ask("DELETE FROM aside WHERE until < ?", (now,))
    return len((yield Ask(sql.PRUNE, (now, operation.limit))))


def _repair(operation: ops.Repair, now: Millis) -> Plan[ops.Repaired]:
    after = cursor_position(operation.cursor) or 0
    rows = yield Ask(sql.STRETCH, (after, operation.limit))
    if not rows:
        return ops.Repaired(0)
    first, last = rows[0][0], rows[-1][0]
    amiss: list[tuple[ops.Amiss, int]] = []
    for kind, (condition, remedies) in repairing.FAULTS.items():
        count = yield from _amiss(condition, remedies, (first, last, now), mend=operation.mend)
        if count:
            amiss.append((kind, count))
    cursor = str(last) if len(rows) == operation.limit else None
    return ops.Repaired(len(rows), tuple(amiss), cursor)


def _amiss(
    condition: str, remedies: Sequence[str], values: tuple[int, int, Millis], *, mend: bool
) -> Plan[int]:
    """How many jobs of the stretch this is true of; it was, if that is to be mended."""
    # Each statement is given all three values, so each has to name them.
    where = f"seq BETWEEN ?1 AND ?2 AND ?3 IS NOT NULL AND ({condition})"
    ((count,),) = yield Ask(f"SELECT count(*) FROM job WHERE {where}", values)
    if count and mend:
        for remedy in remedies:
            yield Ask(remedy.format(where=where), values)
    return int(count)


# Schedules

_SCHEDULE: Final = ", ".join(ops.Schedule.__struct_fields__)
_MARKS: Final = ", ".join("?" for _ in ops.Schedule.__struct_fields__)


def _all_schedules() -> Plan[tuple[ops.Schedule, ...]]:
    rows = yield Ask(f"SELECT {_SCHEDULE} FROM schedule ORDER BY name")
    return tuple([ops.Schedule(*row) for row in rows])


def _one_schedule(name: str) -> Plan[ops.Schedule | None]:
    rows = yield Ask(f"SELECT {_SCHEDULE} FROM schedule WHERE name = ?", (name,))
    return ops.Schedule(*rows[0]) if rows else None


def _put_schedule(operation: ops.PutSchedule, now: Millis) -> Plan[bool]:
    old = yield from _one_schedule(operation.schedule.name)
    new = with_last(operation.schedule, old)
    if old != operation.over:
        return old == new
    yield Ask(f"REPLACE INTO schedule ({_SCHEDULE}) VALUES ({_MARKS})", astuple(new))
    return True


def _remove_schedule(operation: ops.RemoveSchedule, now: Millis) -> Plan[bool]:
    gone = yield Ask("DELETE FROM schedule WHERE name = ? RETURNING name", (operation.name,))
    return bool(gone)


def _schedules(operation: ops.Schedules, now: Millis) -> Plan[tuple[ops.Schedule, ...]]:
    return (yield from _all_schedules())


def _fire(operation: ops.Fire, now: Millis) -> Plan[bool]:
    moved = yield Ask(
        "UPDATE schedule SET next_at = ? WHERE name = ? AND next_at = ? RETURNING name",
        (operation.next_at, operation.name, operation.tick),
    )
    if moved and operation.job is not None:
        yield Ask(
            "UPDATE schedule SET fired_at = ?, last_job = ? WHERE name = ?",
            (now, operation.job.id, operation.name),
        )
        yield from _enqueue(ops.Enqueue((operation.job,)), now)
    return bool(moved)


# What operators ask


class Acting:
    """What an act of an operator leaves in the log, beside what it does."""

    def __init__(self, act: ops.Act | None, now: Millis) -> None:
        self._act = act
        self._now = now
        self._asides: list[Row] = []

    def look(self, id: bytes, *, gone: bool) -> Plan[Row | None]:
        """The job before it is changed, as `keep` takes it; None: nobody will want it back."""
        if self._act is None or not self._act.undo_ms:
            return None
        rows = yield Ask(sql.BY_ID_WITH_CAUSE, (id,))
        if not rows:
            return None
        *fields, cause = rows[0]
        return _encode_record(_record(tuple(fields))), cause or "", gone

    def keep(self, aside: Row | None) -> None:
        """The job can be brought back."""
        if aside is not None:
            self._asides.append(aside)

    def log(self, count: int) -> Plan[None]:
        """So many jobs were changed."""
        act = self._act
        if act is None or count == 0:
            return
        until = self._now + act.undo_ms if act.undo_ms else None
        told = (act.id, self._now, act.by, act.what, act.target, count, until)
        ((until,),) = yield Ask(sql.LOG, told)
        if until is None:
            yield Ask("DELETE FROM aside WHERE act = ?", (act.id,))
        else:
            yield Do(sql.PUT_ASIDE, [(act.id, until, *aside) for aside in self._asides])
        yield Ask(sql.FORGET_ACTS, (ops.AUDIT,))


_encode_record = msgspec.msgpack.Encoder().encode
_decode_record = msgspec.msgpack.Decoder(Record).decode


def _cancel(operation: ops.Cancel, now: Millis) -> Plan[tuple[ops.Verdict, ...]]:
    acting = Acting(operation.act, now)
    verdicts: list[ops.Verdict] = []
    for id in operation.ids:
        aside = yield from acting.look(id, gone=operation.keep_ms == 0)
        verdicts.append((yield from _cancel_one(id, operation.keep_ms, now)))
        acting.keep(aside if verdicts[-1] == "done" else None)
    yield from acting.log(verdicts.count("done") + verdicts.count("requested"))
    return tuple(verdicts)


def _cancel_one(id: bytes, keep_ms: int | None, now: Millis) -> Plan[ops.Verdict]:
    found = _records((yield Ask(sql.BY_ID, (id,))))
    if not found:
        return "missing"
    record = found[0]
    if record.status in lifecycle.FINISHED:
        return "refused"
    if record.status == "running":
        yield Ask(sql.STOP, (record.seq,))
        return "requested"
    ending = Ending(now)
    ending.finish(record.seq, "cancel", record.trail, record.retry_count, keep_ms)
    yield from ending.write()
    return "done"


def _retry(operation: ops.Retry, now: Millis) -> Plan[tuple[ops.Verdict, ...]]:
    acting, tails = Acting(operation.act, now), _tails()
    verdicts: list[ops.Verdict] = []
    for place, id in enumerate(operation.ids):
        aside = yield from acting.look(id, gone=False)
        verdicts.append((yield from _retry_one(tails, id, operation.delay(place), now)))
        acting.keep(aside if verdicts[-1] == "done" else None)
    yield from acting.log(verdicts.count("done"))
    return tuple(verdicts)


def _retry_one(tails: Lanes, id: bytes, delay_ms: int, now: Millis) -> Plan[ops.Verdict]:
    rows = yield Ask("SELECT seq, status, queue, priority FROM job WHERE id = ?", (id,))
    if not rows:
        return "missing"
    seq, status, queue, priority = rows[0]
    if status != "failed":
        return "refused"
    due = now + delay_ms if delay_ms > 0 else None
    place = None if due is not None else (yield from tails.next(queue, priority))
    yield Ask(sql.RETRY, (due, place, due, now, seq))
    return "done"


def _delete(operation: ops.Delete, now: Millis) -> Plan[tuple[bool, ...]]:
    acting = Acting(operation.act, now)
    gone: list[bool] = []
    for id in operation.ids:
        aside = yield from acting.look(id, gone=True)
        rows = yield Ask("DELETE FROM job WHERE id = ? RETURNING status", (id,))
        gone.append(bool(rows))
        acting.keep(aside if rows and rows[0][0] != "running" else None)
    yield from acting.log(sum(gone))
    return tuple(gone)


def _edit(operation: ops.Edit, now: Millis) -> Plan[ops.Verdict]:
    found = _records((yield Ask(sql.BY_ID, (operation.id,))))
    if not found:
        return "missing"
    record = found[0]
    if (record.token, record.updated) != (operation.token, operation.updated):
        return "refused"
    if record.status not in {"pending", "retrying", "failed"}:
        return "refused"
    acting = Acting(operation.act, now)
    acting.keep((yield from acting.look(record.id, gone=False)))
    yield Ask(sql.EDIT, (operation.payload, now, record.seq))
    if record.status == "failed":
        yield from _retry_one(_tails(), record.id, 0, now)
    yield from acting.log(1)
    return "done"


def _set_paused(operation: ops.SetPaused, now: Millis) -> Plan[bool]:
    changed = yield from _pause(operation.queue, paused=operation.paused)
    yield from Acting(operation.act, now).log(int(changed))
    return changed


def _pause(queue: str, *, paused: bool) -> Plan[bool]:
    if paused:
        statement = "INSERT INTO paused (queue) VALUES (?) ON CONFLICT DO NOTHING RETURNING queue"
    else:
        statement = "DELETE FROM paused WHERE queue = ? RETURNING queue"
    return bool((yield Ask(statement, (queue,))))


def _purge(operation: ops.Purge, now: Millis) -> Plan[int]:
    doomed = yield Ask(sql.READY_IN, (operation.queue, operation.limit))
    if len(doomed) < operation.limit:
        doomed = doomed + (yield Ask(sql.DUE_IN, (operation.queue, operation.limit - len(doomed))))
    acting = Acting(operation.act, now)
    if operation.act is not None and operation.act.undo_ms:
        for (seq,) in doomed:
            ((id,),) = yield Ask("SELECT id FROM job WHERE seq = ?", (seq,))
            acting.keep((yield from acting.look(id, gone=True)))
    yield Do(sql.FORGET, doomed)
    yield from acting.log(len(doomed))
    return len(doomed)


def _instruct(operation: ops.Instruct, now: Millis) -> Plan[tuple[str, ...]]:
    known = yield Ask(sql.BEATING, (now,))
    asked = operation.workers
    told = [name for (name,) in known if asked is None or name in asked]
    order = operation.order
    yield Do(sql.INSTRUCT, [(order.id, order.word, name) for name in told])
    return tuple(told)


def _undo(operation: ops.Undo, now: Millis) -> Plan[ops.Undone]:
    rows = yield Ask(sql.ACT, (operation.id,))
    if not rows:
        return ops.Undone("missing")
    until, undone, what, target = rows[0]
    asides = yield Ask(sql.ASIDES, (operation.id, operation.limit))
    if undone is not None and not asides:
        return ops.Undone("already")
    if until is None:
        return ops.Undone("refused")
    if now > until:
        return ops.Undone("late" if undone is None else "already")
    yield Ask("UPDATE act SET undone = coalesce(undone, ?) WHERE id = ?", (now, operation.id))
    restored = 0
    if what in {"pause", "resume"}:
        restored = int((yield from _pause(target, paused=what == "resume")))
    for place, data, cause, gone in asides:
        yield Ask("DELETE FROM aside WHERE place = ?", (place,))
        old = _decode_record(data)
        restored += int((yield from _restore(what, old, cause, now, gone=bool(gone))))
    ((left,),) = yield Ask("SELECT count(*) FROM aside WHERE act = ?", (operation.id,))
    yield from Acting(operation.act, now).log(restored)
    return ops.Undone("done", restored, len(asides) - restored if asides else 0, left)


def _restore(what: ops.What, old: Record, cause: str, now: Millis, *, gone: bool) -> Plan[bool]:
    """The job is as it was before the act, if nobody else has touched it since."""
    rows = yield Ask("SELECT seq, token, status, payload FROM job WHERE id = ?", (old.id,))
    if bool(rows) is gone:
        return False
    payload = old.payload
    if rows:
        seq, token, status, present = rows[0]
        if (seq, token) != (old.seq, old.token) or status not in ops.LEFT_BY.get(what, ()):
            return False
        yield Ask(sql.FORGET, (seq,))
        payload = old.payload if what == "edit" else present
    place = None
    if old.status == "pending" and old.due is None and not old.parked:
        place = yield from _tails().next(old.queue, old.priority)
    record = replace(old, payload=payload, updated=now)
    yield Ask(sql.SAVE, _whole_row(record, cause or None, place))
    return True


def _audit(operation: ops.Audit, now: Millis) -> Plan[tuple[ops.Entry, ...]]:
    rows = yield Ask(sql.AUDIT, (operation.before, operation.limit))
    return tuple([ops.Entry(*row) for row in rows])


def _take(operation: ops.Take, now: Millis) -> Plan[Record | None]:
    found = _records((yield Ask(sql.BY_ID, (operation.id,))))
    if not found or found[0].status not in {"pending", "retrying"}:
        return None
    lease = yield Ask(sql.LEASE, (operation.worker,))
    expires = lease[0][0] if lease else now
    yield Ask(sql.RENEW, (operation.worker, max(expires, now + operation.lease_ms)))
    yield from _hand_over(operation.worker, [found[0].seq], now)
    (taken,) = _records((yield Ask(sql.BY_ID, (operation.id,))))
    return taken


def _save(operation: ops.Save, now: Millis) -> Plan[ops.Verdict]:
    given = operation.record
    known = _records((yield Ask(sql.BY_ID, (given.id,))))
    if known:
        return (yield from _amend(known[0], given))
    record = wire.as_its_status_has_it(given, now)
    if record.worker is not None:
        lease = yield Ask(sql.LEASE, (record.worker,))
        expires = lease[0][0] if lease else now
        yield Ask(sql.RENEW, (record.worker, max(expires, now + operation.lease_ms)))
    yield Ask(sql.SAVE, _whole_row(record, _cause(record.ending, record.job_type, operation.cause)))
    return "done"


def _whole_row(record: Record, cause: str | None, position: int | None = None) -> Row:
    """A record as `SAVE` takes it."""
    return (
        record.id,
        record.job_type,
        record.queue,
        record.priority,
        record.payload,
        record.created,
        record.updated,
        record.status,
        record.due,
        record.execute_at,
        record.started,
        record.completed,
        record.worker,
        record.token,
        record.retry_count,
        record.crashes,
        record.cancelling,
        record.ending,
        record.trail,
        record.progress,
        record.prune_at,
        position,
        cause,
    )


def _amend(known: Record, given: Record) -> Plan[ops.Verdict]:
    if (known.status, known.token) != (given.status, given.token):
        return "refused"
    values = (given.payload, given.trail, given.progress, given.started, given.updated, known.seq)
    yield Ask(sql.AMEND, values)
    return "done"


# What one can look at


def _time(operation: ops.Time, now: Millis) -> Plan[Millis]:
    yield from ()
    return now


def _find(operation: ops.Find, now: Millis) -> Plan[tuple[Record | None, ...]]:
    found: list[Record | None] = []
    for id in operation.ids:
        rows = yield Ask(sql.BY_ID, (id,))
        found.append(_record(rows[0]) if rows else None)
    return tuple(found)


def _peek(operation: ops.Peek, now: Millis) -> Plan[tuple[Record, ...]]:
    return _records((yield Ask(sql.PEEK, (operation.queue, operation.limit))))


def _search(operation: ops.Search, now: Millis) -> Plan[ops.Page]:
    below = cursor_position(operation.cursor)
    stretch, values = _stretch(operation, NOWHERE if below is None else below)
    ((looked, last),) = yield Ask(f"SELECT count(*), min(seq) FROM ({stretch})", values)
    condition, more = _conditions(operation)
    rows = yield Ask(
        f"SELECT {sql.COLUMNS} FROM job WHERE seq IN ({stretch}) {condition} "
        f"ORDER BY seq DESC LIMIT {operation.limit + 1}",
        (*values, *more),
    )
    found = _records(rows)
    if len(found) > operation.limit:
        return ops.Page(found[:-1], str(found[-1].seq + 1))
    return ops.Page(found, str(last) if looked == operation.scan else None)


def _stretch(operation: ops.Search, below: int) -> tuple[str, tuple[Any, ...]]:
    """The jobs to look at, and the values of that statement."""
    if operation.status in {"failed", "cancelled", "retrying"}:
        return sql.STRETCHES["uncommon"], (below, operation.scan, operation.status)
    kind = "running" if operation.status == "running" else None
    return sql.STRETCHES[kind], (below, operation.scan)


def _conditions(operation: ops.Search) -> tuple[str, tuple[Any, ...]]:
    text = None if operation.text is None else operation.text.encode(errors="surrogatepass")
    parts = [
        ("status = ?", operation.status),
        ("job_type = ?", operation.job_type),
        ("queue = ?", operation.queue),
        ("created >= ?", operation.since),
        ("created < ?", operation.until),
    ]
    used = [(clause, value) for clause, value in parts if value is not None]
    clauses = [clause for clause, _ in used]
    values: list[Any] = [value for _, value in used]
    if text:
        clauses.append("(instr(payload, ?) OR instr(trail, ?))")
        values += (text, text)
    return "".join(f" AND {clause}" for clause in clauses), tuple(values)


def _dead_letters(operation: ops.DeadLetters, now: Millis) -> Plan[tuple[Record, ...]]:
    values = (operation.queue, operation.job_type, operation.limit)
    return _records((yield Ask(sql.DEAD_LETTERS, values)))


def _groups(operation: ops.Groups, now: Millis) -> Plan[tuple[ops.Group, ...]]:
    values = (operation.since or 0, operation.queue, operation.job_type, ops.GROUPS)
    rows: list[ops.GroupRow] = []
    for cause, job_type, queue, count, first, last in (yield Ask(sql.GROUPS, values)):
        ((seq, id),) = yield Ask(sql.LATEST_MEMBER, (cause, last, queue))
        rows.append(ops.GroupRow(cause, job_type, queue, count, first, last, seq, id))
    return operation.fold(rows)


def _members(operation: ops.Members, now: Millis) -> Plan[tuple[bytes, ...]]:
    until = NOWHERE if operation.until is None else operation.until
    values = (operation.cause, until, operation.queue, operation.limit)
    return tuple([id for (id,) in (yield Ask(sql.MEMBERS, values))])


def _history(operation: ops.History, now: Millis) -> Plan[tuple[Record, ...]]:
    return _records((yield Ask(sql.HISTORY, (operation.job_type, operation.limit))))


def _stats(operation: ops.Stats, now: Millis) -> Plan[ops.Snapshot]:
    ready, due, running = yield from _counts(operation.queue)
    rows = yield Ask(sql.COUNTERS)
    counters = {row[0]: Counters(*row) for row in rows}
    rows = yield Ask(sql.PAUSED)
    paused = {queue for (queue,) in rows}
    oldest = dict((yield Ask(sql.OLDEST, (operation.queue,))))
    names = {*ready, *due, *running, *counters, *paused}
    if operation.queue is not None:
        names &= {operation.queue}
    loads = tuple(
        ops.QueueLoad(
            name,
            ready.get(name, 0),
            due.get(name, 0),
            running.get(name, 0),
            name in paused,
            oldest.get(name),
        )
        for name in sorted(names)
    )
    told = tuple(counters[name] for name in sorted(names) if name in counters)
    workers = () if operation.queue is not None else (yield from _worker_rows())
    return ops.Snapshot(now, loads, told, workers)


def _explain(operation: ops.Explain, now: Millis) -> Plan[ops.Facts | None]:
    found = _records((yield Ask(sql.BY_ID, (operation.id,))))
    if not found:
        return None
    record = found[0]
    paused = yield Ask("SELECT queue FROM paused WHERE queue = ?", (record.queue,))
    ahead = 0
    if record.status == "pending" and record.due is None and not record.parked:
        values = (record.queue, record.priority, record.id, ops.AHEAD)
        ((ahead,),) = yield Ask(sql.AHEAD, values)
    workers: list[ops.Holding] = []
    for worker, info, expires in (yield Ask(sql.ALIVE, (now, ops.ALIVE))):
        ((held,),) = yield Ask("SELECT count(*) FROM job WHERE worker = ?", (worker,))
        some = yield Ask(sql.GLIMPSES, (worker, ops.GLIMPSES))
        glimpses = tuple([ops.Glimpse(*row) for row in some])
        workers.append(ops.Holding(worker, info, expires, held, glimpses))
    return ops.Facts(now, record, bool(paused), ahead, tuple(workers))


def _series(operation: ops.Series, now: Millis) -> Plan[tuple[ops.Tally, ...]]:
    statement = sql.SERIES[operation.hourly, operation.by]
    rows = yield Ask(statement, (operation.since(now), operation.queue, operation.job_type))
    by_queue = operation.by == "queue"
    return tuple(
        [
            ops.Tally(begin, Counters(name if by_queue else "", *row), None if by_queue else name)
            for begin, name, *row in rows
        ]
    )


def _counts(queue: str | None) -> Plan[tuple[dict[str, int], dict[str, int], dict[str, int]]]:
    if queue is None:
        asked = [Ask(sql.READY_COUNTS), Ask(sql.DUE_COUNTS), Ask(sql.RUNNING_COUNTS)]
    else:
        statements = (sql.READY_COUNT, sql.DUE_COUNT, sql.RUNNING_COUNT)
        asked = [Ask(statement, (queue,)) for statement in statements]
    found: list[dict[str, int]] = []
    for ask in asked:
        rows = yield ask
        found.append({name: count for name, count in rows if count})
    return found[0], found[1], found[2]


def _worker_rows() -> Plan[tuple[ops.WorkerRow, ...]]:
    rows = yield Ask("SELECT worker, info, expires FROM worker ORDER BY worker")
    held: dict[str, list[bytes]] = {}
    for worker, id in (yield Ask("SELECT worker, id FROM job WHERE worker IS NOT NULL")):
        held.setdefault(worker, []).append(id)
    return tuple(
        ops.WorkerRow(worker, info, expires, tuple(sorted(held.get(worker, ()))))
        for worker, info, expires in rows
    )


_LOOKS = {
    ops.Audit,
    ops.Time,
    ops.Find,
    ops.Peek,
    ops.Search,
    ops.DeadLetters,
    ops.Groups,
    ops.Members,
    ops.History,
    ops.Stats,
    ops.Explain,
    ops.Series,
    ops.Schedules,
}

_FLEETING = {ops.Claim, ops.Heartbeat, ops.Report}

_PLANS: dict[type[ops.Operation[Any]], Callable[..., Plan[Any]]] = {
    ops.Enqueue: _enqueue,
    ops.Claim: _claim,
    ops.Settle: _settle,
    ops.SettleAndClaim: _settle_and_claim,
    ops.Heartbeat: _heartbeat,
    ops.Inherit: _inherit,
    ops.Depart: _depart,
    ops.Report: _report,
    ops.Promote: _promote,
    ops.Reclaim: _reclaim,
    ops.Prune: _prune,
    ops.Repair: _repair,
    ops.PutSchedule: _put_schedule,
    ops.RemoveSchedule: _remove_schedule,
    ops.Schedules: _schedules,
    ops.Fire: _fire,
    ops.Cancel: _cancel,
    ops.Retry: _retry,
    ops.Delete: _delete,
    ops.SetPaused: _set_paused,
    ops.Purge: _purge,
    ops.Instruct: _instruct,
    ops.Edit: _edit,
    ops.Undo: _undo,
    ops.Audit: _audit,
    ops.Take: _take,
    ops.Save: _save,
    ops.Time: _time,
    ops.Find: _find,
    ops.Peek: _peek,
    ops.Search: _search,
    ops.DeadLetters: _dead_letters,
    ops.Groups: _groups,
    ops.Members: _members,
    ops.History: _history,
    ops.Stats: _stats,
    ops.Explain: _explain,
    ops.Series: _series,
}
