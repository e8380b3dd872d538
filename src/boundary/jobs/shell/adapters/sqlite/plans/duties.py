"""The plans of `Promote`, `Reclaim`, `Prune` and `Repair`.

What belongs here: what keeps the file in order. What does not: what can be wrong with a row
(`sqlite.repairing`).
"""

from __future__ import annotations

from collections.abc import Sequence

from boundary.jobs.core import operations as ops
from boundary.jobs.core.wire import Millis, Record
from boundary.jobs.shell.adapters.sqlite import repairing
from boundary.jobs.shell.adapters.sqlite import statements as sql
from boundary.jobs.shell.adapters.sqlite.plans import leases
from boundary.jobs.shell.adapters.sqlite.plans.cursors import begins_at, going_on_at
from boundary.jobs.shell.adapters.sqlite.plans.ending import Ending
from boundary.jobs.shell.adapters.sqlite.plans.lanes import behind_all
from boundary.jobs.shell.adapters.sqlite.plans.steps import LOWEST, Ask, Do, Plan, Row


def promote_due(limit: int, now: Millis) -> Plan[int]:
    """As `Promote`."""
    rows = yield Ask(sql.DUE, (now, limit))
    tails = behind_all()
    placed: list[Row] = []
    for seq, queue, priority in rows:
        place = yield from tails.next(queue, priority)
        placed.append((place, now, seq))
    if placed:
        yield Do(sql.PLACE, placed)
    return len(placed)


def promote(operation: ops.Promote, now: Millis) -> Plan[int]:
    return (yield from promote_due(operation.limit, now))


def reclaim(operation: ops.Reclaim, now: Millis) -> Plan[tuple[bytes, ...]]:
    taken: list[Record] = []
    gone: list[Row] = []
    for (worker,) in (yield Ask(sql.LAPSED, (now,))):
        left = operation.limit - len(taken)
        if left == 0:
            break
        # One more than is taken tells whether the worker is left with something.
        held = yield from leases.whole(f"seq IN ({sql.LATEST_HELD})", (worker, left + 1))
        taken += held[:left]
        if len(held) <= left:
            gone.append((worker,))
    taken.sort(key=lambda record: -record.seq)
    yield Do(sql.CRASH, [(record.seq,) for record in taken])
    ending = Ending(now)
    for record in taken:
        hopeless = record.crashes + 1 >= operation.max_crashes and not record.cancelling
        yield from leases.give_back(
            ending, record, "crash" if hopeless else "reclaim", operation.keep_ms
        )
    yield from ending.write()
    yield Do("DELETE FROM worker WHERE worker = ?", gone)
    return tuple([record.id for record in taken])


def prune(operation: ops.Prune, now: Millis) -> Plan[int]:
    yield Ask(sql.FORGET_MINUTES, (ops.Series(ops.SERIES).since(now),))
    yield Ask(sql.FORGET_HOURS, (ops.Series(ops.HOURS, hourly=True).since(now),))
    yield Ask("DELETE FROM aside WHERE until < ?", (now,))
    return len((yield Ask(sql.PRUNE, (now, operation.limit))))


def repair(operation: ops.Repair, now: Millis) -> Plan[ops.Repaired]:
    at = begins_at(operation.cursor, LOWEST)
    rows = yield Ask(sql.STRETCH, (at, operation.limit))
    if not rows:
        return ops.Repaired(0)
    first, last = rows[0][0], rows[-1][0]
    amiss: list[tuple[ops.Amiss, int]] = []
    for kind, (condition, remedies) in repairing.FAULTS.items():
        count = yield from _amiss(condition, remedies, (first, last, now), mend=operation.mend)
        if count:
            amiss.append((kind, count))
    cursor = going_on_at(last + 1) if len(rows) == operation.limit else None
    return ops.Repaired(len(rows), tuple(amiss), cursor)


def _amiss(
    condition: str, remedies: Sequence[str], values: tuple[int, int, Millis], *, mend: bool
) -> Plan[int]:
    """How many jobs of the stretch this is true of; it was, if that is to be mended."""
    # Each statement is given all three values, so each has to name them.
    where = f"seq BETWEEN ?1 AND ?2 AND ?3 IS NOT NULL AND ({condition})"
    ((count,),) = yield Ask(f"SELECT count(*) FROM job WHERE {where}", values)
    if count and mend:
        for remedy in remedies:
            yield Ask(remedy.format(where=where), values)
    return int(count)
