"""Rows whose `seq` a hand has changed: a search and a repair come to each of them, once, and end."""

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
    Enqueue,
    Outcome,
    Page,
    Repair,
    Search,
    Settle,
)
from boundary.jobs.errors import UsageError
from boundary.jobs.shell.adapters.sqlite import SqliteStore
from boundary.jobs.shell.adapters.sqlite.plans.looking import CANDIDATES
from boundary.jobs.testing import FakeClock
from boundary.jobs.testing.contract.looking import telling
from boundary.jobs.testing.contract.words import LEASE, ident, new

HOUR = 3_600_000
TOP, BOTTOM = 2**63 - 1, -(2**63)
SEQS = {
    "cancelled": (TOP, TOP - 1, 107, 0, -1, BOTTOM + 1, BOTTOM),
    "failed": (TOP - 2, 108, -2, BOTTOM + 2),
    "running": (TOP - 3, TOP - 4, -3, BOTTOM + 3),
    "pending": (TOP - 5, 2**53 + 1, 109, -4, BOTTOM + 5),
}


class Place:
    """A file with jobs of several statuses, each under a `seq` of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.door = SqliteStore(path, clock=FakeClock()).blocking()
        for status, seqs in SEQS.items():
            self._make(status, len(seqs))
        for status, seqs in SEQS.items():
            for number, seq in enumerate(seqs):
                self.move(f"{status}{number}", seq)

    def _make(self, status: str, number: int) -> None:
        names = [f"{status}{one}" for one in range(number)]
        self.ask(Enqueue(tuple(map(new, names))))
        if status == "cancelled":
            self.ask(Cancel(tuple(map(ident, names)), HOUR))
        elif status in {"failed", "running"}:
            held = self.ask(Claim("w", None, number, 100 * LEASE, join=True)).jobs
            if status == "failed":
                ends = [Outcome(one.id, one.token, "exhaust", keep_ms=HOUR) for one in held]
                self.ask(Settle("w", tuple(ends)))

    def move(self, name: str, seq: int) -> None:
        self.hand("UPDATE job SET seq = ? WHERE id = ?", seq, ident(name))

    def ask(self, operation: Any) -> Any:
        return self.door.execute(operation)

    def hand(self, statement: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            return connection.execute(statement, values).fetchall()

    def search(self, **conditions: Any) -> list[int]:
        """The seqs of all pages."""
        found: list[int] = []
        cursor = None
        for _ in range(2 * sum(map(len, SEQS.values()))):
            page: Page = self.ask(Search(cursor=cursor, **conditions))
            found += [one.seq for one in page.records]
            cursor = page.cursor
            if cursor is None:
                return found
        raise AssertionError("the search does not come to its end")

    def repair(self, limit: int) -> tuple[int, dict[str, int]]:
        """How many jobs all steps looked at, and what was amiss."""
        amiss: dict[str, int] = {}
        cursor, looked = None, 0
        for _ in range(2 * sum(map(len, SEQS.values()))):
            step = self.ask(Repair(cursor, limit))
            looked += step.looked
            for kind, number in step.amiss:
                amiss[kind] = amiss.get(kind, 0) + number
            cursor = step.cursor
            if cursor is None:
                return looked, amiss
        raise AssertionError("the repair does not come to its end")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path / "jobs.db")
    yield made
    made.door.close()


ALL = sorted((seq for seqs in SEQS.values() for seq in seqs), reverse=True)


@pytest.mark.parametrize("text", [None, "boxes"])
@pytest.mark.parametrize(("limit", "scan"), [(1, 3_000), (2, 2), (200, 1), (200, 4), (200, 3_000)])
def test_a_search_comes_to_every_job(place: Place, limit: int, scan: int, text: str | None) -> None:
    place.hand("UPDATE job SET payload = ?", telling(to="boxes"))
    assert place.search(limit=limit, scan=scan, text=text) == ALL
    for status, seqs in SEQS.items():
        found = place.search(limit=limit, scan=scan, text=text, status=status)
        assert found == sorted(seqs, reverse=True)


def test_a_search_for_a_text_goes_past_what_does_not_hold_it(place: Place) -> None:
    """The number 0x105 has the byte of 5: such jobs fill each statement, to the lowest row of all."""
    more = [f"more{number}" for number in range(2 * CANDIDATES - len(ALL))]
    place.ask(Enqueue(tuple(map(new, more))))
    for number, name in enumerate(more):
        place.move(name, -1_000 - number)
    place.hand("UPDATE job SET payload = ?", telling(shelf=0x105))
    assert place.search(limit=1, text="5") == []
    place.hand("UPDATE job SET payload = ? WHERE seq = ?", telling(shelf=5), BOTTOM)
    assert place.search(limit=1, text="5") == [BOTTOM]


@pytest.mark.parametrize("limit", [1, 2, 5, 250])
def test_a_repair_comes_to_every_job(place: Place, limit: int) -> None:
    place.hand("UPDATE job SET position = 5 WHERE status <> 'pending'")
    harmed = len(ALL) - len(SEQS["pending"])
    assert place.repair(limit) == (len(ALL), {"entry without a job": harmed})
    assert place.repair(limit) == (len(ALL), {})


@pytest.mark.parametrize("limit", [1, 250])
@pytest.mark.parametrize("end", [TOP, BOTTOM])
def test_one_row_at_the_very_end(place: Place, limit: int, end: int) -> None:
    place.hand("DELETE FROM job WHERE seq <> ?", end)
    assert place.repair(limit) == (1, {})
    assert place.search(limit=limit, scan=1) == [end]


@pytest.mark.parametrize("operation", [Search, Repair])
def test_a_cursor_beyond_every_seq_is_refused(place: Place, operation: Any) -> None:
    for cursor in (str(2**64), "9" * 20, "9" * 300, "-1"):
        with pytest.raises(UsageError, match="cursor"):
            place.ask(operation(cursor=cursor))


@pytest.mark.parametrize("end", [TOP, BOTTOM])
@pytest.mark.parametrize("together", [1, 3])
def test_a_place_at_the_very_end_keeps_nobody_out(tmp_path: Path, end: int, together: int) -> None:
    """Found by a soak: the next place behind it was no number of 64 bits any more."""
    path, names = tmp_path / "jobs.db", [f"later{number}" for number in range(6)]
    with closing(SqliteStore(path).blocking()) as door:
        door.execute(Enqueue((new("moved"),)))
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("UPDATE job SET position = ?", (end,))
        for at in range(0, 6, together):
            door.execute(Enqueue(tuple(map(new, names[at : at + together]))))
        claimed = [one.id for one in door.execute(Claim("w", None, 9, LEASE, join=True)).jobs]
    assert claimed[-1 if end == TOP else 0] == ident("moved")
    assert sorted(claimed) == sorted(map(ident, (*names, "moved")))
