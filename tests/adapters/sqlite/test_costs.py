"""A file with very many jobs costs no more to work with than one with few.

Counted in steps of SQLite's virtual machine over whole operations, so that no clock is asked.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from boundary.jobs.core import operations as ops
from boundary.jobs.core.operations import (
    Act,
    Announce,
    Audit,
    Cancel,
    Claim,
    DeadLetters,
    Delete,
    Depart,
    Edit,
    Enqueue,
    Explain,
    Find,
    Fire,
    FireNow,
    Groups,
    Heartbeat,
    History,
    Inherit,
    Instruct,
    Members,
    Operation,
    Order,
    Outcome,
    Peek,
    Promote,
    Prune,
    Purge,
    PutSchedule,
    Reclaim,
    RemoveSchedule,
    Repair,
    Report,
    Retry,
    Save,
    Schedule,
    Schedules,
    Search,
    Series,
    SetPaused,
    Settle,
    SettleAndClaim,
    Stats,
    Take,
    Time,
    Undo,
)
from boundary.jobs.core.wire import NewJob, Record
from boundary.jobs.shell.adapters.sqlite import SqliteStore, plans, statements
from boundary.jobs.shell.adapters.sqlite.engine import run_plan
from boundary.jobs.testing import FakeClock

FEW, MANY = 2_000, 50_000
NOW = 1_000_000_000
"""What the rows of `FILL` are dated by."""

FILL = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO job (id, job_type, queue, priority, payload, created, updated, status, due, started,
                 completed, worker, token, ending, prune_at, position, cause)
SELECT CAST(printf('%016d', i) AS BLOB), 'send', printf('q%d', i % 5), i % 4, x'00', 0, 0,
    CASE i % 6 WHEN 2 THEN 'failed' WHEN 3 THEN 'completed' WHEN 4 THEN 'cancelled'
               WHEN 5 THEN 'retrying' ELSE 'pending' END,
    CASE WHEN i % 6 IN (1, 5) THEN :now + i - 100 END, NULL,
    CASE WHEN i % 6 IN (2, 3, 4) THEN :now - i END, NULL, 1,
    CASE i % 6 WHEN 2 THEN 'exhaust' WHEN 3 THEN 'succeed' WHEN 4 THEN 'cancel' ELSE '' END,
    CASE WHEN i % 6 IN (2, 3, 4) THEN :now + i - 100 END,
    CASE WHEN i % 6 = 0 THEN i END, CASE i % 6 WHEN 2 THEN 'Unknown:send' END
FROM n
"""


def ident(number: int) -> bytes:
    return b"%016d" % number


def new(number: int) -> NewJob:
    return NewJob(b"new-%012d" % number, "send", "q1", 2, b"")


ACT = Act(b"act-------------", "ada", "delete", "some", 60_000)
TICK = Schedule("daily", "send", "q1", 2, b"", NOW, every_ms=1_000)
OUTCOME = Outcome(ident(6), 2, "succeed", keep_ms=10)
SAVED = Record(0, b"saved-----------", "send", "q1", 2, b"", NOW, NOW, "completed", completed=NOW)
CLAIM = Claim("w", None, 50, 60_000, join=True)

WORKING: dict[str, Sequence[Operation[Any]]] = {
    "enqueue": [Enqueue(tuple(new(number) for number in range(30)))],
    "enqueue again": [Enqueue((new(1), new(2))), Enqueue((new(1), new(3)))],
    "claim": [CLAIM],
    "claim of named queues": [Claim("w", ("q3", "q1"), 50, 60_000, join=True)],
    "idle claim": [Claim("w", ("none",), 5, 60_000, promote=0, join=True)] * 2,
    "settle": [Take(ident(6), "w", 60_000), Settle("w", (OUTCOME,))],
    "settle and claim": [CLAIM, SettleAndClaim(Settle("w", (OUTCOME,)), CLAIM)],
    "heartbeat": [Heartbeat("w", 60_000, b"", join=True)],
    "report": [Take(ident(6), "w", 60_000), Report(ident(6), 2, b"x")],
    "depart": [CLAIM, Depart("w", None)],
    "inherit": [CLAIM, Inherit("w", "heir", (), 60_000, b"", None)],
    "reclaim": [Claim("w", None, 50, 0, join=True), Reclaim(3, None)],
    "promote": [Promote()],
    "prune": [Prune(20)],
    "schedules": [PutSchedule(TICK), Fire("daily", NOW, NOW + 1_000, new(1)), Schedules(),
                  RemoveSchedule("daily"), FireNow(new(2))],
    "time": [Time()],
}  # fmt: skip
"""What workers and producers do all day."""

LOOKING: dict[str, Sequence[Operation[Any]]] = {
    "find": [Find((ident(6), ident(7), b"none"))],
    "peek": [Peek("q0", 20)],
    "members": [Members("Unknown:send", limit=20)],
    "history": [History("send", 20)],
    "dead letters": [DeadLetters(20)],
    "search": [Search(scan=1_000)],
    "search of a status": [Search(status=status, scan=300) for status in ("failed", "running")],
    "search for what is not there": [Search(text="nowhere", scan=1_000)],
    "search for a status that no job of the queue has": [
        Search(status="failed", queue="none", scan=300)
    ],
    "repair": [Repair(None, 200), Repair("1000", 200), Repair("500", 200, mend=False)],
    "audit": [Audit()],
    "edit": [Edit(ident(6), 0, 0, b"x")],
    "acts": [
        Delete((ident(6), ident(2)), ACT),
        Retry((ident(8),), (), ACT),
        Undo(ACT.id, replace(ACT, id=b"undo------------", what="undo")),
    ],
    "cancel": [Cancel((ident(6), ident(7)), 10)],
    "retry": [Retry((ident(2), ident(8)))],
    "delete": [Delete((ident(6), ident(7)))],
    "pause": [SetPaused("q1", paused=True), SetPaused("q1", paused=False)],
    "purge of ready jobs": [Purge("q0", 20)],
    "instruct": [Heartbeat("w", 60_000, b"w", join=True), Instruct(Order(b"o" * 16, "quiet"))],
    "save": [Save(SAVED, 1_000), Save(SAVED, 1_000)],
}
"""What people ask."""

UNBOUNDED = {
    Groups: "counts dead letters in an index",
    Stats: "counts what waits",
    Series: "a day of minutes",
    Explain: "counts what is ahead, up to a bound",
}
"""What looks at an index from end to end, by its nature."""

APART = {Announce: "goes by pipes, not by the file"}


def filled(path: Path, count: int) -> SqliteStore:
    store = SqliteStore(path, clock=FakeClock(NOW))
    door = store.blocking()
    door.execute(Time())
    door.close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(FILL, {"count": count, "now": NOW})
    connection.close()
    return store


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> list[SqliteStore]:
    folder = tmp_path_factory.mktemp("costs")
    return [filled(folder / f"{count}.db", count) for count in (FEW, MANY)]


def steps(store: SqliteStore, operations: Sequence[Operation[Any]]) -> int:
    """How many steps the operations take; the store is left as it was."""
    engine, count = store.engine(), 0
    engine.version()
    connection = engine._connection
    assert connection is not None

    def step() -> None:
        nonlocal count
        count += 1

    connection.execute("BEGIN IMMEDIATE")
    connection.set_progress_handler(step, 1)
    for operation in operations:
        run_plan(connection, plans.plan(operation, NOW))
    connection.set_progress_handler(None, 0)
    connection.execute("ROLLBACK")
    engine.close()
    return count


@pytest.mark.parametrize("name", [*WORKING, *LOOKING])
def test_it_costs_the_same_with_many_jobs(stores: list[SqliteStore], name: str) -> None:
    operations = {**WORKING, **LOOKING}[name]
    few, many = (steps(store, operations) for store in stores)
    assert few > 0 or name == "time"
    assert many <= few * 1.1 + 20


def test_every_operation_is_among_them() -> None:
    told = {type(one) for many in (*WORKING.values(), *LOOKING.values()) for one in many}
    assert told | set(UNBOUNDED) == set(plans._PLANS)
    assert told | set(UNBOUNDED) | set(APART) == {
        one
        for one in vars(ops).values()
        if isinstance(one, type) and issubclass(one, Operation) and one is not Operation
    }


NAMED = {
    **{
        name: value
        for name, value in vars(statements).items()
        if name.isupper() and name[0] != "_" and isinstance(value, str) and name != "COLUMNS"
    },
    **{f"STRETCHES {kind}": text for kind, text in statements.STRETCHES.items()},
}
ENDS = {
    "NEWEST": "the last row",
    "STRETCHES None": "the newest rows, as many as a search may look at",
    "DEAD_LETTERS": "the newest dead letters, as many as were asked for",
}
"""Statements that read from one end and stop."""


@pytest.mark.parametrize("name", NAMED)
def test_no_statement_reads_the_table_of_jobs_through(stores: list[SqliteStore], name: str) -> None:
    connection = sqlite3.connect(stores[0].path)
    prepared = f"EXPLAIN QUERY PLAN {NAMED[name]}"
    numbered = [int(number) for number in re.findall(r"[?](\d)", prepared)]
    values = [None] * (max(numbered) if numbered else prepared.count("?"))
    told = [row[3] for row in connection.execute(prepared, values)]
    connection.close()
    scans = [one for one in told if one.startswith("SCAN job") and "COVERING INDEX" not in one]
    assert not scans or name in ENDS, told


def test_of_many_dead_letters_an_index_alone_finds_those_of_a_queue(
    stores: list[SqliteStore],
) -> None:
    """A walk through the index, some steps for each; rows are read only where it matches."""
    dead = MANY // 6
    assert steps(stores[1], [DeadLetters(20, queue="none")]) < dead * 10
