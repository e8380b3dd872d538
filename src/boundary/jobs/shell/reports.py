"""The progress handlers report, on its way to the store.

What belongs here: the latest report of each job, sent soon, and before the job's outcome or never.
What does not: what a report says (`core.wire`), the store (`shift`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from boundary.jobs.core.wire import Record


class Reports:
    """Progress that waits to be stored.

    Args:
        send: Stores the progress of a job, or gives up on it.
        spawn: From any thread: runs what this makes on the worker's loop.
    """

    def __init__(
        self,
        send: Callable[[Record, bytes], Awaitable[None]],
        spawn: Callable[[Callable[[], Coroutine[Any, Any, None]]], None],
    ) -> None:
        self._send = send
        self._spawn = spawn
        self._waiting: dict[bytes, tuple[Record, bytes]] = {}
        self._sending = False

    def put(self, record: Record, progress: bytes) -> None:
        """From any thread: this is the latest progress of a job, to be stored soon."""
        self._waiting[record.id] = (record, progress)
        if not self._sending:
            self._sending = True
            self._spawn(self._send_all)

    async def flush(self, ids: set[bytes]) -> None:
        """The progress of these jobs is stored."""
        if self._waiting:
            mine = sorted(ids & self._waiting.keys())
            await asyncio.gather(*[self._send(*self._waiting.pop(id)) for id in mine])

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                await self.flush(set(self._waiting))
        finally:
            self._sending = False
