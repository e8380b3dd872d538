"""How processes that share a file let each other follow events: frames in named pipes.

What belongs here: writing frames into the pipes of those who watch, and hearing them. What does
not: notices, which are a byte (`notices`).

A frame goes into a pipe behind two bytes with its length, by one write that is done wholly or not
at all; where the pipe is full it is lost, and the number of the next one shows it. Nothing is
written to the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import threading
from pathlib import Path

from boundary.jobs.core.operations import Topic
from boundary.jobs.shell.adapters.sqlite import notices

ROOM = 1_048_576
"""Bytes of frames a pipe keeps for who does not come to hear them, where the system allows it."""

_MOST = 65_536
_LENGTH = 2
_POKE = b"\0\0"
"""A frame of no bytes: somebody should look."""


def announce(folder: str, frames: tuple[bytes, ...]) -> bool:
    """Who watches has these frames, if there is room. Whether anybody watches. Never blocks."""
    watched = False
    for name in notices.pipes(folder):
        if name.startswith(f"{notices.EVENTS}."):
            watched = _write(f"{folder}/{name}", frames) or watched
    return watched


def _write(pipe: str, frames: tuple[bytes, ...]) -> bool:
    """Whether somebody reads the pipe."""
    end = notices.writing_end(pipe)
    if end is None:
        return False
    try:
        for frame in frames:
            os.write(end, len(frame).to_bytes(_LENGTH, "big") + frame)
    except BlockingIOError:
        pass  # full: they are lost
    except OSError:
        return False
    finally:
        os.close(end)
    return True


class EventPipe(notices.Ear):
    """The reading end of the pipe of one who watches."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, notices.EVENTS)
        self._rest = b""
        _widen(self.fd)
        # Workers learn from their next heartbeat that somebody watches: let it be now.
        notices.tell(folder, notices.pipes(folder), (Topic.CONTROL,))

    def frames(self) -> list[bytes]:
        """What came in, as far as it is there wholly."""
        data = self._rest + self._read()
        found: list[bytes] = []
        at = 0
        while at + _LENGTH <= len(data):
            end = at + _LENGTH + int.from_bytes(data[at : at + _LENGTH], "big")
            if end > len(data):
                break
            if end > at + _LENGTH:
                found.append(data[at + _LENGTH : end])
            at = end
        self._rest = data[at:]
        return found

    def _read(self) -> bytes:
        parts: list[bytes] = []
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self.fd, _MOST):
                parts.append(part)
                if len(part) < _MOST or len(parts) * _MOST > ROOM:
                    break
        return b"".join(parts)

    def poke(self) -> None:
        """Whoever waits on it looks."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._own, _POKE)


def _widen(pipe: int) -> None:
    """The pipe has more room, where the system allows it."""
    import fcntl  # here: not on every system

    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, ROOM)


class PipeWatcher:
    """`ports.Watcher` over a pipe."""

    def __init__(self, pipe: EventPipe) -> None:
        self._pipe = pipe
        self._closed = False
        self._waiting = threading.Lock()
        self._poll = select.poll()
        self._poll.register(pipe.fd, select.POLLIN)

    def hear(self, timeout: float) -> list[bytes]:
        """As `ports.Watcher.hear`."""
        with self._waiting:
            if self._closed:
                return []
            self._poll.poll(max(timeout, 0.0) * 1000)
            return [] if self._closed else self._pipe.frames()

    def close(self) -> None:
        """As `ports.Watcher.close`."""
        if self._closed:
            return
        self._closed = True
        self._pipe.poke()
        with self._waiting:
            self._pipe.close()


class AsyncPipeWatcher:
    """`ports.AsyncWatcher` over a pipe."""

    def __init__(self, pipe: EventPipe) -> None:
        self._pipe = pipe
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()

    async def hear(self, timeout: float) -> list[bytes]:
        """As `ports.AsyncWatcher.hear`."""
        if self._closed:
            return []
        if not (found := self._pipe.frames()):
            await self._wait(timeout)
            found = [] if self._closed else self._pipe.frames()
        return found

    async def _wait(self, timeout: float) -> None:
        """Until something can be read, it is closed, or the time is up."""
        self._changed.clear()
        alarm = self._loop.call_later(timeout, self._changed.set)
        # Only while somebody waits: a pipe nobody empties would keep the loop busy.
        self._loop.add_reader(self._pipe.fd, self._changed.set)
        try:
            await self._changed.wait()
        finally:
            alarm.cancel()
            if not self._closed:
                self._loop.remove_reader(self._pipe.fd)

    async def close(self) -> None:
        """As `ports.AsyncWatcher.close`."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._pipe.fd)
            self._changed.set()
            self._pipe.close()
