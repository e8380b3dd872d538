"""Ears on an event loop: tokens for work, channels for results and requests.

What belongs here and what does not: as `hearing`, which says what is heard where.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from boundary.jobs.core.operations import Claim, Claimed, Interest, Time
from boundary.jobs.errors import BackendError, BackendUnavailable
from boundary.jobs.ports import AsyncListener
from boundary.jobs.shell import loops
from boundary.jobs.shell.adapters.redis import faults
from boundary.jobs.shell.adapters.redis.address import Node
from boundary.jobs.shell.adapters.redis.asynchronous import FAILURES, AsyncDriver, Pipe, opened
from boundary.jobs.shell.adapters.redis.conversation import Lost, Send, execute, locate
from boundary.jobs.shell.adapters.redis.hearing import (
    Failure,
    channels,
    is_meant,
    token_keys,
    tuning,
)
from boundary.jobs.shell.adapters.redis.plans import plan
from boundary.jobs.shell.adapters.redis.plans.calls import Partitions
from boundary.jobs.shell.adapters.redis.terms import Command
from boundary.jobs.shell.adapters.redis.wires import AsyncWire, abort

NEVER = 3_600.0
"""Seconds a read waits that something else ends; None is its answer then."""

DEAFENING = (*FAILURES, faults.Closed)
"""What a listener that takes tokens hears no more after."""

LINGER = 10.0
"""Seconds the connection is kept for the next who listens."""


class _Token:
    """Takes the tokens of some partitions, on a connection of its own."""

    def __init__(
        self, pipe: Pipe, node: Node, partition: int, keys: list[str], before: list[Command]
    ) -> None:
        self.pipe = pipe
        self.node = node
        self.partition = partition
        self._keys = keys
        self._before = before
        self.taking: asyncio.Task[bool] | None = None

    async def open(self, timeout: float) -> None:
        """The server knows what is waited for here."""
        await self.pipe.open(timeout)
        if self._before:
            _first_error(await self._say(timeout))

    async def take(self, seconds: float, patience: float) -> bool:
        """Whether a token was taken within so many seconds."""
        taken, *_ = await self.send(seconds, patience)
        if isinstance(taken, Exception):
            raise taken
        return bool(taken)

    async def send(self, seconds: float, patience: float, *then: Command) -> list[Any]:
        """Wait for a token, then run the commands: one message, and one back. All replies."""
        # 0 would mean for ever.
        wait: Command = ("BZPOPMIN", *self._keys, f"{max(seconds, 0.001):.3f}")
        replies = await self._say(seconds + patience, wait, *then)
        _first_error(replies[: len(self._before)])
        return replies[len(self._before) :]

    async def close(self) -> None:
        """Nothing is taken any more, and the connection is closed, even if nobody waits for that."""
        try:
            if self.taking is not None:
                with contextlib.suppress(*DEAFENING):
                    await loops.end(self.taking)
        finally:
            await self.pipe.close()

    async def _say(self, seconds: float, *then: Command) -> list[Any]:
        answer = await self.pipe.send(Send(self.node, (*self._before, *then), seconds))
        if isinstance(answer, Lost):
            raise answer.error
        return answer


def _first_error(replies: list[Any]) -> None:
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply


class AsyncTokenListener(AsyncListener):
    """`ports.AsyncListener` for work."""

    def __init__(self, driver: AsyncDriver, tokens: list[_Token]) -> None:
        self._driver = driver
        self._tokens = tokens
        self._closed = False
        self._closing = asyncio.get_running_loop().create_future()

    async def wait(self, timeout: float) -> bool:
        """As `ports.AsyncListener.wait`; False at once when closed."""
        if self._closed:
            return False
        patience = self._driver.terms.timeout
        loop = asyncio.get_running_loop()
        for one in self._tokens:
            if one.taking is None:
                one.taking = loop.create_task(one.take(timeout, patience))
        waiting = {one.taking for one in self._tokens if one.taking is not None}
        await asyncio.wait({*waiting, self._closing}, return_when=asyncio.FIRST_COMPLETED)
        heard = False
        for one in self._tokens:
            if one.taking is not None and one.taking.done() and not self._closed:
                heard = self._learn(one) or heard
        return heard

    def _learn(self, one: _Token) -> bool:
        taking, one.taking = one.taking, None
        assert taking is not None
        try:
            return taking.result()
        except DEAFENING as error:
            raise self._deaf(one, error) from error

    def _deaf(self, one: _Token, error: Exception) -> BackendError:
        return self._driver.known.deaf(error, one.node, one.partition)

    async def claim(self, claim: Claim, timeout: float) -> Claimed | None:
        """As `ports.AsyncBackend.claim_when_told`, with one message, where one token is enough.

        Raises:
            BackendError: Whether the claim took place is not known.
        """
        if len(self._tokens) > 1 or self._driver.terms.partitions > 1:
            told = await self.wait(timeout)
            return await self._driver.drive(execute(claim, self._driver.known)) if told else None
        steps = plan(claim, Partitions())
        (call,) = next(steps)
        terms, token = self._driver.terms, self._tokens[0]
        try:
            told, reply = await token.send(timeout, terms.timeout, terms.command(call))
        except DEAFENING as error:
            raise self._deaf(token, error) from error
        for answer in (told, reply):
            if isinstance(answer, Exception):
                return await self._after(answer, claim)
        try:
            steps.send([reply])
        except StopIteration as end:
            claimed: Claimed = end.value
            quiet = claimed.alive and not (claimed.jobs or claimed.ticks or claimed.cancelling)
            return None if quiet and not told else claimed
        raise AssertionError("a claim in one partition is one call")

    async def _after(self, error: Exception, claim: Claim) -> Claimed:
        """A script the server does not know (any more), or a server that is no master: again."""
        fault = faults.judge(error, self._driver.terms.address.shown())
        if fault.next != "load":
            raise self._deaf(self._tokens[0], error) from error
        return await self._driver.drive(execute(claim, self._driver.known))

    async def close(self) -> None:
        """As `ports.AsyncListener.close`."""
        if self._closed:
            return
        self._closed = True
        self._closing.set_result(None)
        async with contextlib.AsyncExitStack() as all_of_them:
            for one in self._tokens:
                all_of_them.push_async_callback(one.close)


async def open_token_listener(driver: AsyncDriver, interest: Interest) -> AsyncTokenListener:
    """A listener that has said what it waits for.

    Raises:
        BackendUnavailable: The server cannot be reached.
    """
    terms = driver.terms
    # A cluster takes the keys of one slot at a time; elsewhere one connection waits for all.
    apart = terms.address.kind == "cluster"
    everything = list(range(terms.partitions))
    tokens: list[_Token] = []
    for group in [[one] for one in everything] if apart else [everything]:
        keys = [key for number in group for key in token_keys(terms, interest, number)]
        before = [one for number in group for one in tuning(terms, interest, number)]
        try:
            tokens.append(await _token(driver, group[0], keys, before))
        except BaseException:
            for one in tokens:
                await one.pipe.close()
            raise
    return AsyncTokenListener(driver, tokens)


async def _token(
    driver: AsyncDriver, partition: int, keys: list[str], before: list[Command]
) -> _Token:
    terms = driver.terms
    node = await driver.drive(locate(partition, driver.known))
    made = _Token(Pipe(terms, node), node, partition, keys, before)
    try:
        await made.open(terms.timeout)
    except DEAFENING as error:
        await made.pipe.close()
        raise driver.known.deaf(error, node, partition) from error
    except BaseException:
        await made.pipe.close()
        raise
    return made


class AsyncEars:
    """All listeners of one loop for results and requests, on one connection."""

    def __init__(self, driver: AsyncDriver) -> None:
        self._driver = driver
        self._listeners: list[AsyncChannelListener] = []
        self._connection: AsyncWire | None = None
        self._task: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._failure = Failure()
        self._resting: asyncio.TimerHandle | None = None

    async def listen(self, interest: Interest) -> AsyncChannelListener:
        """A listener that hears of everything from now on.

        Raises:
            BackendUnavailable: The server cannot be reached.
        """
        listener = AsyncChannelListener(self, interest)
        came = time.monotonic()
        async with self._opening:
            if self._task is None:
                self._failure.check(came)
                await self._connect()
            self._listeners.append(listener)
        return listener

    async def _connect(self) -> None:
        try:
            self._connection = await self._subscribed()
        except BackendUnavailable as error:
            self._failure.happened(error)
            raise
        self._task = asyncio.get_running_loop().create_task(self._read())

    async def _subscribed(self) -> AsyncWire:
        terms, known = self._driver.terms, self._driver.known
        node = await self._driver.drive(locate(0, known))
        names = [("SUBSCRIBE", name) for name in channels(terms)]
        try:
            return await opened(terms.address, node, terms.timeout, *names)
        except FAILURES as error:
            raise known.deaf(error, node) from error

    async def _read(self) -> None:
        """Hear for all of them; a connection that fails is replaced, once the server answers."""
        try:
            while self._listeners:
                with contextlib.suppress(*FAILURES):
                    await self._hear()
                await self._hang_up()
                if not self._listeners:
                    return
                # Something may have been missed, before and meanwhile: let everybody look.
                self._tell_all()
                await self._driver.drive(execute(Time(), self._driver.known))
                self._connection = await self._subscribed()
                self._tell_all()
        except BackendError as error:
            for listener in self._listeners:
                listener.fail(error)
        finally:
            self._task = None
            await self._hang_up()

    async def _hear(self) -> None:
        made = self._connection
        assert made is not None
        while True:
            message: Any = await made.read_response(disable_decoding=True, timeout=NEVER)
            if message is not None and message[0] == b"message":
                self._dispatch(message[1], message[2])

    async def _hang_up(self) -> None:
        made, self._connection = self._connection, None
        if made is not None:
            await made.disconnect()

    def _tell_all(self) -> None:
        for listener in self._listeners:
            listener.tell()

    def _dispatch(self, channel: bytes, data: bytes) -> None:
        for listener in self._listeners:
            if is_meant(listener.interest, channel, data):
                listener.tell()

    async def leave(self, listener: AsyncChannelListener) -> None:
        """The listener hears no more; the last one takes the connection with it."""
        if listener in self._listeners:
            self._listeners.remove(listener)
        if not self._listeners and self._task is not None:
            self._resting = asyncio.get_running_loop().call_later(LINGER, self._rest)

    def _rest(self) -> None:
        """The task ends by itself without a connection; if somebody came meanwhile, it has another.

        Cancelled, it would end all the same, and who came would hear nothing.
        """
        if self._connection is not None and not self._listeners:
            abort(self._connection)

    async def close(self) -> None:
        """Nobody hears any more."""
        task = self._task
        if self._resting is not None:
            self._resting.cancel()
        if task is not None:
            if self._connection is not None:
                abort(self._connection)  # a farewell over TLS may outlive the loop
            try:
                await loops.end(task)
            finally:
                self._task = None
                await self._hang_up()  # a task that never began has not


class AsyncChannelListener(AsyncListener):
    """`ports.AsyncListener` for results and requests."""

    def __init__(self, ears: AsyncEars, interest: Interest) -> None:
        self._ears = ears
        self.interest = interest
        self._told = False
        self._closed = False
        self._late = False
        self._error: BackendError | None = None
        self._changed = asyncio.Event()

    def tell(self) -> None:
        """A notice came in."""
        self._told = True
        self._changed.set()

    def fail(self, error: BackendError) -> None:
        """Nothing is heard any more."""
        self._error = error
        self._changed.set()

    async def wait(self, timeout: float) -> bool:
        """As `ports.AsyncListener.wait`; False at once when closed.

        Raises:
            BackendError: The server is gone; listen anew.
        """
        self._late = False
        alarm = asyncio.get_running_loop().call_later(timeout, self._ring)
        try:
            while not (self._told or self._late or self._closed or self._error):
                self._changed.clear()
                await self._changed.wait()
        finally:
            alarm.cancel()
        if self._error is not None and not self._closed:
            raise self._error
        heard, self._told = self._told and not self._closed, False
        return heard

    def _ring(self) -> None:
        self._late = True
        self._changed.set()

    async def close(self) -> None:
        """As `ports.AsyncListener.close`."""
        if not self._closed:
            self._closed = True
            self._changed.set()
            await self._ears.leave(self)
