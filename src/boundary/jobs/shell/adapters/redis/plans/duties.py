"""The plans of `Promote`, `Reclaim`, `Prune` and `Repair`.

What belongs here: what keeps the store in order, one partition after another. What does not: how a
repair goes through one (`lua/repair.lua`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, cast

from boundary.jobs.core import operations as ops
from boundary.jobs.errors import UsageError
from boundary.jobs.shell.adapters.redis.plans.calls import Call, Partitions, Plan, question


def _up_to(limit: int, partitions: Partitions, call: Callable[[int, int], Call]) -> Plan[list[Any]]:
    """Replies of partitions, one after another, until together they have reached the limit."""
    found: list[Any] = []
    for number in partitions.in_turn():
        (reply,) = yield [call(number, limit - _size(found))]
        found.append(reply)
        if _size(found) >= limit:
            break
    return found


def _size(replies: Iterable[Any]) -> int:
    return sum(one if isinstance(one, int) else len(one) for one in replies)


def promote(operation: ops.Promote, partitions: Partitions) -> Plan[int]:
    def call(number: int, left: int) -> Call:
        return Call("promote", (left,), number)

    return _size((yield from _up_to(operation.limit, partitions, call)))


def reclaim(operation: ops.Reclaim, partitions: Partitions) -> Plan[tuple[bytes, ...]]:
    def call(number: int, left: int) -> Call:
        ask = question(crashes=operation.max_crashes, limit=left, keep=operation.keep_ms)
        return Call("reclaim", (ask,), number)

    replies = yield from _up_to(operation.limit, partitions, call)
    return tuple([id for reply in replies for id in reply])


def prune(operation: ops.Prune, partitions: Partitions) -> Plan[int]:
    def call(number: int, left: int) -> Call:
        return Call("prune", (left,), number)

    return _size((yield from _up_to(operation.limit, partitions, call)))


def repair(operation: ops.Repair, partitions: Partitions) -> Plan[ops.Repaired]:
    """The cursor: partition, phase, where in it, the roll (`lua/parts/rolling.lua`)."""
    number, phase, at, roll = _repair_cursor(operation.cursor, partitions)
    ask = question(phase=phase, at=at, roll=roll, limit=operation.limit, mend=operation.mend)
    ((phase, at, roll, looked, amount),) = yield [Call("repair", (ask,), number)]
    amiss: list[tuple[ops.Amiss, int]] = [
        (cast("ops.Amiss", kind.decode()), count)
        for kind, count in zip(amount[::2], amount[1::2], strict=True)
    ]
    more: str | None = None
    if phase:
        more = f"{number}.{phase.decode()}.{at.decode()}.{roll}"
    elif number + 1 < partitions.count:
        more = f"{number + 1}.{BEGIN}..0"
    return ops.Repaired(looked, tuple(amiss), more)


BEGIN: Final = "keeps"
"""The first phase of a repair."""

_REPAIR_CURSOR: Final = re.compile(r"([0-9]{1,5})\.([a-z]{1,9})\.([0-9]{0,20}|more)\.([0-9]{1,15})")


def _repair_cursor(cursor: str | None, partitions: Partitions) -> tuple[int, str, str, int]:
    if cursor is None:
        return 0, BEGIN, "", 0
    found = _REPAIR_CURSOR.fullmatch(cursor)
    if found is None or int(found[1]) >= partitions.count:
        raise UsageError(
            f"the cursor {cursor[:40]!r} is not one a repair returned; leave it out to start anew"
        )
    return int(found[1]), found[2], found[3], int(found[4])
