"""The file: what its queries cost, whose it is, who may read it, what happens when it is full."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from boundary.jobs import BackendUnavailable, StoreFormatError, StoreFull
from boundary.jobs.core.operations import (
    Claim,
    Enqueue,
    Find,
    Interest,
    PutSchedule,
    Reclaim,
    Schedule,
    Schedules,
    Search,
    Series,
    Stats,
    Time,
    Topic,
)
from boundary.jobs.core.stats import Counters
from boundary.jobs.core.wire import NewJob, Payload, encode_payload
from boundary.jobs.shell.adapters.sqlite import SqliteStore, backend, notices, opening, statements
from boundary.jobs.shell.adapters.sqlite.engine import Engine, Entry
from boundary.jobs.testing import FakeClock
from tests.waiting import eventually

PAYLOAD = encode_payload(Payload(1, {"to": "a@b.c"}, 3))


def job(number: int, **more: object) -> NewJob:
    return NewJob(number.to_bytes(16, "big"), "send", "default", 2, PAYLOAD, **more)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


# What queries cost

COVERED = {
    "TAIL": ("default", 2),
    "HEAD": ("default", 2),
    "QUEUES": (),
    "AT_HAND": ("w", "w"),
    "DUE": (0, 9),
    "NEXT_DUE": (),
    "CANCELLING": ("w",),
    "READY_IN": ("default", 9),
    "DUE_IN": ("default", 9),
    "READY_COUNTS": (),
}
SEARCHED = {
    "PICK": ("default", 9),
    "HELD": ("w",),
    "PRUNE": (0, 9),
    "BY_ID": (b"",),
    "HAND_OVER": ("w", 0, 0, "[1]"),
    "FINISH": ("completed", "succeed", 0, 0, b"", 0, 0, None, "[1]"),
    "HISTORY": ("send", 9),
    "PEEK": ("default", 9),
}


def explained(path: Path, name: str, values: tuple[object, ...]) -> list[str]:
    SqliteStore(path).blocking().execute(Time())
    connection = sqlite3.connect(path)
    query = f"EXPLAIN QUERY PLAN {getattr(statements, name)}"
    rows = [row[3] for row in connection.execute(query, values)]
    connection.close()
    return rows


@pytest.mark.parametrize("name", COVERED)
def test_hot_queries_look_at_an_index_only(path: Path, name: str) -> None:
    steps = [step for step in explained(path, name, COVERED[name]) if " job " in step]
    assert steps
    assert all("COVERING INDEX" in step for step in steps), steps


@pytest.mark.parametrize("name", SEARCHED)
def test_no_statement_of_a_jobs_way_scans_the_table(path: Path, name: str) -> None:
    steps = [step for step in explained(path, name, SEARCHED[name]) if "job" in step]
    assert steps
    assert not [step for step in steps if step.startswith("SCAN job") and "COVERING" not in step]
    if name in {"PICK", "PRUNE", "PEEK"}:
        assert any("COVERING INDEX" in step for step in steps), steps


def test_a_claim_costs_the_same_with_many_jobs(path: Path) -> None:
    """Counted in steps of SQLite's machine, not in time."""

    def steps(more: int) -> int:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            "INSERT INTO job (id, job_type, queue, priority, payload, created, updated, position) "
            "SELECT randomblob(16), 'send', 'default', 2, x'00', 0, 0, i + ? FROM n",
            (more, more * 10),
        )
        count = 0

        def step() -> None:
            nonlocal count
            count += 1

        connection.set_progress_handler(step, 1)
        connection.execute(statements.PICK, ("default", 100)).fetchall()
        connection.execute(statements.QUEUES).fetchall()
        connection.execute(statements.NEXT_DUE).fetchall()
        connection.close()
        return count

    SqliteStore(path).blocking().execute(Time())
    few = steps(1_000)
    assert steps(100_000) <= few * 1.05


# Whose file it is


def test_only_its_owner_reads_it(path: Path) -> None:
    before = os.umask(0)
    try:
        door = SqliteStore(path).blocking()
        door.execute(Enqueue((job(1),)))
    finally:
        os.umask(before)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(("jobs.db", "jobs.db-wal", "jobs.db-shm"), 0o600)
    door.close()


def spoil(path: Path, how: str) -> None:
    if how == "foreign":
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE theirs (a)")
        connection.close()
    elif how == "text":
        path.write_text("not a database at all, but long enough to look like one\n" * 40)
    elif how == "newer":
        SqliteStore(path).blocking().execute(Time())
        connection = sqlite3.connect(path)
        connection.execute(f"PRAGMA user_version = {opening.SCHEMA + 1}")
        connection.close()
    elif how == "folder":
        path.mkdir()


@pytest.mark.parametrize(
    ("how", "kind", "says"),
    [
        ("foreign", StoreFormatError, "another program"),
        ("text", StoreFormatError, "not an SQLite database"),
        ("newer", StoreFormatError, "newer boundary-jobs"),
        ("folder", BackendUnavailable, "is a folder"),
    ],
)
def test_a_file_that_is_not_ours_is_left_alone(
    path: Path, how: str, kind: type[Exception], says: str
) -> None:
    spoil(path, how)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(kind, match=says) as caught:
        SqliteStore(path).blocking().execute(Enqueue((job(1),)))
    assert str(path) in str(caught.value)
    if how in {"foreign", "text"}:
        assert path.read_bytes() == before


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailable, match="make the folder first"):
        SqliteStore(tmp_path / "none" / "jobs.db").blocking().execute(Time())


def test_an_old_sqlite_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    with pytest.raises(BackendUnavailable, match=r"needs 3\.37"):
        SqliteStore(path).blocking().execute(Time())


def test_an_older_schema_is_brought_up_to_date(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    door = SqliteStore(path).blocking()
    door.execute(Enqueue((job(1),)))
    door.close()
    later = opening.SCHEMA + 1
    monkeypatch.setattr(opening, "SCHEMA", later)
    monkeypatch.setattr(
        opening, "MIGRATIONS", {later - 1: "ALTER TABLE job ADD COLUMN nonsense syntax error (;"}
    )
    with pytest.raises(BackendUnavailable):
        door.execute(Time())
    monkeypatch.setattr(
        opening, "MIGRATIONS", {later - 1: "CREATE TABLE later (a INTEGER) STRICT;"}
    )
    (found,) = door.execute(Find((job(1).id,)))
    assert found is not None
    door.close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (later,)
    assert connection.execute("SELECT count(*) FROM later").fetchone() == (0,)
    connection.close()


def older(path: Path, version: int, *statements: str) -> None:
    """A file as an older library made it, with a job, a dead letter and some counters.

    `schemas/N.sql` is the schema as version N made it: never change one.
    """
    path.touch(mode=0o600)
    script = (Path(__file__).parent / "schemas" / f"{version}.sql").read_text()
    minute = time.time_ns() // 60_000_000_000 * 60_000
    series = [
        f"INSERT INTO series VALUES ({at}, 'mail', 2, 0, 1, 3.5)"
        for at in (minute - 60_000, minute)
    ]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
        for statement in (
            (
                "INSERT INTO job (id, job_type, queue, priority, payload, created, updated, position)"
                f" VALUES (x'{job(1).id.hex()}', 'send', 'mail', 2, x'', 1, 1, 1)"
            ),
            (
                "INSERT INTO job (id, job_type, queue, priority, payload, created, updated, status, "
                f"completed, ending) VALUES (x'{job(2).id.hex()}', 'send', 'mail', 2, x'', 1, 1, "
                "'failed', 5, 'exhaust')"
            ),
            "INSERT INTO counter VALUES ('mail', 3, 1, 0, 10.0)",
            *(series if version == 2 else ()),
            *statements,
        ):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {opening.APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.commit()


def tables(path: Path) -> dict[str, object]:
    """Every table with its columns, and every index with the names of what it is over."""
    found: dict[str, object] = {}
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for kind, name in connection.execute("SELECT type, name FROM sqlite_schema").fetchall():
            rows = connection.execute(f"PRAGMA {kind}_xinfo({name})").fetchall()
            # A column that was added later stands at the end.
            found[name] = (
                sorted(row[1:6] for row in rows) if kind == "table" else [row[2] for row in rows]
            )
    return found


@pytest.mark.parametrize("version", range(1, opening.SCHEMA))
def test_an_older_file_is_brought_up_to_date(path: Path, version: int) -> None:
    older(path, version)
    door = SqliteStore(path).blocking()
    waiting, dead = door.execute(Find((job(1).id, job(2).id)))
    assert waiting is not None
    assert dead is not None
    assert (waiting.job_type, dead.ending) == ("send", "exhaust")
    assert door.execute(Stats("mail")).counters == (Counters("mail", 3, 1, 0, 10.0),)
    told = door.execute(Series(3))
    assert [one.counters for one in told] == [Counters("mail", 2, 0, 1, 3.5)] * (version - 1) * 2
    hourly = door.execute(Series(2, hourly=True))
    assert sum(one.counters.succeeded for one in hourly) == 4 * (version - 1)
    door.close()
    fresh = path.with_name("fresh.db")
    new = SqliteStore(fresh).blocking()
    new.execute(Time())
    new.close()
    assert tables(path) == tables(fresh)


def test_a_file_of_the_second_schema_keeps_its_schedules(path: Path) -> None:
    rows = (
        "('beat', 'ping', 'default', 2, x'', 7, NULL, 500, 'UTC')",
        "('report', 'make', 'reports', 1, x'01ff', 9, '0 8 * * *', NULL, 'Europe/Amsterdam')",
    )
    older(path, 2, *(f"INSERT INTO schedule VALUES {row}" for row in rows))
    door = SqliteStore(path).blocking()
    beat = Schedule("beat", "ping", "default", 2, b"", 7, every_ms=500)
    report = Schedule(
        "report", "make", "reports", 1, b"\x01\xff", 9, "0 8 * * *", timezone="Europe/Amsterdam"
    )
    assert door.execute(Schedules()) == (beat, report)
    assert door.execute(PutSchedule(replace(beat, next_at=None), beat))
    door.close()


OPEN = """
import sys
from boundary.jobs.core.operations import Time
from boundary.jobs.shell.adapters.sqlite import SqliteStore
sys.stdin.readline()
SqliteStore(sys.argv[1]).blocking().execute(Time())
"""


def test_many_processes_make_one_file_at_once(path: Path) -> None:
    made = [
        subprocess.Popen([sys.executable, "-c", OPEN, str(path)], stdin=subprocess.PIPE)
        for _ in range(6)
    ]
    for process in made:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in made:
        process.communicate()
        assert process.returncode == 0


# Transactions


def test_threads_that_call_at_once_share_commits(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = SqliteStore(path).blocking()
    door.execute(Time())
    commits: list[int] = []
    run = Engine.run

    def counted(engine: Engine, entries: list[Entry]) -> None:
        commits.append(len(entries))
        run(engine, entries)

    monkeypatch.setattr(Engine, "run", counted)
    gate = threading.Barrier(16)

    def work(number: int) -> None:
        gate.wait()
        for turn in range(10):
            door.execute(Enqueue((job(1 + number * 100 + turn),)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (load,) = door.execute(Stats()).loads
    door.close()
    assert load.ready == 160
    assert sum(commits) >= 160
    assert len([count for count in commits if count]) < 120


def test_callers_on_a_loop_share_commits_and_one_failure_is_its_own(path: Path) -> None:
    async def main() -> None:
        door = SqliteStore(path).asynchronous()
        await door.execute(Time())
        asked = [asyncio.ensure_future(door.execute(Enqueue((job(n),)))) for n in range(1, 101)]
        wrong = asyncio.ensure_future(door.execute(Search(cursor="nonsense")))
        asked[50].cancel()
        done = await asyncio.gather(*asked, wrong, return_exceptions=True)
        assert [type(one).__name__ for one in done if isinstance(one, BaseException)] == [
            "CancelledError",
            "UsageError",
        ]
        (load,) = (await door.execute(Stats())).loads
        assert load.ready >= 99
        await door.close()

    asyncio.run(main())


def test_a_lock_held_too_long_is_an_error_that_names_the_file(path: Path) -> None:
    door = SqliteStore(path, timeout=0.2).blocking()
    door.execute(Time())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(BackendUnavailable, match="locked by another process") as caught:
        door.execute(Enqueue((job(1),)))
    assert str(path) in str(caught.value)
    other.execute("ROLLBACK")
    other.close()
    assert door.execute(Enqueue((job(1),))).fresh == (True,)
    door.close()


def test_a_full_disk_takes_no_jobs_and_loses_none(path: Path) -> None:
    store = SqliteStore(path)
    engine = store.engine()
    door = backend.SqliteBackend(engine)
    door.execute(Enqueue((job(1),)))
    assert engine._connection is not None
    (pages,) = engine._connection.execute("PRAGMA page_count").fetchone()
    engine._connection.execute(f"PRAGMA max_page_count = {pages + 5}")
    big = NewJob(b"\xff" * 16, "send", "default", 2, b"x" * 60_000)
    with pytest.raises(StoreFull, match="nothing was lost"):
        door.execute(Enqueue((big,)))
    assert door.execute(Find((job(1).id, big.id)))[1] is None
    assert [one.id for one in door.execute(Claim("w", None, 5, 1_000, join=True)).jobs] == [
        job(1).id
    ]
    engine._connection.execute("PRAGMA max_page_count = 1000000")
    assert door.execute(Enqueue((big,))).fresh == (True,)
    door.close()


def test_a_damaged_file_is_named(path: Path) -> None:
    door = SqliteStore(path).blocking()
    door.execute(Enqueue(tuple(job(number) for number in range(1, 400))))
    door.close()
    content = bytearray(path.read_bytes())
    content[4096 * 2 :] = b"\xff" * len(content[4096 * 2 :])
    path.write_bytes(bytes(content))
    with pytest.raises(StoreFormatError, match="restore a backup") as caught:
        door.execute(Search(limit=200))
    assert str(path) in str(caught.value)
    door.close()


@pytest.mark.parametrize("how", ["removed", "renamed", "replaced"])
def test_nothing_is_stored_in_a_file_that_lost_its_name(path: Path, how: str) -> None:
    """SQLite goes on with it, and who came later would never see what it was given."""

    def is_stored(door: backend.SqliteBackend, number: int) -> bool:
        (found,) = door.execute(Find((job(number).id,)))
        return found is not None

    door, idle = SqliteStore(path).blocking(), SqliteStore(path).asynchronous()
    claim = Claim("w", None, 5, 60_000, join=True)
    door.execute(Enqueue((job(1),)))

    async def main() -> None:
        await idle.execute(Claim("w", ("other",), 1, 60_000, join=True))
        for beside in path.parent.glob("jobs.db*"):
            if beside.is_file():
                beside.rename(beside.with_name(f"old-{beside.name}"))
                if how == "removed":
                    beside.with_name(f"old-{beside.name}").unlink()
        later = SqliteStore(path).blocking()
        if how == "replaced":
            later.execute(Enqueue((job(3),)))
        with pytest.raises(BackendUnavailable, match="was removed, moved or replaced.*backup"):
            door.execute(Enqueue((job(2),)))
        assert door.execute(Enqueue((job(2),))).fresh == (True,)
        assert [is_stored(later, number) for number in (1, 2, 3)] == [
            False,
            True,
            how == "replaced",
        ]
        with pytest.raises(BackendUnavailable, match="was removed"):
            await idle.execute(claim)
        assert job(2).id in [record.id for record in (await idle.execute(claim)).jobs]
        later.close()
        await idle.close()

    asyncio.run(main())
    door.close()


def test_a_forked_child_and_its_parent_both_go_on(path: Path) -> None:
    code = (
        "import os, sys\n"
        "from boundary.jobs import Jobs\n"
        "jobs = Jobs('sqlite:///' + sys.argv[1])\n"
        "jobs.enqueue('before')\n"
        "child = os.fork()\n"
        "jobs.enqueue('child' if child == 0 else 'parent')\n"
        "if child == 0: os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "print(sorted(job.job_type for job in jobs.search()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "['before', 'child', 'parent']"


# Time


def test_a_clock_set_back_freezes_neither_leases_nor_delays(path: Path) -> None:
    """G12: at half speed, but on and on; and from what another process noted."""
    clock = FakeClock()
    first = SqliteStore(path, clock=clock).blocking()
    before = first.execute(Time())
    first.execute(Enqueue((job(1), job(2, delay_ms=10_000))))
    assert first.execute(Claim("w", None, 1, 5_000, join=True)).jobs
    clock.set(clock.now() - 3_600_000)
    second = SqliteStore(path, clock=clock).blocking()
    assert second.execute(Time()) >= before
    clock.advance(10.1)
    assert second.execute(Reclaim(3, None)) == (job(1).id,)
    clock.advance(10.1)
    taken = second.execute(Claim("w2", None, 5, 5_000, join=True)).jobs
    assert {one.id for one in taken} == {job(1).id, job(2).id}
    first.close()
    second.close()


# Notices

TELL = """
import sys
from boundary.jobs import Jobs
Jobs('sqlite:///' + sys.argv[1]).enqueue('send')
"""


def test_a_commit_elsewhere_wakes_a_listener(path: Path) -> None:
    door = SqliteStore(path).blocking()
    door.execute(Time())
    with door.listen(Interest(Topic.WORK)) as ear, door.listen(Interest(Topic.CONTROL)) as other:
        subprocess.run([sys.executable, "-c", TELL, str(path)], check=True)
        assert ear.wait(5.0)
        assert not other.wait(0.0)
    assert list(path.with_name("jobs.db-notices").iterdir()) == []
    door.close()


LISTEN = """
import sys
from boundary.jobs.core.operations import Interest, Topic
from boundary.jobs.shell.adapters.sqlite import SqliteStore
ear = SqliteStore(sys.argv[1]).blocking().listen(Interest(Topic.WORK))
print("listening", flush=True)
ear.wait(60)
"""


def test_the_pipe_of_a_killed_listener_is_removed(path: Path) -> None:
    door = SqliteStore(path).blocking()
    door.execute(Time())
    dead = subprocess.Popen(
        [sys.executable, "-c", LISTEN, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert dead.stdout is not None
    assert dead.stdout.readline() == "listening\n"
    folder = path.with_name("jobs.db-notices")
    assert len(list(folder.iterdir())) == 1
    dead.kill()
    dead.communicate()
    door.execute(Enqueue((job(1),)))
    assert list(folder.iterdir()) == []
    door.close()


def test_without_pipes_a_listener_polls(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no pipes here")

    monkeypatch.setattr(os, "mkfifo", refuse)
    store = SqliteStore(path)
    door, teller = store.blocking(), store.blocking()
    door.execute(Time())
    with door.listen(Interest(Topic.WORK)) as ear:
        assert isinstance(ear, notices.PollingListener)
        assert not ear.wait(0.0)
        teller.execute(Enqueue((job(1),)))
        eventually("the commit is heard", lambda: ear.wait(0.0))

    async def main() -> None:
        async with await store.asynchronous().listen(Interest(Topic.WORK)) as ear:
            teller.execute(Enqueue((job(2),)))
            assert await ear.wait(5.0)

    asyncio.run(main())
    door.close()
    teller.close()


COME_AND_GO = """
import sys
from boundary.jobs import Jobs
for _ in range(40):
    with Jobs('sqlite:///' + sys.argv[1]) as jobs:
        jobs.enqueue('works')
        jobs.stats()
"""


def test_processes_that_open_and_close_all_the_time_do_not_refuse_each_other(path: Path) -> None:
    """SQLite says "locked" without waiting while the log is made or the last one leaves."""
    some = [
        subprocess.Popen(
            [sys.executable, "-c", COME_AND_GO, str(path)], stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for process in some:
        _, said = process.communicate()
        assert process.returncode == 0, said
    door = SqliteStore(path).blocking()
    (load,) = door.execute(Stats()).loads
    door.close()
    assert load.ready == 160
