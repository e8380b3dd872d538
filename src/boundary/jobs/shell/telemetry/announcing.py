"""What a worker tells those who watch the store.

What belongs here: gathering events while an announcement is under way. What does not: what an
event is (`core.events`), carrying it (the stores).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Final

from boundary.jobs.core import events
from boundary.jobs.core.operations import Announce
from boundary.jobs.errors import BackendError
from boundary.jobs.shell.telemetry.stream import Numbered

if TYPE_CHECKING:
    from boundary.jobs.core.happenings import Happening
    from boundary.jobs.ports import AsyncBackend

log: logging.Logger = logging.getLogger("boundary.jobs")

UNTOLD: Final = 10_000
"""Events kept while the store does not take them; older ones are lost."""

AT_ONCE: Final = 2_000
"""Events in one announcement."""

PACE: Final = 0.05
"""Seconds between announcements, unless there are so many events: the first goes out at once, what
a busy worker tells goes out together."""


class Announcer:
    """A subscriber that passes events on while somebody watches; nothing waits for it.

    Attributes:
        watched: What the store last said. While it is False an event costs nothing.
    """

    def __init__(self, backend: AsyncBackend) -> None:
        self.watched = False
        self._backend = backend
        self._rows: deque[events.Row] = deque()
        self._numbered = Numbered()
        self._task: asyncio.Task[None] | None = None
        self._next = 0.0

    def __repr__(self) -> str:
        return "the announcer of events"

    def __call__(self, happening: Happening) -> None:
        """Its events are told soon. On the worker's loop."""
        if not self.watched:
            return
        self._rows.extend(events.rows_of(happening))
        if self._rows and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        time = asyncio.get_running_loop().time
        while self._rows:
            if len(self._rows) < AT_ONCE and (wait := self._next - time()) > 0:
                await asyncio.sleep(wait)
            self._next = time() + PACE
            if (surplus := len(self._rows) - UNTOLD) > 0:
                self._numbered.skip(surplus)
                for _ in range(surplus):
                    self._rows.popleft()
            some = [self._rows.popleft() for _ in range(min(AT_ONCE, len(self._rows)))]
            try:
                await self._backend.execute(Announce(self._numbered.frames(some)))
            except BackendError as error:
                log.debug("%d events were lost: %s", len(some), error)

    async def flush(self, seconds: float) -> None:
        """What was told so far is with the store, or given up."""
        if self._task is not None and not self._task.done():
            await asyncio.wait({self._task}, timeout=seconds)
            self._task.cancel()
