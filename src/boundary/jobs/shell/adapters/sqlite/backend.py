"""The drivers that run plans on a file, for callers that block and for event loops.

What belongs here: connections, transactions, waiting for the write lock, gathering operations
into one commit. What does not: what an operation does (`plans`).

A commit costs a flush to the disk, whatever is in it. So operations that come in while a
transaction runs are gathered and go into the next one together: a hundred callers that enqueue
at once pay for a few flushes, not for a hundred.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar, cast

from boundary.jobs.core.operations import Operation, Topic, notices
from boundary.jobs.core.storetime import store_now
from boundary.jobs.core.wire import Millis
from boundary.jobs.errors import BackendUnavailable, JobsError
from boundary.jobs.ports import AsyncListener, Clock, Listener
from boundary.jobs.shell.adapters.sqlite import notices as pipes
from boundary.jobs.shell.adapters.sqlite.opening import connect, translated
from boundary.jobs.shell.adapters.sqlite.plans import (
    Ask,
    Plan,
    may_be_forgotten,
    only_looks,
    plan,
    shortcut,
)
from boundary.jobs.shell.clock import SystemClock

R = TypeVar("R")

TIMEOUT = 5.0
"""Seconds a call waits for the file's write lock."""

GATHERED = 64
"""Most operations in one transaction."""

MARK_EVERY = 1_000
"""Milliseconds between notes of the store's time."""

FIRST_WAIT, LONGEST_WAIT = 0.0002, 0.005
"""Seconds between tries for the write lock. Short, so that a process that asks rarely is not
starved by one that asks all the time; SQLite's own waits grow to 100 ms."""

_ABANDONED: list[object] = []
"""Connections of a parent process: closing them here would harm it."""


class SqliteStore:
    """The jobs in one SQLite file, shared by all processes of a machine that name it.

    Args:
        path: The file; made on first use, readable by its owner only.
        clock: Where its time comes from.
        timeout: Seconds a call waits for other processes before `BackendUnavailable`.
    """

    def __init__(
        self, path: str | Path, *, clock: Clock | None = None, timeout: float = TIMEOUT
    ) -> None:
        self.path = Path(path).absolute()
        self.clock = clock or SystemClock()
        self.timeout = timeout

    @property
    def url(self) -> str:
        """Where it is."""
        return f"sqlite:///{self.path}"

    def blocking(self) -> SqliteBackend:
        """A door for callers that block, with a connection of its own."""
        return SqliteBackend(Engine(self))

    def asynchronous(self) -> AsyncSqliteBackend:
        """A door for callers on an event loop, with a connection of its own."""
        return AsyncSqliteBackend(Engine(self))


class Entry:
    """An operation on its way through a transaction."""

    __slots__ = ("error", "operation", "reply", "settled", "waiter")

    def __init__(self, operation: Operation[Any], waiter: asyncio.Future[None] | None) -> None:
        self.operation = operation
        self.waiter = waiter
        self.reply: Any = None
        self.error: BaseException | None = None
        self.settled = False

    def answer(self) -> Any:
        """The reply, or the error raised."""
        if self.error is not None:
            raise self.error
        return self.reply


class Engine:
    """One connection, used by one thread at a time, that runs operations in transactions."""

    def __init__(self, store: SqliteStore) -> None:
        self.path = store.path
        self.notices = store.path.with_name(store.path.name + "-notices")
        self._clock = store.clock
        self._timeout = store.timeout
        self._connection: sqlite3.Connection | None = None
        self._pid = os.getpid()
        self._told: Millis = 0
        self._flushing = True

    def close(self) -> None:
        """The connection is closed; the next operation opens one."""
        connection, self._connection = self._connection, None
        if connection is not None and self._pid == os.getpid():
            connection.close()

    def version(self) -> int:
        """A number that changes when another connection has committed."""
        (version,) = self._connected().execute("PRAGMA data_version").fetchone()
        return int(version)

    def run(self, entries: Sequence[Entry]) -> None:
        """Each entry has its reply or its error; changes of all are on the disk."""
        try:
            connection = self._connected()
            if all(only_looks(entry.operation) for entry in entries):
                self._transact(connection, "BEGIN", entries)
            elif not self._need_no_change(connection, entries):
                self._flush(connection, any(not may_be_forgotten(one.operation) for one in entries))
                self._transact(connection, "BEGIN IMMEDIATE", entries)
        except sqlite3.Error as error:
            _fail(entries, translated(error, self.path))
        except JobsError as error:
            _fail(entries, error)
        else:
            self._tell(entries)

    def _flush(self, connection: sqlite3.Connection, wanted: bool) -> None:
        """Whether the next commit waits until it is on the disk, and all before it."""
        if wanted is not self._flushing:
            connection.execute(f"PRAGMA synchronous = {'FULL' if wanted else 'NORMAL'}")
            self._flushing = wanted

    def _need_no_change(self, connection: sqlite3.Connection, entries: Sequence[Entry]) -> bool:
        """Whether a lone operation could be answered by looking only; then it is."""
        if len(entries) != 1:
            return False
        (entry,) = entries
        if shortcut(entry.operation, 0) is None:
            return False
        connection.execute("BEGIN")
        try:
            steps = shortcut(entry.operation, self._now(connection))
            entry.reply = None if steps is None else _perform(connection, steps)
        finally:
            connection.execute("COMMIT")
        return entry.reply is not None

    def _transact(
        self, connection: sqlite3.Connection, begin: str, entries: Sequence[Entry]
    ) -> None:
        self._begin(connection, begin)
        try:
            now = self._now(connection, note=begin != "BEGIN")
            if len(entries) == 1:
                entries[0].reply = _perform(connection, plan(entries[0].operation, now))
            else:
                for entry in entries:
                    _perform_apart(connection, entry, now)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _begin(self, connection: sqlite3.Connection, begin: str) -> None:
        wait, end = FIRST_WAIT, time.monotonic() + self._timeout
        while True:
            try:
                connection.execute(begin)
                return
            except sqlite3.OperationalError as error:
                if not _is_busy(error):
                    raise
                if time.monotonic() >= end:
                    raise BackendUnavailable(
                        f"{self.path} was locked by another process for {self._timeout:g} s; "
                        "look for one that is stopped or hangs in a transaction, then try again"
                    ) from error
            time.sleep(wait * (0.5 + self._clock.u()))
            wait = min(wait * 1.5, LONGEST_WAIT)

    def _now(self, connection: sqlite3.Connection, *, note: bool = False) -> Millis:
        """The store's time; inside a transaction.

        Args:
            note: Write it down now and then, for whoever's clock is behind it.
        """
        ((mark, mono),) = connection.execute("SELECT mark, mono FROM clock").fetchall()
        running = self._clock.mono()
        self._told = max(self._told, store_now(self._clock.now(), mark, running - mono))
        if note and self._told - mark >= MARK_EVERY:
            connection.execute("UPDATE clock SET mark = ?, mono = ?", (self._told, running))
        return self._told

    def _tell(self, entries: Sequence[Entry]) -> None:
        topics: set[Topic] = set()
        for entry in entries:
            if entry.error is None:
                topics |= notices(entry.operation, entry.reply)
        if topics:
            pipes.tell(self.notices, topics)

    def _connected(self) -> sqlite3.Connection:
        if self._pid != os.getpid():
            _ABANDONED.append(self._connection)
            self._connection, self._pid = None, os.getpid()
        if self._connection is None:
            self._connection = connect(self.path, self._timeout)
            self._flushing = True
        return self._connection


def _perform(connection: sqlite3.Connection, steps: Plan[R]) -> R:
    """Run a plan's statements to its reply."""
    answer: Any = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as end:
            return cast("R", end.value)
        if isinstance(step, Ask):
            answer = connection.execute(step.sql, step.values).fetchall()
        else:
            answer = connection.executemany(step.sql, step.rows).rowcount if step.rows else 0


def _perform_apart(connection: sqlite3.Connection, entry: Entry, now: Millis) -> None:
    """Run a plan so that its failure undoes only itself."""
    connection.execute("SAVEPOINT one")
    try:
        entry.reply = _perform(connection, plan(entry.operation, now))
    except JobsError as error:
        entry.error = error
        connection.execute("ROLLBACK TO one")
    connection.execute("RELEASE one")


def _fail(entries: Sequence[Entry], error: BaseException) -> None:
    for entry in entries:
        entry.error = error


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


class SqliteBackend:
    """`ports.Backend` over a file. Threads that call at once share transactions."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._renew()

    def _renew(self) -> None:
        self._pid = os.getpid()
        self._turn = threading.Lock()
        self._gathering = threading.Lock()
        self._gathered: list[Entry] = []

    def execute(self, operation: Operation[R]) -> R:
        """As `ports.Backend.execute`."""
        if self._pid != os.getpid():
            self._renew()  # a lock another thread held at the fork would never be free here
        entry = Entry(operation, None)
        with self._gathering:
            self._gathered.append(entry)
        with self._turn:
            # Whoever has the turn runs what has gathered, which may include this one already.
            while not entry.settled:
                with self._gathering:
                    batch, self._gathered = self._gathered[:GATHERED], self._gathered[GATHERED:]
                try:
                    self._engine.run(batch)
                finally:
                    for one in batch:
                        one.settled = True
        return cast("R", entry.answer())

    def listen(self, topics: Sequence[Topic]) -> Listener:
        """As `ports.Backend.listen`."""
        ear = _ear(self._engine, topics)
        return pipes.PollingListener(ear) if callable(ear) else pipes.PipeListener(ear)

    def close(self) -> None:
        """As `ports.Backend.close`."""
        with self._turn:
            self._engine.close()


class AsyncSqliteBackend:
    """`ports.AsyncBackend` over a file: one thread runs what has gathered on the loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread: ThreadPoolExecutor | None = None
        self._gathered: list[Entry] = []
        self._task: asyncio.Task[None] | None = None
        self._pid = os.getpid()

    async def execute(self, operation: Operation[R]) -> R:
        """As `ports.AsyncBackend.execute`."""
        loop = asyncio.get_running_loop()
        entry = Entry(operation, loop.create_future())
        if self._task is None or self._task.done() or self._task.get_loop() is not loop:
            self._gathered = []
            self._gathered.append(entry)
            self._task = loop.create_task(self._run(loop))
        else:
            self._gathered.append(entry)
        assert entry.waiter is not None
        await entry.waiter
        return cast("R", entry.answer())

    async def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        """Transaction after transaction, until nothing has gathered meanwhile."""
        while self._gathered:
            batch, self._gathered = self._gathered[:GATHERED], self._gathered[GATHERED:]
            try:
                await loop.run_in_executor(self._executor(), self._engine.run, batch)
            except BaseException as error:
                _fail(batch, error)
                raise
            finally:
                for entry in batch:
                    if entry.waiter is not None and not entry.waiter.done():
                        entry.waiter.set_result(None)

    def _executor(self) -> ThreadPoolExecutor:
        if self._thread is None or self._pid != os.getpid():
            self._pid = os.getpid()
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="boundary-jobs-sqlite")
        return self._thread

    async def listen(self, topics: Sequence[Topic]) -> AsyncListener:
        """As `ports.AsyncBackend.listen`."""
        ear = _ear(self._engine, topics)
        if callable(ear):
            return pipes.AsyncPollingListener(pipes.PollingListener(ear))
        return pipes.AsyncPipeListener(ear)

    async def close(self) -> None:
        """As `ports.AsyncBackend.close`."""
        thread, self._thread = self._thread, None
        if thread is None:
            self._engine.close()
            return
        await asyncio.get_running_loop().run_in_executor(thread, self._engine.close)
        thread.shutdown(wait=False)


def _ear(engine: Engine, topics: Sequence[Topic]) -> pipes.Ear | Callable[[], int]:
    """A pipe, or (where there are none) the file's version."""
    try:
        return pipes.Ear(engine.notices, topics)
    except (OSError, AttributeError):
        watcher = Engine(SqliteStore(engine.path))
        watcher.version()
        return watcher.version
