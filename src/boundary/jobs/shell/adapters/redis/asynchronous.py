"""The driver for callers on an event loop: one connection a node, shared by all of them.

What belongs here: sockets of a loop. What does not: what to say (`conversation`).

What several callers ask for at the same time goes out on the same connection, one behind the
other; enqueues that come while another is under way go out together, as one call.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar, cast

from redis import exceptions as redis_errors
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection

from boundary.jobs.shell import loops
from boundary.jobs.shell.adapters.redis.address import Address, Node
from boundary.jobs.shell.adapters.redis.conversation import (
    SHORTEST,
    Acquaintance,
    Conversation,
    Discover,
    Lost,
    Send,
    Sleep,
)
from boundary.jobs.shell.adapters.redis.faults import Closed
from boundary.jobs.shell.adapters.redis.sentinels import named, unnamed, who_is
from boundary.jobs.shell.adapters.redis.terms import Command, Terms
from boundary.jobs.shell.adapters.redis.wires import (
    UNFINISHED,
    AsyncWire,
    abort,
    packed,
    replies,
    writer,
)

R = TypeVar("R")

FAILURES = (redis_errors.RedisError, OSError)

MUCH = 65_536
"""Bytes that may wait to be written before a caller waits with them."""


async def opened(address: Address, node: Node, timeout: float, *commands: Command) -> AsyncWire:
    """An open connection to a node, on which each of the commands was answered, once.

    Raises:
        redis.exceptions.RedisError, OSError: It was not, within so many seconds for all of it.
    """
    made = _connection(address, node, timeout)
    try:
        async with _within(timeout):
            await made.connect()
            for command in commands:
                await made.send_command(*command, check_health=False)
            for _ in commands:
                await made.read_response(disable_decoding=True)
    except BaseException:
        await made.disconnect(nowait=True)
        raise
    return made


@asynccontextmanager
async def _within(seconds: float) -> AsyncGenerator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise redis_errors.TimeoutError(f"no answer within {seconds:.1f} s") from None


def _connection(address: Address, node: Node, timeout: float) -> AsyncWire:
    """A connection to a node, not open yet; its reads and writes wait for ever.

    The driver's own limit to them is `asyncio.wait_for`, which on Python 3.11 passes over a
    cancellation that comes as the write ends (python/cpython#86296).
    """
    given = {
        **address.options(),
        "protocol": 2,
        "socket_timeout": None,
        "socket_connect_timeout": timeout,
    }
    if address.kind == "unix":
        made: Any = UnixDomainSocketConnection
        return cast("AsyncWire", made(path=node.host, **given))
    made = SSLConnection if address.tls else Connection
    return cast("AsyncWire", made(host=node.host, port=node.port, **given))


async def master(address: Address, asked: Discover) -> Node:
    """Which server the sentinels name as master; each has its share of the time to answer.

    Raises:
        redis.exceptions.RedisError: None of them knows.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + asked.timeout
    own = address.of_sentinels()
    failures: list[tuple[Node, Exception]] = []
    for number, node in enumerate(asked.sentinels):
        share = max((end - loop.time()) / (len(asked.sentinels) - number), SHORTEST)
        made = _connection(own, node, share)
        try:
            async with _within(share):
                await made.send_command(*who_is(address), check_health=False)
                return named(address, await made.read_response(disable_decoding=True))
        except FAILURES as error:
            failures.append((node, error))
        finally:
            await made.disconnect(nowait=True)
    raise unnamed(failures)


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
        self._opening: asyncio.Task[None] | None = None
        self._awaited: deque[_Awaited] = deque()
        self._leaving: set[asyncio.Task[None]] = set()
        self._closed = False

    async def send(self, send: Send) -> list[Any] | Lost:
        """The replies to the commands."""
        loop = asyncio.get_running_loop()
        end = loop.time() + send.timeout
        while (used := self._connection) is None:
            try:
                await self.open(end - loop.time())
            except (*FAILURES, Closed) as error:
                return Lost(error, sent=False)
        out = writer(used)
        assert out is not None, "a connection that is known is open"
        awaited = _Awaited(len(send.commands), loop.create_future())
        # From here to the write nothing is awaited: replies come in the order of this queue.
        self._awaited.append(awaited)
        alarm = loop.call_at(end, self._expire, used, awaited)
        try:
            out.transport.write(packed(send.commands))
            if out.transport.get_write_buffer_size() > MUCH:
                await out.drain()
            return await awaited.waiter
        except FAILURES as error:
            self.lose(used, error)
            return Lost(error, sent=True)
        finally:
            alarm.cancel()

    async def open(self, left: float) -> None:
        """There is a connection; those that need one at the same time share the attempt.

        Raises:
            redis.exceptions.RedisError, OSError, Closed: There is none.
        """
        if self._closed:
            raise Closed
        opening = self._opening
        if opening is None:
            opening = self._opening = asyncio.get_running_loop().create_task(self._open(left))
            opening.add_done_callback(self._opening_ended)
        # A caller that is cancelled takes the attempt from nobody else.
        await asyncio.wait({opening}, timeout=max(left, 0.0))
        if opening.cancelled():
            raise Closed
        if not opening.done():
            raise redis_errors.TimeoutError("no connection in time")
        opening.result()

    def _opening_ended(self, task: asyncio.Task[None]) -> None:
        self._opening = None
        if not task.cancelled():
            task.exception()  # told to whoever still waits, which may be nobody

    async def _open(self, left: float) -> None:
        limit = max(min(left, self._terms.timeout), SHORTEST)
        self._connection = made = await opened(self._terms.address, self._node, limit)
        if not Replies.taken_over(made, self):
            self.lose(made, redis_errors.ConnectionError("closed as soon as it was open"))

    def answer(self, used: AsyncWire, reply: Any) -> None:
        """The next reply on this connection is this; an error is one of them."""
        if used is not self._connection:
            return
        if isinstance(reply, redis_errors.ConnectionError) or not self._awaited:
            self.lose(used, reply if isinstance(reply, Exception) else _unasked())
            return
        awaited = self._awaited[0]
        awaited.replies.append(reply)
        if len(awaited.replies) == awaited.count:
            self._awaited.popleft()
            awaited.answer(awaited.replies)

    def _expire(self, used: AsyncWire, awaited: _Awaited) -> None:
        error = redis_errors.TimeoutError("no reply in time")
        self.lose(used, error)
        awaited.answer(Lost(error, sent=True))

    def lose(self, used: AsyncWire, error: Exception) -> None:
        """The connection is of no more use: whoever waits on it gets no reply."""
        if self._connection is not used:
            return
        self._connection = None
        awaited, self._awaited = self._awaited, deque()
        for one in awaited:
            one.answer(Lost(error, sent=True))
        # What was not written yet would keep it open for as long as the server is silent.
        abort(used)
        leaving = asyncio.get_running_loop().create_task(used.disconnect(nowait=True))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """The connection is closed for good; calls that are on their way end."""
        self._closed = True
        try:
            if self._opening is not None:
                with suppress(*FAILURES):
                    await loops.end(self._opening)
        finally:
            used = self._connection
            if used is not None:
                self.lose(used, Closed())
                await used.disconnect()
        if self._leaving:
            await asyncio.wait(self._leaving)


class Replies(asyncio.Protocol):
    """What comes in on an open connection goes to its pipe, without a task that waits for it.

    The driver opens the connection, and closes it: what it has to know of it goes on to its own
    protocol, which was there before.
    """

    def __init__(self, used: AsyncWire, pipe: Pipe, before: asyncio.StreamReaderProtocol) -> None:
        self._used = used
        self._pipe = pipe
        self._before = before
        self._replies = replies(used)

    @classmethod
    def taken_over(cls, used: AsyncWire, pipe: Pipe) -> bool:
        """Whether the connection is still open; then all that comes in is the pipe's."""
        out = writer(used)
        if out is None or out.transport.is_closing():
            return False
        before = cast("asyncio.StreamReaderProtocol", out.transport.get_protocol())
        out.transport.set_protocol(cls(used, pipe, before))
        return True

    def data_received(self, data: bytes) -> None:
        """Replies, or parts of them."""
        used, pipe, take = self._used, self._pipe, self._replies.gets
        try:
            self._replies.feed(data)
            while (reply := take(False)) is not UNFINISHED:
                pipe.answer(used, reply)
        except FAILURES as error:  # no reply at all
            pipe.lose(used, error)

    def eof_received(self) -> bool:
        """The other side has closed it."""
        self._before.eof_received()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self._before.connection_lost(exc)
        self._pipe.lose(self._used, exc or redis_errors.ConnectionError("closed by the server"))

    def pause_writing(self) -> None:
        """Too much waits to be written."""
        self._before.pause_writing()

    def resume_writing(self) -> None:
        """It does no more."""
        self._before.resume_writing()


def _unasked() -> Exception:
    return redis_errors.ConnectionError("an answer came that nobody asked for")


class Pipes:
    """The pipes of a driver, until it is closed."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._of: dict[Node, Pipe] = {}
        self._closed = False

    async def send(self, send: Send) -> list[Any] | Lost:
        """As `Pipe.send`, to the node it is for."""
        if self._closed:
            return Lost(Closed(), sent=False)
        found = self._of.get(send.node)
        if found is None:
            found = self._of[send.node] = Pipe(self._terms, send.node)
        return await found.send(send)

    async def close(self) -> None:
        """All are closed for good."""
        self._closed = True
        for pipe in self._of.values():
            await pipe.close()


class AsyncDriver:
    """Takes the steps of conversations on an event loop."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.known: Acquaintance = Acquaintance(terms)
        self._pipes = Pipes(terms)

    async def drive(self, conversation: Conversation[R]) -> R:
        """The conversation's value."""
        pipes = self._pipes  # a call that began before a close ends with it
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
                    answer = [await pipes.send(step[0])]
                else:
                    answer = await asyncio.gather(*map(pipes.send, step))
        except StopIteration as end:
            value: R = end.value
            return value

    async def _discover(self, step: Discover) -> Node | Lost:
        try:
            return await master(self.terms.address, step)
        except FAILURES as error:
            return Lost(error, sent=False)

    async def close(self) -> None:
        """Connections are closed, and calls on their way end; later calls open others."""
        pipes, self._pipes = self._pipes, Pipes(self.terms)
        await pipes.close()
