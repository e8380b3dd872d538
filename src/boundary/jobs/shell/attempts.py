"""Asking the store although it may fail.

What belongs here: a question that may as well go unanswered, and the pause before the next one. What
does not: what a failure means to whoever asks.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeVar

from boundary.jobs.core.dispatcher import backoff_ms
from boundary.jobs.errors import BackendError

if TYPE_CHECKING:
    from boundary.jobs.core.operations import Operation
    from boundary.jobs.ports import AsyncBackend

R = TypeVar("R")

log: logging.Logger = logging.getLogger("boundary.jobs")


async def attempt(backend: AsyncBackend, operation: Operation[R]) -> R | None:
    """The reply to an operation that may as well happen later, or elsewhere; None: it failed."""
    try:
        return await backend.execute(operation)
    except BackendError as error:
        log.warning("%s did not happen now: %s", type(operation).__name__, error)
        return None


async def back_off(failures: int, u: float) -> None:
    """The pause after so many failures in a row, from 0 on, is over."""
    await asyncio.sleep(backoff_ms(failures, u) / 1000)
