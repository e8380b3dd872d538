"""The words cases are written in: jobs by short names, and what is often asked.

What belongs here: small generators over operations. What does not: an assertion about a store.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any, TypeAlias, TypeVar

from msgspec.structs import replace

from boundary.jobs.core.operations import (
    Act,
    Claim,
    Claimed,
    Enqueue,
    Enqueued,
    Find,
    Outcome,
    Peek,
    QueueLoad,
    Settle,
    Settled,
    Settling,
    Snapshot,
    Stats,
    Undo,
    Undone,
    What,
)
from boundary.jobs.core.stats import Counters
from boundary.jobs.core.wire import NewJob, Payload, Record, encode_payload
from boundary.jobs.testing.contract.doors import Request

T = TypeVar("T")
Asking: TypeAlias = Generator[Request, Any, T]

CRITICAL, HIGH, NORMAL, LOW = range(4)
LEASE = 30_000
MINUTE = 60_000
HOUR = 3_600_000
PAYLOAD = encode_payload(Payload(1, {"to": "user@example.com"}, 3))


def ident(name: str) -> bytes:
    """The id of the job a case calls `name` (at most 16 letters)."""
    return name.encode().ljust(16, b".")


def idents(names: str) -> tuple[bytes, ...]:
    """The ids of jobs named in one text, apart by spaces."""
    return tuple(ident(name) for name in names.split())


def spell(ids: Iterable[bytes]) -> str:
    """The names of ids, apart by spaces."""
    return " ".join(id.rstrip(b".").decode() for id in ids)


def named(records: Iterable[Record]) -> str:
    """The names of records, apart by spaces."""
    return spell(record.id for record in records)


def new(name: str, **fields: Any) -> NewJob:
    """A job on its way in: normal priority, in `default`."""
    job = NewJob(ident(name), "send_email", "default", NORMAL, PAYLOAD)
    return replace(job, **fields)


def enqueue(names: str, **fields: Any) -> Asking[Enqueued]:
    """Enqueue one job after another, all alike."""
    reply: Enqueued = yield Enqueue(tuple(new(name, **fields) for name in names.split()))
    return reply


def claim(slots: int = 100, worker: str = "w1", **fields: Any) -> Asking[Claimed]:
    """Claim as a worker that joins if it is not known."""
    fields = {"queues": None, "lease_ms": LEASE, "join": True, **fields}
    reply: Claimed = yield Claim(worker, slots=slots, **fields)
    return reply


def claim_one(worker: str = "w1", **fields: Any) -> Asking[Record]:
    """Claim one job that must be there."""
    claimed = yield from claim(1, worker, **fields)
    (record,) = claimed.jobs
    return record


def ended(record: Record, event: Settling = "succeed", **fields: Any) -> Outcome:
    """The outcome of the run a record was claimed for."""
    return Outcome(record.id, record.token, event, **fields)


def settle(*outcomes: Outcome, worker: str = "w1") -> Asking[tuple[bool, ...]]:
    """Settle; what was accepted."""
    settled: Settled = yield Settle(worker, outcomes)
    return settled.accepted


def run(name: str, event: Settling = "succeed", **fields: Any) -> Asking[Record]:
    """Enqueue a job, claim it and settle it; the record as it was claimed."""
    yield from enqueue(name)
    record = yield from claim_one()
    assert record.id == ident(name), f"{named([record])} stood in the way of {name}"
    assert (yield from settle(ended(record, event, **fields))) == (True,)
    return record


def find(name: str) -> Asking[Record | None]:
    """The record of a job, None if there is none."""
    reply: tuple[Record | None] = yield Find((ident(name),))
    return reply[0]


def the(name: str) -> Asking[Record]:
    """The record of a job that must be there."""
    record = yield from find(name)
    assert record is not None, f"no job {name!r} is stored"
    return record


def waiting(queue: str = "default") -> Asking[str]:
    """The names of the ready jobs of a queue, in order."""
    return named((yield Peek(queue, 1_000)))


def load(queue: str = "default") -> Asking[QueueLoad]:
    """How many jobs stand where in a queue, zeros if the store has nothing to say of it."""
    snapshot: Snapshot = yield Stats(queue)
    return next(iter(snapshot.loads), QueueLoad(queue, 0, 0, 0, paused=False))


def counters(queue: str = "default") -> Asking[Counters]:
    """The counters of a queue, zeros if there are none."""
    snapshot: Snapshot = yield Stats(queue)
    return next(iter(snapshot.counters), Counters(queue))


def act(name: str, what: What, target: str = "it", undo_ms: int = MINUTE) -> Act:
    """Ada's act."""
    return Act(ident(name), "ada", what, target, undo_ms)


def undo(name: str, limit: int = 100) -> Asking[Undone]:
    """Bob undoes the act."""
    reply: Undone = yield Undo(ident(name), Act(ident("z-undo"), "bob", "undo", name), limit)
    return reply


def same(one: Record, other: Record) -> bool:
    """Whether a job is as it was, but for when it changed and its number."""
    return replace(one, seq=0, updated=0) == replace(other, seq=0, updated=0)
