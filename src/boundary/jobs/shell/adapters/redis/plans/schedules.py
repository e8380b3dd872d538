"""The plans of `PutSchedule`, `RemoveSchedule`, `Schedules` and `Fire`.

What belongs here: schedules as the store keeps them, all in the first partition. What does not:
which tick is due (`core.schedules`).
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from boundary.jobs.core import operations as ops
from boundary.jobs.core.schedules import with_last
from boundary.jobs.shell.adapters.redis import records
from boundary.jobs.shell.adapters.redis.plans import enqueuing
from boundary.jobs.shell.adapters.redis.plans.calls import Call, Partitions, Plan, encode, question

HOLD_MS: Final = 5_000
"""How long a tick waits for the worker that began to fire it into another partition."""


def _body(schedule: ops.Schedule) -> bytes:
    """What the store keeps beside the name, the next tick and the last firing.

    Two bytes, and as many as they say, are of an earlier form, and passed over.
    """
    return b"\0\0" + encode(
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


def as_stored(
    name: bytes, tick: bytes | int | None, stored: bytes, fired: bytes | None
) -> ops.Schedule:
    """The schedule of which this is stored."""
    size = int.from_bytes(stored[:2], "big")
    # An earlier form ends with the zone, a later one may have more than is known here.
    job_type, queue, priority, payload, *rest = msgspec.msgpack.decode(stored[2 + size :])[:10]
    next_at = None if tick is None else int(float(tick))
    one = ops.Schedule(name.decode(), job_type, queue, priority, payload, next_at, *rest)
    if fired is None:
        return one
    moment = int.from_bytes(fired[:8], "big", signed=True)
    return replace(one, fired_at=moment, last_job=fired[8:])


def put_schedule(operation: ops.PutSchedule, partitions: Partitions) -> Plan[bool]:
    new, over = operation.schedule, operation.over
    while True:
        (rows,) = yield [Call("schedules", (new.name,))]
        old = as_stored(*rows[0]) if rows else None
        if old != over:
            return old == with_last(new, old)
        was = None if old is None else old.next_at
        ask = question(name=new.name, next=new.next_at, was=was)
        stored = rows[0][2] if rows else b""
        (done,) = yield [Call("put_schedule", (ask, stored, _body(new)))]
        if done:
            return True


def remove_schedule(operation: ops.RemoveSchedule, partitions: Partitions) -> Plan[bool]:
    (gone,) = yield [Call("remove_schedule", (operation.name,))]
    return bool(gone)


def list_schedules(
    operation: ops.Schedules, partitions: Partitions
) -> Plan[tuple[ops.Schedule, ...]]:
    (rows,) = yield [Call("schedules", ("",))]
    return tuple(sorted((as_stored(*row) for row in rows), key=lambda one: one.name))


def fire(operation: ops.Fire, partitions: Partitions) -> Plan[bool]:
    name, tick, job = operation.name, operation.tick, operation.job
    held: bool | None = None
    if job is not None and partitions.of(job.id) > 0:
        # Who holds the tick alone enqueues its job; if that worker dies before the tick is done,
        # another one begins again, and while the job is stored it makes no second one.
        (held,) = yield [Call("fire", (question(name=name, tick=tick, hold=HOLD_MS), b"", b""))]
        if not held:
            return False
        yield from enqueuing.enqueue(ops.Enqueue((job,)), partitions)
    ask = question(name=name, tick=tick, next=operation.next_at, held=held)
    id = b"" if job is None else job.id
    here = b"" if job is None or held else records.admission(job)
    (fired,) = yield [Call("fire", (ask, id, here))]
    return bool(fired)
