"""The driver for callers on an event loop: one connection a node, shared by all of them.

What belongs here: sockets of a loop. What does not: what to say (`conversation`).

Whoever finds the connection unused sends by himself. Those who come meanwhile are sent together
when it is free again, by a task of its own, so that one who is cancelled disturbs no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, TypeVar

from redis import exceptions as redis_errors
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.sentinel import Sentinel

from boundary.jobs.core.operations import Enqueue, Enqueued, Interest, Operation, Topic
from boundary.jobs.ports import AsyncListener
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

R = TypeVar("R")

FAILURES = (redis_errors.RedisError, OSError)


def connection(address: Address, node: Node, timeout: float) -> Connection:
    """A connection to a node, not open yet."""
    given = {
        **address.options(),
        "protocol": 2,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
    }
    if address.kind == "unix":
        return UnixDomainSocketConnection(path=node.host, **given)  # type: ignore[return-value]
    kind = SSLConnection if address.tls else Connection
    return kind(host=node.host, port=node.port, **given)


async def master(address: Address, timeout: float) -> Node:
    """Which server the sentinels name as master.

    Raises:
        redis.exceptions.ConnectionError: None of them knows.
    """
    secure: dict[str, Any] = {"ssl": True, **address.files} if address.tls else {}
    sentinels = Sentinel(
        [tuple(node) for node in address.nodes],
        sentinel_kwargs={**address.sentinel, **secure, "socket_timeout": timeout / 2},
    )
    try:
        host, port = await sentinels.discover_master(address.master)
    finally:
        for one in sentinels.sentinels:
            await one.aclose()
    return Node(host, port)


async def exchange(used: Connection, sends: Sequence[Send]) -> list[list[Any]]:
    """The replies to commands that go out in one write; an error reply is one of them."""
    packed = [
        part
        for send in sends
        for command in send.commands
        for part in used.pack_command(*command)
    ]
    await used.send_packed_command(packed, check_health=False)
    answers: list[list[Any]] = []
    for send in sends:
        replies: list[Any] = []
        for _ in send.commands:
            try:
                replies.append(await used.read_response(disable_decoding=True))
            except redis_errors.ResponseError as error:
                replies.append(error)
        answers.append(replies)
    return answers


class Pipe:
    """A connection to one node."""

    def __init__(self, terms: Terms, node: Node) -> None:
        self._terms = terms
        self._node = node
        self._connection: Connection | None = None
        self._busy = False
        self._waiting: list[tuple[Send, asyncio.Future[list[Any] | Lost]]] = []
        self._task: asyncio.Task[None] | None = None

    async def send(self, send: Send) -> list[Any] | Lost:
        """The replies to the commands."""
        if self._busy:
            waiter: asyncio.Future[list[Any] | Lost] = asyncio.get_running_loop().create_future()
            self._waiting.append((send, waiter))
            return await waiter
        self._busy = True
        try:
            (answer,) = await self._exchange([send])
        finally:
            self._next()
        return answer

    def _next(self) -> None:
        """The connection is free: those who wait are next."""
        if self._waiting:
            self._task = asyncio.get_running_loop().create_task(self._serve())
        else:
            self._busy = False

    async def _serve(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            answers: Sequence[list[Any] | Lost] = ()
            try:
                answers = await self._exchange([send for send, _ in batch])
            finally:
                lost = Lost(redis_errors.ConnectionError("the event loop ended"), sent=True)
                for at, (_, waiter) in enumerate(batch):
                    if not waiter.done():
                        waiter.set_result(answers[at] if at < len(answers) else lost)
        self._busy = False

    async def _exchange(self, sends: Sequence[Send]) -> Sequence[list[Any] | Lost]:
        sent = False
        try:
            used = self._connection
            if used is None or not used.is_connected:
                timeout = min(max(send.timeout for send in sends), self._terms.timeout)
                used = self._connection = connection(self._terms.address, self._node, timeout)
                await used.connect()
            sent = True
            return await exchange(used, sends)
        except FAILURES as error:
            await self._hang_up()
            return [Lost(error, sent)] * len(sends)
        except BaseException:
            await self._hang_up()
            raise

    async def _hang_up(self) -> None:
        used, self._connection = self._connection, None
        if used is not None:
            await used.disconnect(nowait=True)

    async def close(self) -> None:
        """The connection is closed."""
        if self._task is not None and not self._task.done():
            await asyncio.wait([self._task], timeout=self._terms.timeout)
        used, self._connection = self._connection, None
        if used is not None:
            await used.disconnect()


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
                    answer = await asyncio.sleep(step.seconds)
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
        self._ears: Any = None

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
        try:
            replies = [await self._run(part) for part in merged(operations)]
        except Exception as error:
            if len(batch) > 1:
                # Each by itself, so that each has its own error.
                for one in batch:
                    await self._send_batch([one])
            elif not batch[0][1].done():
                batch[0][1].set_exception(error)
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

    async def close(self) -> None:
        """As `ports.AsyncBackend.close`."""
        ears, self._ears = self._ears, None
        if ears is not None:
            await ears.close()
        await self.driver.close()
