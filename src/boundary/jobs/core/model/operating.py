"""What `Cancel`, `Retry`, `Delete`, `Edit`, `SetPaused` and `Purge` mean.

What belongs here: what operators do to jobs and queues. What does not: what is kept of it
(`acting`), taking it back (`undoing`).
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from boundary.jobs.core import lifecycle
from boundary.jobs.core.model import acting, standing
from boundary.jobs.core.model.state import Aside, State
from boundary.jobs.core.operations import (
    Act,
    Cancel,
    Delete,
    Edit,
    Purge,
    Retry,
    SetPaused,
    Verdict,
)
from boundary.jobs.core.wire import Millis


def cancel(state: State, operation: Cancel, now: Millis) -> tuple[Verdict, ...]:
    verdicts: list[Verdict] = []
    asides: list[Aside] = []
    for id in operation.ids:
        aside = acting.aside(state, id, gone=operation.keep_ms == 0)
        verdicts.append(_cancel_one(state, id, operation.keep_ms, now))
        if aside is not None and verdicts[-1] == "done":
            asides.append(aside)
    changed = len(verdicts) - verdicts.count("refused") - verdicts.count("missing")
    acting.log(state, operation.act, changed, asides, now)
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
    standing.lift(state, record)
    standing.finish(state, replace(record, status="cancelled", updated=now), "cancel", now, keep_ms)
    return "done"


def retry(state: State, operation: Retry, now: Millis) -> tuple[Verdict, ...]:
    verdicts: list[Verdict] = []
    asides: list[Aside] = []
    for place, id in enumerate(operation.ids):
        aside = acting.aside(state, id, gone=False)
        verdicts.append(_retry_one(state, id, operation.delay(place), now))
        if aside is not None and verdicts[-1] == "done":
            asides.append(aside)
    acting.log(state, operation.act, len(asides), asides, now)
    return tuple(verdicts)


def _retry_one(state: State, id: bytes, delay_ms: int, now: Millis) -> Verdict:
    record = state.jobs.get(id)
    if record is None:
        return "missing"
    if record.status != "failed":
        return "refused"
    standing.lift(state, record)
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
        standing.wait(state, record, now + delay_ms)
    else:
        standing.ready(state, record)
    return "done"


def delete(state: State, operation: Delete, now: Millis) -> tuple[bool, ...]:
    return tuple(_remove(state, operation.ids, operation.act, now))


def _remove(state: State, ids: Iterable[bytes], act: Act | None, now: Millis) -> list[bool]:
    """The jobs are gone, and kept aside unless they ran. For each, whether it was there."""
    gone: list[bool] = []
    asides: list[Aside] = []
    for id in ids:
        aside = acting.aside(state, id, gone=True)
        gone.append(delete_one(state, id))
        if aside is not None and aside.record.status != "running":
            asides.append(aside)
    acting.log(state, act, sum(gone), asides, now)
    return gone


def delete_one(state: State, id: bytes) -> bool:
    """No such job is stored. Whether one was."""
    record = state.jobs.pop(id, None)
    if record is None:
        return False
    standing.lift(state, record)
    return True


def edit(state: State, operation: Edit, now: Millis) -> Verdict:
    record = state.jobs.get(operation.id)
    if record is None:
        return "missing"
    if (record.token, record.updated) != (operation.token, operation.updated):
        return "refused"
    if record.status not in {"pending", "retrying", "failed"}:
        return "refused"
    aside = acting.aside(state, record.id, gone=False)
    trail = record.trail if operation.trail is None else operation.trail
    state.jobs[record.id] = replace(record, payload=operation.payload, trail=trail, updated=now)
    if record.status == "failed":
        _retry_one(state, record.id, 0, now)
    acting.log(state, operation.act, 1, [aside] if aside else [], now)
    return "done"


def set_paused(state: State, operation: SetPaused, now: Millis) -> bool:
    changed = pause(state, operation.queue, paused=operation.paused)
    acting.log(state, operation.act, int(changed), [], now)
    return changed


def pause(state: State, queue: str, *, paused: bool) -> bool:
    """Workers pass over the queue, or no longer do. Whether that is a change."""
    was = queue in state.paused
    if paused:
        state.paused.add(queue)
    else:
        state.paused.discard(queue)
    return was != paused


def purge(state: State, operation: Purge, now: Millis) -> int:
    later = sorted(
        (record.due, record.seq, record.id)
        for record in state.jobs.values()
        if record.due is not None and record.queue == operation.queue
    )
    waiting = [*standing.waiting(state, operation.queue), *(id for _, _, id in later)]
    return sum(_remove(state, waiting[: operation.limit], operation.act, now))
