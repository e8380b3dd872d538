"""The plans of `Time`, `Find`, `Peek`, `Search`, `DeadLetters` and `History`.

What belongs here: jobs found by what they are. What does not: numbers (`statistics`), causes
(`grouping`).
"""

from __future__ import annotations

from typing import Any, Final

from boundary.jobs.core import operations as ops
from boundary.jobs.core.wire import Millis, Record
from boundary.jobs.shell.adapters.sqlite import statements as sql
from boundary.jobs.shell.adapters.sqlite.plans.cursors import begins_at, going_on_at
from boundary.jobs.shell.adapters.sqlite.plans.steps import (
    HIGHEST,
    LOWEST,
    Ask,
    Plan,
    record,
    records,
)

CANDIDATES: Final = 100
"""Jobs one statement of a search for a text brings, at least, for the text to be looked for in each."""


def time(operation: ops.Time, now: Millis) -> Plan[Millis]:
    yield from ()
    return now


def find(operation: ops.Find, now: Millis) -> Plan[tuple[Record | None, ...]]:
    found: list[Record | None] = []
    for id in operation.ids:
        rows = yield Ask(sql.BY_ID, (id,))
        found.append(record(rows[0]) if rows else None)
    return tuple(found)


def peek(operation: ops.Peek, now: Millis) -> Plan[tuple[Record, ...]]:
    return records((yield Ask(sql.PEEK, (operation.queue, operation.limit))))


def search(operation: ops.Search, now: Millis) -> Plan[ops.Page]:
    stretch, values = _stretch(operation, begins_at(operation.cursor, HIGHEST))
    ((looked, last),) = yield Ask(f"SELECT count(*), min(seq) FROM ({stretch})", values)
    found = yield from _matching(operation, stretch, values)
    if len(found) > operation.limit:
        return ops.Page(found[: operation.limit], going_on_at(found[operation.limit].seq))
    return ops.Page(found, going_on_at(last - 1) if looked == operation.scan else None)


def _matching(
    operation: ops.Search, stretch: str, values: tuple[Any, ...]
) -> Plan[tuple[Record, ...]]:
    """Those of the stretch that match, newest first, as soon as they are one more than asked for."""
    condition, more = _conditions(operation)
    found: tuple[Record, ...] = ()
    at_most, first = operation.limit + 1, HIGHEST
    if operation.text is not None:
        at_most = max(at_most, CANDIDATES)
    while len(found) <= operation.limit and first >= LOWEST:
        rows = yield Ask(
            f"SELECT {sql.COLUMNS} FROM job WHERE seq IN ({stretch}) AND seq <= ? {condition} "
            f"ORDER BY seq DESC LIMIT {at_most}",
            (*values, first, *more),
        )
        candidates = records(rows)
        found += tuple(filter(operation.mentioned_by, candidates))
        if len(candidates) < at_most:
            break
        first = candidates[-1].seq - 1
    return found


def _stretch(operation: ops.Search, first: int) -> tuple[str, tuple[Any, ...]]:
    """The jobs to look at, and the values of that statement."""
    if operation.status in {"failed", "cancelled", "retrying"}:
        return sql.STRETCHES["uncommon"], (first, operation.scan, operation.status)
    kind = "running" if operation.status == "running" else None
    return sql.STRETCHES[kind], (first, operation.scan)


def _conditions(operation: ops.Search) -> tuple[str, tuple[Any, ...]]:
    parts = [
        ("status = ?", operation.status),
        ("job_type = ?", operation.job_type),
        ("queue = ?", operation.queue),
        ("created >= ?", operation.since),
        ("created < ?", operation.until),
    ]
    used = [(clause, value) for clause, value in parts if value is not None]
    clauses = [clause for clause, _ in used]
    values: list[Any] = [value for _, value in used]
    if operation.needles:
        each = ["instr(payload, ?) OR instr(trail, ?)"] * len(operation.needles)
        clauses.append(f"({' OR '.join(each)})")
        values += [one for needle in operation.needles for one in (needle, needle)]
    return "".join(f" AND {clause}" for clause in clauses), tuple(values)


def dead_letters(operation: ops.DeadLetters, now: Millis) -> Plan[tuple[Record, ...]]:
    values = (operation.queue, operation.job_type, operation.limit)
    return records((yield Ask(sql.DEAD_LETTERS, values)))


def history(operation: ops.History, now: Millis) -> Plan[tuple[Record, ...]]:
    return records((yield Ask(sql.HISTORY, (operation.job_type, operation.limit))))
