"""What viewers are shown changes while they look: server-sent events.

What belongs here: one look for all who watch the same, told to each when it differs from the last.
What does not: what is looked at (a page, the statistics).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

from starlette.responses import StreamingResponse

from boundary.jobs.errors import JobsError
from boundary.jobs.shell import loops
from boundary.jobs.shell.web.problems import Refusal

log: logging.Logger = logging.getLogger("boundary.jobs")

Look = Callable[[], Awaitable[bytes]]
"""What there is to show now, as the data of an event."""

INTERVAL: Final = 1.0
"""Seconds between two looks at the same."""
SHARE: Final = 20
"""A look is not repeated before so many times as long as it took: it never takes over a store."""
SILENCE: Final = 15.0
"""Seconds without an event, after which a comment shows that the connection is alive."""


def event(name: str, data: bytes) -> bytes:
    """One event, as the format has it."""
    lines = b"".join([b"data: " + line + b"\n" for line in data.split(b"\n")])
    return b"event: " + name.encode() + b"\n" + lines + b"\n"


class Channel:
    """One look, repeated as long as somebody watches it."""

    def __init__(self, name: str, look: Look) -> None:
        self.watchers = 0
        self._name = name
        self._look = look
        self._latest: bytes | None = None
        self._version = 0
        self._changed = asyncio.Condition()
        self._ended = False
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Looks begin."""
        self._task = asyncio.create_task(self._repeat(), name="boundary.jobs live view")

    async def stop(self) -> None:
        """Looks end."""
        if self._task is not None:
            await loops.end(self._task)

    def end(self) -> None:
        """Its events end; callable from any thread, and from a signal's handler."""
        self._ended = True
        self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._waking = self._loop.create_task(self._tell())

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _repeat(self) -> None:
        while True:
            began = time.monotonic()
            try:
                told, pause = event(self._name, await self._look()), SHARE
            except Exception as error:  # noqa: BLE001 - the viewers are told
                told, pause = event("away", _said(error)), 0
            if told != self._latest:
                self._latest = told
                self._version += 1
                await self._tell()
            await asyncio.sleep(max(INTERVAL, pause * (time.monotonic() - began)))

    async def events(self) -> AsyncGenerator[bytes]:
        """The latest, and each that differs from it; those that come too fast are passed over."""
        seen = 0
        while not self._ended:
            await self._changed_since(seen)
            if self._version > seen and self._latest is not None:
                seen = self._version
                yield self._latest
            else:
                yield b": still here\n\n"

    async def _changed_since(self, seen: int) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SILENCE), self._changed:
                await self._changed.wait_for(lambda: self._ended or self._version > seen)


def _said(error: Exception) -> bytes:
    if isinstance(error, JobsError):
        return error.message.encode()
    if isinstance(error, Refusal):
        return error.detail.encode()
    log.error("a live view failed", exc_info=error)
    return b"This is a fault of boundary-jobs; the log has the details."


class Hub:
    """The channels that somebody watches, by what they show."""

    def __init__(self) -> None:
        self._channels: dict[tuple[str, ...], Channel] = {}

    def end(self) -> None:
        """Every stream ends, so that a server need not wait for those who watch."""
        for channel in list(self._channels.values()):
            channel.end()

    async def watch(self, key: tuple[str, ...], name: str, look: Look) -> AsyncGenerator[bytes]:
        """Events of this name: what `look` answers, whenever that is different.

        Args:
            key: Who watches the same shares one look.
        """
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = Channel(name, look)
            channel.start()
        channel.watchers += 1
        try:
            async with contextlib.aclosing(channel.events()) as events:
                async for one in events:
                    yield one
        finally:
            channel.watchers -= 1
            if channel.watchers == 0 and self._channels.get(key) is channel:
                del self._channels[key]
                await channel.stop()

    def stream(self, key: tuple[str, ...], name: str, look: Look) -> StreamingResponse:
        """The events as a response."""
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(
            self.watch(key, name, look), headers=headers, media_type="text/event-stream"
        )
