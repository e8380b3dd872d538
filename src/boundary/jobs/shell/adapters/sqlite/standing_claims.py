"""Claims that stand in this process until it enqueues something itself.

What belongs here: an idle worker's claim that a transaction of the same process may carry out, and
who may take it. What does not: when a worker claims, what a claim does, transactions.

A worker in the process that enqueues needs no notice and no transaction of its own: its claim goes
into the enqueue's transaction, behind the new jobs, and its loop has them as soon as that is
committed. What other processes bring comes by the worker's pipe, as ever.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

from boundary.jobs.core.operations import Enqueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from boundary.jobs.core.operations import Claim, Operation

A = TypeVar("A")


class StandingClaim(Generic[A]):
    """One claim of a worker whose loop waits for work. Made on that loop.

    Args:
        claim: To be carried out behind the next enqueue into one of its queues.
        ear: The name of the pipe that its worker hears of work by.
        seconds: How long it may stand. If nobody has withdrawn it by then, something holds the loop
            up, and a job would wait for that.
        wake: Called on the loop with the answer there.

    Attributes:
        answered: What became of it, once it was taken.
    """

    __slots__ = ("_loop", "_pid", "_until", "_wake", "answered", "claim", "ear")

    def __init__(self, claim: Claim, ear: str, seconds: float, wake: Callable[[], None]) -> None:
        self.claim: Claim = claim
        self.ear: str = ear
        self._loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[A] = self._loop.create_future()
        self._until = time.monotonic() + seconds
        self._pid = os.getpid()
        self._wake = wake

    def fits(self, operation: Operation[Any]) -> bool:
        """Whether this brings jobs it may take, to a loop that is there for them."""
        if type(operation) is not Enqueue:
            return False
        queues = self.claim.queues
        if queues is not None and all(job.queue not in queues for job in operation.jobs):
            return False
        here = self._pid == os.getpid() and self._loop.is_running()
        return here and time.monotonic() < self._until

    def answer(self, answer: A) -> None:
        """The loop has the answer; from any thread."""
        with suppress(RuntimeError):  # the loop has ended, and its worker departed
            self._loop.call_soon_threadsafe(self._answer, answer)

    def _answer(self, answer: A) -> None:
        if not self.answered.done():
            self.answered.set_result(answer)
            self._wake()


_STANDING: dict[str, list[StandingClaim[Any]]] = {}
"""By file. Whoever removes one from its list, which is one step, has it."""


def put(file: str, claim: StandingClaim[Any]) -> None:
    """It stands."""
    _STANDING.setdefault(file, []).append(claim)


def withdraw(file: str, claim: StandingClaim[Any]) -> bool:
    """It does not stand any more. False: it was taken, and is answered in a moment."""
    try:
        _STANDING[file].remove(claim)
    except ValueError:
        return False
    return True


def take(file: str, operations: Iterable[Operation[Any]]) -> StandingClaim[Any] | None:
    """One that fits; the caller's to carry out behind these operations, and to answer."""
    claims = _STANDING.get(file)
    if not claims:
        return None
    for operation in operations:
        for claim in tuple(claims):
            if claim.fits(operation) and withdraw(file, claim):
                return claim
    return None
