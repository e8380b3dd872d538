"""What `Groups` and `Members` mean.

What belongs here: dead letters by cause. What does not: dead letters one by one (`looking`).
"""

from __future__ import annotations

from boundary.jobs.core.model.state import State
from boundary.jobs.core.operations import (
    Group,
    GroupRow,
    Groups,
    Members,
)
from boundary.jobs.core.wire import Millis, Record


def groups(state: State, operation: Groups, now: Millis) -> tuple[Group, ...]:
    rows: dict[tuple[str, str], list[Record]] = {}
    for id, cause in state.causes.items():
        one = state.jobs[id]
        if (
            operation.cause in {None, cause}
            and operation.queue in {None, one.queue}
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


def members(state: State, operation: Members, now: Millis) -> tuple[bytes, ...]:
    dead = [state.jobs[id] for id, cause in state.causes.items() if cause == operation.cause]
    found = [
        one
        for one in sorted(dead, key=lambda one: (_ended(one), one.seq))
        if operation.queue in {None, one.queue}
        and (operation.until is None or _ended(one) <= operation.until)
    ]
    return tuple([one.id for one in found[: operation.limit]])
