"""A worker process under a supervisor: what it tells it, and that it does not outlive it.

What belongs here: the child's end of the line between them. What does not: what a supervisor does
with what it hears (`core.supervision`).

The line carries words, each ended by a newline: ``loaded`` with the seconds its jobs get when it
must leave, ``ready``, ``claims``, and ``replace`` with a reason. The supervisor says nothing on it;
that it closes is how its death is noticed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

log: logging.Logger = logging.getLogger("boundary.jobs")

VARIABLE = "BOUNDARY_JOBS_SUPERVISED"
"""Says a process that it is a child: its number, its slot, whether it succeeds
another, and the file of its end of the line."""


class Line:
    """The child's end: a `shift.Keeper`.

    Attributes:
        number: Which of the supervisor's children this is, from 1 on.
        slot: Which of its places it has, from 0 on.
        succeeds: As `shift.Keeper.succeeds`.
    """

    def __init__(self, number: int, slot: int, succeeds: int, file: int) -> None:
        self.number = number
        self.slot = slot
        self.succeeds: bool = bool(succeeds)
        self._socket = socket.socket(fileno=file)
        self._socket.setblocking(False)
        self._socket.set_inheritable(False)

    @classmethod
    def of_environment(cls) -> Self | None:
        """The line to this process's supervisor; None: it has none. It is not handed on."""
        given = os.environ.pop(VARIABLE, None)
        if given is None:
            return None
        return cls(*map(int, given.split(":")))

    def loaded(self, grace: float) -> None:
        """The user's handlers are there, and signals are heard; its jobs get `grace` seconds."""
        self._say(f"loaded {grace}")

    def ready(self) -> None:
        """The store knows this worker, and its lifespan has begun."""
        self._say("ready")

    def claims_again(self) -> None:
        """It claims jobs again."""
        self._say("claims")

    def replace(self, why: str) -> None:
        """Another process is wanted in the place of this one."""
        self._say(f"replace {why}")

    def _say(self, word: str) -> None:
        with contextlib.suppress(OSError):  # it is gone: `watch` sees to that
            self._socket.send(f"{word}\n".encode())

    async def watch(self, leave: Callable[[], None]) -> None:
        """Return, and call `leave`, when the supervisor is gone."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            await loop.sock_recv(self._socket, 1)
        log.error("the supervisor is gone: finishing what runs, then leaving")
        leave()
