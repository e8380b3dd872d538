"""The plans of `PutSchedule`, `RemoveSchedule`, `Schedules` and `Fire`.

What belongs here: schedules as rows. What does not: which tick is due (`core.schedules`).
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import astuple

from boundary.jobs.core import operations as ops
from boundary.jobs.core.schedules import is_due, with_last
from boundary.jobs.core.wire import Millis
from boundary.jobs.shell.adapters.sqlite.plans import enqueuing
from boundary.jobs.shell.adapters.sqlite.plans.steps import Ask, Plan


def due(now: Millis) -> Plan[tuple[ops.Schedule, ...]]:
    """Those whose tick is due."""
    return tuple([one for one in (yield from _all()) if is_due(one, now)])


_SCHEDULE: Final = ", ".join(ops.Schedule.__struct_fields__)
_MARKS: Final = ", ".join("?" for _ in ops.Schedule.__struct_fields__)


def _all() -> Plan[tuple[ops.Schedule, ...]]:
    rows = yield Ask(f"SELECT {_SCHEDULE} FROM schedule ORDER BY name")
    return tuple([ops.Schedule(*row) for row in rows])


def _one(name: str) -> Plan[ops.Schedule | None]:
    rows = yield Ask(f"SELECT {_SCHEDULE} FROM schedule WHERE name = ?", (name,))
    return ops.Schedule(*rows[0]) if rows else None


def put_schedule(operation: ops.PutSchedule, now: Millis) -> Plan[bool]:
    old = yield from _one(operation.schedule.name)
    new = with_last(operation.schedule, old)
    if old != operation.over:
        return old == new
    yield Ask(f"REPLACE INTO schedule ({_SCHEDULE}) VALUES ({_MARKS})", astuple(new))
    return True


def remove_schedule(operation: ops.RemoveSchedule, now: Millis) -> Plan[bool]:
    gone = yield Ask("DELETE FROM schedule WHERE name = ? RETURNING name", (operation.name,))
    return bool(gone)


def list_schedules(operation: ops.Schedules, now: Millis) -> Plan[tuple[ops.Schedule, ...]]:
    return (yield from _all())


def fire(operation: ops.Fire, now: Millis) -> Plan[bool]:
    moved = yield Ask(
        "UPDATE schedule SET next_at = ? WHERE name = ? AND next_at = ? RETURNING name",
        (operation.next_at, operation.name, operation.tick),
    )
    if moved and operation.job is not None:
        yield Ask(
            "UPDATE schedule SET fired_at = ?, last_job = ? WHERE name = ?",
            (now, operation.job.id, operation.name),
        )
        yield from enqueuing.enqueue(ops.Enqueue((operation.job,)), now)
    return bool(moved)
