"""Threads for handlers that block.

What belongs here: keeping threads, handing them work, bringing what they finish to the event loop
with one wake-up a burst. What does not: what the work is.
"""

from __future__ import annotations

import threading
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

T = TypeVar("T")
R = TypeVar("R")


class MakeThreads(Protocol):
    """What makes `Threads`, or what stands for them in a simulation."""

    def __call__(
        self,
        loop: asyncio.AbstractEventLoop,
        work: Callable[[Any], Any],
        done: Callable[[Any, Any], None],
        /,
    ) -> Threads[Any, Any]:
        """Threads that do `work` and call `done` on the loop."""
        ...


class Threads(Generic[T, R]):
    """Does `work(item)` in threads and calls `done(item, result)` on the loop.

    Threads are started as they are needed and kept. They are daemons: a process that must end
    does not wait for a handler that will not. `work` must not raise.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        work: Callable[[T], R],
        done: Callable[[T, R], None],
    ) -> None:
        self._loop = loop
        self._work = work
        self._done = done
        self._queue: SimpleQueue[T | None] = SimpleQueue()
        self._finished: deque[tuple[T, R]] = deque()
        self._signalled = False
        self._busy = 0
        self._alive = 0
        self._surplus = 0

    def submit(self, item: T) -> None:
        """The item is worked on as soon as a thread is free; there is one for each."""
        self._busy += 1
        self._queue.put(item)
        if self._busy > self._alive:
            self._alive += 1
            name = f"boundary-jobs-{self._alive}"
            threading.Thread(target=self._serve, name=name, daemon=True).start()

    def give_up(self) -> None:
        """One thread will not come back with its item; its place may be filled anew."""
        self._busy -= 1
        self._alive -= 1
        self._surplus += 1

    def close(self) -> None:
        """Idle threads end now, busy ones after their item."""
        for _ in range(self._alive + self._surplus):
            self._queue.put(None)

    def _serve(self) -> None:
        while (item := self._queue.get()) is not None:
            self._finished.append((item, self._work(item)))
            if not self._signalled:
                self._signalled = True
                try:
                    self._loop.call_soon_threadsafe(self._collect)
                except RuntimeError:
                    # The loop is closed: the worker has left, and this job's lease with it.
                    return

    def _collect(self) -> None:
        self._signalled = False
        while self._finished:
            item, result = self._finished.popleft()
            if self._surplus and self._is_late(item):
                continue
            self._busy -= 1
            self._done(item, result)

    def _is_late(self, item: T) -> bool:
        """Whether this item was given up; then its thread, alive after all, is one too many."""
        if not getattr(item, "given_up", False):
            return False
        self._surplus -= 1
        self._queue.put(None)
        return True
