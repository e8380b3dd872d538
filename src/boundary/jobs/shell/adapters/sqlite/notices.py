"""How processes that share a file wake each other: a named pipe for each listener.

What belongs here: ears (pipes in a folder beside the file) and telling them. What does not: what
is worth telling (`core.operations.notices`).

A listener's pipe has its topic in its name. Whoever has committed something looks into the
folder and writes one byte into each pipe that wants to know; with nobody listening that is one
look at an empty folder. A pipe whose reader died refuses the byte and is removed. Where pipes
cannot be made, a listener looks at the file's version every few milliseconds instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import select
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from boundary.jobs.core.operations import Topic
from boundary.jobs.ports import AsyncListener, Listener

POLL = 0.015
"""Seconds between looks where there are no pipes."""

EVENTS = "events"
"""What the pipes of those who watch are called instead of a topic."""

_DRAIN = 4096


def tell(folder: str | Path, names: Iterable[str], topics: Iterable[Topic]) -> None:
    """Those of these listeners who want one of these topics hear of it; never blocks, never fails."""
    wanted = {topic.value for topic in topics}
    for name in names:
        if name.partition(".")[0] in wanted:
            _poke(f"{folder}/{name}")


def are_watched(names: Iterable[str]) -> bool:
    """Whether one of these pipes is of somebody who watches."""
    return any(name.startswith(f"{EVENTS}.") for name in names)


def pipes(folder: str | Path) -> list[str]:
    """The names of all pipes; none where nobody ever listened."""
    if not os.access(folder, os.R_OK):
        return []  # half the price of an exception, for every enqueue
    try:
        return os.listdir(folder)  # noqa: PTH208 - paths are dear where nobody listens
    except OSError:
        return []


def _poke(pipe: str) -> None:
    end = writing_end(pipe)
    if end is None:
        return
    try:
        os.write(end, b"!")
    except OSError:
        # Full: it has enough notices it did not read yet.
        pass
    finally:
        os.close(end)


def writing_end(pipe: str) -> int | None:
    """The pipe, opened to write without waiting; None and gone: nobody reads it any more."""
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)  # a path would cost as much again
    except OSError as error:
        if error.errno == errno.ENXIO:
            # Nobody reads: its process is gone.
            with contextlib.suppress(OSError):
                os.unlink(pipe)  # noqa: PTH108 - as above
        return None


class Ear:
    """The reading end of one listener's pipe; `fd` becomes readable at a notice."""

    def __init__(self, folder: Path, topic: str) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        name = f"{topic}.{secrets.token_hex(8)}"
        hidden = folder / f".{name}"
        self.path: Path = folder / name
        os.mkfifo(hidden, 0o600)
        try:
            self.fd: int = os.open(hidden, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            hidden.unlink()
            raise
        # Shown only once somebody reads it: until then a teller would take it for a dead one.
        hidden.rename(self.path)
        # A reader without writers is readable at once on some systems; with one of its own never.
        self._own = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)

    def drain(self) -> bool:
        """Whether there was a notice; there is none now."""
        heard = False
        with contextlib.suppress(BlockingIOError):
            while count := len(os.read(self.fd, _DRAIN)):
                heard = True
                if count < _DRAIN:
                    break  # that was all; what comes now makes it readable again
        return heard

    def poke(self) -> None:
        """A notice from the listener itself."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._own, b"!")

    def close(self) -> None:
        """The pipe is gone."""
        with contextlib.suppress(OSError):
            self.path.unlink()
        os.close(self._own)
        os.close(self.fd)


class PipeListener(Listener):
    """`ports.Listener` over an ear."""

    def __init__(self, ear: Ear) -> None:
        self._ear = ear
        self._closed = False
        self._waiting = threading.Lock()
        self._poll = select.poll()
        self._poll.register(ear.fd, select.POLLIN)

    def wait(self, timeout: float) -> bool:
        """As `ports.Listener.wait`; False at once when closed."""
        with self._waiting:
            if not self._closed:
                self._poll.poll(max(timeout, 0.0) * 1000)
            return not self._closed and self._ear.drain()

    def close(self) -> None:
        """As `ports.Listener.close`."""
        if self._closed:
            return
        self._closed = True
        self._ear.poke()
        with self._waiting:
            self._ear.close()


class AsyncPipeListener(AsyncListener):
    """`ports.AsyncListener` over an ear."""

    def __init__(self, ear: Ear) -> None:
        self._ear = ear
        self._loop = asyncio.get_running_loop()
        self._heard = False
        self._late = False
        self._closed = False
        self._changed = asyncio.Event()
        self._loop.add_reader(ear.fd, self._readable)

    @property
    def name(self) -> str:
        """The pipe's, in its folder."""
        return self._ear.path.name

    def _readable(self) -> None:
        if self._ear.drain():
            self.hear()

    def hear(self) -> None:
        """There is a notice."""
        self._heard = True
        self._changed.set()

    async def wait(self, timeout: float) -> bool:
        """As `ports.AsyncListener.wait`; False at once when closed."""
        self._late = False
        alarm = self._loop.call_later(timeout, self.ring)
        try:
            while not (self._heard or self._late or self._closed):
                self._changed.clear()
                await self._changed.wait()
        finally:
            alarm.cancel()
        heard, self._heard = self._heard and not self._closed, False
        return heard

    def ring(self) -> None:
        """Whoever waits goes on."""
        self._late = True
        self._changed.set()

    async def close(self) -> None:
        """As `ports.AsyncListener.close`."""
        if not self._closed:
            self._closed = True
            self._changed.set()
            self._loop.remove_reader(self._ear.fd)
            self._ear.close()


class Versioned(Protocol):
    """What a polling listener looks at."""

    def version(self) -> int:
        """Changes with each commit."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class PollingListener(Listener):
    """`ports.Listener` where pipes cannot be made: any commit to the file counts as a notice.

    Args:
        file: Tells a number that changes with each commit; closed with the listener.
    """

    def __init__(self, file: Versioned) -> None:
        self._file = file
        self._seen = file.version()
        self._closing = threading.Event()
        self._waiting = threading.Lock()

    def wait(self, timeout: float) -> bool:
        """As `ports.Listener.wait`; False at once when closed."""
        with self._waiting:
            return self._watch(timeout)

    def _watch(self, left: float) -> bool:
        while not self._closing.is_set():
            now = self._file.version()
            if now != self._seen:
                self._seen = now
                return True
            if left <= 0:
                return False
            self._closing.wait(min(POLL, left))
            left -= POLL
        return False

    def close(self) -> None:
        """As `ports.Listener.close`."""
        self._closing.set()
        with self._waiting:
            self._file.close()


class AsyncPollingListener(AsyncListener):
    """`ports.AsyncListener` over a `PollingListener`."""

    def __init__(self, polling: PollingListener) -> None:
        self._polling = polling

    async def wait(self, timeout: float) -> bool:
        """As `ports.AsyncListener.wait`."""
        return await asyncio.to_thread(self._polling.wait, timeout)

    async def close(self) -> None:
        """As `ports.AsyncListener.close`."""
        await asyncio.to_thread(self._polling.close)
