"""Following events: iterators over what a watcher of the store hears.

What belongs here: waiting for events, for callers that block and for event loops. What does not:
which events there are (`core.events`), and what is missing (`core.frames`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from datetime import timedelta
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from boundary.jobs.core.events import Event, checked_types
from boundary.jobs.core.frames import Intake, Wanted
from boundary.jobs.core.names import checked_name
from boundary.jobs.ports import AsyncWatcher, Watcher
from boundary.jobs.shell.options import as_id, as_span

TURN: Final = 1.0
"""Longest seconds of one wait; then it is looked whether the time is up."""


def wanted(types: Collection[str] | None, job_id: UUID | str | None, queue: str | None) -> Wanted:
    """What a caller wants to follow.

    Raises:
        UsageError: There is no such type of event, it is no id or no name.
    """
    return Wanted(
        checked_types(types),
        None if job_id is None else as_id(job_id),
        None if queue is None else checked_name("queue", queue),
    )


class _Following:
    """What both iterators know: events that wait to be handed out, and when to end."""

    def __init__(self, wanted: Wanted, timeout: float | timedelta | None) -> None:
        self._timeout = None if timeout is None else as_span("timeout", timeout) / 1000
        self._intake = Intake(wanted)
        self._events: deque[Event] = deque()
        self._closed = False

    @property
    def lost(self) -> int:
        """How many events got lost so far, of whatever kind, as far as that is known."""
        return self._intake.lost

    def _end(self) -> float | None:
        return None if self._timeout is None else time.monotonic() + self._timeout

    def _left(self, end: float | None) -> float:
        """Seconds to wait; below 0: the time is up."""
        return TURN if end is None else min(end - time.monotonic(), TURN)


class Events(_Following):
    """Iterates over events, from its creation on. Made by `Jobs.events`."""

    def __init__(
        self, watch: Callable[[], Watcher], wanted: Wanted, timeout: float | timedelta | None
    ) -> None:
        super().__init__(wanted, timeout)
        self._watcher = watch()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        end = self._end()
        while not self._events:
            left = self._left(end)
            if self._closed or left < 0:
                raise StopIteration
            self._events.extend(self._intake.take(self._watcher.hear(left)))
        return self._events.popleft()

    def close(self) -> None:
        """No more events; an iteration under way ends. From any thread."""
        self._closed = True
        self._watcher.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncEvents(_Following):
    """As `Events`, awaited; it begins to hear with ``async with``, or at the first step."""

    def __init__(
        self,
        watch: Callable[[], Awaitable[AsyncWatcher]],
        wanted: Wanted,
        timeout: float | timedelta | None,
    ) -> None:
        super().__init__(wanted, timeout)
        self._watch = watch
        self._watcher: AsyncWatcher | None = None

    async def _hears(self) -> AsyncWatcher:
        if self._watcher is None:
            self._watcher = await self._watch()
        return self._watcher

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        end = self._end()
        while not self._events:
            left = self._left(end)
            if self._closed or left < 0:
                raise StopAsyncIteration
            watcher = await self._hears()
            self._events.extend(self._intake.take(await watcher.hear(left)))
        return self._events.popleft()

    async def aclose(self) -> None:
        """No more events; an iteration under way ends."""
        self._closed = True
        if self._watcher is not None:
            await self._watcher.close()

    async def __aenter__(self) -> Self:
        await self._hears()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()
