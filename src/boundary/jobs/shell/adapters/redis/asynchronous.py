"""The driver for callers on an event loop: one connection a node, shared by all of them.

What belongs here: sockets of a loop. What does not: what to say (`conversation`).

What several callers ask for at the same time goes out on the same connection, one behind the
other; enqueues that come while another is under way go out together, as one call.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar, cast

from redis import exceptions as redis_errors
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.sentinel import Sentinel

from boundary.jobs.core.operations import (
    Claim,
    Claimed,
    Enqueue,
    Enqueued,
    Interest,
    Operation,
    Topic,
)
from boundary.jobs.ports import AsyncListener
from boundary.jobs.shell.adapters.redis import faults
from boundary.jobs.shell.adapters.redis.address import Address, Node
from boundary.jobs.shell.adapters.redis.conversation import (
    Acquaintance,
    Conversation,
    Discover,
    Lost,
    Send,
    Sleep,
    execute,
)
from boundary.jobs.shell.adapters.redis.plans import merged, shared
from boundary.jobs.shell.adapters.redis.terms import Terms
from boundary.jobs.shell.adapters.redis.wires import AsyncWire

if TYPE_CHECKING:
    from boundary.jobs.shell.adapters.redis.async_hearing import AsyncEars, AsyncTokenListener

R = TypeVar("R")

FAILURES = (redis_errors.RedisError, OSError)


def connection(address: Address, node: Node, timeout: float) -> AsyncWire:
    """A connection to a node, not open yet."""
    given = {
        **address.options(),
        "protocol": 2,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
    }
    if address.kind == "unix":
        made: Any = UnixDomainSocketConnection
        return cast("AsyncWire", made(path=node.host, **given))
    made = SSLConnection if address.tls else Connection
    return cast("AsyncWire", made(host=node.host, port=node.port, **given))


async def master(address: Address, timeout: float) -> Node:
    """Which server the sentinels name as master.

    Raises:
        redis.exceptions.ConnectionError: None of them knows.
    """
    secure: dict[str, Any] = {"ssl": True, **address.files} if address.tls else {}
    sentinels: Any = cast("Any", Sentinel)(
        [tuple(node) for node in address.nodes],
        sentinel_kwargs={**address.sentinel, **secure, "socket_timeout": timeout / 2},
    )
    try:
        host, port = await sentinels.discover_master(address.master)
    finally:
        for one in sentinels.sentinels:
            await one.aclose()
    return Node(host, port)


class _Awaited:
    """The replies to one write, as they come in."""

    __slots__ = ("count", "replies", "waiter")

    def __init__(self, count: int, waiter: asyncio.Future[list[Any] | Lost]) -> None:
        self.count = count
        self.waiter = waiter
        self.replies: list[Any] = []

    def answer(self, answer: list[Any] | Lost) -> None:
        """Nobody may wait any more: a caller that was cancelled."""
        if not self.waiter.done():
            self.waiter.set_result(answer)


class Pipe:
    """A connection to one node: commands go out at once, a task hands out the replies in order."""

    def __init__(self, terms: Terms, node: Node) -> None:
        self._terms = terms
        self._node = node
        self._connection: AsyncWire | None = None
        self._opening = asyncio.Lock()
        self._awaited: deque[_Awaited] = deque()
        self._reader: asyncio.Task[None] | None = None

    async def send(self, send: Send) -> list[Any] | Lost:
        """The replies to the commands."""
        used = self._connection
        if used is None:
            try:
                used = await self._open(send.timeout)
            except FAILURES as error:
                return Lost(error, sent=False)
        loop = asyncio.get_running_loop()
        awaited = _Awaited(len(send.commands), loop.create_future())
        # From here to the write nothing is awaited: replies come in the order of this queue.
        self._awaited.append(awaited)
        alarm = loop.call_later(send.timeout, self._expire, used)
        packed = [part for command in send.commands for part in used.pack_command(*command)]
        try:
            await used.send_packed_command(packed, check_health=False)
            return await awaited.waiter
        except FAILURES as error:
            self._lose(used, error)
            return Lost(error, sent=True)
        finally:
            alarm.cancel()

    async def _open(self, timeout: float) -> AsyncWire:
        async with self._opening:
            if self._connection is not None:
                return self._connection
            made = connection(self._terms.address, self._node, min(timeout, self._terms.timeout))
            try:
                await made.connect()
            except BaseException:
                await made.disconnect(nowait=True)
                raise
            # Each write has an alarm of its own; a reader waits for as long as it takes.
            made.socket_timeout = None
            self._connection = made
            self._reader = asyncio.get_running_loop().create_task(self._read(made))
            return made

    async def _read(self, used: AsyncWire) -> None:
        """Hand out replies until the connection ends; that is noticed at once, in use or not."""
        try:
            while True:
                try:
                    reply = await used.read_response(disable_decoding=True)
                except redis_errors.ResponseError as error:
                    reply = error
                awaited = self._awaited[0]
                awaited.replies.append(reply)
                if len(awaited.replies) == awaited.count:
                    self._awaited.popleft()
                    awaited.answer(awaited.replies)
        except (*FAILURES, IndexError) as error:
            self._lose(used, error)
        finally:
            await used.disconnect(nowait=True)

    def _expire(self, used: AsyncWire) -> None:
        self._lose(used, redis_errors.TimeoutError("no reply in time"))

    def _lose(self, used: AsyncWire, error: Exception) -> None:
        """The connection is of no more use: whoever waits on it gets no reply."""
        if self._connection is not used:
            return
        self._connection, reader, self._reader = None, self._reader, None
        awaited, self._awaited = self._awaited, deque()
        for one in awaited:
            one.answer(Lost(error, sent=True))
        if reader is not None and reader is not asyncio.current_task():
            reader.cancel()

    async def close(self) -> None:
        """The connection is closed."""
        used, reader = self._connection, self._reader
        if used is not None:
            self._lose(used, redis_errors.ConnectionError("closed"))
            await used.disconnect()
        if reader is not None:
            await asyncio.wait([reader])


class AsyncDriver:
    """Takes the steps of conversations on an event loop."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.known = Acquaintance(terms)
        self._pipes: dict[Node, Pipe] = {}

    async def drive(self, conversation: Conversation[R]) -> R:
        """The conversation's value."""
        answer: Any = None
        try:
            while True:
                step = conversation.send(answer)
                if isinstance(step, Sleep):
                    await asyncio.sleep(step.seconds)
                    answer = None
                elif isinstance(step, Discover):
                    answer = await self._discover(step)
                elif len(step) == 1:
                    answer = [await self._pipe(step[0].node).send(step[0])]
                else:
                    answer = await asyncio.gather(
                        *(self._pipe(send.node).send(send) for send in step)
                    )
        except StopIteration as end:
            value: R = end.value
            return value

    async def _discover(self, step: Discover) -> Node | Lost:
        try:
            return await master(self.terms.address, step.timeout)
        except FAILURES as error:
            return Lost(error, sent=False)

    def _pipe(self, node: Node) -> Pipe:
        found = self._pipes.get(node)
        if found is None:
            found = self._pipes[node] = Pipe(self.terms, node)
        return found

    async def close(self) -> None:
        """Connections are closed; later calls open others."""
        pipes, self._pipes = self._pipes, {}
        for pipe in pipes.values():
            await pipe.close()


class AsyncRedisBackend:
    """`ports.AsyncBackend` over Redis. Tasks that enqueue at once share calls."""

    def __init__(self, terms: Terms) -> None:
        self.driver = AsyncDriver(terms)
        self._gathered: list[tuple[Enqueue, asyncio.Future[Enqueued]]] = []
        self._enqueuing = False
        self._task: asyncio.Task[None] | None = None
        self._ears: AsyncEars | None = None
        self._worker_ear: AsyncTokenListener | None = None

    async def execute(self, operation: Operation[R]) -> R:
        """As `ports.AsyncBackend.execute`."""
        if isinstance(operation, Enqueue):
            return await self._enqueue(operation)  # type: ignore[return-value]
        return await self._run(operation)

    async def _run(self, operation: Operation[R]) -> R:
        return await self.driver.drive(execute(operation, self.driver.known))

    async def _enqueue(self, operation: Enqueue) -> Enqueued:
        if self._enqueuing:
            waiter: asyncio.Future[Enqueued] = asyncio.get_running_loop().create_future()
            self._gathered.append((operation, waiter))
            return await waiter
        self._enqueuing = True
        try:
            return await self._run(operation)
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

    async def _send_batch(self, batch: list[tuple[Enqueue, asyncio.Future[Enqueued]]]) -> None:
        operations = [operation for operation, _ in batch]
        replies: list[Enqueued] = []
        try:
            for part in merged(operations):
                replies.append(await self._run(part))  # noqa: PERF401 - some may be stored, then
        except Exception as error:  # noqa: BLE001 - raised again by whoever it belongs to
            for one in batch:
                told = faults.told(error, one[0].jobs, begun=bool(replies))
                if told is None and len(batch) > 1:
                    # Each by itself, so that each has its own error.
                    await self._send_batch([one])
                elif not one[1].done():
                    one[1].set_exception(told or error)
            return
        except BaseException:
            for _, waiter in batch:
                waiter.cancel()
            raise
        for (_, waiter), reply in zip(batch, shared(operations, replies), strict=True):
            if not waiter.done():
                waiter.set_result(reply)

    async def listen(self, interest: Interest) -> AsyncListener:
        """As `ports.AsyncBackend.listen`."""
        from boundary.jobs.shell.adapters.redis.async_hearing import AsyncEars, open_token_listener

        if interest.topic is Topic.WORK:
            return await open_token_listener(self.driver, interest)
        if self._ears is None:
            self._ears = AsyncEars(self.driver)
        return await self._ears.listen(interest)

    async def claim_when_told(self, claim: Claim, timeout: float) -> Claimed | None:
        """As `ports.AsyncBackend.claim_when_told`."""
        from boundary.jobs.shell.adapters.redis.async_hearing import open_token_listener

        if self._worker_ear is None:
            interest = Interest(Topic.WORK, claim.queues)
            self._worker_ear = await open_token_listener(self.driver, interest)
        try:
            return await self._worker_ear.claim(claim, timeout)
        except BaseException:
            # Cut off, or no longer waited for: its connection would answer what nobody asked.
            ear, self._worker_ear = self._worker_ear, None
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
        await self.driver.close()
