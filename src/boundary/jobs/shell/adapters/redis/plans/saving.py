"""The plans of `Take` and `Save`.

What belongs here: what the seed's doors need. What does not: the worker's way (`claiming`,
`settling`).
"""

from __future__ import annotations

from boundary.jobs.core import conversion
from boundary.jobs.core import operations as ops
from boundary.jobs.core.wire import Record
from boundary.jobs.shell.adapters.redis import records
from boundary.jobs.shell.adapters.redis.plans.calls import Call, Partitions, Plan, question
from boundary.jobs.shell.adapters.redis.plans.operating import VERDICTS


def take(operation: ops.Take, partitions: Partitions) -> Plan[Record | None]:
    ask = question(worker=operation.worker, lease=operation.lease_ms)
    number = partitions.of(operation.id)
    (data,) = yield [Call("take", (ask, operation.id), number)]
    return None if data is None else records.decode(operation.id, data)


def save(operation: ops.Save, partitions: Partitions) -> Plan[ops.Verdict]:
    given = operation.record
    number = partitions.of(given.id)
    (now,) = yield [Call("time", (), number)]
    record = conversion.as_its_status_has_it(given, now)
    ask = question(
        created=max(record.created, 0),
        token=record.token,
        status=records.STATUS[record.status],
        lease=operation.lease_ms,
        cause=operation.cause or None,
    )
    lane = records.lane(record.queue, record.priority)
    static = records.rest(lane, record.job_type, record.payload)
    args = (ask, record.id, static, records.encode_state(record))
    (answer,) = yield [Call("save", args, number)]
    return VERDICTS[answer[0]]
