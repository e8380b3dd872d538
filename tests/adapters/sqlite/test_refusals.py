"""Files that cannot be used, and what is left behind by processes that ended early."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from boundary.jobs import BackendUnavailable, Jobs, StoreFormatError
from boundary.jobs.core.operations import Claim, Enqueue, Find, Interest, Time, Topic
from boundary.jobs.core.wire import NewJob
from boundary.jobs.shell.adapters.sqlite import SqliteStore, notices

NOBODY = 65_534
JOB = NewJob(b"i" * 16, "send", "default", 2, b"")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@contextlib.contextmanager
def without_rights() -> Iterator[None]:
    """Root may do all; then the block runs as somebody who may not."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that another user can enter; pytest's own he cannot."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("mode", "says"), [(0o000, "cannot be opened"), (0o444, "cannot be written")]
)
def test_a_file_this_user_may_not_use_is_named(reachable: Path, mode: int, says: str) -> None:
    path = reachable / "jobs.db"
    door = SqliteStore(path).blocking()
    door.execute(Enqueue((JOB,)))
    door.close()
    path.chmod(mode)
    reachable.chmod(0o555)
    try:
        with without_rights(), pytest.raises(BackendUnavailable, match=says) as caught:
            SqliteStore(path).blocking().execute(Enqueue((JOB,)))
    finally:
        reachable.chmod(0o755)
        path.chmod(0o600)
    assert str(path) in str(caught.value)
    assert isinstance(caught.value.__cause__, sqlite3.Error)
    assert door.execute(Find((JOB.id,)))[0] is not None
    door.close()


def test_a_folder_this_user_may_not_write_is_named(reachable: Path) -> None:
    reachable.chmod(0o555)
    with without_rights(), pytest.raises(BackendUnavailable, match="cannot be made") as caught:
        SqliteStore(reachable / "jobs.db").blocking().execute(Time())
    assert str(reachable) in str(caught.value)
    assert list(reachable.iterdir()) == []


@pytest.mark.parametrize("pragma", ["user_version = 1", "application_id = 7"])
def test_an_empty_file_that_another_program_marked_is_left_alone(path: Path, pragma: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA {pragma}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreFormatError, match="another program"):
        SqliteStore(path).blocking().execute(Time())
    assert path.read_bytes() == before


def test_a_file_whose_maker_was_killed_is_made_whole(path: Path) -> None:
    path.touch(mode=0o600)
    door = SqliteStore(path).blocking()
    assert door.execute(Enqueue((JOB,))).fresh == (True,)
    door.close()


def test_a_connection_that_broke_is_opened_anew(path: Path) -> None:
    """A damaged file is put right under a worker that goes on."""
    door = SqliteStore(path).blocking()
    door.execute(Enqueue((JOB,)))
    door.close()
    sound = path.read_bytes()
    path.write_bytes(sound[:4096] + b"\xff" * (len(sound) - 4096))
    with pytest.raises(StoreFormatError, match="restore a backup"):
        door.execute(Find((JOB.id,)))
    path.write_bytes(sound)
    assert door.execute(Find((JOB.id,)))[0] is not None
    door.close()


TELL = """
import sys
from boundary.jobs import Jobs
Jobs('sqlite:///' + sys.argv[1]).enqueue('send')
"""


def test_an_event_loop_hears_of_a_commit_elsewhere(path: Path) -> None:
    async def main() -> None:
        door = SqliteStore(path).asynchronous()
        await door.execute(Time())
        async with await door.listen(Interest(Topic.WORK)) as ear:
            telling = await asyncio.create_subprocess_exec(sys.executable, "-c", TELL, str(path))
            assert await ear.wait(20)
            await telling.wait()
        await door.close()

    asyncio.run(main())
    assert list(path.with_name("jobs.db-notices").iterdir()) == []


def test_an_ear_nobody_empties_does_not_hold_up_those_who_tell(path: Path) -> None:
    """Its pipe is full after some thousands of notices."""
    folder = path.with_name("jobs.db-notices")
    ear = notices.Ear(folder, Topic.WORK)
    with contextlib.suppress(BlockingIOError):
        while os.write(ear._own, b"!" * 4_096):
            pass
    with contextlib.suppress(BlockingIOError):
        while os.write(ear._own, b"!"):
            pass
    notices.tell(folder, notices.pipes(folder), {Topic.WORK})
    assert ear.drain()
    assert not ear.drain()
    ear.close()


def test_an_ear_that_cannot_be_opened_leaves_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of file handles: the listener looks at the file instead."""

    def refuse(*_: object) -> int:
        raise OSError(24, "Too many open files")

    folder = path.with_name("jobs.db-notices")
    with monkeypatch.context() as patched:
        patched.setattr(notices.os, "open", refuse)
        with pytest.raises(OSError, match="Too many"):
            notices.Ear(folder, Topic.WORK)
    assert list(folder.iterdir()) == []


def test_a_listener_without_pipes_lets_go_of_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no pipes here")

    monkeypatch.setattr(os, "mkfifo", refuse)
    door = SqliteStore(path).blocking()
    door.execute(Time())
    with door.listen(Interest(Topic.WORK)) as ear:
        assert not ear.wait(0.0)
    door.close()
    assert not ear.wait(5.0)
    # The last connection to leave takes the log with it.
    assert not path.with_name("jobs.db-wal").exists()


def test_processes_that_end_leave_one_file(path: Path) -> None:
    subprocess.run([sys.executable, "-c", TELL, str(path)], check=True)
    door = SqliteStore(path).blocking()
    door.execute(Time())
    door.close()
    assert [file.name for file in path.parent.iterdir()] == ["jobs.db"]


def hand(path: Path, statement: str, *values: object) -> None:
    """Another program changes the file."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement, values)


def stored(path: Path, number: int) -> list[NewJob]:
    jobs = [NewJob(bytes([n]) * 16, "send", "default", 2, b"") for n in range(number)]
    door = SqliteStore(path).blocking()
    door.execute(Enqueue(tuple(jobs)))
    door.close()
    return jobs


def claimed(path: Path) -> list[int]:
    """The tokens under which the jobs there are given away."""
    door = SqliteStore(path).blocking()
    try:
        return [one.token for one in door.execute(Claim("w", None, 10, 30_000, join=True)).jobs]
    finally:
        door.close()


def test_text_that_is_no_text_in_one_row_stops_no_other(path: Path) -> None:
    stored(path, 3)
    hand(path, "UPDATE job SET job_type = CAST(? AS TEXT) WHERE seq = 2", b"\xff\xfe")
    assert claimed(path) == [1, 1, 1]
    door = SqliteStore(path).blocking()
    assert [one.job_type for one in door.execute(Find((bytes([1]) * 16,))) if one] == [r"\xff\xfe"]
    door.close()


@pytest.mark.parametrize(
    ("column", "tokens"),
    [("token", {1, 2**53 - 1}), ("position", {1}), ("due", {1}), ("created", {1})],
)
def test_a_number_beyond_all_in_one_row_stops_no_other(
    path: Path, column: str, tokens: set[int]
) -> None:
    """Once a claim was refused for good: the next token, or place, was no number of SQLite's."""
    stored(path, 2)
    hand(path, f"UPDATE job SET {column} = ? WHERE seq = 2", 2**63 - 1)
    stored_later = NewJob(b"l" * 16, "send", "default", 2, b"", delay_ms=1)
    door = SqliteStore(path).blocking()
    door.execute(Enqueue((JOB, stored_later)))
    door.close()
    assert set(claimed(path)) == tokens


@pytest.mark.parametrize(("mark", "mono"), [(-1, 0), (2**62, 0), (0, -(2**63))])
def test_a_clock_that_no_clock_shows_is_named(path: Path, mark: int, mono: int) -> None:
    """And not believed: time that went on from there could never go back."""
    stored(path, 1)
    hand(path, "UPDATE clock SET mark = ?, mono = ?", mark, mono)
    door = SqliteStore(path).blocking()
    with pytest.raises(StoreFormatError, match="UPDATE clock SET mark = 0, mono = 0"):
        door.execute(Time())
    hand(path, "UPDATE clock SET mark = 0, mono = 0")
    assert door.execute(Time()) > 0
    door.close()


def test_an_id_that_is_none_is_shown_among_the_others(path: Path) -> None:
    stored(path, 2)
    hand(path, "UPDATE job SET id = x'00' WHERE seq = 1")
    with Jobs(f"sqlite:///{path}") as jobs:
        found = jobs.search().jobs
        assert len({one.id for one in found}) == 2
