"""The store, and its doors for callers that block and for event loops.

What belongs here: gathering operations into one transaction, and waiting for it, in a thread or on a
loop. What does not: the transaction (`engine`), what an operation does (`plans`).

A commit costs a flush to the disk, whatever is in it. So operations that come in while a
transaction runs are gathered and go into the next one together: a hundred callers that enqueue
at once pay for a few flushes, not for a hundred.
"""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, cast

from boundary.jobs.core.operations import Announce, Claim, Claimed, Interest, Operation, Topic
from boundary.jobs.errors import BackendUnavailable
from boundary.jobs.ports import AsyncListener, AsyncWatcher, Clock, Finding, Listener, Watcher
from boundary.jobs.shell.adapters.sqlite import notices as pipes
from boundary.jobs.shell.adapters.sqlite import standing_claims
from boundary.jobs.shell.adapters.sqlite.engine import TIMEOUT, Engine, Entry, fail
from boundary.jobs.shell.adapters.sqlite.examining import examine
from boundary.jobs.shell.adapters.sqlite.plans import is_brief
from boundary.jobs.shell.adapters.sqlite.standing_claims import StandingClaim
from boundary.jobs.shell.adapters.sqlite.watching import AsyncPipeWatcher, PipeWatcher
from boundary.jobs.shell.clock import SystemClock

R = TypeVar("R")

GATHERED = 64
"""Most operations in one transaction."""


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
        self.path: Path = Path(path).absolute()
        self.clock: Clock = clock or SystemClock()
        self.timeout = timeout

    @property
    def url(self) -> str:
        """Where it is."""
        return f"sqlite:///{self.path}"

    def engine(self) -> Engine:
        """A connection, which a door is for."""
        return Engine(self.path, self.clock, self.timeout)

    def blocking(self) -> SqliteBackend:
        """A door for callers that block, with a connection of its own."""
        return SqliteBackend(self.engine())

    def asynchronous(self) -> AsyncSqliteBackend:
        """A door for callers on an event loop, with a connection of its own."""
        return AsyncSqliteBackend(self.engine())

    def examine(self) -> list[Finding]:
        """As `ports.Store.examine`."""
        return examine(self.path)


class SqliteBackend:
    """`ports.Backend` over a file. Threads that call at once share transactions."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._renew_in_a_child()

    def _renew_in_a_child(self) -> None:
        """A lock that another thread held at the fork would never be free here."""
        self._pid = os.getpid()
        self._turn = threading.Lock()
        self._gathering = threading.Lock()
        self._gathered: list[Entry] = []

    def execute(self, operation: Operation[R]) -> R:
        """As `ports.Backend.execute`."""
        if self._pid != os.getpid():
            self._renew_in_a_child()
        if isinstance(operation, Announce):
            return self._engine.announce(operation)  # type: ignore[return-value]
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

    def listen(self, interest: Interest) -> Listener:
        """As `ports.Backend.listen`."""
        ear = _ear(self._engine, interest.topic)
        return pipes.PipeListener(ear) if isinstance(ear, pipes.Ear) else pipes.PollingListener(ear)

    def watch(self) -> Watcher:
        """As `ports.Backend.watch`."""
        return PipeWatcher(self._engine.event_pipe())

    def close(self) -> None:
        """As `ports.Backend.close`."""
        self._engine.close()


class AsyncSqliteBackend:
    """`ports.AsyncBackend` over a file: one thread runs what has gathered on the loop.

    What is brief does without it when nothing else is under way: the way into a thread and back
    takes longer than an idle worker's claim.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread: ThreadPoolExecutor | None = None
        self._gathered: list[Entry] = []
        self._task: asyncio.Task[None] | None = None
        self._pid = os.getpid()
        self._ear: AsyncListener | None = None

    async def execute(self, operation: Operation[R]) -> R:
        """As `ports.AsyncBackend.execute`."""
        if isinstance(operation, Announce):
            return self._engine.announce(operation)  # type: ignore[return-value]
        loop = asyncio.get_running_loop()
        entry = Entry(operation, None)
        idle = self._task is None or self._task.done() or self._task.get_loop() is not loop
        if idle and is_brief(operation) and self._engine.runs_at_once(entry):
            return cast("R", entry.answer())
        entry.waiter = loop.create_future()
        if idle:
            self._gathered = [entry]
            self._task = loop.create_task(self._run(loop))
        else:
            self._gathered.append(entry)
        await entry.waiter
        return cast("R", entry.answer())

    async def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        """Transaction after transaction, until nothing has gathered meanwhile."""
        while self._gathered:
            batch, self._gathered = self._gathered[:GATHERED], self._gathered[GATHERED:]
            try:
                await loop.run_in_executor(self._executor(), self._engine.run, batch)
            except BaseException:
                # The loop or the interpreter is ending; those behind would wait for ever.
                batch += self._gathered
                fail(batch, BackendUnavailable("the event loop ended; repeat the call"))
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

    async def listen(self, interest: Interest) -> AsyncListener:
        """As `ports.AsyncBackend.listen`."""
        ear = _ear(self._engine, interest.topic)
        if isinstance(ear, pipes.Ear):
            return pipes.AsyncPipeListener(ear)
        return pipes.AsyncPollingListener(pipes.PollingListener(ear))

    async def watch(self) -> AsyncWatcher:
        """As `ports.AsyncBackend.watch`."""
        return AsyncPipeWatcher(self._engine.event_pipe())

    async def claim_when_told(self, claim: Claim, timeout: float) -> Claimed | None:
        """As `ports.AsyncBackend.claim_when_told`."""
        if self._ear is None:
            self._ear = await self.listen(Interest(Topic.WORK, claim.queues))
            return await self.execute(claim)  # what came before it, no ear heard
        if isinstance(self._ear, pipes.AsyncPipeListener):
            return await self._stand(claim, self._ear, timeout)
        return await self.execute(claim) if await self._ear.wait(timeout) else None

    async def _stand(
        self, claim: Claim, ear: pipes.AsyncPipeListener, timeout: float
    ) -> Claimed | None:
        """The claim stands here until it is taken or the pipe tells of work."""
        file, waiting = self._engine.file, StandingClaim[Entry](claim, ear.name, timeout, ear.ring)
        standing_claims.put(file, waiting)
        try:
            heard = await ear.wait(timeout)
        finally:
            taken = not standing_claims.withdraw(file, waiting)
        if not taken:
            return await self.execute(claim) if heard else None
        if heard:
            ear.hear()  # somebody else brought something: that is for the next call
        return cast("Claimed", (await waiting.answered).answer())

    async def close(self) -> None:
        """As `ports.AsyncBackend.close`."""
        ear, self._ear = self._ear, None
        if ear is not None:
            await ear.close()
        thread, self._thread = self._thread, None
        if thread is None:
            self._engine.close()
            return
        await asyncio.get_running_loop().run_in_executor(thread, self._engine.close)
        thread.shutdown(wait=False)


def _ear(engine: Engine, topic: Topic) -> pipes.Ear | Engine:
    """A pipe, or (where there are none) a connection that sees the file's version."""
    try:
        return pipes.Ear(engine.notices, topic.value)
    except (OSError, AttributeError):
        return Engine(engine.path, SystemClock())
