"""Hearing the frames of events on an event loop.

What belongs here and what does not: as `watching`. A task reads, so that a subscriber that is busy
with other things is still one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from boundary.jobs.errors import BackendError
from boundary.jobs.shell import loops
from boundary.jobs.shell.adapters.redis.asynchronous import FAILURES, AsyncDriver, opened
from boundary.jobs.shell.adapters.redis.conversation import locate, say
from boundary.jobs.shell.adapters.redis.hearing import events_channel
from boundary.jobs.shell.adapters.redis.watching import RENEW, word

if TYPE_CHECKING:
    from boundary.jobs.shell.adapters.redis.wires import AsyncWire

UNHEARD: Final = 10_000
"""Frames kept for who does not come to hear them; older ones are lost."""

AGAIN: Final = 0.1
"""Seconds before a connection that was cut is tried again."""

FAREWELL: Final = 0.3
"""Seconds one who leaves waits for the server to take note; it forgets them by itself, later."""


class AsyncRedisWatcher:
    """`ports.AsyncWatcher` over a channel; made by `open_watcher`."""

    def __init__(self, driver: AsyncDriver, made: AsyncWire, who: bytes) -> None:
        self._driver = driver
        self._connection = made
        self._who = who
        self._frames: deque[bytes] = deque(maxlen=UNHEARD)
        self._closed = False
        self._error: BackendError | None = None
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._go_on())

    async def _go_on(self) -> None:
        """Hear; when the connection ends, begin anew, for ever."""
        while True:
            with contextlib.suppress(BackendError, *FAILURES):
                await self._read()
            await self._connection.disconnect(nowait=True)
            try:
                self._connection = await _subscribed(self._driver)
                await _say(self._driver, self._who)
            except BackendError as error:
                self._error = error
                self._changed.set()
                await asyncio.sleep(AGAIN)

    async def _read(self) -> None:
        renew = self._loop.time() + RENEW
        while True:
            left = max(renew - self._loop.time(), 0.001)
            message: Any = await self._connection.read_response(disable_decoding=True, timeout=left)
            if message is not None and message[0] == b"message":
                self._frames.append(message[2])
                self._changed.set()
            if self._loop.time() >= renew:
                await _say(self._driver, self._who)
                renew = self._loop.time() + RENEW

    async def hear(self, timeout: float) -> list[bytes]:
        """As `ports.AsyncWatcher.hear`."""
        alarm = self._loop.call_later(timeout, self._changed.set)
        try:
            if not (self._frames or self._closed):
                self._changed.clear()
                await self._changed.wait()
        finally:
            alarm.cancel()
        if self._closed:
            return []
        if not self._frames and self._error is not None:
            error, self._error = self._error, None
            raise error
        heard = list(self._frames)
        self._frames.clear()
        return heard

    async def close(self) -> None:
        """As `ports.AsyncWatcher.close`."""
        if self._closed:
            return
        self._closed = True
        self._changed.set()
        try:
            await loops.end(self._task)
        finally:
            await self._connection.disconnect()
        calls = word(self._who, self._driver.terms, leaving=True)
        with contextlib.suppress(BackendError, TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await self._driver.drive(say(calls, self._driver.known))


async def open_watcher(driver: AsyncDriver) -> AsyncRedisWatcher:
    """One who hears of everything from now on.

    Raises:
        BackendUnavailable: The server cannot be reached.
    """
    made = await _subscribed(driver)
    who = os.urandom(8)
    try:
        await _say(driver, who)
    except BaseException:
        await made.disconnect(nowait=True)
        raise
    return AsyncRedisWatcher(driver, made, who)


async def _say(driver: AsyncDriver, who: bytes) -> None:
    await driver.drive(say(word(who, driver.terms), driver.known))


async def _subscribed(driver: AsyncDriver) -> AsyncWire:
    terms = driver.terms
    node = await driver.drive(locate(0, driver.known))
    try:
        return await opened(
            terms.address, node, terms.timeout, ("SUBSCRIBE", events_channel(terms))
        )
    except FAILURES as error:
        raise driver.known.deaf(error, node) from error
