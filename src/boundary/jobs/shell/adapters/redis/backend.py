"""The two doors of the store: for callers that block, and for callers on an event loop.

What belongs here: which operations share a call, and opening ears. What does not: sockets
(`blocking`, `asynchronous`), what to say (`conversation`), what an operation does (`plans`).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from typing import NamedTuple, TypeVar

from boundary.jobs.core.operations import (
    Claim,
    Claimed,
    Enqueue,
    Enqueued,
    Interest,
    Operation,
    Topic,
)
from boundary.jobs.errors import BackendUnavailable, EnqueueUncertain
from boundary.jobs.ports import AsyncListener, AsyncWatcher, Listener, Watcher
from boundary.jobs.shell.adapters.doubt import uncertain
from boundary.jobs.shell.adapters.redis import faults
from boundary.jobs.shell.adapters.redis.async_hearing import (
    AsyncEars,
    AsyncTokenListener,
    open_token_listener,
)
from boundary.jobs.shell.adapters.redis.async_watching import open_watcher
from boundary.jobs.shell.adapters.redis.asynchronous import AsyncDriver
from boundary.jobs.shell.adapters.redis.blocking import FORKED, Driver
from boundary.jobs.shell.adapters.redis.conversation import execute
from boundary.jobs.shell.adapters.redis.hearing import Ears, TokenListener
from boundary.jobs.shell.adapters.redis.plans.enqueuing import merged, shared
from boundary.jobs.shell.adapters.redis.terms import Terms
from boundary.jobs.shell.adapters.redis.watching import RedisWatcher

R = TypeVar("R")


class _Entry:
    """An enqueue on its way through a call that it may share with others, until `end`."""

    __slots__ = ("done", "end", "error", "operation", "reply")

    def __init__(self, operation: Enqueue, end: float) -> None:
        self.operation = operation
        self.end = end
        self.reply: Enqueued | None = None
        self.error: BaseException | None = None
        self.done = False


def _interrupted(operation: Enqueue) -> EnqueueUncertain:
    return uncertain(
        operation.jobs,
        "another thread's enqueue, which this one went out with, was interrupted; the jobs may be "
        "stored.",
    )


class RedisBackend:
    """`ports.Backend` over Redis. Threads that enqueue at once share calls."""

    def __init__(self, terms: Terms) -> None:
        self.driver: Driver = Driver(terms)
        self.begin_anew()
        FORKED.add(self)

    def begin_anew(self) -> None:
        """As `blocking.Forked.begin_anew`."""
        self._gathered: deque[_Entry] = deque()
        self._turn = threading.Lock()
        self._ears: Ears | None = None

    def execute(self, operation: Operation[R]) -> R:
        """As `ports.Backend.execute`."""
        if isinstance(operation, Enqueue):
            return self._enqueue(operation)  # type: ignore[return-value]
        return self.driver.drive(execute(operation, self.driver.known))

    def _enqueue(self, operation: Enqueue) -> Enqueued:
        entry = _Entry(operation, time.monotonic() + self.driver.terms.timeout)
        self._gathered.append(entry)
        with self._turn:
            # Whoever has the turn sends what has gathered, which may include this one already.
            if not entry.done:
                self._send_gathered()
        if entry.error is not None:
            raise entry.error
        if entry.reply is None:  # Ctrl-C took it out of what had gathered, and went no further
            raise _interrupted(operation)
        return entry.reply

    def _send_gathered(self) -> None:
        batch: list[_Entry] = []
        while self._gathered:
            batch.append(self._gathered.popleft())
        try:
            self._run(batch)
        finally:
            for entry in batch:
                if entry.reply is None and entry.error is None:
                    # Ctrl-C in the thread that ran them, perhaps when the server had them.
                    entry.error = _interrupted(entry.operation)
                entry.done = True

    def _run(self, batch: list[_Entry]) -> None:
        if len(batch) == 1:
            try:
                batch[0].reply = self._one(batch[0].operation, batch[0].end)
            except Exception as error:  # noqa: BLE001 - raised again by whoever it belongs to
                batch[0].error = error
            return
        together: list[Enqueued] = []
        try:
            for part in merged([one.operation for one in batch]):
                together.append(self._one(part, batch[0].end))  # noqa: PERF401 - some may be stored, then
        except Exception as error:  # noqa: BLE001 - then each by itself, unless that is no use
            for entry in batch:
                entry.error = faults.told(error, entry.operation.jobs, begun=bool(together))
                if entry.error is None:
                    self._run([entry])
            return
        own = shared([one.operation for one in batch], together)
        for entry, reply in zip(batch, own, strict=True):
            entry.reply = reply

    def _one(self, operation: Enqueue, end: float) -> Enqueued:
        return self.driver.drive(execute(operation, self.driver.known, end))

    def listen(self, interest: Interest) -> Listener:
        """As `ports.Backend.listen`."""
        if interest.topic is Topic.WORK:
            return TokenListener(self.driver, interest)
        if self._ears is None:
            self._ears = Ears(self.driver)
        return self._ears.listen(interest)

    def watch(self) -> Watcher:
        """As `ports.Backend.watch`."""
        return RedisWatcher(self.driver)

    def close(self) -> None:
        """As `ports.Backend.close`."""
        ears, self._ears = self._ears, None
        if ears is not None:
            ears.close()
        self.driver.close()


class _Gathered(NamedTuple):
    """An enqueue that waits for another one, on a loop, and is to end until `end`."""

    operation: Enqueue
    waiter: asyncio.Future[Enqueued]
    end: float


class AsyncRedisBackend:
    """`ports.AsyncBackend` over Redis. Tasks that enqueue at once share calls."""

    def __init__(self, terms: Terms) -> None:
        self.driver: AsyncDriver = AsyncDriver(terms)
        self._gathered: list[_Gathered] = []
        self._enqueuing = False
        self._task: asyncio.Task[None] | None = None
        self._ears: AsyncEars | None = None
        self._worker_ear: AsyncTokenListener | None = None

    async def execute(self, operation: Operation[R]) -> R:
        """As `ports.AsyncBackend.execute`."""
        if isinstance(operation, Enqueue):
            return await self._enqueue(operation)  # type: ignore[return-value]
        return await self._run(operation)

    async def _run(self, operation: Operation[R], end: float | None = None) -> R:
        return await self.driver.drive(execute(operation, self.driver.known, end))

    async def _enqueue(self, operation: Enqueue) -> Enqueued:
        end = time.monotonic() + self.driver.terms.timeout
        if self._enqueuing:
            waiter: asyncio.Future[Enqueued] = asyncio.get_running_loop().create_future()
            self._gathered.append(_Gathered(operation, waiter, end))
            return await waiter
        self._enqueuing = True
        try:
            return await self._run(operation, end)
        finally:
            if self._gathered:
                self._task = asyncio.get_running_loop().create_task(self._send_gathered())
            else:
                self._enqueuing = False

    async def _send_gathered(self) -> None:
        """Those who came while another enqueue was under way, together."""
        try:
            while self._gathered:
                batch, self._gathered = self._gathered, []
                await self._send_batch(batch)
        finally:
            self._enqueuing = False

    async def _send_batch(self, batch: list[_Gathered]) -> None:
        operations = [one.operation for one in batch]
        replies: list[Enqueued] = []
        try:
            for part in merged(operations):
                replies.append(await self._run(part, batch[0].end))  # noqa: PERF401 - some may be stored, then
        except Exception as error:  # noqa: BLE001 - raised again by whoever it belongs to
            for one in batch:
                told = faults.told(error, one.operation.jobs, begun=bool(replies))
                if told is None and len(batch) > 1:
                    # Each by itself, so that each has its own error.
                    await self._send_batch([one])
                elif not one.waiter.done():
                    one.waiter.set_exception(told or error)
            return
        except BaseException:
            for one in batch:
                one.waiter.cancel()
            raise
        for one, reply in zip(batch, shared(operations, replies), strict=True):
            if not one.waiter.done():
                one.waiter.set_result(reply)

    async def listen(self, interest: Interest) -> AsyncListener:
        """As `ports.AsyncBackend.listen`."""
        if interest.topic is Topic.WORK:
            return await open_token_listener(self.driver, interest)
        if self._ears is None:
            self._ears = AsyncEars(self.driver)
        return await self._ears.listen(interest)

    async def watch(self) -> AsyncWatcher:
        """As `ports.AsyncBackend.watch`."""
        return await open_watcher(self.driver)

    async def claim_when_told(self, claim: Claim, timeout: float) -> Claimed | None:
        """As `ports.AsyncBackend.claim_when_told`."""
        ear = self._worker_ear
        if ear is None:
            interest = Interest(Topic.WORK, claim.queues)
            ear = self._worker_ear = await open_token_listener(self.driver, interest)
        try:
            return await ear.claim(claim, timeout)
        except BaseException:
            # Cut off, no longer waited for, or closed under it: its connection would answer what
            # nobody asked.
            if self._worker_ear is ear:
                self._worker_ear = None
            await ear.close()
            raise

    async def close(self) -> None:
        """As `ports.AsyncBackend.close`."""
        ear, self._worker_ear = self._worker_ear, None
        if ear is not None:
            await ear.close()
        ears, self._ears = self._ears, None
        if ears is not None:
            await ears.close()
        gathered, self._gathered = self._gathered, []
        for one in gathered:
            if not one.waiter.done():
                one.waiter.set_exception(
                    BackendUnavailable("the store was closed before it was asked")
                )
        await self.driver.close()
        if self._task is not None:
            await asyncio.wait([self._task])
