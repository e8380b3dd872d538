"""The plan of `Explain`.

What belongs here: the facts that decide when a job runs. What does not: what follows from them
(`core.why`).
"""

from __future__ import annotations

from collections.abc import Sequence

from boundary.jobs.core import operations as ops
from boundary.jobs.shell.adapters.redis.plans import looking
from boundary.jobs.shell.adapters.redis.plans.calls import Partitions, Plan, everywhere


def explain(operation: ops.Explain, partitions: Partitions) -> Plan[ops.Facts | None]:
    home = partitions.of(operation.id)
    asked = (operation.id, ops.AHEAD, ops.ALIVE, ops.GLIMPSES)
    replies = yield everywhere(partitions, "explain", *asked)
    workers: dict[str, ops.Holding] = {}
    for reply in replies:
        for row in reply[4]:
            _hold(workers, *row)
    now, data, paused, ahead, _ = replies[home]
    record = None if data is None else looking.as_found(operation.id, data)
    if record is None:
        return None
    some = tuple([workers[name] for name in sorted(workers)])[: ops.ALIVE]
    return ops.Facts(now, record, paused > 0, ahead, some)


def _hold(
    workers: dict[str, ops.Holding],
    worker: bytes,
    info: bytes,
    expires: bytes,
    held: int,
    some: Sequence[tuple[bytes, bytes, bytes, int]],
) -> None:
    """What one partition says of a worker, beside what others said of it."""
    name, until = worker.decode(), int(float(expires))
    was = workers.get(name, ops.Holding(name, info, until, 0, ()))
    seen = [
        ops.Glimpse(id, kind.decode(), queue.decode(), None if started < 0 else started)
        for id, kind, queue, started in some
    ]
    first = sorted([*was.some, *seen], key=lambda one: one.id)[: ops.GLIMPSES]
    workers[name] = ops.Holding(name, info, max(until, was.expires), was.held + held, tuple(first))
