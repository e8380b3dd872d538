"""The plans of `Time`, `Find`, `Peek`, `Search`, `DeadLetters` and `History`.

What belongs here: jobs found by what they are. What does not: numbers (`statistics`), causes
(`grouping`).
"""

from __future__ import annotations

from typing import Any

from boundary.jobs.core import operations as ops
from boundary.jobs.core.operations import cursor_position
from boundary.jobs.core.wire import Millis, Record
from boundary.jobs.shell.adapters.sqlite import statements as sql
from boundary.jobs.shell.adapters.sqlite.plans.steps import NOWHERE, Ask, Plan, record, records


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
    below = cursor_position(operation.cursor)
    stretch, values = _stretch(operation, NOWHERE if below is None else below)
    ((looked, last),) = yield Ask(f"SELECT count(*), min(seq) FROM ({stretch})", values)
    condition, more = _conditions(operation)
    rows = yield Ask(
        f"SELECT {sql.COLUMNS} FROM job WHERE seq IN ({stretch}) {condition} "
        f"ORDER BY seq DESC LIMIT {operation.limit + 1}",
        (*values, *more),
    )
    found = records(rows)
    if len(found) > operation.limit:
        return ops.Page(found[:-1], str(found[-1].seq + 1))
    return ops.Page(found, str(last) if looked == operation.scan else None)


def _stretch(operation: ops.Search, below: int) -> tuple[str, tuple[Any, ...]]:
    """The jobs to look at, and the values of that statement."""
    if operation.status in {"failed", "cancelled", "retrying"}:
        return sql.STRETCHES["uncommon"], (below, operation.scan, operation.status)
    kind = "running" if operation.status == "running" else None
    return sql.STRETCHES[kind], (below, operation.scan)


def _conditions(operation: ops.Search) -> tuple[str, tuple[Any, ...]]:
    text = None if operation.text is None else operation.text.encode(errors="surrogatepass")
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
    if text:
        clauses.append("(instr(payload, ?) OR instr(trail, ?))")
        values += (text, text)
    return "".join(f" AND {clause}" for clause in clauses), tuple(values)


def dead_letters(operation: ops.DeadLetters, now: Millis) -> Plan[tuple[Record, ...]]:
    values = (operation.queue, operation.job_type, operation.limit)
    return records((yield Ask(sql.DEAD_LETTERS, values)))


def history(operation: ops.History, now: Millis) -> Plan[tuple[Record, ...]]:
    return records((yield Ask(sql.HISTORY, (operation.job_type, operation.limit))))
