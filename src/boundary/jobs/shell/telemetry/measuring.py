"""A store's backend, with a look at the clock before and after each call.

What belongs here: telling how long a store took. What does not: anything else about a call.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from boundary.jobs.core.happenings import Answered

if TYPE_CHECKING:
    from collections.abc import Callable

    from boundary.jobs.core.operations import Claim, Claimed, Interest, Operation
    from boundary.jobs.ports import AsyncBackend, AsyncListener, AsyncWatcher

R = TypeVar("R")


class Measured:
    """`ports.AsyncBackend` over another one.

    Waiting for work is not measured: how long that takes says nothing of the store.
    """

    def __init__(self, backend: AsyncBackend, tell: Callable[[Answered], None]) -> None:
        self._backend = backend
        self._tell = tell

    async def execute(self, operation: Operation[R]) -> R:
        """As `ports.AsyncBackend.execute`."""
        began = time.perf_counter()
        failed = True
        try:
            reply = await self._backend.execute(operation)
            failed = False
        finally:
            seconds = time.perf_counter() - began
            self._tell(Answered(type(operation).__name__, seconds, failed))
        return reply

    async def listen(self, interest: Interest) -> AsyncListener:
        """As `ports.AsyncBackend.listen`."""
        return await self._backend.listen(interest)

    async def watch(self) -> AsyncWatcher:
        """As `ports.AsyncBackend.watch`."""
        return await self._backend.watch()

    async def claim_when_told(self, claim: Claim, timeout: float) -> Claimed | None:
        """As `ports.AsyncBackend.claim_when_told`."""
        return await self._backend.claim_when_told(claim, timeout)

    async def close(self) -> None:
        """As `ports.AsyncBackend.close`."""
        await self._backend.close()
