"""The plan of `Claim`.

What belongs here: what the script is asked, and claims of several partitions as one. What does not:
which jobs it takes (`lua/parts/claiming.lua`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from boundary.jobs.core import operations as ops
from boundary.jobs.core.wire import Record
from boundary.jobs.shell.adapters.redis import records
from boundary.jobs.shell.adapters.redis.plans import schedules
from boundary.jobs.shell.adapters.redis.plans.calls import (
    Call,
    Partitions,
    Plan,
    question,
    split_ids,
)


def claim_args(
    operation: ops.Claim, slots: int, taken: Sequence[Record] = (), *, quiet: bool
) -> bytes:
    """What the script is asked.

    Args:
        taken: What other partitions gave already.
        quiet: Of a foreign key another claim is to tell: an error would hide what is done already.
    """
    limits = dict(operation.limits)
    for record in taken:
        if record.queue in limits:
            limits[record.queue] -= 1
    return question(
        worker=operation.worker,
        slots=slots,
        lease=operation.lease_ms,
        promote=operation.promote,
        join=operation.join or None,
        queues=operation.queues,
        ahead=dict(operation.ahead) or None,
        limits=limits or None,
        quiet=quiet or None,
    )


def claim(
    operation: ops.Claim, partitions: Partitions, *, quiet: bool = False
) -> Plan[ops.Claimed]:
    """`quiet`: outcomes that belong to it are written already."""
    claimed: list[ops.Claimed] = []
    taken: list[Record] = []
    for number in partitions.in_turn():
        slots = operation.slots - len(taken)
        ask = claim_args(operation, slots, taken, quiet=quiet or bool(taken))
        (reply,) = yield [Call("claim", (ask,), number)]
        claimed.append(as_claimed(reply))
        taken += claimed[-1].jobs
    return _together(claimed)


def as_claimed(reply: Any) -> ops.Claimed:
    """What the script says."""
    now, alive, due, stopping, ticks, found, watched = reply
    if not alive:
        return ops.Claimed(now, (), alive=False)
    return ops.Claimed(
        now,
        tuple(map(records.decode, found[::2], found[1::2])),
        None if due < 0 else due,
        split_ids(stopping),
        tuple([schedules.as_stored(*row) for row in ticks]),
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
