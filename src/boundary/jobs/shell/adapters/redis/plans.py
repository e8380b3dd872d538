"""What each operation does on Redis, as pure generators.

What belongs here: for each operation a plan that yields calls of scripts, is sent their replies,
and returns the reply of the operation. What does not: a connection, a clock, a retry.

With one partition (the default) nearly every plan is one call of one script, so one atomic step.
With several, an operation on many jobs is one such step in each partition it touches: calls that
are yielded together go out together, and their replies become one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Sequence
from struct import Struct as Layout
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypeVar, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from boundary.jobs.core import operations as ops
from boundary.jobs.core import wire
from boundary.jobs.core.schedules import with_last
from boundary.jobs.core.stats import Counters
from boundary.jobs.core.wire import Millis, NewJob, Record
from boundary.jobs.errors import UsageError
from boundary.jobs.shell.adapters.redis import records
from boundary.jobs.shell.adapters.redis.keys import partition_of

R = TypeVar("R")


class Call(NamedTuple):
    """Run a script in a partition; answered with what it returns."""

    script: str
    args: tuple[bytes | str | int, ...] = ()
    partition: int = 0


Plan: TypeAlias = Generator[Sequence[Call], Any, R]
"""Yields calls to be made together, one a partition; is sent their replies in that order."""


class Partitions(Struct, frozen=True):
    """How many there are, and whose turn it is to be looked into first."""

    count: int = 1
    turn: int = 0

    def of(self, id: bytes) -> int:
        """The partition of a job."""
        return partition_of(id, self.count)

    def all(self) -> range:
        """Every partition."""
        return range(self.count)

    def in_turn(self) -> list[int]:
        """Every partition, another one first each time."""
        return [(self.turn + number) % self.count for number in self.all()]


LONGEST: Final = 2**53
"""Whole numbers from here on are not exact in a script."""

SEARCHED: Final = 1_000
"""Jobs one call of a search looks at, so that it holds up no other for long."""
CANDIDATES: Final = 100
"""Jobs one call of a search for a text brings, at least, for the text to be looked for in each."""

SCANNED: Final = 5_000
"""The same for cheaper looks."""

HOLD_MS: Final = 5_000
"""How long a tick waits for the worker that began to fire it into another partition."""

_encode = msgspec.msgpack.Encoder().encode
_OUTCOME = Layout(">16sIdII")
_LONGEST_WAIT: Final = 0xFFFFFFFF


def plan(operation: ops.Operation[R], partitions: Partitions) -> Plan[R]:
    """The steps of an operation."""
    return _PLANS[type(operation)](operation, partitions)


def merged(operations: Sequence[ops.Enqueue]) -> tuple[ops.Enqueue, ...]:
    """The same enqueues in fewer operations, each as large as one may be.

    Callers that come at the same moment share calls; `shared` tells their replies apart.
    """
    jobs = [job for operation in operations for job in operation.jobs]
    most = ops.ENQUEUE_BATCH
    return tuple(
        ops.Enqueue(tuple(jobs[start : start + most])) for start in range(0, len(jobs), most)
    )


def shared(
    operations: Sequence[ops.Enqueue], replies: Sequence[ops.Enqueued]
) -> list[ops.Enqueued]:
    """For each of the operations that were `merged` its own reply."""
    fresh = [one for reply in replies for one in reply.fresh]
    now = replies[0].now if replies else 0
    watched = any(reply.watched for reply in replies)
    own: list[ops.Enqueued] = []
    start = 0
    for operation in operations:
        end = start + len(operation.jobs)
        own.append(ops.Enqueued(now, tuple(fresh[start:end]), watched))
        start = end
    return own


def _ask(**fields: Any) -> bytes:
    """What a script is asked, by name; what is None is left out.

    No bytes: the MessagePack of Redis 7.0 does not know them. They are arguments of their own.
    """
    return _encode({name: value for name, value in fields.items() if value is not None})


def _everywhere(partitions: Partitions, script: str, *args: bytes | str | int) -> list[Call]:
    return [Call(script, args, number) for number in partitions.all()]


def _grouped(ids: Iterable[bytes], partitions: Partitions) -> dict[int, list[int]]:
    """The places of the ids, by partition."""
    places: dict[int, list[int]] = {}
    for place, id in enumerate(ids):
        places.setdefault(partitions.of(id), []).append(place)
    return places


def _by_id(
    script: str,
    ids: Sequence[bytes],
    partitions: Partitions,
    *args: bytes | str | int,
) -> Plan[list[Any]]:
    """What the script says of each id; scripts take ids as one text and answer one by one."""
    if not ids:
        return []
    places = _grouped(ids, partitions)
    replies = yield [
        Call(script, (b"".join([ids[place] for place in mine]), *args), number)
        for number, mine in places.items()
    ]
    answers: list[Any] = [None] * len(ids)
    for mine, reply in zip(places.values(), replies, strict=True):
        for place, answer in zip(mine, reply, strict=True):
            answers[place] = answer
    return answers


def _records(ids: bytes, found: Sequence[bytes]) -> list[Record]:
    """The records a script returned with their ids in one text."""
    decode = records.decode
    return [decode(ids[16 * at : 16 * at + 16], data) for at, data in enumerate(found)]


# A job comes in


def _enqueue(operation: ops.Enqueue, partitions: Partitions) -> Plan[ops.Enqueued]:
    jobs = operation.jobs
    if not jobs:
        (now,) = yield [Call("time")]
        return ops.Enqueued(now, ())
    _check_instants(jobs)
    places = _grouped([job.id for job in jobs], partitions)
    groups = [[jobs[place] for place in mine] for mine in places.values()]
    plain = [all(map(records.is_plain, group)) for group in groups]
    replies = yield [
        Call("enqueue", _arrivals(group), number)
        if easy
        else Call("admit", tuple(map(records.admission, group)), number)
        for number, group, easy in zip(places, groups, plain, strict=True)
    ]
    again = [at for at, reply in enumerate(replies) if reply is None]
    if again:
        numbers = list(places)
        more = yield [
            Call("admit", tuple(map(records.admission, groups[at])), numbers[at]) for at in again
        ]
        replies = list(replies)
        for at, reply in zip(again, more, strict=True):
            replies[at] = reply
    fresh = [True] * len(jobs)
    now, watched = 0, False
    for mine, reply in zip(places.values(), replies, strict=True):
        if isinstance(reply, int):
            now = max(now, reply)
            continue
        told, flags, seen = reply
        now, watched = max(now, told), watched or bool(seen)
        for place, flag in zip(mine, flags, strict=True):
            fresh[place] = flag == _ONE
    return ops.Enqueued(now, tuple(fresh), watched)


_ONE = ord("1")


def _arrivals(jobs: Sequence[NewJob]) -> tuple[bytes | int, ...]:
    """Jobs that are ready at once, each with the number of its lane."""
    numbers: dict[bytes, int] = {}
    arrivals: list[bytes] = []
    for job in jobs:
        lane = records.lane(job.queue, job.priority)
        number = numbers.get(lane)
        if number is None:
            number = numbers[lane] = len(numbers) + 1
        arrivals.append(records.arrival(job, lane, number))
    return (len(numbers), *numbers, *arrivals)


def _check_instants(jobs: Iterable[NewJob]) -> None:
    for job in jobs:
        if not -LONGEST < (job.run_at or job.delay_ms) < LONGEST:
            raise UsageError(
                f"a {job.job_type} job cannot wait until {job.run_at or job.delay_ms} ms: "
                "that is further away than any calendar goes"
            )


# A worker's cycle


def _claim_args(operation: ops.Claim, slots: int, taken: Sequence[Record] = ()) -> bytes:
    """`taken`: what other partitions gave already."""
    limits = dict(operation.limits)
    for record in taken:
        if record.queue in limits:
            limits[record.queue] -= 1
    return _ask(
        worker=operation.worker,
        slots=slots,
        lease=operation.lease_ms,
        promote=operation.promote,
        join=operation.join or None,
        queues=operation.queues,
        ahead=dict(operation.ahead) or None,
        limits=limits or None,
    )


def _claim(operation: ops.Claim, partitions: Partitions) -> Plan[ops.Claimed]:
    claimed: list[ops.Claimed] = []
    taken: list[Record] = []
    for number in partitions.in_turn():
        ask = _claim_args(operation, operation.slots - len(taken), taken)
        (reply,) = yield [Call("claim", (ask,), number)]
        claimed.append(_claimed(reply))
        taken += claimed[-1].jobs
    return _together(claimed)


def _claimed(reply: Any) -> ops.Claimed:
    now, alive, due, stopping, ticks, found, watched = reply
    if not alive:
        return ops.Claimed(now, (), alive=False)
    return ops.Claimed(
        now,
        tuple(map(records.decode, found[::2], found[1::2])),
        None if due < 0 else due,
        _split(stopping),
        tuple([_schedule(*row) for row in ticks]),
        watched=bool(watched),
    )


def _together(claimed: Sequence[ops.Claimed]) -> ops.Claimed:
    """Claims of several partitions as one."""
    if len(claimed) == 1:
        return claimed[0]
    return ops.Claimed(
        max(one.now for one in claimed),
        tuple([job for one in claimed for job in one.jobs]),
        min((one.next_due for one in claimed if one.next_due is not None), default=None),
        tuple([id for one in claimed for id in one.cancelling]),
        tuple([tick for one in claimed for tick in one.ticks]),
        all(one.alive for one in claimed),
        any(one.watched for one in claimed),
    )


def _split(ids: bytes) -> tuple[bytes, ...]:
    return tuple([ids[at : at + 16] for at in range(0, len(ids), 16)])


def _outcomes(outcomes: Sequence[ops.Outcome]) -> tuple[tuple[bytes, ...], list[int]]:
    """Outcomes in groups that are alike, as `lua/parts/settling.lua` reads them.

    Returns:
        What the script is given, and the places of the outcomes in its order.
    """
    groups: dict[tuple[str, int, int, int | None, str], list[int]] = {}
    for place, one in enumerate(outcomes):
        alike = (one.event, one.retry_count, one.delay_ms, one.keep_ms, one.cause)
        groups.setdefault(alike, []).append(place)
    heads: list[dict[str, int | str]] = []
    blobs: list[bytes] = []
    pack = _OUTCOME.pack
    for (event, retry, delay, keep, cause), places in groups.items():
        head: dict[str, int | str] = {
            "event": records.EVENT[event],
            "retry": retry,
            "delay": delay,
        }
        if keep is not None:
            head["keep"] = keep
        if cause:
            head["cause"] = cause
        heads.append(head)
        parts: list[bytes] = []
        for place in places:
            one = outcomes[place]
            trail = one.trail
            wait = min(one.wait_ms, _LONGEST_WAIT)
            parts.append(pack(one.id, records.token(one.token), one.duration_ms, wait, len(trail)))
            if trail:
                parts.append(trail)
        blobs.append(b"".join(parts))
    order = [place for places in groups.values() for place in places]
    return (_encode(heads), *blobs), order


def _accepted(flags: bytes, order: Sequence[int]) -> tuple[bool, ...]:
    """Which outcomes were accepted, in the order they were given."""
    if not flags:
        return (True,) * len(order)
    accepted = [False] * len(order)
    for place, flag in zip(order, flags, strict=True):
        accepted[place] = flag == _ONE
    return tuple(accepted)


def _settle(operation: ops.Settle, partitions: Partitions) -> Plan[ops.Settled]:
    outcomes = operation.outcomes
    places = _grouped([one.id for one in outcomes], partitions) or {0: []}
    made = [_outcomes([outcomes[place] for place in mine]) for mine in places.values()]
    replies = yield [
        Call("settle", (operation.worker, *args), number)
        for number, (args, _) in zip(places, made, strict=True)
    ]
    accepted = [True] * len(outcomes)
    now, watched = 0, False
    for mine, (_, order), (told, flags, seen) in zip(places.values(), made, replies, strict=True):
        now, watched = max(now, told), watched or bool(seen)
        for place, flag in zip(mine, _accepted(flags, order), strict=True):
            accepted[place] = flag
    return ops.Settled(now, tuple(accepted), watched)


def _settle_and_claim(
    operation: ops.SettleAndClaim, partitions: Partitions
) -> Plan[tuple[ops.Settled, ops.Claimed]]:
    settle, claim = operation.settle, operation.claim
    if partitions.count > 1 or settle.worker != claim.worker:
        settled = yield from _settle(settle, partitions)
        return settled, (yield from _claim(claim, partitions))
    args, order = _outcomes(settle.outcomes)
    call = Call("exchange", (_claim_args(claim, claim.slots), *args))
    ((now, flags, reply),) = yield [call]
    claimed = _claimed(reply)
    return ops.Settled(now, _accepted(flags, order), bool(reply[-1])), claimed


def _heartbeat(operation: ops.Heartbeat, partitions: Partitions) -> Plan[ops.Beat]:
    ask = _ask(
        worker=operation.worker,
        lease=operation.lease_ms,
        join=operation.join or None,
    )
    return _beat((yield _everywhere(partitions, "heartbeat", ask, operation.info)))


def _beat(replies: Sequence[Any]) -> ops.Beat:
    if not all(alive for _, alive, *_ in replies):
        return ops.Beat(max(now for now, *_ in replies), alive=False)
    return ops.Beat(
        max(now for now, *_ in replies),
        alive=True,
        cancelling=_split(b"".join([ids for _, _, ids, *_ in replies])),
        order=_order(replies[0][3]),
        watched=any(watched for *_, watched in replies),
    )


def _order(given: bytes) -> ops.Order | None:
    """Partitions agree, or will in a moment: an order is given to one after another."""
    return ops.Order(given[:16], cast("ops.Word", given[16:].decode())) if given else None


def _inherit(operation: ops.Inherit, partitions: Partitions) -> Plan[ops.Beat]:
    ask = _ask(
        worker=operation.worker,
        heir=operation.heir,
        lease=operation.lease_ms,
        keep=operation.keep_ms,
    )
    known = b"".join(
        [id + records.token(token).to_bytes(4, "big") for id, token in operation.known]
    )
    return _beat((yield _everywhere(partitions, "inherit", ask, operation.info, known)))


def _depart(operation: ops.Depart, partitions: Partitions) -> Plan[int]:
    ask = _ask(worker=operation.worker, keep=operation.keep_ms)
    return sum((yield _everywhere(partitions, "depart", ask)))


def _report(operation: ops.Report, partitions: Partitions) -> Plan[bool]:
    args = (operation.id, operation.token, operation.progress)
    (done,) = yield [Call("report", args, partitions.of(operation.id))]
    return bool(done)


def _announce(operation: ops.Announce, partitions: Partitions) -> Plan[bool]:
    """All by way of the first partition: a channel is heard on every node."""
    (watched,) = yield [Call("announce", operation.frames)]
    return bool(watched)


def watching(who: bytes, ttl_ms: int, partitions: Partitions) -> list[Call]:
    """Every partition knows that somebody watches, for so long; 0: no longer."""
    return _everywhere(partitions, "watch", who, ttl_ms)


# Duties any worker may carry out


def _up_to(limit: int, partitions: Partitions, call: Callable[[int, int], Call]) -> Plan[list[Any]]:
    """Replies of partitions, one after another, until together they have reached the limit."""
    found: list[Any] = []
    for number in partitions.in_turn():
        (reply,) = yield [call(number, limit - _size(found))]
        found.append(reply)
        if _size(found) >= limit:
            break
    return found


def _size(replies: Iterable[Any]) -> int:
    return sum(one if isinstance(one, int) else len(one) for one in replies)


def _promote(operation: ops.Promote, partitions: Partitions) -> Plan[int]:
    def call(number: int, left: int) -> Call:
        return Call("promote", (left,), number)

    return _size((yield from _up_to(operation.limit, partitions, call)))


def _reclaim(operation: ops.Reclaim, partitions: Partitions) -> Plan[tuple[bytes, ...]]:
    def call(number: int, left: int) -> Call:
        ask = _ask(crashes=operation.max_crashes, limit=left, keep=operation.keep_ms)
        return Call("reclaim", (ask,), number)

    replies = yield from _up_to(operation.limit, partitions, call)
    return tuple([id for reply in replies for id in reply])


def _prune(operation: ops.Prune, partitions: Partitions) -> Plan[int]:
    def call(number: int, left: int) -> Call:
        return Call("prune", (left,), number)

    return _size((yield from _up_to(operation.limit, partitions, call)))


def _repair(operation: ops.Repair, partitions: Partitions) -> Plan[ops.Repaired]:
    """The cursor: partition, phase, where in it, the roll (`lua/parts/rolling.lua`)."""
    number, phase, at, roll = _repair_cursor(operation.cursor, partitions)
    ask = _ask(phase=phase, at=at, roll=roll, limit=operation.limit, mend=operation.mend)
    ((phase, at, roll, looked, amount),) = yield [Call("repair", (ask,), number)]
    amiss: list[tuple[ops.Amiss, int]] = [
        (cast("ops.Amiss", kind.decode()), count)
        for kind, count in zip(amount[::2], amount[1::2], strict=True)
    ]
    more: str | None = None
    if phase:
        more = f"{number}.{phase.decode()}.{at.decode()}.{roll}"
    elif number + 1 < partitions.count:
        more = f"{number + 1}.{BEGIN}..0"
    return ops.Repaired(looked, tuple(amiss), more)


BEGIN: Final = "keeps"
"""The first phase of a repair."""

_REPAIR_CURSOR: Final = re.compile(r"([0-9]{1,5})\.([a-z]{1,9})\.([0-9]{0,20}|more)\.([0-9]{1,15})")


def _repair_cursor(cursor: str | None, partitions: Partitions) -> tuple[int, str, str, int]:
    if cursor is None:
        return 0, BEGIN, "", 0
    found = _REPAIR_CURSOR.fullmatch(cursor)
    if found is None or int(found[1]) >= partitions.count:
        raise UsageError(
            f"the cursor {cursor[:40]!r} is not one a repair returned; leave it out to start anew"
        )
    return int(found[1]), found[2], found[3], int(found[4])


# Schedules; all are in the first partition


def _body(schedule: ops.Schedule) -> bytes:
    """What the store keeps beside the name, the next tick and the last firing.

    Two bytes, and as many as they say, are of an earlier form, and passed over.
    """
    return b"\0\0" + _encode(
        (
            schedule.job_type,
            schedule.queue,
            schedule.priority,
            schedule.payload,
            schedule.cron,
            schedule.every_ms,
            schedule.timezone,
            schedule.misfire,
            schedule.misfire_cap,
            schedule.declared,
        )
    )


def _schedule(
    name: bytes, tick: bytes | int | None, stored: bytes, fired: bytes | None
) -> ops.Schedule:
    size = int.from_bytes(stored[:2], "big")
    # An earlier form ends with the zone, a later one may have more than is known here.
    job_type, queue, priority, payload, *rest = msgspec.msgpack.decode(stored[2 + size :])[:10]
    next_at = None if tick is None else int(float(tick))
    one = ops.Schedule(name.decode(), job_type, queue, priority, payload, next_at, *rest)
    if fired is None:
        return one
    moment = int.from_bytes(fired[:8], "big", signed=True)
    return replace(one, fired_at=moment, last_job=fired[8:])


def _put_schedule(operation: ops.PutSchedule, partitions: Partitions) -> Plan[bool]:
    new, over = operation.schedule, operation.over
    while True:
        (rows,) = yield [Call("schedules", (new.name,))]
        old = _schedule(*rows[0]) if rows else None
        if old != over:
            return old == with_last(new, old)
        was = None if old is None else old.next_at
        ask = _ask(name=new.name, next=new.next_at, was=was)
        stored = rows[0][2] if rows else b""
        act = records.encode_act(operation.act)
        (done,) = yield [Call("put_schedule", (ask, stored, _body(new), act))]
        if done:
            return True


def _remove_schedule(operation: ops.RemoveSchedule, partitions: Partitions) -> Plan[bool]:
    act = records.encode_act(operation.act)
    (gone,) = yield [Call("remove_schedule", (operation.name, act))]
    return bool(gone)


def _schedules(operation: ops.Schedules, partitions: Partitions) -> Plan[tuple[ops.Schedule, ...]]:
    (rows,) = yield [Call("schedules", ("",))]
    return tuple(sorted((_schedule(*row) for row in rows), key=lambda one: one.name))


def _fire_now(operation: ops.FireNow, partitions: Partitions) -> Plan[ops.Enqueued]:
    job = operation.job
    _check_instants((job,))
    args = (records.encode_act(operation.act), records.admission(job))
    ((now, fresh, seen),) = yield [Call("fire_now", args, partitions.of(job.id))]
    return ops.Enqueued(now, (bool(fresh),), bool(seen))


def _fire(operation: ops.Fire, partitions: Partitions) -> Plan[bool]:
    name, tick, job = operation.name, operation.tick, operation.job
    held: bool | None = None
    if job is not None and partitions.of(job.id) > 0:
        # Who holds the tick alone enqueues its job; if that worker dies before the tick is done,
        # another one begins again, and while the job is stored it makes no second one.
        (held,) = yield [Call("fire", (_ask(name=name, tick=tick, hold=HOLD_MS), b"", b""))]
        if not held:
            return False
        yield from _enqueue(ops.Enqueue((job,)), partitions)
    ask = _ask(name=name, tick=tick, next=operation.next_at, held=held)
    id = b"" if job is None else job.id
    here = b"" if job is None or held else records.admission(job)
    (fired,) = yield [Call("fire", (ask, id, here))]
    return bool(fired)


# What operators ask

_VERDICTS: Final[dict[int, ops.Verdict]] = {
    ord("d"): "done",
    ord("r"): "requested",
    ord("x"): "refused",
    ord("m"): "missing",
}


def _verdicts(answers: Iterable[int]) -> tuple[ops.Verdict, ...]:
    return tuple([_VERDICTS[answer] for answer in answers])


def _cancel(operation: ops.Cancel, partitions: Partitions) -> Plan[tuple[ops.Verdict, ...]]:
    keep = b"" if operation.keep_ms is None else operation.keep_ms
    act = records.encode_act(operation.act)
    return _verdicts((yield from _by_id("cancel", operation.ids, partitions, keep, act)))


def _retry(operation: ops.Retry, partitions: Partitions) -> Plan[tuple[ops.Verdict, ...]]:
    ids, act = operation.ids, records.encode_act(operation.act)
    if not any(operation.delays):
        return _verdicts((yield from _by_id("retry", ids, partitions, b"", act)))
    places = _grouped(ids, partitions)
    calls: list[Call] = []
    for number, mine in places.items():
        delays = b"".join([operation.delay(place).to_bytes(8, "big") for place in mine])
        args = (b"".join([ids[place] for place in mine]), delays, act)
        calls.append(Call("retry", args, number))
    replies = yield calls
    answers = [0] * len(ids)
    for mine, reply in zip(places.values(), replies, strict=True):
        for place, answer in zip(mine, reply, strict=True):
            answers[place] = answer
    return _verdicts(answers)


def _delete(operation: ops.Delete, partitions: Partitions) -> Plan[tuple[bool, ...]]:
    act = records.encode_act(operation.act)
    answers = yield from _by_id("delete", operation.ids, partitions, act)
    return tuple([answer == _ONE for answer in answers])


def _edit(operation: ops.Edit, partitions: Partitions) -> Plan[ops.Verdict]:
    ask = _ask(token=operation.token, updated=operation.updated)
    args = (ask, operation.id, operation.payload, records.encode_act(operation.act))
    (answer,) = yield [Call("edit", args, partitions.of(operation.id))]
    return _VERDICTS[answer[0]]


_ENDS: Final[dict[bytes, Literal["done", "missing", "refused", "late", "already"]]] = {
    b"d": "done",
    b"l": "late",
    b"x": "refused",
    b"a": "already",
    b"m": "missing",
}
"""What became of an undoing; with several partitions the first of these that is true of one."""


def _undo(operation: ops.Undo, partitions: Partitions) -> Plan[ops.Undone]:
    args = (operation.id, records.encode_act(operation.act), operation.limit)
    replies = yield _everywhere(partitions, "undo", *args)
    verdict = min((one[0] for one in replies), key=list(_ENDS).index)
    restored, skipped, left = (sum(one[place] for one in replies) for place in (1, 2, 3))
    if any(one[4] for one in replies):
        # A queue is paused in each partition, and is one queue.
        restored = max(one[1] for one in replies)
    return ops.Undone(_ENDS[verdict], restored, skipped, left)


def _audit(operation: ops.Audit, partitions: Partitions) -> Plan[tuple[ops.Entry, ...]]:
    return (yield from _entries(operation.limit, operation.before, partitions))


def _entries(
    limit: int, before: bytes | None, partitions: Partitions
) -> Plan[tuple[ops.Entry, ...]]:
    """The latest acts; one that changed jobs in several partitions is one."""
    found: dict[bytes, ops.Entry] = {}
    for reply in (yield _everywhere(partitions, "audit", limit, before or b"")):
        for id, data in reply:
            one = records.decode_entry(id, data)
            was = found.get(id)
            found[id] = one if was is None else _as_one(was, one)
    return tuple([found[id] for id in sorted(found, reverse=True)[:limit]])


def _as_one(one: ops.Entry, other: ops.Entry) -> ops.Entry:
    """An act as two partitions tell of it."""
    whole = one.what in ops.ONCE
    return replace(
        one,
        at=min(one.at, other.at),
        count=max(one.count, other.count) if whole else one.count + other.count,
        undone=one.undone or other.undone,
    )


def _set_paused(operation: ops.SetPaused, partitions: Partitions) -> Plan[bool]:
    paused, act = int(operation.paused), records.encode_act(operation.act)
    return any((yield _everywhere(partitions, "set_paused", operation.queue, paused, act)))


def _purge(operation: ops.Purge, partitions: Partitions) -> Plan[int]:
    gone = 0
    for number in partitions.in_turn():
        start = 0
        while start >= 0 and gone < operation.limit:
            ask = _ask(
                queue=operation.queue, limit=operation.limit - gone, scan=SCANNED, **{"from": start}
            )
            act = records.encode_act(operation.act)
            ((count, start),) = yield [Call("purge", (ask, act), number)]
            gone += count
    return gone


def _instruct(operation: ops.Instruct, partitions: Partitions) -> Plan[tuple[str, ...]]:
    order = operation.order.id + operation.order.word.encode()
    ask = _ask(workers=operation.workers)
    act = records.encode_act(operation.act)
    replies = yield _everywhere(partitions, "instruct", order, ask, act)
    return tuple(sorted({name.decode() for names in replies for name in names}))


def _take(operation: ops.Take, partitions: Partitions) -> Plan[Record | None]:
    ask = _ask(worker=operation.worker, lease=operation.lease_ms)
    number = partitions.of(operation.id)
    (data,) = yield [Call("take", (ask, operation.id), number)]
    return None if data is None else records.decode(operation.id, data)


def _save(operation: ops.Save, partitions: Partitions) -> Plan[ops.Verdict]:
    given = operation.record
    number = partitions.of(given.id)
    (now,) = yield [Call("time", (), number)]
    record = wire.as_its_status_has_it(given, now)
    ask = _ask(
        created=max(record.created, 0),
        token=record.token,
        status=records.STATUS[record.status],
        lease=operation.lease_ms,
        cause=operation.cause or None,
    )
    lane = records.lane(record.queue, record.priority)
    static = records.rest(lane, record.job_type, record.payload)
    args = (ask, record.id, static, records.encode_state(record))
    (answer,) = yield [Call("save", args, number)]
    return _VERDICTS[answer[0]]


# What one can look at


def _time(operation: ops.Time, partitions: Partitions) -> Plan[Millis]:
    (now,) = yield [Call("time")]
    return int(now)


def _find(operation: ops.Find, partitions: Partitions) -> Plan[tuple[Record | None, ...]]:
    answers = yield from _by_id("find", operation.ids, partitions)
    return tuple([_found(id, answer) for id, answer in zip(operation.ids, answers, strict=True)])


def _found(id: bytes, answer: bytes | list[bytes] | None) -> Record | None:
    if answer is None:
        return None
    if isinstance(answer, list):
        return records.quarantined(id, records.broken(answer[0]))
    return records.readable(id, answer)


def _peek(operation: ops.Peek, partitions: Partitions) -> Plan[tuple[Record, ...]]:
    found: list[Record] = []
    for number in partitions.all():
        args = (operation.queue, operation.limit - len(found))
        ((ids, data),) = yield [Call("peek", args, number)]
        found += _records(ids, data)
        if len(found) >= operation.limit:
            break
    return tuple(found)


class _Stretch(Struct):
    """How far a search has come in a partition."""

    below: int
    found: list[tuple[int, Record]]


def _search(operation: ops.Search, partitions: Partitions) -> Plan[ops.Page]:
    stretches = [_Stretch(below, []) for below in _cursor(operation.cursor, partitions)]
    left = operation.scan
    for number, one in enumerate(stretches):
        while one.below > 1 and left > 0 and len(one.found) <= operation.limit:
            args = _conditions(operation, one, min(left, SEARCHED))
            ((ids, data, seqs, down_to, looked),) = yield [Call("search", args, number)]
            found = zip(seqs, _records(ids, data), strict=True)
            one.found += [row for row in found if operation.mentioned_by(row[1])]
            one.below = down_to + 1
            left -= looked
    return _page(operation, stretches)


def _conditions(operation: ops.Search, one: _Stretch, scan: int) -> tuple[bytes, ...]:
    at_most = operation.limit + 1 - len(one.found)
    ask = _ask(
        below=one.below,
        scan=scan,
        limit=at_most if operation.text is None else max(at_most, CANDIDATES),
        status=None if operation.status is None else records.STATUS[operation.status],
        kind=operation.job_type,
        queue=operation.queue,
        since=operation.since,
        before=operation.until,
    )
    return (ask, *operation.needles)


def _cursor(cursor: str | None, partitions: Partitions) -> list[int]:
    """Below which seq a search goes on, in each partition."""
    if cursor is None:
        return [LONGEST] * partitions.count
    positions = [ops.cursor_position(part) for part in cursor.split(".")]
    if len(positions) != partitions.count:
        ops.cursor_position("another number of partitions")
    return [position or 0 for position in positions]


def _page(operation: ops.Search, stretches: Sequence[_Stretch]) -> ops.Page:
    """The newest of what the partitions found, and where each goes on."""
    rows = [(row, number) for number, one in enumerate(stretches) for row in one.found]
    if len(stretches) > 1:
        rows.sort(key=lambda row: (row[0][1].created, row[0][0]), reverse=True)
    shown, spare = rows[: operation.limit], rows[operation.limit :]
    for (seq, _), number in reversed(spare):
        stretches[number].below = max(stretches[number].below, seq + 1)
    more = spare or any(one.below > 1 for one in stretches)
    cursor = ".".join(str(one.below) for one in stretches) if more else None
    return ops.Page(tuple([record for (_, record), _ in shown]), cursor)


def _latest(found: Iterable[Record], limit: int, partitions: Partitions) -> tuple[Record, ...]:
    rows = list(found)
    if partitions.count > 1:
        rows.sort(key=lambda one: (one.completed or 0, one.seq), reverse=True)
    return tuple(rows[:limit])


def _dead_letters(operation: ops.DeadLetters, partitions: Partitions) -> Plan[tuple[Record, ...]]:
    found: list[Record] = []
    for number in partitions.all():
        here: list[Record] = []
        start = 0
        while start >= 0 and len(here) < operation.limit:
            ask = _ask(
                limit=operation.limit - len(here),
                scan=SCANNED,
                queue=operation.queue,
                kind=operation.job_type,
                **{"from": start},
            )
            ((ids, data, start, broken),) = yield [Call("dead_letters", (ask,), number)]
            here += [_set_aside(*row) for row in broken]
            here += _records(ids, data)
        found += here
    wanted = {None, operation.queue}
    shown = [one for one in found if operation.queue is None or one.queue in wanted]
    return _latest(shown, operation.limit, partitions)


def _set_aside(id: bytes, data: bytes) -> Record:
    return records.quarantined(id, records.broken(data))


def _groups(operation: ops.Groups, partitions: Partitions) -> Plan[tuple[ops.Group, ...]]:
    ask = _ask(
        scan=ops.GROUPS,
        queue=operation.queue,
        kind=operation.job_type,
        since=operation.since,
    )
    replies = yield _everywhere(partitions, "groups", ask)
    return operation.fold([_group_row(*row) for reply in replies for row in reply])


def _group_row(name: bytes, count: int, first: bytes, last: bytes, member: bytes) -> ops.GroupRow:
    queue, job_type, cause = name.decode().split("|", 2)
    began, ended, seq = int(float(first)), int(float(last)), int.from_bytes(member[:6], "big")
    return ops.GroupRow(cause, job_type, queue, count, began, ended, seq, member[6:])


def _members(operation: ops.Members, partitions: Partitions) -> Plan[tuple[bytes, ...]]:
    ask = _ask(
        cause=operation.cause,
        limit=operation.limit,
        queue=operation.queue,
        until=operation.until,
    )
    replies = yield _everywhere(partitions, "members", ask)
    rows = [(float(ended), id) for reply in replies for ended, id in reply]
    if partitions.count > 1:
        rows.sort()
    return tuple([id for _, id in rows[: operation.limit]])


def _history(operation: ops.History, partitions: Partitions) -> Plan[tuple[Record, ...]]:
    args = (operation.job_type, operation.limit)
    replies = yield _everywhere(partitions, "history", *args)
    found = [record for ids, data in replies for record in _records(ids, data)]
    return _latest(found, operation.limit, partitions)


def _stats(operation: ops.Stats, partitions: Partitions) -> Plan[ops.Snapshot]:
    replies = yield _everywhere(partitions, "stats", operation.queue or "")
    now = 0
    loads: dict[str, list[int]] = {}
    counters: dict[str, Counters] = {}
    workers: dict[str, ops.WorkerRow] = {}
    for told, rows, counts, known in replies:
        now = max(now, told)
        for queue, *numbers in rows:
            here = loads.setdefault(queue.decode(), [0, 0, 0, 0, -1])
            since = [one for one in (here[4], numbers[4]) if one >= 0]
            sums = [old + new for old, new in zip(here[:4], numbers[:4], strict=True)]
            loads[queue.decode()] = [*sums, min(since, default=-1)]
        for name, number in zip(counts[::2], counts[1::2], strict=True):
            _add(counters, name.decode(), int(number))
        for row in known:
            _join(workers, *row)
    names = {*loads, *counters}
    if operation.queue is not None:
        names &= {operation.queue}
    return ops.Snapshot(
        now,
        tuple([_load(name, loads.get(name, [0, 0, 0, 0, -1])) for name in sorted(names)]),
        tuple([counters[name] for name in sorted(names & counters.keys())]),
        tuple([workers[name] for name in sorted(workers)]),
    )


def _explain(operation: ops.Explain, partitions: Partitions) -> Plan[ops.Facts | None]:
    home = partitions.of(operation.id)
    asked = (operation.id, ops.AHEAD, ops.ALIVE, ops.GLIMPSES)
    replies = yield _everywhere(partitions, "explain", *asked)
    workers: dict[str, ops.Holding] = {}
    for reply in replies:
        for row in reply[4]:
            _hold(workers, *row)
    now, data, paused, ahead, _ = replies[home]
    record = None if data is None else _found(operation.id, data)
    if record is None:
        return None
    some = tuple([workers[name] for name in sorted(workers)])[: ops.ALIVE]
    return ops.Facts(now, record, paused > 0, ahead, some)


def _hold(
    workers: dict[str, ops.Holding],
    worker: bytes,
    info: bytes,
    expires: bytes,
    held: int,
    some: Sequence[tuple[bytes, bytes, bytes, int]],
) -> None:
    """What one partition says of a worker, beside what others said of it."""
    name, until = worker.decode(), int(float(expires))
    was = workers.get(name, ops.Holding(name, info, until, 0, ()))
    seen = [
        ops.Glimpse(id, kind.decode(), queue.decode(), None if started < 0 else started)
        for id, kind, queue, started in some
    ]
    first = sorted([*was.some, *seen], key=lambda one: one.id)[: ops.GLIMPSES]
    workers[name] = ops.Holding(name, info, max(until, was.expires), was.held + held, tuple(first))


AT_ONCE: Final = 6
"""Keys of a series that one call reads: hours of minutes, days of hours."""


def _series(operation: ops.Series, partitions: Partitions) -> Plan[tuple[ops.Tally, ...]]:
    (now,) = yield [Call("time")]
    since, kind = operation.since(now), "hours" if operation.hourly else "minutes"
    span = operation.step * (24 if operation.hourly else 60)
    rows: list[tuple[Millis, str, Counters]] = []
    for first in range(since // span, now // span + 1, AT_ONCE):
        last = min(first + AT_ONCE - 1, now // span)
        for found in (yield _everywhere(partitions, "series", kind, first, last)):
            for name, number in zip(found[::2], found[1::2], strict=True):
                begin, queue, rest = name.decode().split("|")
                job_type, _, counter = rest.rpartition(":")
                if int(begin) >= since:
                    rows.append((int(begin), job_type, _counted(queue, counter, int(number))))
    return operation.fold(rows)


_COUNTED: Final = {"s": "succeeded", "f": "failed", "r": "retried"}
_NANOSECONDS: Final = 1_000_000


def _add(counters: dict[str, Counters], name: str, number: int) -> None:
    queue, _, kind = name.rpartition(":")
    one = _counted(queue, kind, number)
    was = counters.get(queue)
    counters[queue] = one if was is None else was.add(one)


def _counted(queue: str, kind: str, number: int) -> Counters:
    """One counter of a queue as it is stored."""
    if kind == "d":
        return Counters(queue, duration_ms=number / _NANOSECONDS)
    if kind == "w":
        return Counters(queue, wait_ms=float(number))
    return Counters(queue, **{_COUNTED[kind]: number})


def _join(
    workers: dict[str, ops.WorkerRow], worker: bytes, info: bytes, expires: bytes, ids: bytes
) -> None:
    name = worker.decode()
    was = workers.get(name)
    held = (*(() if was is None else was.held), *_split(ids))
    until = int(float(expires))
    if was is not None:
        until = max(until, was.expires)
    workers[name] = ops.WorkerRow(name, info, until, tuple(sorted(held)))


def _load(name: str, numbers: Sequence[int]) -> ops.QueueLoad:
    ready, scheduled, running, paused, oldest = numbers
    since = None if oldest < 0 else oldest
    return ops.QueueLoad(name, ready, scheduled, running, paused > 0, since)


_PLANS: dict[type[ops.Operation[Any]], Callable[..., Plan[Any]]] = {
    ops.Enqueue: _enqueue,
    ops.Claim: _claim,
    ops.Settle: _settle,
    ops.SettleAndClaim: _settle_and_claim,
    ops.Heartbeat: _heartbeat,
    ops.Inherit: _inherit,
    ops.Depart: _depart,
    ops.Report: _report,
    ops.Announce: _announce,
    ops.Promote: _promote,
    ops.Reclaim: _reclaim,
    ops.Prune: _prune,
    ops.Repair: _repair,
    ops.PutSchedule: _put_schedule,
    ops.RemoveSchedule: _remove_schedule,
    ops.Schedules: _schedules,
    ops.Fire: _fire,
    ops.FireNow: _fire_now,
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
