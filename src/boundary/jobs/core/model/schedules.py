"""What `PutSchedule`, `RemoveSchedule`, `Schedules` and `Fire` mean.

What belongs here: schedules as the store keeps them. What does not: which tick is due
(`core.schedules`).
"""

from __future__ import annotations

from msgspec.structs import replace

from boundary.jobs.core.model import enqueuing
from boundary.jobs.core.model.state import State
from boundary.jobs.core.operations import (
    Fire,
    PutSchedule,
    RemoveSchedule,
    Schedule,
    Schedules,
)
from boundary.jobs.core.schedules import with_last
from boundary.jobs.core.wire import Millis


def put_schedule(state: State, operation: PutSchedule, now: Millis) -> bool:
    old = state.schedules.get(operation.schedule.name)
    new = with_last(operation.schedule, old)
    if old != operation.over:
        return old == new
    state.schedules[new.name] = new
    return True


def remove_schedule(state: State, operation: RemoveSchedule, now: Millis) -> bool:
    return state.schedules.pop(operation.name, None) is not None


def list_schedules(state: State, operation: Schedules, now: Millis) -> tuple[Schedule, ...]:
    return tuple(one for _, one in sorted(state.schedules.items()))


def fire(state: State, operation: Fire, now: Millis) -> bool:
    entry = state.schedules.get(operation.name)
    if entry is None or entry.next_at != operation.tick:
        return False
    entry = state.schedules[entry.name] = replace(entry, next_at=operation.next_at)
    if operation.job is not None:
        fired = replace(entry, fired_at=now, last_job=operation.job.id)
        state.schedules[entry.name] = fired
        enqueuing.admit(state, operation.job, now)
    return True
