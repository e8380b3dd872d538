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

from boundary.jobs import BackendUnavailable, StoreFormatError
from boundary.jobs.core.operations import Enqueue, Find, Interest, Time, Topic
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
