"""Whatever a hand does to the rows, a repair makes them agree with their status again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from boundary.jobs.core.operations import (
    Cancel,
    Claim,
    DeadLetters,
    Enqueue,
    Find,
    Groups,
    Heartbeat,
    History,
    Outcome,
    Promote,
    Reclaim,
    Repair,
    Settle,
    Stats,
)
from boundary.jobs.errors import UsageError
from boundary.jobs.shell.adapters.sqlite import SqliteStore
from boundary.jobs.testing import FakeClock
from boundary.jobs.testing.contract.words import LEASE, ident, new

HOUR = 3_600_000


class Place:
    """A store with jobs of every status, and a hand in its rows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = FakeClock()
        self.store = SqliteStore(path, clock=self.clock)
        self.door = self.store.blocking()
        self._run("done", "succeed", keep_ms=HOUR)
        self._run("dead", "exhaust", keep_ms=HOUR)
        self._run("again", "fail", delay_ms=HOUR)
        self.ask(Enqueue((new("gone"),)))
        self.ask(Cancel((ident("gone"),), HOUR))
        self.ask(Enqueue((new("runs"), new("stops"))))
        self.ask(Claim("w2", None, 2, 100 * LEASE, join=True))
        self.ask(Cancel((ident("stops"),), HOUR))
        self.ask(Enqueue((new("later", delay_ms=HOUR), new("a"), new("b"), new("c", parked=True))))
        self.clock.advance(1)

    def _run(self, name: str, event: Any, **fields: Any) -> None:
        self.ask(Enqueue((new(name),)))
        (one,) = self.ask(Claim("w1", None, 1, 100 * LEASE, join=True)).jobs
        self.ask(Settle("w1", (Outcome(one.id, one.token, event, **fields),)))

    def ask(self, operation: Any) -> Any:
        return self.door.execute(operation)

    def hand(self, statement: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            return connection.execute(statement, values).fetchall()

    def rows(self) -> list[list[Any]]:
        return [self.hand("SELECT * FROM job ORDER BY seq"), self.hand("SELECT * FROM worker")]

    def repair(self, *, mend: bool = True, limit: int = 250) -> dict[str, int]:
        amiss: dict[str, int] = {}
        cursor, looked = None, 0
        while True:
            step = self.ask(Repair(cursor, limit, mend))
            looked += step.looked
            for kind, number in step.amiss:
                amiss[kind] = amiss.get(kind, 0) + number
            cursor = step.cursor
            if cursor is None:
                assert looked == 10
                return amiss


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path / "jobs.db")
    yield made
    made.door.close()


BREAKS = {
    "a worker is gone": ("running", "DELETE FROM worker WHERE worker = 'w2'"),
    "held by nobody": ("running", "UPDATE job SET worker = NULL WHERE status = 'running'"),
    "a retry without an instant": ("due", "UPDATE job SET due = NULL WHERE status = 'retrying'"),
    "a dead letter without a cause": ("dead letter", "UPDATE job SET cause = NULL"),
    "an end without an instant": (
        "history",
        "UPDATE job SET completed = NULL WHERE completed IS NOT NULL",
    ),
    "an ended one in a lane": (
        "entry without a job",
        "UPDATE job SET position = -5 WHERE status IN ('completed', 'failed', 'cancelled')",
    ),
    "a running one in a lane": (
        "entry without a job",
        "UPDATE job SET position = -5 WHERE status = 'running'",
    ),
    "a scheduled one in a lane": (
        "entry without a job",
        "UPDATE job SET position = -5 WHERE due IS NOT NULL",
    ),
    "an ended one that waits": (
        "entry without a job",
        "UPDATE job SET due = 1 WHERE completed IS NOT NULL",
    ),
    "a running one that waits": (
        "entry without a job",
        "UPDATE job SET due = 1 WHERE status = 'running'",
    ),
    "a ready one that is held": (
        "entry without a job",
        "UPDATE job SET worker = 'w2' WHERE status <> 'running'",
    ),
}
NOT_AS_BEFORE = {"a worker is gone", "held by nobody"}
"""The lease's end is not known any more, nor who held it."""


def test_sound_rows_are_left_alone(place: Place) -> None:
    before = place.rows()
    for limit in (1, 3, 250):
        for mend in (False, True):
            assert place.repair(mend=mend, limit=limit) == {}
    assert place.rows() == before


@pytest.mark.parametrize("name", BREAKS)
@pytest.mark.parametrize("limit", [1, 250])
def test_what_a_hand_breaks_is_found_and_made_good(place: Place, name: str, limit: int) -> None:
    kind, harm = BREAKS[name]
    before = place.rows()
    place.hand(harm)
    broken = place.rows()
    assert broken != before
    found = place.repair(mend=False, limit=limit)
    assert set(found) == {kind}
    assert place.rows() == broken, "the look changed something"
    assert set(place.repair(limit=limit)) == {kind}
    if name not in NOT_AS_BEFORE:
        assert place.rows() == before
    assert place.repair() == {}


@pytest.mark.parametrize("name", BREAKS)
def test_afterwards_every_job_runs_once(place: Place, name: str) -> None:
    place.hand(BREAKS[name][1])
    place.repair()
    place.clock.advance(HOUR / 1000)
    place.ask(Promote())
    taken = place.ask(Claim("w3", None, 100, LEASE, join=True)).jobs
    assert sorted(one.id for one in taken) == sorted(map(ident, ("a", "b", "later", "again")))
    place.clock.advance(200 * LEASE / 1000)
    back = place.ask(Reclaim(9, HOUR))
    assert {ident("runs"), ident("stops")} <= set(back)
    runs, stops, dead = place.ask(Find((ident("runs"), ident("stops"), ident("dead"))))
    assert (runs.status, runs.crashes, stops.status) == ("pending", 1, "cancelled")
    assert place.ask(DeadLetters()) == (dead,)
    assert [one.cause for one in place.ask(Groups())] == ["Unknown:send_email"]
    assert len(place.ask(History("send_email"))) == 4
    assert place.repair() == {}


def test_a_worker_that_lives_keeps_its_jobs(place: Place) -> None:
    """Its next heartbeat comes before anybody takes them back."""
    place.hand("DELETE FROM worker WHERE worker = 'w2'")
    assert place.repair() == {"running": 2}
    assert place.ask(Heartbeat("w2", LEASE, b"")).alive
    assert place.ask(Reclaim(9, HOUR)) == ()
    held = {one.worker: set(one.held) for one in place.ask(Stats()).workers}
    assert held["w2"] == {ident("runs"), ident("stops")}


def test_a_strange_cursor_is_refused(place: Place) -> None:
    with pytest.raises(UsageError, match="cursor 'x'"):
        place.ask(Repair("x"))


def test_sqlite_is_asked_about_its_indexes(place: Place) -> None:
    def integrity() -> tuple[str, str]:
        (one,) = [one for one in place.store.examine() if one.what == "integrity"]
        return one.state, one.text

    assert integrity()[0] == "ok"
    place.door.close()
    with closing(sqlite3.connect(place.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, 'due IS NOT NULL', 'due > 0') "
            "WHERE name = 'due'"
        )
        connection.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, 'position IS NOT NULL', "
            "'position IS NULL') WHERE name = 'ready'"
        )
    state, text = integrity()
    assert state == "problem"
    assert "index ready" in text
    assert "REINDEX" in text
