"""What `Settle` means, alone and with a claim.

What belongs here: whose outcome is accepted, and what it does to the job. What does not: a job
given back without one (`leases`).
"""

from __future__ import annotations

from msgspec.structs import replace

from boundary.jobs.core import lifecycle
from boundary.jobs.core.model import claiming, standing
from boundary.jobs.core.model.state import Holder, State
from boundary.jobs.core.operations import (
    Claimed,
    Outcome,
    Settle,
    SettleAndClaim,
    Settled,
)
from boundary.jobs.core.wire import Millis


def settle(state: State, operation: Settle, now: Millis) -> Settled:
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
    standing.count(state, record, event, now, outcome.duration_ms, outcome.wait_ms)
    if record.status in lifecycle.FINISHED:
        standing.finish(state, record, event, now, outcome.keep_ms, outcome.cause)
    elif event == "release" and outcome.delay_ms == 0:
        standing.ready(state, record, head=True)
    else:
        standing.wait(state, record, now + outcome.delay_ms)
    return True


def settle_and_claim(
    state: State, operation: SettleAndClaim, now: Millis
) -> tuple[Settled, Claimed]:
    return settle(state, operation.settle, now), claiming.claim(state, operation.claim, now)
