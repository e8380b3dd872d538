"""The plans of `Heartbeat`, `Inherit`, `Depart` and `Report`.

What belongs here: how a worker keeps and gives up its hold. What does not: a lease that ended
(`duties`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from boundary.jobs.core import operations as ops
from boundary.jobs.shell.adapters.redis import records
from boundary.jobs.shell.adapters.redis.plans.calls import (
    Call,
    Partitions,
    Plan,
    everywhere,
    question,
    split_ids,
)


def heartbeat(operation: ops.Heartbeat, partitions: Partitions) -> Plan[ops.Beat]:
    ask = question(
        worker=operation.worker,
        lease=operation.lease_ms,
        join=operation.join or None,
    )
    return _beat((yield everywhere(partitions, "heartbeat", ask, operation.info)))


def _beat(replies: Sequence[Any]) -> ops.Beat:
    if not all(alive for _, alive, *_ in replies):
        return ops.Beat(max(now for now, *_ in replies), alive=False)
    return ops.Beat(
        max(now for now, *_ in replies),
        alive=True,
        cancelling=split_ids(b"".join([ids for _, _, ids, *_ in replies])),
        order=_order(replies[0][3]),
        watched=any(watched for *_, watched in replies),
    )


def _order(given: bytes) -> ops.Order | None:
    """Partitions agree, or will in a moment: an order is given to one after another."""
    return ops.Order(given[:16], cast("ops.Word", given[16:].decode())) if given else None


def inherit(operation: ops.Inherit, partitions: Partitions) -> Plan[ops.Beat]:
    ask = question(
        worker=operation.worker,
        heir=operation.heir,
        lease=operation.lease_ms,
        keep=operation.keep_ms,
    )
    known = b"".join(
        [id + records.token(token).to_bytes(4, "big") for id, token in operation.known]
    )
    return _beat((yield everywhere(partitions, "inherit", ask, operation.info, known)))


def depart(operation: ops.Depart, partitions: Partitions) -> Plan[int]:
    ask = question(worker=operation.worker, keep=operation.keep_ms)
    return sum((yield everywhere(partitions, "depart", ask)))


def report(operation: ops.Report, partitions: Partitions) -> Plan[bool]:
    args = (operation.id, operation.token, operation.progress)
    (done,) = yield [Call("report", args, partitions.of(operation.id))]
    return bool(done)
