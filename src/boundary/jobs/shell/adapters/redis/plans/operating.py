"""The plans of `Cancel`, `Retry`, `Delete`, `Edit`, `SetPaused` and `Purge`.

What belongs here: what operators do to jobs and queues. What does not: what is kept of it
(`acting`), taking it back (`undoing`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from boundary.jobs.core import operations as ops
from boundary.jobs.shell.adapters.redis import records
from boundary.jobs.shell.adapters.redis.plans.calls import (
    ONE,
    SCANNED,
    Call,
    Partitions,
    Plan,
    by_id,
    everywhere,
    grouped,
    question,
)

VERDICTS: Final[dict[int, ops.Verdict]] = {
    ord("d"): "done",
    ord("r"): "requested",
    ord("x"): "refused",
    ord("m"): "missing",
}


def _verdicts(answers: Iterable[int]) -> tuple[ops.Verdict, ...]:
    return tuple([VERDICTS[answer] for answer in answers])


def cancel(operation: ops.Cancel, partitions: Partitions) -> Plan[tuple[ops.Verdict, ...]]:
    keep = b"" if operation.keep_ms is None else operation.keep_ms
    act = records.encode_act(operation.act)
    return _verdicts((yield from by_id("cancel", operation.ids, partitions, keep, act)))


def retry(operation: ops.Retry, partitions: Partitions) -> Plan[tuple[ops.Verdict, ...]]:
    ids, act = operation.ids, records.encode_act(operation.act)
    if not any(operation.delays):
        return _verdicts((yield from by_id("retry", ids, partitions, b"", act)))
    places = grouped(ids, partitions)
    calls: list[Call] = []
    for number, mine in places.items():
        delays = b"".join([operation.delay(place).to_bytes(8, "big") for place in mine])
        args = (b"".join([ids[place] for place in mine]), delays, act)
        calls.append(Call("retry", args, number))
    replies = yield calls
    answers = [0] * len(ids)
    for mine, reply in zip(places.values(), replies, strict=True):
        for place, answer in zip(mine, reply, strict=True):
            answers[place] = answer
    return _verdicts(answers)


def delete(operation: ops.Delete, partitions: Partitions) -> Plan[tuple[bool, ...]]:
    act = records.encode_act(operation.act)
    answers = yield from by_id("delete", operation.ids, partitions, act)
    return tuple([answer == ONE for answer in answers])


def edit(operation: ops.Edit, partitions: Partitions) -> Plan[ops.Verdict]:
    ask = question(token=operation.token, updated=operation.updated)
    act = records.encode_act(operation.act)
    trail = () if operation.trail is None else (operation.trail,)
    args = (ask, operation.id, operation.payload, act, *trail)
    (answer,) = yield [Call("edit", args, partitions.of(operation.id))]
    return VERDICTS[answer[0]]


def set_paused(operation: ops.SetPaused, partitions: Partitions) -> Plan[bool]:
    paused, act = int(operation.paused), records.encode_act(operation.act)
    return any((yield everywhere(partitions, "set_paused", operation.queue, paused, act)))


def purge(operation: ops.Purge, partitions: Partitions) -> Plan[int]:
    gone = 0
    for number in partitions.in_turn():
        start = 0
        while start >= 0 and gone < operation.limit:
            ask = question(
                queue=operation.queue, limit=operation.limit - gone, scan=SCANNED, **{"from": start}
            )
            act = records.encode_act(operation.act)
            ((count, start),) = yield [Call("purge", (ask, act), number)]
            gone += count
    return gone
