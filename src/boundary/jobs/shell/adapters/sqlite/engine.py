"""One connection to the file, and the transactions it runs.

What belongs here: connections, transactions, waiting for the write lock, when a commit is flushed,
what an error means to whom. What does not: what an operation does (`plans`), and which of many
callers share a transaction (`backend`).

What only enqueues is flushed behind its commit and not in it (`log`): nobody waits for the write
lock meanwhile, and a worker may begin what its caller will be told is stored.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from boundary.jobs.core.operations import (
    Announce,
    Beat,
    Claimed,
    Enqueue,
    Operation,
    Topic,
    as_watched,
    notices,
)
from boundary.jobs.core.storetime import store_now
from boundary.jobs.core.wire import Millis
from boundary.jobs.errors import (
    BackendError,
    BackendUnavailable,
    JobsError,
    StoreFormatError,
    UsageError,
)
from boundary.jobs.ports import Clock
from boundary.jobs.shell.adapters.damage import UNREADABLE, unreadable
from boundary.jobs.shell.adapters.doubt import uncertain
from boundary.jobs.shell.adapters.sqlite import notices as pipes
from boundary.jobs.shell.adapters.sqlite import standing_claims
from boundary.jobs.shell.adapters.sqlite.log import Log
from boundary.jobs.shell.adapters.sqlite.opening import (
    BRINGS_JOBS,
    connect,
    is_busy,
    is_full,
    is_undecodable,
    meaning,
    translated,
)
from boundary.jobs.shell.adapters.sqlite.plans import Flush, flush, only_looks, plan, seldom_writes
from boundary.jobs.shell.adapters.sqlite.plans.steps import Ask, Plan
from boundary.jobs.shell.adapters.sqlite.standing_claims import StandingClaim
from boundary.jobs.shell.adapters.sqlite.watching import EventPipe, announce

R = TypeVar("R")

TIMEOUT = 5.0
"""Seconds a call waits for the file's write lock."""

MARK_EVERY = 1_000
"""Milliseconds between notes of the store's time."""

LAST_MARK = 253_402_300_799_999
"""The last millisecond of the year 9999: no clock stands later."""

PAGES: Final[dict[Flush, int]] = {"within": 1000, "behind": 1000, "never": 2000}
"""Pages of the log at which a commit moves them into the file. That waits for the disk too, so it is
left to those that wait for it anyway, while there are any."""

AT_ONCE = 0.0
"""Until when to wait for the write lock: not at all."""

FIRST_WAIT, LONGEST_WAIT = 0.0002, 0.005
"""Seconds between tries for the write lock. Short, so that a process that asks rarely is not
starved by one that asks all the time; SQLite's own waits grow to 100 ms."""

_UNFLUSHED = (
    "{path} could not be flushed to the disk ({error}), so the job is there and may be gone after a power "
    "cut; look after the disk."
)
_MOVED = (
    "{path} was removed, moved or replaced while it was open, so nothing was done; the next call uses "
    "the file of that name that is there then, or makes one. To put a backup back, stop all "
    "processes first"
)
_INTERRUPTED = "{path}: the call was interrupted, whether it happened is not known; repeat it"

_ABANDONED: list[object] = []
"""Connections of a parent process: closing them here would harm it."""


class Entry:
    """An operation on its way through a transaction."""

    __slots__ = ("error", "operation", "reply", "settled", "waiter")

    def __init__(self, operation: Operation[Any], waiter: asyncio.Future[None] | None) -> None:
        self.operation: Operation[Any] = operation
        self.waiter: asyncio.Future[None] | None = waiter
        self.reply: Any = None
        self.error: BaseException | None = None
        self.settled: bool = False

    def answer(self) -> Any:
        """The reply, or the error raised."""
        if self.error is not None:
            raise self.error
        return self.reply


class Engine:
    """One connection, used by one thread at a time, that runs operations in transactions.

    Args:
        path: The store's file.
        clock: Where its time comes from.
        timeout: Seconds a call waits for the write lock.
    """

    def __init__(self, path: Path, clock: Clock, timeout: float = TIMEOUT) -> None:
        self.path: Path = path
        self.notices: Path = path.with_name(path.name + "-notices")
        self.file: str = str(path)
        self._folder = str(self.notices)
        self._clock = clock
        self._timeout = timeout
        self._connection: sqlite3.Connection | None = None
        self._cursor: sqlite3.Cursor | None = None
        self._using = threading.Lock()
        self._pid = os.getpid()
        self._log = Log(path)
        self._opened_file: tuple[int, int] | None = None
        self._told: Millis = 0
        self._set: Flush = "within"
        self._flush: Flush = "within"
        self._unflushed = False
        self._lenient = False

    def close(self) -> None:
        """The connection is closed; the next operation opens one."""
        self._renew_in_a_child()
        with self._using:
            self._drop()

    def version(self) -> int:
        """A number that changes when another connection has committed."""
        self._renew_in_a_child()
        with self._using, meaning(self.path):
            if self._is_moved():
                self._drop()
            cursor = self._cursor or self._opened()
            (version,) = cursor.execute("PRAGMA data_version").fetchone()
        return int(version)

    def run(self, entries: Sequence[Entry]) -> None:
        """Each entry has its reply, and then its changes are on the disk, or its error.

        If a worker of this process waits for what they bring, it has that too.
        """
        callers = doubtful = entries
        claim = standing_claims.take(self.file, [entry.operation for entry in entries])
        if claim is not None:
            entries = [*callers, Entry(claim.claim, None)]
            doubtful = entries
        try:
            if self._pid != os.getpid():
                self._renew_in_a_child()
            with self._using:
                if self._is_moved():
                    self._drop()
                    fail(entries, BackendUnavailable(_MOVED.format(path=self.path)))
                else:
                    self._perform(entries, time.monotonic() + self._timeout)
                unflushed, self._unflushed = self._unflushed, False
            doubtful = callers
            self._tell(entries, claim)
            if unflushed:
                self._flush_log(callers)
        except BaseException:
            # Ctrl-C in the thread that ran them: none of the others may believe it is stored.
            fail(doubtful, BackendUnavailable(_INTERRUPTED.format(path=self.path)))
            if claim is not None:
                claim.answer(entries[-1])
            raise

    def _flush_log(self, entries: Sequence[Entry]) -> None:
        """The jobs they brought are on the disk, or whoever brought them has the error."""
        try:
            self._log.flush()
        except OSError as error:
            why = _UNFLUSHED.format(path=self.path, error=error)
            for one in entries:
                if one.error is None and isinstance(one.operation, Enqueue):
                    one.error = uncertain(one.operation.jobs, why)
                    one.error.__cause__ = error

    def runs_at_once(self, entry: Entry) -> bool:
        """As `run`, if it needs to wait for nobody; False: it would, and nothing has happened."""
        if self._pid != os.getpid() or self._cursor is None or not self._using.acquire(False):
            return False
        try:
            if self._is_moved():
                return False  # `run` says so
            if not self._managed((entry,), AT_ONCE):
                self._transact((entry,), AT_ONCE)
        except (
            BackendUnavailable
        ):  # the file is locked: only the beginning of a transaction says so
            return False
        except Exception as error:  # noqa: BLE001 - as in `_perform`
            if is_undecodable(error) and not self._lenient:
                return False  # `_perform` reads it
            entry.error = self._said(error, entry.operation)
        finally:
            self._using.release()
        self._tell((entry,))
        return True

    def _perform(self, entries: Sequence[Entry], end: float) -> None:
        """All in one transaction; if one of them fails in it, each in one of its own."""
        try:
            if not self._managed(entries, end):
                self._transact(entries, end)
        except BackendError as error:
            fail(entries, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is one caller's own
            if is_undecodable(error) and not self._lenient:
                self._be_lenient()
                self._perform(entries, end)
                return
            if len(entries) == 1:
                entries[0].error = self._said(error, entries[0].operation)
                return
            for entry in entries:
                self._perform((entry,), end)

    def _managed(self, entries: Sequence[Entry], end: float) -> bool:
        """Whether a lone operation that seldom writes did without the write lock, until it wrote.

        Otherwise somebody else has written between its first look and its first change, and
        nothing has happened.
        """
        if len(entries) > 1 or not seldom_writes(entries[0].operation):
            return False
        self._flush = flush([entries[0].operation])
        try:
            self._atomically("BEGIN", entries, end)
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            return False
        return True

    def _transact(self, entries: Sequence[Entry], end: float) -> None:
        begin = "BEGIN"
        operations = [entry.operation for entry in entries]
        if not all(map(only_looks, operations)):
            begin = "BEGIN IMMEDIATE"
            self._flush = flush(operations)
        self._atomically(begin, entries, end)

    def _atomically(self, begin: str, entries: Sequence[Entry], end: float) -> None:
        """One transaction at one instant of the store answers all; undone if it raises."""
        cursor = self._cursor or self._opened()
        now = self._begin(cursor, begin, end)
        changes = cursor.connection.total_changes
        try:
            for entry in entries:
                entry.reply = run_plan(cursor, plan(entry.operation, now))
            if begin == "BEGIN" and cursor.connection.total_changes != changes:
                self._now(cursor, note=True)  # it has written after all
            cursor.execute("COMMIT")
        except BaseException:
            if cursor.connection.in_transaction:
                cursor.execute("ROLLBACK")
            raise
        self._unflushed |= begin == "BEGIN IMMEDIATE" and self._flush == "behind"

    def _set_flush(self, cursor: sqlite3.Cursor) -> None:
        """The next commit waits until it is on the disk with all before it, or does not."""
        if self._flush != self._set:
            wanted = "FULL" if self._flush == "within" else "NORMAL"
            cursor.execute(f"PRAGMA synchronous = {wanted}")
            cursor.execute(f"PRAGMA wal_autocheckpoint = {PAGES[self._flush]}")
            self._set = self._flush

    def _begin(self, cursor: sqlite3.Cursor, begin: str, end: float) -> Millis:
        """A transaction has begun, at this instant."""
        wait = FIRST_WAIT
        while True:
            try:
                self._set_flush(cursor)
                cursor.execute(begin)
                # Even a look may be refused, while another process mends the log of a killed one
                # or leaves as the last: so it too is tried again.
                return self._now(cursor, note=begin != "BEGIN")
            except BaseException as error:
                if cursor.connection.in_transaction:
                    cursor.execute("ROLLBACK")
                if not is_busy(error):
                    raise
                if time.monotonic() >= end:
                    raise BackendUnavailable(
                        f"{self.path} was locked by another process for {self._timeout:g} s; "
                        "look for one that is stopped or hangs in a transaction, then try again"
                    ) from error
            time.sleep(wait * (0.5 + self._clock.u()))
            wait = min(wait * 1.5, LONGEST_WAIT)

    def _now(self, cursor: sqlite3.Cursor, *, note: bool) -> Millis:
        """The store's time; inside a transaction.

        Args:
            note: Write it down now and then, for whoever's clock is behind it.
        """
        ((mark, marked),) = cursor.execute("SELECT mark, mono FROM clock").fetchall()
        if not 0 <= mark <= LAST_MARK or abs(marked) > LAST_MARK:
            raise StoreFormatError(
                f"the clock that {self.path} keeps stands at {mark} ms since 1970, {marked} ms "
                "after a boot; did another program, or a hand, write there? Set it back: "
                "UPDATE clock SET mark = 0, mono = 0"
            )
        mono = self._clock.mono()
        now = self._told = max(self._told, store_now(self._clock.now(), mark, mono - marked))
        # After a reboot `mono` starts anew: noted at once, or time stood still until it caught up.
        if note and (now - mark >= MARK_EVERY or mono < marked):
            cursor.execute("UPDATE clock SET mark = ?, mono = ?", (now, mono))
        return now

    def _said(self, error: Exception, operation: Operation[Any]) -> BaseException:
        """What an error means to the caller of this operation."""
        if isinstance(error, sqlite3.Error):
            if not is_full(error):
                self._drop()
            return translated(error, self.path, operation)
        brings = isinstance(operation, BRINGS_JOBS)
        if brings and isinstance(error, OverflowError | UnicodeEncodeError):
            wrong = UsageError(f"{type(operation).__name__} holds what no store can: {error}")
            wrong.__cause__ = error
            return wrong
        if isinstance(error, UNREADABLE):
            return unreadable(str(self.path), operation, error)
        return error

    def _tell(self, entries: Sequence[Entry], claim: StandingClaim[Entry] | None = None) -> None:
        """Listeners hear of it; the claim that went with it is answered first."""
        told = [notices(one.operation, one.reply) for one in entries if one.error is None]
        topics = told[0] if len(told) == 1 else frozenset[Topic]().union(*told)
        known = topics or any(map(_asks_who_watches, entries))
        ears = pipes.pipes(self._folder) if known else []
        if pipes.are_watched(ears):
            for one in entries:
                one.reply = as_watched(one.reply)
        if claim is not None:
            claim.answer(entries[-1])
            ears = [name for name in ears if name != claim.ear]
        pipes.tell(self._folder, ears, topics)

    def announce(self, operation: Announce) -> bool:
        """Needs no transaction: nothing of it is kept."""
        return announce(self._folder, operation.frames)

    def event_pipe(self) -> EventPipe:
        """A pipe for one who watches.

        Raises:
            BackendError: There are no named pipes here.
        """
        try:
            return EventPipe(self.notices)
        except (OSError, AttributeError) as error:
            raise BackendError(
                f"{self.notices}: no named pipe can be made there ({error}), and events go by "
                "them; move the file to a local disk, or use Redis"
            ) from error

    def _opened(self) -> sqlite3.Cursor:
        """The one cursor of a new connection: a cursor for each statement would cost more."""
        self._connection = connect(self.path, self._timeout)
        # A flush behind a close may have opened the log that others had, who have left since.
        self._log.close()
        self._opened_file = self._named_file()
        if self._lenient:
            self._connection.text_factory = _shown
        self._cursor = self._connection.cursor()
        self._set = "within"
        return self._cursor

    def _is_moved(self) -> bool:
        """Whether the connection is to a file that does not have the store's name any more.

        SQLite goes on with it, so that what is stored would go with the file, and no process that
        starts from now on would see it.
        """
        return self._cursor is not None and self._named_file() != self._opened_file

    def _named_file(self) -> tuple[int, int] | None:
        """Which file has the store's name; None: there is none."""
        try:
            found = os.stat(self.file)  # noqa: PTH116 - a path is dear, and each transaction asks
        except FileNotFoundError:
            return None
        except OSError:
            return self._opened_file  # not to be seen from here: that says nothing
        return found.st_dev, found.st_ino

    def _be_lenient(self) -> None:
        """Text that is not UTF-8 is read with its bytes shown: one row must not stop the others.

        From now on, and not from the first, since decoding by a function costs every text.
        """
        self._lenient = True
        self._drop()

    def _drop(self) -> None:
        connection, self._connection, self._cursor = self._connection, None, None
        if connection is not None:
            connection.close()
        self._log.close()

    def _renew_in_a_child(self) -> None:
        """After a fork: the connection is the parent's, and the lock may never be free here."""
        if self._pid != os.getpid():
            _ABANDONED.extend((self._connection, self._cursor))
            self._connection = self._cursor = None
            self._log = Log(self.path)
            self._using, self._pid = threading.Lock(), os.getpid()


def _shown(text: bytes) -> str:
    return text.decode(errors="backslashreplace")


def _asks_who_watches(entry: Entry) -> bool:
    """Whether its reply tells it, though there is no listener to be told of anything."""
    reply = entry.reply
    return isinstance(reply, Beat) or (isinstance(reply, Claimed) and bool(reply.jobs))


def run_plan(cursor: sqlite3.Cursor, steps: Plan[R]) -> R:
    """Run a plan's statements to its reply."""
    answer: Any = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as end:
            return cast("R", end.value)
        if isinstance(step, Ask):
            answer = cursor.execute(step.sql, step.values).fetchall()
        else:
            answer = cursor.executemany(step.sql, step.rows).rowcount if step.rows else 0


def fail(entries: Sequence[Entry], error: JobsError) -> None:
    """Each has the error: one of its own, since raising it in several threads would mix them."""
    for entry in entries:
        entry.error = type(error)(error.message)
        entry.error.__cause__ = error.__cause__
