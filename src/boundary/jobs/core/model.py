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

from msgspec import Struct
from msgspec.structs import replace

from boundary.jobs.core import causes, lifecycle, wire
from boundary.jobs.core.operations import (
    AHEAD,
    ALIVE,
    AUDIT,
    GLIMPSES,
    HOUR,
    HOURS,
    LEFT_BY,
    MINUTE,
    SERIES,
    Act,
    Announce,
    Audit,
    Beat,
    Cancel,
    Claim,
    Claimed,
    DeadLetters,
    Delete,
    Depart,
    Edit,
    Enqueue,
    Enqueued,
    Entry,
    Explain,
    Facts,
    Find,
    Fire,
    FireNow,
    Glimpse,
    Group,
    GroupRow,
    Groups,
    Heartbeat,
    History,
    Holding,
    Inherit,
    Instruct,
    Members,
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
    Repair,
    Repaired,
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
    Undo,
    Undone,
    Verdict,
    What,
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

Standing = tuple[Millis, int, bytes]
"""An instant, and the `seq` and id of the job it is about."""


@dataclass(slots=True)
class Holder:
    """A known worker: the end of its lease, what it said of itself, its jobs and latest order."""

    expires: Millis
    info: bytes = b""
    held: dict[bytes, None] = field(default_factory=dict[bytes, None])
    order: Order | None = None


class Aside(Struct, frozen=True):
    """A job as it was before an act, the cause it was a dead letter of, whether it is gone."""

    record: Record
    cause: str
    gone: bool


@dataclass(slots=True)
class State:
    """All there is in a store.

    `jobs` is in order of `seq`. `due` and `ended` are heaps; an entry that its job has left
    behind is passed over.
    """

    jobs: dict[bytes, Record] = field(default_factory=dict[bytes, Record])
    lanes: dict[str, tuple[Lane, ...]] = field(default_factory=dict[str, tuple[Lane, ...]])
    due: list[Standing] = field(default_factory=list[Standing])
    ended: list[Standing] = field(default_factory=list[Standing])
    workers: dict[str, Holder] = field(default_factory=dict[str, Holder])
    counters: dict[str, Counters] = field(default_factory=dict[str, Counters])
    minutes: dict[tuple[Millis, str, str], Counters] = field(
        default_factory=dict[tuple[Millis, str, str], Counters]
    )
    hours: dict[tuple[Millis, str, str], Counters] = field(
        default_factory=dict[tuple[Millis, str, str], Counters]
    )
    causes: dict[bytes, str] = field(default_factory=dict[bytes, str])
    acts: dict[bytes, Entry] = field(default_factory=dict[bytes, Entry])
    asides: dict[bytes, list[Aside]] = field(default_factory=dict[bytes, list[Aside]])
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
            dict(self.minutes),
            dict(self.hours),
            dict(self.causes),
            dict(self.acts),
            dict(self.asides),
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


def _finish(
    state: State, record: Record, event: str, now: Millis, keep_ms: int | None, cause: str = ""
) -> None:
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
    _note_cause(state, state.jobs[record.id], cause)
    if prune_at is not None:
        heappush(state.ended, (prune_at, record.seq, record.id))


def _note_cause(state: State, record: Record, cause: str) -> None:
    if record.ending in lifecycle.DEAD:
        state.causes[record.id] = cause or causes.unnamed(record.ending, record.job_type)


def _lift(state: State, record: Record) -> None:
    """The job stands nowhere any more: not in a lane, not in a worker's hands, in no group."""
    state.causes.pop(record.id, None)
    lanes = state.lanes.get(record.queue)
    if lanes is not None:
        lanes[record.priority].pop(record.id, None)
    if record.worker is not None and record.worker in state.workers:
        state.workers[record.worker].held.pop(record.id, None)


def _count(
    state: State,
    record: Record,
    event: str,
    now: Millis,
    duration_ms: float = 0.0,
    wait_ms: int = 0,
) -> None:
    field_name = lifecycle.COUNTED.get(event)
    if field_name is None:
        return
    queue = record.queue
    one = replace(
        Counters(queue, duration_ms=duration_ms, wait_ms=float(wait_ms)), **{field_name: 1}
    )
    nothing = Counters(queue)
    state.counters[queue] = state.counters.get(queue, nothing).add(one)
    for kept, step in ((state.minutes, MINUTE), (state.hours, HOUR)):
        key = (now // step * step, queue, record.job_type)
        kept[key] = kept.get(key, nothing).add(one)


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
    _count(state, record, event, now, outcome.duration_ms, outcome.wait_ms)
    if record.status in lifecycle.FINISHED:
        _finish(state, record, event, now, outcome.keep_ms, outcome.cause)
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
    kept = set(operation.known)
    for record in _latest_first(state, holder.held):
        if (record.id, record.token) in kept:
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
    _count(state, record, event, now)
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
    _forget(state.minutes, Series(SERIES).since(now))
    _forget(state.hours, Series(HOURS, hourly=True).since(now))
    for id in [id for id in state.asides if (state.acts[id].undo_until or 0) < now]:
        del state.asides[id]
    count = 0
    while count < operation.limit and state.ended and state.ended[0][0] <= now:
        prune_at, seq, id = heappop(state.ended)
        record = state.jobs.get(id)
        if record is not None and (record.prune_at, record.seq) == (prune_at, seq):
            del state.jobs[id]
            state.causes.pop(id, None)
            count += 1
    return count


def _repair(state: State, operation: Repair, now: Millis) -> Repaired:
    """Nothing here can be at odds with a record: lanes and holders are made of nothing else."""
    after = cursor_position(operation.cursor) or 0
    left = [record.seq for record in state.jobs.values() if record.seq > after]
    more = len(left) > operation.limit
    return Repaired(
        min(len(left), operation.limit), (), str(left[operation.limit - 1]) if more else None
    )


def _forget(kept: dict[tuple[Millis, str, str], Counters], oldest: Millis) -> None:
    for key in [key for key in kept if key[0] < oldest]:
        del kept[key]


# Schedules


def _put_schedule(state: State, operation: PutSchedule, now: Millis) -> bool:
    old = state.schedules.get(operation.schedule.name)
    new = with_last(operation.schedule, old)
    if old != operation.over:
        return old == new
    state.schedules[new.name] = new
    _log(state, operation.act, int(new != old), [], now)
    return True


def _remove_schedule(state: State, operation: RemoveSchedule, now: Millis) -> bool:
    gone = state.schedules.pop(operation.name, None) is not None
    _log(state, operation.act, int(gone), [], now)
    return gone


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


def _fire_now(state: State, operation: FireNow, now: Millis) -> Enqueued:
    fresh = _admit(state, operation.job, now)
    _log(state, operation.act, int(fresh), [], now)
    return Enqueued(now, (fresh,))


# What operators ask


def _cancel(state: State, operation: Cancel, now: Millis) -> tuple[Verdict, ...]:
    verdicts: list[Verdict] = []
    asides: list[Aside] = []
    for id in operation.ids:
        aside = _aside(state, id, gone=operation.keep_ms == 0)
        verdicts.append(_cancel_one(state, id, operation.keep_ms, now))
        if aside is not None and verdicts[-1] == "done":
            asides.append(aside)
    changed = len(verdicts) - verdicts.count("refused") - verdicts.count("missing")
    _log(state, operation.act, changed, asides, now)
    return tuple(verdicts)


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
    verdicts: list[Verdict] = []
    asides: list[Aside] = []
    for place, id in enumerate(operation.ids):
        aside = _aside(state, id, gone=False)
        verdicts.append(_retry_one(state, id, operation.delay(place), now))
        if aside is not None and verdicts[-1] == "done":
            asides.append(aside)
    _log(state, operation.act, len(asides), asides, now)
    return tuple(verdicts)


def _retry_one(state: State, id: bytes, delay_ms: int, now: Millis) -> Verdict:
    record = state.jobs.get(id)
    if record is None:
        return "missing"
    if record.status != "failed":
        return "refused"
    _lift(state, record)
    record = replace(
        record,
        status="pending",
        retry_count=0,
        crashes=0,
        ending="",
        updated=now,
        execute_at=None,
        completed=None,
        prune_at=None,
    )
    if delay_ms > 0:
        _wait(state, record, now + delay_ms)
    else:
        _ready(state, record)
    return "done"


def _delete(state: State, operation: Delete, now: Millis) -> tuple[bool, ...]:
    return tuple(_remove(state, operation.ids, operation.act, now))


def _remove(state: State, ids: Iterable[bytes], act: Act | None, now: Millis) -> list[bool]:
    """The jobs are gone, and kept aside unless they ran. For each, whether it was there."""
    gone: list[bool] = []
    asides: list[Aside] = []
    for id in ids:
        aside = _aside(state, id, gone=True)
        gone.append(_delete_one(state, id))
        if aside is not None and aside.record.status != "running":
            asides.append(aside)
    _log(state, act, sum(gone), asides, now)
    return gone


def _delete_one(state: State, id: bytes) -> bool:
    record = state.jobs.pop(id, None)
    if record is None:
        return False
    _lift(state, record)
    return True


def _edit(state: State, operation: Edit, now: Millis) -> Verdict:
    record = state.jobs.get(operation.id)
    if record is None:
        return "missing"
    if (record.token, record.updated) != (operation.token, operation.updated):
        return "refused"
    if record.status not in {"pending", "retrying", "failed"}:
        return "refused"
    aside = _aside(state, record.id, gone=False)
    state.jobs[record.id] = replace(record, payload=operation.payload, updated=now)
    if record.status == "failed":
        _retry_one(state, record.id, 0, now)
    _log(state, operation.act, 1, [aside] if aside else [], now)
    return "done"


def _set_paused(state: State, operation: SetPaused, now: Millis) -> bool:
    changed = _pause(state, operation.queue, paused=operation.paused)
    _log(state, operation.act, int(changed), [], now)
    return changed


def _pause(state: State, queue: str, *, paused: bool) -> bool:
    was = queue in state.paused
    if paused:
        state.paused.add(queue)
    else:
        state.paused.discard(queue)
    return was != paused


def _purge(state: State, operation: Purge, now: Millis) -> int:
    later = sorted(
        (record.due, record.seq, record.id)
        for record in state.jobs.values()
        if record.due is not None and record.queue == operation.queue
    )
    waiting = [*_waiting(state, operation.queue), *(id for _, _, id in later)]
    return sum(_remove(state, waiting[: operation.limit], operation.act, now))


# The log of what operators did, and undoing


def _aside(state: State, id: bytes, *, gone: bool) -> Aside | None:
    record = state.jobs.get(id)
    return None if record is None else Aside(record, state.causes.get(id, ""), gone)


def _log(state: State, act: Act | None, count: int, asides: list[Aside], now: Millis) -> None:
    """The act changed so many jobs, and these can be brought back."""
    if act is None or count == 0:
        return
    known = state.acts.get(act.id)
    until = now + act.undo_ms if known is None else known.undo_until
    until = until if act.undo_ms else None
    if known is None:
        known = Entry(act.id, now, act.by, act.what, act.target, 0)
    state.acts[act.id] = replace(known, count=known.count + count, undo_until=until)
    if until is None:
        state.asides.pop(act.id, None)
    elif asides:
        state.asides[act.id] = [*state.asides.get(act.id, ()), *asides]
    for id in sorted(state.acts)[:-AUDIT]:
        del state.acts[id]
        state.asides.pop(id, None)


def _undo(state: State, operation: Undo, now: Millis) -> Undone:
    entry = state.acts.get(operation.id)
    if entry is None:
        return Undone("missing")
    asides = state.asides.get(operation.id, [])
    if entry.undone is not None and not asides:
        return Undone("already")
    if entry.undo_until is None:
        return Undone("refused")
    if now > entry.undo_until:
        return Undone("late" if entry.undone is None else "already")
    state.acts[entry.id] = replace(entry, undone=entry.undone or now)
    chosen, left = asides[: operation.limit], asides[operation.limit :]
    state.asides[entry.id] = left
    if entry.what in {"pause", "resume"}:
        restored = int(_pause(state, entry.target, paused=entry.what == "resume"))
    else:
        restored = sum([_restore(state, entry.what, aside, now) for aside in chosen])
    _log(state, operation.act, restored, [], now)
    return Undone("done", restored, len(chosen) - restored if chosen else 0, len(left))


def _restore(state: State, what: What, aside: Aside, now: Millis) -> bool:
    """The job is as it was before the act, if nobody else has touched it since."""
    old, present = aside.record, state.jobs.get(aside.record.id)
    if (present is None) is not aside.gone:
        return False
    if present is not None:
        untouched = (present.seq, present.token) == (old.seq, old.token)
        if not untouched or present.status not in LEFT_BY.get(what, ()):
            return False
        _delete_one(state, present.id)
        if what != "edit":
            old = replace(old, payload=present.payload)
    state.last_seq += 1
    record = replace(old, seq=state.last_seq, updated=now)
    state.jobs[record.id] = record
    if record.status in lifecycle.FINISHED:
        _note_cause(state, record, aside.cause)
        if record.prune_at is not None:
            heappush(state.ended, (record.prune_at, record.seq, record.id))
    elif record.due is not None:
        heappush(state.due, (record.due, record.seq, record.id))
    elif not record.parked:
        _ready(state, record)
    return True


def _audit(state: State, operation: Audit, now: Millis) -> tuple[Entry, ...]:
    found = [
        entry
        for id, entry in sorted(state.acts.items(), reverse=True)
        if operation.before is None or id < operation.before
    ]
    return tuple(found[: operation.limit])


def _waits(record: Record) -> bool:
    return record.status in {"pending", "retrying"} and not record.parked


def _instruct(state: State, operation: Instruct, now: Millis) -> tuple[str, ...]:
    told = [
        name
        for name in sorted(state.workers if operation.workers is None else set(operation.workers))
        if (holder := state.workers.get(name)) and holder.info and holder.expires > now
    ]
    anew = [name for name in told if _order_id(state, name) != operation.order.id]
    for name in anew:
        state.workers[name].order = operation.order
    _log(state, operation.act, len(anew), [], now)
    return tuple(told)


def _order_id(state: State, worker: str) -> bytes | None:
    order = state.workers[worker].order
    return None if order is None else order.id


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
    _note_cause(state, record, operation.cause)
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


def _groups(state: State, operation: Groups, now: Millis) -> tuple[Group, ...]:
    rows: dict[tuple[str, str], list[Record]] = {}
    for id, cause in state.causes.items():
        one = state.jobs[id]
        if (
            operation.queue in {None, one.queue}
            and operation.job_type in {None, one.job_type}
            and _ended(one) >= (operation.since or 0)
        ):
            rows.setdefault((cause, one.queue), []).append(one)
    return operation.fold([_group_row(cause, queue, many) for (cause, queue), many in rows.items()])


def _group_row(cause: str, queue: str, dead: list[Record]) -> GroupRow:
    latest = max(dead, key=lambda one: (_ended(one), one.seq))
    first = min(_ended(one) for one in dead)
    last, kind = _ended(latest), latest.job_type
    return GroupRow(cause, kind, queue, len(dead), first, last, latest.seq, latest.id)


def _ended(record: Record) -> Millis:
    return record.completed or 0


def _members(state: State, operation: Members, now: Millis) -> tuple[bytes, ...]:
    dead = [state.jobs[id] for id, cause in state.causes.items() if cause == operation.cause]
    found = [
        one
        for one in sorted(dead, key=lambda one: (_ended(one), one.seq))
        if operation.queue in {None, one.queue}
        and (operation.until is None or _ended(one) <= operation.until)
    ]
    return tuple([one.id for one in found[: operation.limit]])


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
    loads = [_load(state, name, counts) for name in sorted(names)]
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
    kept = state.hours if operation.hourly else state.minutes
    rows = [(key, counters) for key, counters in sorted(kept.items(), key=lambda row: row[0])]
    return operation.fold(
        (begin, job_type, counters) for (begin, _, job_type), counters in rows if begin >= since
    )


def _load(state: State, name: str, counts: dict[str, list[int]]) -> QueueLoad:
    ready, scheduled, running = counts.get(name, [0, 0, 0])
    heads = [next(iter(lane)) for lane in state.lanes.get(name, ()) if lane]
    oldest = min([state.jobs[id].updated for id in heads], default=None)
    return QueueLoad(name, ready, scheduled, running, name in state.paused, oldest)


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
    Repair: _repair,
    PutSchedule: _put_schedule,
    RemoveSchedule: _remove_schedule,
    Schedules: _list_schedules,
    Fire: _fire,
    FireNow: _fire_now,
    Cancel: _cancel,
    Retry: _retry,
    Delete: _delete,
    SetPaused: _set_paused,
    Purge: _purge,
    Instruct: _instruct,
    Edit: _edit,
    Undo: _undo,
    Audit: _audit,
    Take: _take,
    Save: _save,
    Time: _time,
    Find: _find,
    Peek: _peek,
    Search: _search,
    DeadLetters: _dead_letters,
    Groups: _groups,
    Members: _members,
    History: _history,
    Stats: _stats,
    Explain: _explain,
    Series: _series,
}
