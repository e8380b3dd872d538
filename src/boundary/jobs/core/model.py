"""The reference queue: what every operation means, as one function over plain data.

What belongs here: `State` and `step(state, operation, now) -> (state, reply)`. What does not: a
clock, a lock, a byte on disk. The memory adapter is this behind a lock, and every other adapter
must answer as this does.

A `State` handed to `step` is used up, the way a moved value is: go on with the one returned, and
keep `state.copy()` where the old one is still needed (a simulated crash that rolls back). A step
that raises leaves the state as it was.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush, nlargest
from typing import Any, TypeVar, cast

from msgspec.structs import replace

from boundary.jobs.core import lifecycle, wire
from boundary.jobs.core.operations import (
    AHEAD,
    ALIVE,
    GLIMPSES,
    MINUTE,
    SERIES,
    Announce,
    Beat,
    Cancel,
    Claim,
    Claimed,
    DeadLetters,
    Delete,
    Depart,
    Enqueue,
    Enqueued,
    Explain,
    Facts,
    Find,
    Fire,
    Glimpse,
    Heartbeat,
    History,
    Holding,
    Inherit,
    Instruct,
    Operation,
    Order,
    Outcome,
    Page,
    Peek,
    Promote,
    Prune,
    Purge,
    PutSchedule,
    QueueLoad,
    Reclaim,
    RemoveSchedule,
    Report,
    Retry,
    Save,
    Schedule,
    Schedules,
    Search,
    Series,
    SetPaused,
    Settle,
    SettleAndClaim,
    Settled,
    Snapshot,
    Stats,
    Take,
    Tally,
    Time,
    Verdict,
    WorkerRow,
    cursor_position,
    lease_end,
    queue_order,
)
from boundary.jobs.core.schedules import is_due, with_last
from boundary.jobs.core.stats import Counters
from boundary.jobs.core.wire import Millis, NewJob, Record

R = TypeVar("R")

PRIORITIES = range(4)

Lane = OrderedDict[bytes, None]
"""Ready jobs of one queue and priority, head first."""

Entry = tuple[Millis, int, bytes]
"""An instant, and the `seq` and id of the job it is about."""


@dataclass(slots=True)
class Holder:
    """A known worker: the end of its lease, what it said of itself, its jobs and latest order."""

    expires: Millis
    info: bytes = b""
    held: dict[bytes, None] = field(default_factory=dict[bytes, None])
    order: Order | None = None


@dataclass(slots=True)
class State:
    """All there is in a store.

    `jobs` is in order of `seq`. `due` and `ended` are heaps; an entry that its job has left
    behind is passed over.
    """

    jobs: dict[bytes, Record] = field(default_factory=dict[bytes, Record])
    lanes: dict[str, tuple[Lane, ...]] = field(default_factory=dict[str, tuple[Lane, ...]])
    due: list[Entry] = field(default_factory=list[Entry])
    ended: list[Entry] = field(default_factory=list[Entry])
    workers: dict[str, Holder] = field(default_factory=dict[str, Holder])
    counters: dict[str, Counters] = field(default_factory=dict[str, Counters])
    series: dict[tuple[Millis, str], Counters] = field(
        default_factory=dict[tuple[Millis, str], Counters]
    )
    paused: set[str] = field(default_factory=set[str])
    schedules: dict[str, Schedule] = field(default_factory=dict[str, Schedule])
    last_seq: int = 0

    def copy(self) -> State:
        """A state that later steps on this one do not touch (records are immutable, so shared)."""
        return State(
            dict(self.jobs),
            {name: tuple(Lane(lane) for lane in lanes) for name, lanes in self.lanes.items()},
            list(self.due),
            list(self.ended),
            {
                name: Holder(one.expires, one.info, dict(one.held), one.order)
                for name, one in self.workers.items()
            },
            dict(self.counters),
            dict(self.series),
            set(self.paused),
            dict(self.schedules),
            self.last_seq,
        )


def step(state: State, operation: Operation[R], now: Millis) -> tuple[State, R]:
    """The state after the operation, and its reply.

    Args:
        now: The store's clock; never below that of an earlier step.

    Raises:
        UsageError: As the operation's contract says; the state is unchanged.
    """
    arm = cast("Callable[[State, Operation[R], Millis], R]", _ARMS[type(operation)])
    return state, arm(state, operation, now)


# Where a job stands


def _lanes(state: State, queue: str) -> tuple[Lane, ...]:
    lanes = state.lanes.get(queue)
    if lanes is None:
        lanes = state.lanes[queue] = tuple(Lane() for _ in PRIORITIES)
    return lanes


def _ready(state: State, record: Record, *, head: bool = False) -> None:
    """The pending job waits for a worker."""
    state.jobs[record.id] = record
    lane = _lanes(state, record.queue)[record.priority]
    lane[record.id] = None
    if head:
        lane.move_to_end(record.id, last=False)


def _wait(state: State, record: Record, due: Millis) -> None:
    """The job waits for an instant."""
    state.jobs[record.id] = replace(record, due=due, execute_at=due)
    heappush(state.due, (due, record.seq, record.id))


def _finish(state: State, record: Record, event: str, now: Millis, keep_ms: int | None) -> None:
    """The job has reached its end."""
    if keep_ms == 0:
        state.jobs.pop(record.id, None)
        return
    prune_at = None if keep_ms is None else now + keep_ms
    state.jobs[record.id] = replace(
        record,
        ending=event,
        completed=now,
        due=None,
        worker=None,
        cancelling=False,
        parked=False,
        prune_at=prune_at,
    )
    if prune_at is not None:
        heappush(state.ended, (prune_at, record.seq, record.id))


def _lift(state: State, record: Record) -> None:
    """The job stands nowhere any more: not in a lane, not in a worker's hands."""
    lanes = state.lanes.get(record.queue)
    if lanes is not None:
        lanes[record.priority].pop(record.id, None)
    if record.worker is not None and record.worker in state.workers:
        state.workers[record.worker].held.pop(record.id, None)


def _count(state: State, queue: str, event: str, now: Millis, duration_ms: float = 0.0) -> None:
    field_name = lifecycle.COUNTED.get(event)
    if field_name is None:
        return
    one = replace(Counters(queue, duration_ms=duration_ms), **{field_name: 1})
    minute = now // MINUTE * MINUTE
    nothing = Counters(queue)
    state.counters[queue] = state.counters.get(queue, nothing).add(one)
    state.series[minute, queue] = state.series.get((minute, queue), nothing).add(one)


# A job comes in


def _enqueue(state: State, operation: Enqueue, now: Millis) -> Enqueued:
    return Enqueued(now, tuple([_admit(state, job, now) for job in operation.jobs]))


def _admit(state: State, job: NewJob, now: Millis) -> bool:
    known = state.jobs.get(job.id)
    if known is not None and not (known.parked and not job.parked):
        return False
    if known is None:
        state.last_seq += 1
        known = Record(
            state.last_seq, job.id, job.job_type, job.queue, job.priority, job.payload, now, now
        )
    record = replace(known, queue=job.queue, priority=job.priority, parked=job.parked, updated=now)
    due = job.run_at if job.run_at is not None else now + job.delay_ms
    if job.parked:
        state.jobs[job.id] = record
    elif due > now:
        _wait(state, record, due)
    else:
        _ready(state, replace(record, execute_at=job.run_at))
    return True


# A worker's cycle


def _claim(state: State, operation: Claim, now: Millis) -> Claimed:
    holder = state.workers.get(operation.worker)
    if holder is None:
        if not operation.join:
            return Claimed(now, (), alive=False)
        holder = state.workers[operation.worker] = Holder(now)
    holder.expires = lease_end(holder.expires, now, operation.lease_ms)
    if operation.promote:
        _promote_due(state, operation.promote, now)
    jobs = tuple([_hand_over(state, id, operation.worker, now) for id in _pick(state, operation)])
    return Claimed(
        now,
        jobs,
        _next_due(state, promoting=operation.promote > 0),
        _cancelling(state, holder),
        tuple(one for _, one in sorted(state.schedules.items()) if is_due(one, now)),
    )


def _pick(state: State, operation: Claim) -> list[bytes]:
    """The ids to hand over, in order; their lanes still hold them."""
    ahead, limits = dict(operation.ahead), dict(operation.limits)
    picked: list[bytes] = []
    for name in _served(state, operation):
        room = operation.slots + ahead.get(name, 0) - len(picked)
        room = min(room, limits.get(name, room))
        if room <= 0 or name in state.paused:
            continue
        picked.extend(_first(_waiting(state, name), room))
    return picked


def _served(state: State, operation: Claim) -> Iterable[str]:
    if operation.queues is None:
        return queue_order(name for name, lanes in state.lanes.items() if any(lanes))
    return dict.fromkeys(operation.queues)


def _waiting(state: State, queue: str) -> Iterator[bytes]:
    for lane in state.lanes.get(queue, ()):
        yield from lane


def _first(ids: Iterable[bytes], limit: int) -> list[bytes]:
    return [id for id, _ in zip(ids, range(limit), strict=False)]


def _hand_over(state: State, id: bytes, worker: str, now: Millis) -> Record:
    record = state.jobs[id]
    _lift(state, record)
    record = state.jobs[id] = replace(
        record,
        status="running",
        worker=worker,
        token=record.token + 1,
        started=now,
        updated=now,
        due=None,
        cancelling=False,
        progress=b"",
        parked=False,
    )
    state.workers[worker].held[id] = None
    return record


def _cancelling(state: State, holder: Holder) -> tuple[bytes, ...]:
    return tuple([id for id in holder.held if state.jobs[id].cancelling])


def _next_due(state: State, *, promoting: bool) -> Millis | None:
    ticks = [one.next_at for one in state.schedules.values() if one.next_at is not None]
    first = _first_due(state) if promoting else None
    if first is not None:
        ticks.append(first)
    return min(ticks, default=None)


def _first_due(state: State) -> Millis | None:
    while state.due:
        due, seq, id = state.due[0]
        record = state.jobs.get(id)
        if record is not None and (record.due, record.seq) == (due, seq):
            return due
        heappop(state.due)
    return None


def _promote_due(state: State, limit: int, now: Millis) -> int:
    for count in range(limit):
        due = _first_due(state)
        if due is None or due > now:
            return count
        record = state.jobs[heappop(state.due)[2]]
        _ready(state, replace(record, status="pending", due=None, updated=now))
    return limit


def _settle(state: State, operation: Settle, now: Millis) -> Settled:
    holder = state.workers.get(operation.worker)
    return Settled(
        now, tuple([_accept(state, holder, outcome, now) for outcome in operation.outcomes])
    )


def _accept(state: State, holder: Holder | None, outcome: Outcome, now: Millis) -> bool:
    if holder is None or outcome.id not in holder.held:
        return False
    record = state.jobs[outcome.id]
    if record.token != outcome.token:
        return False
    del holder.held[outcome.id]
    event = lifecycle.settling(outcome.event, cancelling=record.cancelling)
    record = replace(
        record,
        status=lifecycle.after("running", event),
        trail=outcome.trail,
        retry_count=outcome.retry_count,
        updated=now,
        worker=None,
        cancelling=False,
    )
    _count(state, record.queue, event, now, outcome.duration_ms)
    if record.status in lifecycle.FINISHED:
        _finish(state, record, event, now, outcome.keep_ms)
    elif event == "release" and outcome.delay_ms == 0:
        _ready(state, record, head=True)
    else:
        _wait(state, record, now + outcome.delay_ms)
    return True


def _settle_and_claim(
    state: State, operation: SettleAndClaim, now: Millis
) -> tuple[Settled, Claimed]:
    return _settle(state, operation.settle, now), _claim(state, operation.claim, now)


def _heartbeat(state: State, operation: Heartbeat, now: Millis) -> Beat:
    holder = state.workers.get(operation.worker)
    if holder is None:
        if not operation.join:
            return Beat(now, alive=False)
        holder = state.workers[operation.worker] = Holder(now)
    holder.expires = max(holder.expires, now + operation.lease_ms)
    holder.info = operation.info
    return _beat(state, holder, now)


def _beat(state: State, holder: Holder, now: Millis) -> Beat:
    return Beat(now, alive=True, cancelling=_cancelling(state, holder), order=holder.order)


def _inherit(state: State, operation: Inherit, now: Millis) -> Beat:
    holder = state.workers.pop(operation.worker, None)
    if holder is None:
        known = state.workers.get(operation.heir)
        return Beat(now, False) if known is None else _beat(state, known, now)
    heir = state.workers.setdefault(operation.heir, Holder(now))
    heir.expires = max(heir.expires, now + operation.lease_ms)
    heir.info = operation.info
    heir.order = holder.order or heir.order
    for record in _latest_first(state, holder.held):
        if record.id in operation.ids:
            state.jobs[record.id] = replace(record, worker=operation.heir)
            heir.held[record.id] = None
        else:
            _give_back(state, record, "release", now, operation.keep_ms)
    return _beat(state, heir, now)


def _depart(state: State, operation: Depart, now: Millis) -> int:
    holder = state.workers.pop(operation.worker, None)
    if holder is None:
        return 0
    for record in _latest_first(state, holder.held):
        _give_back(state, record, "release", now, operation.keep_ms)
    return len(holder.held)


def _latest_first(state: State, held: Iterable[bytes]) -> list[Record]:
    """What workers held, so that putting each at the head in turn restores enqueue order."""
    return sorted((state.jobs[id] for id in held), key=lambda one: one.seq, reverse=True)


def _give_back(state: State, record: Record, event: str, now: Millis, keep_ms: int | None) -> None:
    """A job leaves its worker unfinished: to the head of its queue, or to its end."""
    event = lifecycle.settling(event, cancelling=record.cancelling)
    record = replace(
        record,
        status=lifecycle.after("running", event),
        worker=None,
        updated=now,
        cancelling=False,
    )
    _count(state, record.queue, event, now)
    if record.status in lifecycle.FINISHED:
        _finish(state, record, event, now, keep_ms)
    else:
        _ready(state, record, head=True)


def _report(state: State, operation: Report, now: Millis) -> bool:
    record = state.jobs.get(operation.id)
    if record is None or record.status != "running" or record.token != operation.token:
        return False
    state.jobs[operation.id] = replace(record, progress=operation.progress)
    return True


def _announce(state: State, operation: Announce, now: Millis) -> bool:
    """Who watches is no part of a state."""
    return False


# Duties any worker may carry out


def _promote(state: State, operation: Promote, now: Millis) -> int:
    return _promote_due(state, operation.limit, now)


def _reclaim(state: State, operation: Reclaim, now: Millis) -> tuple[bytes, ...]:
    lapsed = [name for name, holder in state.workers.items() if holder.expires <= now]
    held = [id for name in lapsed for id in state.workers[name].held]
    taken = _latest_first(state, held)[: operation.limit]
    for record in taken:
        _lift(state, record)
        _take_back(state, replace(record, crashes=record.crashes + 1), operation, now)
    for name in lapsed:
        if not state.workers[name].held:
            del state.workers[name]
    return tuple(record.id for record in taken)


def _take_back(state: State, record: Record, operation: Reclaim, now: Millis) -> None:
    """The worker of a job is lost; a stop that was asked for wins over too many crashes."""
    hopeless = record.crashes >= operation.max_crashes and not record.cancelling
    _give_back(state, record, "crash" if hopeless else "reclaim", now, operation.keep_ms)


def _prune(state: State, operation: Prune, now: Millis) -> int:
    oldest = Series(SERIES).since(now)
    for key in [key for key in state.series if key[0] < oldest]:
        del state.series[key]
    count = 0
    while count < operation.limit and state.ended and state.ended[0][0] <= now:
        prune_at, seq, id = heappop(state.ended)
        record = state.jobs.get(id)
        if record is not None and (record.prune_at, record.seq) == (prune_at, seq):
            del state.jobs[id]
            count += 1
    return count


# Schedules


def _put_schedule(state: State, operation: PutSchedule, now: Millis) -> bool:
    old = state.schedules.get(operation.schedule.name)
    new = with_last(operation.schedule, old)
    if old != operation.over:
        return old == new
    state.schedules[new.name] = new
    return True


def _remove_schedule(state: State, operation: RemoveSchedule, now: Millis) -> bool:
    return state.schedules.pop(operation.name, None) is not None


def _list_schedules(state: State, operation: Schedules, now: Millis) -> tuple[Schedule, ...]:
    return tuple(one for _, one in sorted(state.schedules.items()))


def _fire(state: State, operation: Fire, now: Millis) -> bool:
    entry = state.schedules.get(operation.name)
    if entry is None or entry.next_at != operation.tick:
        return False
    entry = state.schedules[entry.name] = replace(entry, next_at=operation.next_at)
    if operation.job is not None:
        fired = replace(entry, fired_at=now, last_job=operation.job.id)
        state.schedules[entry.name] = fired
        _admit(state, operation.job, now)
    return True


# What operators ask


def _cancel(state: State, operation: Cancel, now: Millis) -> tuple[Verdict, ...]:
    return tuple([_cancel_one(state, id, operation.keep_ms, now) for id in operation.ids])


def _cancel_one(state: State, id: bytes, keep_ms: int | None, now: Millis) -> Verdict:
    record = state.jobs.get(id)
    if record is None:
        return "missing"
    if record.status in lifecycle.FINISHED:
        return "refused"
    if record.status == "running":
        state.jobs[id] = replace(record, cancelling=True)
        return "requested"
    _lift(state, record)
    _finish(state, replace(record, status="cancelled", updated=now), "cancel", now, keep_ms)
    return "done"


def _retry(state: State, operation: Retry, now: Millis) -> tuple[Verdict, ...]:
    return tuple([_retry_one(state, id, now) for id in operation.ids])


def _retry_one(state: State, id: bytes, now: Millis) -> Verdict:
    record = state.jobs.get(id)
    if record is None:
        return "missing"
    if record.status != "failed":
        return "refused"
    _ready(
        state,
        replace(
            record,
            status="pending",
            retry_count=0,
            crashes=0,
            ending="",
            updated=now,
            execute_at=None,
            completed=None,
            prune_at=None,
        ),
    )
    return "done"


def _delete(state: State, operation: Delete, now: Millis) -> tuple[bool, ...]:
    return tuple([_delete_one(state, id) for id in operation.ids])


def _delete_one(state: State, id: bytes) -> bool:
    record = state.jobs.pop(id, None)
    if record is None:
        return False
    _lift(state, record)
    return True


def _set_paused(state: State, operation: SetPaused, now: Millis) -> bool:
    was = operation.queue in state.paused
    if operation.paused:
        state.paused.add(operation.queue)
    else:
        state.paused.discard(operation.queue)
    return was != operation.paused


def _purge(state: State, operation: Purge, now: Millis) -> int:
    later = sorted(
        (record.due, record.seq, record.id)
        for record in state.jobs.values()
        if record.due is not None and record.queue == operation.queue
    )
    waiting = [*_waiting(state, operation.queue), *(id for _, _, id in later)]
    doomed = waiting[: operation.limit]
    for id in doomed:
        _delete_one(state, id)
    return len(doomed)


def _waits(record: Record) -> bool:
    return record.status in {"pending", "retrying"} and not record.parked


def _instruct(state: State, operation: Instruct, now: Millis) -> tuple[str, ...]:
    told = [
        name
        for name in sorted(state.workers if operation.workers is None else set(operation.workers))
        if (holder := state.workers.get(name)) and holder.info and holder.expires > now
    ]
    for name in told:
        state.workers[name].order = operation.order
    return tuple(told)


def _take(state: State, operation: Take, now: Millis) -> Record | None:
    record = state.jobs.get(operation.id)
    if record is None or record.status not in {"pending", "retrying"}:
        return None
    holder = state.workers.setdefault(operation.worker, Holder(now))
    holder.expires = max(holder.expires, now + operation.lease_ms)
    return _hand_over(state, operation.id, operation.worker, now)


def _save(state: State, operation: Save, now: Millis) -> Verdict:
    given = operation.record
    known = state.jobs.get(given.id)
    if known is not None:
        return _amend(state, known, given)
    state.last_seq += 1
    record = wire.as_its_status_has_it(replace(given, seq=state.last_seq), now)
    state.jobs[record.id] = record
    if record.due is not None:
        heappush(state.due, (record.due, record.seq, record.id))
    if record.prune_at is not None:
        heappush(state.ended, (record.prune_at, record.seq, record.id))
    if record.worker is not None:
        holder = state.workers.setdefault(record.worker, Holder(now))
        holder.expires = max(holder.expires, now + operation.lease_ms)
        holder.held[record.id] = None
    return "done"


def _amend(state: State, known: Record, given: Record) -> Verdict:
    if (known.status, known.token) != (given.status, given.token):
        return "refused"
    state.jobs[known.id] = replace(
        known,
        payload=given.payload,
        trail=given.trail,
        progress=given.progress,
        started=given.started,
        updated=given.updated,
    )
    return "done"


# What one can look at


def _time(state: State, operation: Time, now: Millis) -> Millis:
    return now


def _find(state: State, operation: Find, now: Millis) -> tuple[Record | None, ...]:
    return tuple([state.jobs.get(id) for id in operation.ids])


def _peek(state: State, operation: Peek, now: Millis) -> tuple[Record, ...]:
    ids = _first(_waiting(state, operation.queue), operation.limit)
    return tuple(state.jobs[id] for id in ids)


def _search(state: State, operation: Search, now: Millis) -> Page:
    before = cursor_position(operation.cursor)
    older = (one for one in reversed(state.jobs.values()) if before is None or one.seq < before)
    found: list[Record] = []
    for looked, record in enumerate(older):
        matches = operation.matches(record)
        if looked == operation.scan or (matches and len(found) == operation.limit):
            return Page(tuple(found), str(record.seq + 1))
        if matches:
            found.append(record)
    return Page(tuple(found))


def _latest(records: Iterable[Record], limit: int) -> tuple[Record, ...]:
    return tuple(nlargest(limit, records, key=lambda one: (one.completed or 0, one.seq)))


def _dead_letters(state: State, operation: DeadLetters, now: Millis) -> tuple[Record, ...]:
    return _latest(
        (
            one
            for one in state.jobs.values()
            if one.ending in lifecycle.DEAD
            and operation.queue in {None, one.queue}
            and operation.job_type in {None, one.job_type}
        ),
        operation.limit,
    )


def _history(state: State, operation: History, now: Millis) -> tuple[Record, ...]:
    return _latest(
        (one for one in state.jobs.values() if one.ending and one.job_type == operation.job_type),
        operation.limit,
    )


def _stats(state: State, operation: Stats, now: Millis) -> Snapshot:
    counts: dict[str, list[int]] = {}
    for record in state.jobs.values():
        kind = _load_kind(record)
        if kind is not None:
            counts.setdefault(record.queue, [0, 0, 0])[kind] += 1
    names = {*counts, *state.counters, *state.paused}
    if operation.queue is not None:
        names &= {operation.queue}
    loads = [_load(name, counts, paused=name in state.paused) for name in sorted(names)]
    counters = [state.counters[name] for name in sorted(names) if name in state.counters]
    return Snapshot(now, tuple(loads), tuple(counters), _worker_rows(state, operation))


def _explain(state: State, operation: Explain, now: Millis) -> Facts | None:
    record = state.jobs.get(operation.id)
    if record is None:
        return None
    alive = [(name, one) for name, one in sorted(state.workers.items()) if one.expires > now]
    return Facts(
        now,
        record,
        record.queue in state.paused,
        _ahead(state, record),
        tuple([_holding(state, name, one) for name, one in alive[:ALIVE]]),
    )


def _ahead(state: State, record: Record) -> int:
    if record.status != "pending" or record.due is not None or record.parked:
        return 0
    for count, id in enumerate(_waiting(state, record.queue)):
        if id == record.id or count == AHEAD:
            return count
    return 0


def _holding(state: State, name: str, holder: Holder) -> Holding:
    some = [state.jobs[id] for id in sorted(holder.held)[:GLIMPSES]]
    return Holding(
        name,
        holder.info,
        holder.expires,
        len(holder.held),
        tuple([Glimpse(one.id, one.job_type, one.queue, one.started) for one in some]),
    )


def _series(state: State, operation: Series, now: Millis) -> tuple[Tally, ...]:
    since = operation.since(now)
    return tuple(
        Tally(minute, counters)
        for (minute, queue), counters in sorted(state.series.items())
        if minute >= since and operation.queue in {None, queue}
    )


def _load(name: str, counts: dict[str, list[int]], *, paused: bool) -> QueueLoad:
    ready, scheduled, running = counts.get(name, [0, 0, 0])
    return QueueLoad(name, ready, scheduled, running, paused)


def _load_kind(record: Record) -> int | None:
    """0 ready, 1 scheduled, 2 running; None for what no worker will touch."""
    if record.status == "running":
        return 2
    if not _waits(record):
        return None
    return 0 if record.due is None else 1


def _worker_rows(state: State, operation: Stats) -> tuple[WorkerRow, ...]:
    if operation.queue is not None:
        return ()
    return tuple(
        WorkerRow(name, one.info, one.expires, tuple(sorted(one.held)))
        for name, one in sorted(state.workers.items())
    )


_ARMS: dict[type[Operation[Any]], Callable[..., Any]] = {
    Enqueue: _enqueue,
    Claim: _claim,
    Settle: _settle,
    SettleAndClaim: _settle_and_claim,
    Heartbeat: _heartbeat,
    Inherit: _inherit,
    Depart: _depart,
    Report: _report,
    Announce: _announce,
    Promote: _promote,
    Reclaim: _reclaim,
    Prune: _prune,
    PutSchedule: _put_schedule,
    RemoveSchedule: _remove_schedule,
    Schedules: _list_schedules,
    Fire: _fire,
    Cancel: _cancel,
    Retry: _retry,
    Delete: _delete,
    SetPaused: _set_paused,
    Purge: _purge,
    Instruct: _instruct,
    Take: _take,
    Save: _save,
    Time: _time,
    Find: _find,
    Peek: _peek,
    Search: _search,
    DeadLetters: _dead_letters,
    History: _history,
    Stats: _stats,
    Explain: _explain,
    Series: _series,
}
