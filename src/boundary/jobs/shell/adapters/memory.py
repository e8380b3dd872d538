"""The store that forgets: the reference queue behind a lock, for tests and for scripts.

What belongs here: the lock, the clock and the ears around `core.model.step`. What does not: any
rule of a job. Nothing survives the process.

One store may be used from any number of threads and event loops at once. A call holds the lock
for the one step it takes, so the asyncio door takes it too instead of moving to a thread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from threading import Condition, Lock
from typing import TYPE_CHECKING, TypeVar

from boundary.jobs.core import model
from boundary.jobs.core.operations import (
    Announce,
    Claim,
    Claimed,
    Interest,
    Operation,
    Topic,
    as_watched,
    notices,
)
from boundary.jobs.ports import AsyncListener, Clock, Finding, Listener
from boundary.jobs.shell.clock import SystemClock

if TYPE_CHECKING:
    from boundary.jobs.shell.seed import JobsSystem

R = TypeVar("R")

UNHEARD = 10_000
"""Frames kept for who watches and does not come to hear them; older ones are lost."""


def create_in_memory_jobs_system(clock: Clock | None = None) -> JobsSystem:
    """The seed's queue, store and statistics over one new store in this process."""
    from boundary.jobs.shell.seed import Pool, jobs_system  # here: the seed's doors alone need it

    return jobs_system(Pool(MemoryStore(clock), clock=clock))


class MemoryStore:
    """A store in this process; the backends it hands out share the same jobs.

    Args:
        clock: Where its time comes from; what it tells never goes back, even if the clock does.
    """

    url = "memory://"

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = Lock()
        self._state = model.State()
        self._last = 0
        self._ears: tuple[MemoryListener | AsyncMemoryListener, ...] = ()
        self._watchers: tuple[MemoryWatcher | AsyncMemoryWatcher, ...] = ()

    def blocking(self) -> MemoryBackend:
        """A door for callers that block."""
        return MemoryBackend(self)

    def asynchronous(self) -> AsyncMemoryBackend:
        """A door for callers on an event loop."""
        return AsyncMemoryBackend(self)

    def examine(self) -> list[Finding]:
        """As `ports.Store.examine`."""
        text = "jobs are in this process alone and end with it; for others to see them, name a file"
        return [Finding("memory", "note", f"{text}: sqlite:///jobs.db")]

    def run(self, operation: Operation[R]) -> R:
        """Take one step, then tell whoever may want to know."""
        with self._lock:
            self._last = now = max(self._last, self._clock.now())
            self._state, reply = model.step(self._state, operation, now)
        if self._ears:
            self._tell(notices(operation, reply))
        return as_watched(reply) if self._watchers else reply

    def announce(self, frames: tuple[bytes, ...]) -> bool:
        """Who watches has these frames. Whether anybody does."""
        for one in self._watchers:
            one.tell(frames)
        return bool(self._watchers)

    def _tell(self, topics: frozenset[Topic]) -> None:
        for ear in self._ears:
            if ear.topic in topics:
                ear.tell()

    def attach(self, ear: MemoryListener | AsyncMemoryListener) -> None:
        """The ear hears of every step from now on."""
        with self._lock:
            self._ears = (*self._ears, ear)

    def detach(self, ear: MemoryListener | AsyncMemoryListener) -> None:
        """The ear hears of no further step."""
        with self._lock:
            self._ears = tuple(one for one in self._ears if one is not ear)

    def admit(self, watcher: MemoryWatcher | AsyncMemoryWatcher) -> None:
        """The watcher hears what is announced; workers learn that there is one."""
        with self._lock:
            self._watchers = (*self._watchers, watcher)
        self._tell(frozenset({Topic.CONTROL}))

    def dismiss(self, watcher: MemoryWatcher | AsyncMemoryWatcher) -> None:
        """The watcher hears nothing any more."""
        with self._lock:
            self._watchers = tuple(one for one in self._watchers if one is not watcher)


class MemoryBackend:
    """`ports.Backend` over a `MemoryStore`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def execute(self, operation: Operation[R]) -> R:
        """As `ports.Backend.execute`."""
        if isinstance(operation, Announce):
            return self._store.announce(operation.frames)  # type: ignore[return-value]
        return self._store.run(operation)

    def listen(self, interest: Interest) -> MemoryListener:
        """As `ports.Backend.listen`."""
        return MemoryListener(self._store, interest.topic)

    def watch(self) -> MemoryWatcher:
        """As `ports.Backend.watch`."""
        return MemoryWatcher(self._store)

    def close(self) -> None:
        """Nothing is open."""


class AsyncMemoryBackend:
    """`ports.AsyncBackend` over a `MemoryStore`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._ear: AsyncMemoryListener | None = None

    async def execute(self, operation: Operation[R]) -> R:
        """As `ports.AsyncBackend.execute`."""
        if isinstance(operation, Announce):
            return self._store.announce(operation.frames)  # type: ignore[return-value]
        return self._store.run(operation)

    async def listen(self, interest: Interest) -> AsyncMemoryListener:
        """As `ports.AsyncBackend.listen`."""
        return AsyncMemoryListener(self._store, interest.topic)

    async def watch(self) -> AsyncMemoryWatcher:
        """As `ports.AsyncBackend.watch`."""
        return AsyncMemoryWatcher(self._store)

    async def claim_when_told(self, claim: Claim, timeout: float) -> Claimed | None:
        """As `ports.AsyncBackend.claim_when_told`."""
        if self._ear is None:
            self._ear = AsyncMemoryListener(self._store, Topic.WORK)
            return self._store.run(claim)  # what came before it, no ear heard
        return self._store.run(claim) if await self._ear.wait(timeout) else None

    async def close(self) -> None:
        """As `ports.AsyncBackend.close`."""
        ear, self._ear = self._ear, None
        if ear is not None:
            await ear.close()


class MemoryListener(Listener):
    """`ports.Listener`: a flag that any step may raise and a wait takes down."""

    def __init__(self, store: MemoryStore, topic: Topic) -> None:
        self.topic = topic
        self._store = store
        self._told = False
        self._closed = False
        self._changed = Condition()
        store.attach(self)

    def tell(self) -> None:
        """A notice came in."""
        with self._changed:
            self._told = True
            self._changed.notify_all()

    def wait(self, timeout: float) -> bool:
        """As `ports.Listener.wait`; False at once when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._told or self._closed, timeout)
            heard = self._told and not self._closed
            self._told = False
            return heard

    def close(self) -> None:
        """As `ports.Listener.close`."""
        self._store.detach(self)
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class AsyncMemoryListener(AsyncListener):
    """`ports.AsyncListener` on the loop it was made on; steps come from any thread.

    `_told` is set from the notice until a wait has taken it, so that a burst of notices wakes
    the loop once. `_changed` only says: look again.
    """

    def __init__(self, store: MemoryStore, topic: Topic) -> None:
        self.topic = topic
        self._store = store
        self._told = False
        self._late = False
        self._closed = False
        self._lock = Lock()
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        store.attach(self)

    def tell(self) -> None:
        """A notice came in."""
        with self._lock:
            if self._told:
                return
            self._told = True
        try:
            self._loop.call_soon_threadsafe(self._changed.set)
        except RuntimeError:  # its loop was closed and nobody closed the ear
            self._store.detach(self)

    async def wait(self, timeout: float) -> bool:
        """As `ports.AsyncListener.wait`; False at once when closed."""
        self._late = False
        alarm = self._loop.call_later(timeout, self._ring)
        try:
            while not (self._told or self._late or self._closed):
                self._changed.clear()
                await self._changed.wait()
        finally:
            alarm.cancel()
        with self._lock:
            heard = self._told and not self._closed
            self._told = False
        return heard

    def _ring(self) -> None:
        self._late = True
        self._changed.set()

    async def close(self) -> None:
        """As `ports.AsyncListener.close`."""
        self._store.detach(self)
        self._closed = True
        self._changed.set()


class MemoryWatcher:
    """`ports.Watcher`: a line of frames, of which the oldest are lost if nobody hears them."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._frames: deque[bytes] = deque(maxlen=UNHEARD)
        self._closed = False
        self._changed = Condition()
        store.admit(self)

    def tell(self, frames: tuple[bytes, ...]) -> None:
        """These came in."""
        with self._changed:
            self._frames.extend(frames)
            self._changed.notify_all()

    def hear(self, timeout: float) -> list[bytes]:
        """As `ports.Watcher.hear`."""
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self._closed, timeout)
            heard = [] if self._closed else list(self._frames)
            self._frames.clear()
            return heard

    def close(self) -> None:
        """As `ports.Watcher.close`."""
        self._store.dismiss(self)
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class AsyncMemoryWatcher:
    """`ports.AsyncWatcher` on the loop it was made on; frames come from any thread."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        # Appending and popping are single steps of a deque: no lock is needed.
        self._frames: deque[bytes] = deque(maxlen=UNHEARD)
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        store.admit(self)

    def tell(self, frames: tuple[bytes, ...]) -> None:
        """These came in."""
        self._frames.extend(frames)
        try:
            self._loop.call_soon_threadsafe(self._changed.set)
        except RuntimeError:  # its loop was closed and nobody closed the watcher
            self._store.dismiss(self)

    async def hear(self, timeout: float) -> list[bytes]:
        """As `ports.AsyncWatcher.hear`."""
        alarm = self._loop.call_later(timeout, self._changed.set)
        try:
            if not (self._frames or self._closed):
                self._changed.clear()
                await self._changed.wait()
        finally:
            alarm.cancel()
        heard: list[bytes] = []
        while self._frames and not self._closed:
            heard.append(self._frames.popleft())
        return heard

    async def close(self) -> None:
        """As `ports.AsyncWatcher.close`."""
        self._store.dismiss(self)
        self._closed = True
        self._changed.set()
