"""Who is told what, when calls share a transaction and something goes wrong in it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from boundary.jobs import BackendUnavailable, EnqueueUncertain, StoreFull, UsageError
from boundary.jobs.core.operations import (
    Claim,
    Claimed,
    Enqueue,
    Find,
    Heartbeat,
    Operation,
    Outcome,
    Peek,
    Settle,
    Stats,
    Time,
)
from boundary.jobs.core.wire import NewJob
from boundary.jobs.shell.adapters.sqlite import SqliteStore
from boundary.jobs.shell.adapters.sqlite import engine as engine_module
from boundary.jobs.shell.adapters.sqlite.engine import Engine, Entry, run_plan
from boundary.jobs.shell.adapters.sqlite.log import Log
from boundary.jobs.testing import FakeClock
from tests.waiting import eventually

NO_TEXT = "\udc80"
"""What UTF-8, and so SQLite, cannot hold."""


def job(number: int, queue: str = "default", payload: bytes = b"") -> NewJob:
    return NewJob(number.to_bytes(16, "big"), "send", queue, 2, payload)


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    made = SqliteStore(tmp_path / "jobs.db")
    door = made.blocking()
    door.execute(Time())
    door.close()
    return made


@pytest.fixture
def engine(store: SqliteStore) -> Iterator[Engine]:
    made = store.engine()
    yield made
    made.close()


def entries(*operations: Operation[Any]) -> list[Entry]:
    return [Entry(operation, None) for operation in operations]


def stored(engine: Engine, *numbers: int) -> list[bool]:
    (entry,) = asked = entries(Find(tuple(job(number).id for number in numbers)))
    engine.run(asked)
    return [record is not None for record in entry.answer()]


def live(engine: Engine) -> sqlite3.Connection:
    assert engine._connection is not None
    return engine._connection


# Calls that share a transaction


def test_an_operation_that_fails_leaves_those_beside_it_alone(engine: Engine) -> None:
    good, bad, other = shared = entries(
        Enqueue((job(1),)), Enqueue((job(2), job(3, NO_TEXT))), Enqueue((job(4),))
    )
    engine.run(shared)
    assert good.answer().fresh == other.answer().fresh == (True,)
    with pytest.raises(UsageError, match="Enqueue holds what no store can") as caught:
        bad.answer()
    assert isinstance(caught.value.__cause__, UnicodeError)
    assert stored(engine, 1, 2, 3, 4) == [True, False, False, True]


def test_a_job_too_large_for_the_disk_leaves_those_beside_it_alone(engine: Engine) -> None:
    engine.run(entries(Enqueue((job(1),))))
    (pages,) = live(engine).execute("PRAGMA page_count").fetchone()
    live(engine).execute(f"PRAGMA max_page_count = {pages + 5}")
    claim, big, small = shared = entries(
        Claim("w", None, 5, 1_000, join=True),
        Enqueue((job(2, payload=b"x" * 60_000),)),
        Enqueue((job(3),)),
    )
    engine.run(shared)
    assert [record.id for record in claim.answer().jobs] == [job(1).id]
    with pytest.raises(StoreFull, match="free some disk space") as caught:
        big.answer()
    assert isinstance(caught.value.__cause__, sqlite3.Error)
    assert small.answer().fresh == (True,)
    assert stored(engine, 1, 2, 3) == [True, False, True]


def test_only_what_brings_jobs_finds_a_store_full(engine: Engine) -> None:
    """A worker whose settle finds no room waits for the store and tries again."""
    engine.run(entries(Enqueue((job(1),))))
    claim, _ = claiming = entries(Claim("w", None, 5, 60_000, join=True), Time())
    engine.run(claiming)
    (held,) = claim.answer().jobs
    (pages,) = live(engine).execute("PRAGMA page_count").fetchone()
    live(engine).execute(f"PRAGMA max_page_count = {pages}")
    outcome = Outcome(held.id, held.token, "succeed", trail=b"x" * 60_000)
    (settle,) = settling = entries(Settle("w", (outcome,)))
    engine.run(settling)
    with pytest.raises(BackendUnavailable, match="no room") as caught:
        settle.answer()
    assert not isinstance(caught.value, StoreFull)
    live(engine).execute("PRAGMA max_page_count = 1000000")
    (again,) = settling = entries(Settle("w", (outcome,)))
    engine.run(settling)
    assert again.answer().accepted == (True,)


def test_nobody_is_told_that_it_is_stored_when_the_one_who_writes_is_interrupted(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C reaches the thread that happens to run the transaction of all (G2)."""
    performed = run_plan

    def interrupted(connection: sqlite3.Connection, steps: Any) -> Any:
        performed(connection, steps)
        if connection.execute("SELECT count(*) FROM job").fetchone() == (2,):
            raise KeyboardInterrupt

    engine.run(entries(Time()))
    monkeypatch.setattr(engine_module, "run_plan", interrupted)
    shared = entries(Enqueue((job(1),)), Enqueue((job(2),)), Enqueue((job(3),)))
    with pytest.raises(KeyboardInterrupt):
        engine.run(shared)
    monkeypatch.undo()
    for entry in shared:
        with pytest.raises(BackendUnavailable, match="was interrupted"):
            entry.answer()
    assert len({id(entry.error) for entry in shared}) == 3
    assert stored(engine, 1, 2, 3) == [False] * 3
    engine.run(again := entries(Enqueue((job(1),))))
    assert again[0].answer().fresh == (True,)


def test_on_a_loop_one_failure_neither_fails_nor_hangs_the_others(store: SqliteStore) -> None:
    async def main() -> list[Any]:
        door = store.asynchronous()
        asked = [
            door.execute(Enqueue((job(n, NO_TEXT if n == 3 else "default"),))) for n in range(200)
        ]
        async with asyncio.timeout(30):
            replies = await asyncio.gather(*asked, return_exceptions=True)
        await door.close()
        return replies

    replies = asyncio.run(main())
    assert [n for n, reply in enumerate(replies) if isinstance(reply, BaseException)] == [3]
    assert isinstance(replies[3], UsageError)


def test_closing_while_others_call_harms_none(store: SqliteStore) -> None:
    async def on_a_loop() -> None:
        door = store.asynchronous()
        asked = [asyncio.create_task(door.execute(Enqueue((job(n),)))) for n in range(100)]
        await asyncio.sleep(0)
        await door.close()
        assert all(reply.fresh == (True,) for reply in await asyncio.gather(*asked))
        await door.close()

    asyncio.run(on_a_loop())
    door = store.blocking()
    with ThreadPoolExecutor(5) as pool:
        closing = [pool.submit(door.close) for _ in range(50)]
        replies = list(pool.map(lambda n: door.execute(Enqueue((job(n),))), range(100, 200)))
    assert all(future.exception() is None for future in closing)
    assert all(reply.fresh == (True,) for reply in replies)
    (load,) = door.execute(Stats()).loads
    door.close()
    assert load.ready == 200


# Locks


@contextmanager
def exclusive(path: Path) -> Iterator[Callable[[], None]]:
    """Nobody else can even read, as while a killed process's log is mended."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("UPDATE clock SET mono = mono")
    try:
        yield other.close
    finally:
        other.close()


@pytest.mark.parametrize(
    "operation", [Time(), Peek("default"), Claim("w", None, 1, 1_000), Enqueue((job(1),))]
)
def test_looks_and_changes_alike_wait_to_open_a_file_that_is_locked(
    store: SqliteStore, operation: Operation[Any]
) -> None:
    door = store.blocking()
    with exclusive(store.path) as release, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(door.execute, operation)
        with pytest.raises(TimeoutError):
            waiting.result(0.05)
        release()
        waiting.result(10)
    door.close()


def test_a_look_at_a_file_that_stays_locked_is_an_error_in_time(store: SqliteStore) -> None:
    door = SqliteStore(store.path, timeout=0.1).blocking()
    with exclusive(store.path), pytest.raises(BackendUnavailable, match="locked"):
        door.execute(Time())
    assert door.execute(Time())
    door.close()


def test_a_writer_that_asks_rarely_gets_its_turn(store: SqliteStore) -> None:
    """Another one writes without a pause; yet each of 50 calls comes through."""
    busy, rare = store.blocking(), store.blocking()
    stop = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        while not stop.is_set():
            busy.execute(Heartbeat("busy", 1_000, b"", join=True))
            written += 1

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            eventually("the other writes", lambda: written > 0)
            for number in range(50):
                assert rare.execute(Enqueue((job(number),))).fresh == (True,)
        finally:
            stop.set()
        writing.result(10)
    busy.close()
    rare.close()


# Sudden ends

COMMIT = """
import sys
from boundary.jobs.core.operations import Enqueue
from boundary.jobs.core.wire import NewJob
from boundary.jobs.shell.adapters.sqlite import SqliteStore
door, first = SqliteStore(sys.argv[1]).blocking(), int(sys.argv[2])
for number in range(first, first + 100_000):
    batch = tuple(
        NewJob(number.to_bytes(8, "big") + place.to_bytes(8, "big"), "t", "left", 2, b"x" * 200)
        for place in range(40)
    )
    door.execute(Enqueue(batch))
    print(number, flush=True)
"""
BATCH = 40


def test_kills_in_the_middle_of_commits_lose_nothing_acknowledged(store: SqliteStore) -> None:
    """G2: what was acknowledged is there, and of each batch all or nothing."""
    acknowledged: list[int] = []
    for kill in range(12):
        child = subprocess.Popen(
            [sys.executable, "-c", COMMIT, str(store.path), str(kill * 1_000_000)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(1 + 3 * kill)]
        child.kill()
        lines += child.stdout.read().splitlines(keepends=True)
        child.communicate()
        acknowledged += [int(line) for line in lines if line.endswith("\n")]
    connection = sqlite3.connect(store.path)
    rows = connection.execute("SELECT hex(substr(id, 1, 8)), count(*) FROM job GROUP BY 1")
    found = {int(batch, 16): count for batch, count in rows}
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    assert set(acknowledged) <= set(found)
    assert set(found.values()) == {BATCH}
    assert len(found) - len(acknowledged) <= 12


# What is on the disk when a call returns


class Counted(Log):
    """A log that knows how often it was flushed."""

    flushes = 0

    def flush(self) -> None:
        super().flush()
        self.flushes += 1


def test_only_what_a_dead_worker_would_miss_is_not_flushed(engine: Engine) -> None:
    """G3: each promise is on the disk when it is given; a lease may go with the power."""
    engine._log = log = Counted(engine.path)

    def flushed(*operations: Operation[Any]) -> str:
        before = log.flushes
        engine.run(shared := entries(*operations))
        assert all(entry.error is None for entry in shared)
        within = live(engine).execute("PRAGMA synchronous").fetchone() == (2,)
        behind = log.flushes > before
        assert not (within and behind), "once is enough"
        return "within" if within else "behind" if behind else "never"

    beat = Heartbeat("w", 60_000, b"", join=True)
    assert flushed(Enqueue((job(1), job(2)))) == "behind"
    assert flushed(beat) == "never"
    assert flushed(beat, Enqueue((job(3),)), Find((job(1).id,))) == "behind"
    assert flushed(Find((job(1).id,))) == "never"
    assert flushed(Claim("w", None, 1, 60_000)) == "never"
    assert flushed(Settle("w", (Outcome(job(1).id, 1, "succeed"),))) == "within"
    assert flushed(Settle("w", ()), Enqueue((job(4),))) == "within"
    assert flushed(Enqueue((job(1),))) == "behind", "whoever stored it may not have flushed it yet"
    engine.close()
    assert flushed(Settle("w", ())) == "within"


def test_a_flush_keeps_nobody_else_waiting(store: SqliteStore, engine: Engine) -> None:
    """While one is told late that its job is stored, others see it, run it and bring more."""
    engine.run(entries(Time()))
    engine._log = log = Counted(engine.path)
    other = store.engine()
    with ThreadPoolExecutor(1) as pool:
        with log._using:  # as long as a disk takes
            late = pool.submit(engine.run, (asked := entries(Enqueue((job(1),)))))
            eventually("it is there", lambda: stored(other, 1) == [True])
            claim, more = shared = entries(
                Claim("w", None, 1, 60_000, join=True), Enqueue((job(2),))
            )
            other.run(shared)
            assert [record.id for record in claim.answer().jobs] == [job(1).id]
            assert more.answer().fresh == (True,)
            assert not late.done()
        late.result(10)
    assert (log.flushes, asked[0].answer().fresh) == (1, (True,))
    other.close()


def test_a_disk_that_cannot_be_flushed_is_said(engine: Engine, tmp_path: Path) -> None:
    """What is no file of a disk cannot be, either."""
    (tmp_path / "null-wal").symlink_to("/dev/null")
    engine._log = Log(tmp_path / "null")
    bad, look = shared = entries(Enqueue((job(1),)), Find((job(9).id,)))
    engine.run(shared)
    with pytest.raises(EnqueueUncertain, match="could not be flushed.*same job_id") as caught:
        bad.answer()
    assert caught.value.job_ids == (str(UUID(bytes=job(1).id)),)
    assert look.answer() == (None,)
    engine._log = Log(engine.path)
    (again,) = asked = entries(Enqueue((job(1),)))
    engine.run(asked)
    assert again.answer().fresh == (False,)


def test_what_the_last_to_leave_has_moved_into_the_file_needs_no_flush(store: SqliteStore) -> None:
    engine = store.engine()
    engine.run(entries(Enqueue((job(1),))))
    engine.close()
    log = Log(store.path)
    assert not Path(f"{store.path}-wal").exists()
    log.flush()
    log.close()
    log.close()


def test_a_flush_behind_a_close_is_of_the_log_that_is_written(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed between commit and flush: the log is of others then, and goes when they leave."""
    other, engine = store.engine(), store.engine()
    other.run(entries(Time()))
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(engine, "_tell", lambda *_: engine.close())
        engine.run(entries(Enqueue((job(1),))))
    other.close()
    engine.run(entries(Enqueue((job(2),))))
    assert engine._log._file is not None
    assert os.path.samestat(os.fstat(engine._log._file), os.stat(f"{store.path}-wal"))  # noqa: PTH116
    engine.close()


# Time


class Machine(FakeClock):
    """A clock that can be started again."""

    def reboot(self) -> None:
        self._mono = 0


def test_time_goes_on_after_a_reboot_with_a_clock_that_lags(tmp_path: Path) -> None:
    """G12: the battery of the clock is empty, and the machine had run for months."""
    clock = Machine()
    clock.advance(90 * 86_400)
    store = SqliteStore(tmp_path / "jobs.db", clock=clock)
    door = store.blocking()
    door.execute(Enqueue((job(1),)))
    assert door.execute(Claim("lost", None, 1, 10_000, join=True)).jobs
    before = door.execute(Time())
    door.close()
    clock.reboot()
    clock.set(0)
    door = store.blocking()
    claim = Claim("w", None, 1, 10_000, join=True)
    assert door.execute(claim).now >= before
    clock.advance(60)
    later: Claimed = door.execute(claim)
    assert later.now >= before + 29_000
    door.close()


# A claim, which mostly finds nothing


class Interrupted(FakeClock):
    """Somebody else writes just after a transaction has begun to look."""

    def __init__(self) -> None:
        super().__init__()
        self.interrupt: Callable[[], object] | None = None

    def mono(self) -> int:
        interrupt, self.interrupt = self.interrupt, None
        if interrupt is not None:
            interrupt()
        return super().mono()


def test_a_claim_that_finds_work_while_another_writes_takes_both(tmp_path: Path) -> None:
    clock = Interrupted()
    door = SqliteStore(tmp_path / "jobs.db", clock=clock).blocking()
    other = SqliteStore(tmp_path / "jobs.db").blocking()
    door.execute(Enqueue((job(1),)))
    clock.interrupt = lambda: other.execute(Enqueue((job(2),)))
    claimed = door.execute(Claim("w", None, 5, 10_000, join=True))
    assert [one.id for one in claimed.jobs] == [job(1).id, job(2).id]
    assert {one.token for one in claimed.jobs} == {1}
    door.close()
    other.close()


def test_a_loop_claims_itself_and_waits_elsewhere(store: SqliteStore) -> None:
    """While another process writes, the loop goes on; it has the jobs once that has ended."""

    async def main() -> None:
        door = store.asynchronous()
        claim = Claim("w", None, 1, 10_000, join=True)
        await door.execute(Enqueue((job(1), job(2))))
        assert len((await door.execute(claim)).jobs) == 1
        writer = sqlite3.connect(store.path, isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        waiting = asyncio.ensure_future(door.execute(claim))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        writer.execute("COMMIT")
        writer.close()
        assert len((await waiting).jobs) == 1
        await door.close()

    asyncio.run(main())


def test_a_claim_leaves_moving_the_log_to_those_who_wait_for_the_disk(
    engine: Engine,
) -> None:
    def log() -> object:
        return live(engine).execute("PRAGMA wal_autocheckpoint").fetchone()[0]

    engine.run(entries(Claim("w", None, 1, 10_000, join=True)))
    assert log() == 2000
    engine.run(entries(Enqueue((job(1),))))
    assert log() == 1000
