"""Bugs made by hand: each must be found, otherwise the simulation is at fault.

What belongs here: each bug as a patch of the model, the core or the worker, within this process.
What does not: looking for them (`gate`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Self

from msgspec.structs import replace

from boundary.jobs.core import lifecycle, model, operations, outcome, retry
from boundary.jobs.core.dispatcher import Arrived
from boundary.jobs.core.model import (
    claiming,
    duties,
    enqueuing,
    leases,
    operating,
    settling,
    standing,
)
from boundary.jobs.shell import turning
from boundary.jobs.shell.exchanging import Exchanging
from boundary.jobs.shell.executor import Executor
from boundary.jobs.shell.membership import Membership

Bug = Callable[[], AbstractContextManager[None]]
BUGS: dict[str, Bug] = {}
"""By what is wrong."""


@contextmanager
def _patched(place: Any, name: str, value: Any) -> Iterator[None]:
    was = getattr(place, name)
    setattr(place, name, value)
    try:
        yield
    finally:
        setattr(place, name, was)


@contextmanager
def _arm(kind: type[Any], value: Callable[..., Any]) -> Iterator[None]:
    was = model._ARMS[kind]
    model._ARMS[kind] = value
    try:
        yield
    finally:
        model._ARMS[kind] = was


def _bug(says: str) -> Callable[[Bug], Bug]:
    def named(make: Bug) -> Bug:
        BUGS[says] = make
        return make

    return named


# The store accepts what it must not


@_bug("settle checks neither worker nor token")
def no_token_check() -> AbstractContextManager[None]:
    """The deliberately broken copy: whoever says so settles."""
    accept = settling._accept

    def broken(state: Any, holder: Any, result: Any, now: int) -> bool:
        record = state.jobs.get(result.id)
        if record is None or record.worker is None:
            return False
        fresh = replace(result, token=record.token)
        return accept(state, state.workers[record.worker], fresh, now)

    return _patched(settling, "_accept", broken)


@_bug("settle checks the worker and not the token")
def no_token() -> AbstractContextManager[None]:
    accept = settling._accept

    def broken(state: Any, holder: Any, result: Any, now: int) -> bool:
        if holder is None or result.id not in holder.held:
            return False
        return accept(state, holder, replace(result, token=state.jobs[result.id].token), now)

    return _patched(settling, "_accept", broken)


@_bug("a token is not new with each claim")
def same_token() -> AbstractContextManager[None]:
    hand_over = claiming.hand_over

    def broken(state: Any, id: bytes, worker: str, now: int) -> Any:
        record = hand_over(state, id, worker, now)
        record = state.jobs[id] = replace(record, token=1)
        return record

    return _patched(claiming, "hand_over", broken)


@_bug("a claim leaves the job in its queue")
def claimed_twice() -> AbstractContextManager[None]:
    hand_over = claiming.hand_over

    def broken(state: Any, id: bytes, worker: str, now: int) -> Any:
        record = hand_over(state, id, worker, now)
        standing._lanes(state, record.queue)[record.priority][id] = None
        return record

    return _patched(claiming, "hand_over", broken)


@_bug("an id that is known makes a second job")
def no_dedup() -> AbstractContextManager[None]:
    admit = enqueuing.admit

    def broken(state: Any, job: Any, now: int) -> bool:
        known = state.jobs.get(job.id)
        if known is not None:
            operating.delete_one(state, job.id)
            admit(state, job, now)
            return False
        return admit(state, job, now)

    return _patched(enqueuing, "admit", broken)


@_bug("a tick fires for whoever asks")
def fired_twice() -> AbstractContextManager[None]:
    def broken(state: Any, operation: Any, now: int) -> bool:
        entry = state.schedules.get(operation.name)
        if entry is None:
            return False
        state.schedules[entry.name] = replace(entry, next_at=operation.next_at)
        enqueuing.admit(state, operation.job, now)
        return True

    return _arm(operations.Fire, broken)


# Leases


@_bug("a heartbeat makes a lost worker known again, which does not watch the time itself")
def heartbeat_joins() -> AbstractContextManager[None]:
    heartbeat = leases.heartbeat

    def broken(state: Any, operation: Any, now: int) -> Any:
        return heartbeat(state, replace(operation, join=True), now)

    @contextmanager
    def both() -> Iterator[None]:
        # Either alone is harmless: a worker stops its jobs for what it knows, or for what it hears.
        with _arm(operations.Heartbeat, broken), no_countdown():
            yield

    return both()


@_bug("a heartbeat does not renew the lease")
def heartbeat_in_vain() -> AbstractContextManager[None]:
    heartbeat = leases.heartbeat

    def broken(state: Any, operation: Any, now: int) -> Any:
        return heartbeat(state, replace(operation, lease_ms=0), now)

    return _arm(operations.Heartbeat, broken)


@_bug("reclaim does not look at the lease")
def reclaims_all() -> AbstractContextManager[None]:
    reclaim = duties.reclaim

    def broken(state: Any, operation: Any, now: int) -> Any:
        for holder in state.workers.values():
            holder.expires = min(holder.expires, now)
        return reclaim(state, operation, now)

    return _arm(operations.Reclaim, broken)


@_bug("reclaim gives the worker a moment less")
def reclaims_early() -> AbstractContextManager[None]:
    reclaim = duties.reclaim
    return _arm(operations.Reclaim, lambda state, one, now: reclaim(state, one, now + 250))


@_bug("reclaim counts no crash")
def no_crashes() -> AbstractContextManager[None]:
    take_back = duties._take_back

    def broken(state: Any, record: Any, operation: Any, now: int) -> None:
        take_back(state, replace(record, crashes=0), operation, now)

    return _patched(duties, "_take_back", broken)


@_bug("reclaim lifts a job and does not put it back")
def reclaimed_to_nowhere() -> AbstractContextManager[None]:
    take_back = duties._take_back

    def broken(state: Any, record: Any, operation: Any, now: int) -> None:
        take_back(state, record, operation, now)
        standing.lift(state, state.jobs.get(record.id, record))

    return _patched(duties, "_take_back", broken)


# Waiting


@_bug("promote comes early")
def promotes_early() -> AbstractContextManager[None]:
    promote = duties.promote_due
    return _patched(duties, "promote_due", lambda state, most, now: promote(state, most, now + 200))


@_bug("promote removes first and pushes in another step")
def remove_then_push() -> AbstractContextManager[None]:
    promote = duties.promote_due
    limbo: list[tuple[Any, bytes]] = []

    def broken(state: Any, most: int, now: int) -> int:
        # What another state was to get, went with the machine it was on.
        for owner, id in limbo:
            record = state.jobs.get(id)
            if owner is state and record is not None and record.status == "pending":
                standing.ready(state, record)
        limbo.clear()
        waiting = [one for one in state.jobs.values() if one.due is not None and one.due <= now]
        count = promote(state, most, now)
        for record in waiting:
            standing.lift(state, record)
            limbo.append((state, record.id))
        return count

    return _patched(duties, "promote_due", broken)


@_bug("a delay is forgotten at enqueue")
def no_delay() -> AbstractContextManager[None]:
    admit = enqueuing.admit
    return _patched(
        enqueuing, "admit", lambda state, job, now: admit(state, replace(job, delay_ms=0), now)
    )


@_bug("a snoozed job waits nowhere")
def snoozed_away() -> AbstractContextManager[None]:
    wait = standing.wait

    def broken(state: Any, record: Any, due: int) -> None:
        if record.status == "pending" and record.token:
            state.jobs[record.id] = record
        else:
            wait(state, record, due)

    return _patched(standing, "wait", broken)


@_bug("a retry does not wait")
def retries_at_once() -> AbstractContextManager[None]:
    accept = settling._accept
    return _patched(
        settling,
        "_accept",
        lambda state, holder, one, now: accept(state, holder, replace(one, delay_ms=0), now),
    )


@_bug("a retry has no budget")
def endless_retries() -> AbstractContextManager[None]:
    return _patched(retry, "next_step", lambda count, most: "retry")


# Ends


@_bug("a stop that was asked for is ignored at the end of the run")
def cancel_ignored() -> AbstractContextManager[None]:
    return _patched(lifecycle, "settling", lambda event, *, cancelling: event)


@_bug("a cancelled job stays in its queue")
def cancelled_in_place() -> AbstractContextManager[None]:
    cancel_one = operating._cancel_one

    def broken(state: Any, id: bytes, keep: int | None, now: int) -> Any:
        record = state.jobs.get(id)
        verdict = cancel_one(state, id, keep, now)
        if verdict == "done" and id in state.jobs:
            standing._lanes(state, record.queue)[record.priority][id] = None
        return verdict

    return _patched(operating, "_cancel_one", broken)


@_bug("what is refused is counted all the same")
def counted_twice() -> AbstractContextManager[None]:
    accept = settling._accept

    def broken(state: Any, holder: Any, result: Any, now: int) -> bool:
        taken = accept(state, holder, result, now)
        record = state.jobs.get(result.id)
        if not taken and record is not None:
            standing.count(state, record, result.event, now)
        return taken

    return _patched(settling, "_accept", broken)


@_bug("prune takes what is not finished")
def prunes_all() -> AbstractContextManager[None]:
    prune = duties.prune

    def broken(state: Any, operation: Any, now: int) -> int:
        for record in list(state.jobs.values()):
            if record.status == "retrying":
                operating.delete_one(state, record.id)
        return prune(state, operation, now)

    return _arm(operations.Prune, broken)


@_bug("a script reads the payload and writes it anew")
def payload_rewritten() -> AbstractContextManager[None]:
    hand_over = claiming.hand_over

    def broken(state: Any, id: bytes, worker: str, now: int) -> Any:
        record = hand_over(state, id, worker, now)
        changed = record.payload.replace(b"\xcb?", b"\xcb@")
        record = state.jobs[id] = replace(record, payload=changed)
        return record

    return _patched(claiming, "hand_over", broken)


# Another name


@_bug("the heir gets none of the jobs")
def heir_without_jobs() -> AbstractContextManager[None]:
    inherit = leases.inherit
    return _arm(
        operations.Inherit,
        lambda state, one, now: inherit(state, replace(one, known=()), now),
    )


@_bug("the heir gets jobs by id, whatever their token")
def heir_by_id() -> AbstractContextManager[None]:
    inherit = leases.inherit

    def broken(state: Any, operation: Any, now: int) -> Any:
        ids = {id for id, _ in operation.known}
        known = tuple((id, one.token) for id, one in state.jobs.items() if id in ids)
        return inherit(state, replace(operation, known=known), now)

    return _arm(operations.Inherit, broken)


@_bug("the heir is not told of outcomes on their way")
def heir_without_outcomes() -> AbstractContextManager[None]:
    class Forgetful(set[Any]):
        def __ior__(self, other: Any) -> Self:  # type: ignore[misc]
            return self

    begin = Exchanging.__init__

    def broken(self: Any, *given: Any) -> None:
        begin(self, *given)
        self._handing_in = Forgetful()

    return _patched(Exchanging, "__init__", broken)


@_bug("an outcome that was refused under the old name is forgotten")
def refused_for_good() -> AbstractContextManager[None]:
    return _patched(Exchanging, "_once_more", lambda self, done, settled: (done, settled))


@_bug("jobs begin while their worker changes its name")
def begins_while_moving() -> AbstractContextManager[None]:
    class Open(asyncio.Lock):
        async def __aenter__(self) -> None: ...

        async def __aexit__(self, *_: object) -> None: ...

    begin = Membership.__init__

    def broken(self: Any, *given: Any) -> None:
        begin(self, *given)
        self.moving = Open()

    return _patched(Membership, "__init__", broken)


@_bug("a worker whose claim got no answer goes on under its name")
def no_heir() -> AbstractContextManager[None]:
    async def broken(self: Any, mine: str, known: Any) -> None: ...

    return _patched(Membership, "_move", broken)


# The worker


@_bug("a worker counts jobs it lost a moment after they came in")
def counts_lost() -> AbstractContextManager[None]:
    return _patched(
        turning,
        "replace",
        lambda one, **changes: one if isinstance(one, Arrived) else replace(one, **changes),
    )


@_bug("acknowledged before it runs")
def acknowledged_first() -> AbstractContextManager[None]:
    add = Executor.add

    def broken(self: Any, records: Any) -> None:
        records = list(records)
        self._outcomes += [(one, outcome.succeeded(one, None, None, 0.0)) for one in records]  # type: ignore[arg-type]
        self._collected()
        add(self, records)

    return _patched(Executor, "add", broken)


@_bug("outcomes of an exchange that failed are forgotten")
def outcomes_forgotten() -> AbstractContextManager[None]:
    return _patched(Executor, "put_back", lambda self, outcomes: None)


@_bug("a worker that lost its lease lets its jobs go on")
def goes_on() -> AbstractContextManager[None]:
    return _patched(Executor, "drop", lambda self: None)


@_bug("a worker that cannot renew its lease does not mind")
def no_countdown() -> AbstractContextManager[None]:
    return _patched(Membership, "_watch_lease", lambda self: None)


@_bug("what comes in after a stop begins")
def begins_after_stop() -> AbstractContextManager[None]:
    def broken(self: Any, records: Any) -> int:
        self.add(records)
        return 0

    return _patched(Executor, "refuse", broken)


@_bug("what a worker holds is not released when it leaves")
def no_departure() -> AbstractContextManager[None]:
    def broken(state: Any, operation: Any, now: int) -> int:
        state.workers.pop(operation.worker, None)
        return 0

    return _arm(operations.Depart, broken)
