"""The signals a worker process understands.

What belongs here: what each signal asks of the worker, heard even while a handler keeps the event
loop from turning. What does not: how the worker stops (`core.dispatcher`).

    SIGTERM, SIGINT   end what runs, then leave; again: leave at once
    SIGTSTP           claim nothing more
    SIGHUP            be replaced by a new process
    SIGTTIN           print what runs, and the stack of every thread
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol, Self

from boundary.jobs.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

log: logging.Logger = logging.getLogger("boundary.jobs")

HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGTSTP, signal.SIGHUP, signal.SIGTTIN)

LAST_RESORT = 2.0
"""Seconds beyond its time after which a worker that does not leave is made to."""


ECHO = 0.1
"""Seconds within which a signal that is heard again was sent once.

GNU timeout, a shell and systemd send one to a process and to its group; a hand is slower.
"""


class Echoes:
    """Tells a signal from its echo."""

    def __init__(self) -> None:
        self._heard: dict[int, float] = {}

    def has(self, number: int) -> bool:
        """Whether this is the one heard a moment ago."""
        now = time.monotonic()
        if now < self._heard.get(number, -ECHO) + ECHO:
            return True
        self._heard[number] = now
        return False


class Listening(Protocol):
    """Whoever the signals are for; every call may come from any thread."""

    @property
    def grace(self) -> float:
        """Seconds that running jobs get."""
        ...

    def ask_to_stop(self, grace: float | None) -> None:
        """Take nothing more, and leave."""
        ...

    def ask_to_be_quiet(self, *, quiet: bool) -> None:
        """Claim nothing more."""
        ...

    def ask_to_be_replaced(self, why: str) -> None:
        """Leave when another has come."""
        ...

    def report(self) -> str:
        """What it does."""
        ...

    def let_go(self) -> None:
        """Give the store back what it holds."""
        ...


class Signals:
    """While the `with` block lasts, signals reach the worker; afterwards they are as before.

    Python's own handlers rather than the loop's: those run only when the loop turns, and the one
    who sends a signal may do so because it does not.
    """

    def __init__(self, worker: Listening) -> None:
        self._worker = worker
        self._asked = 0
        self._echoes = Echoes()
        self._over = threading.Event()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        does = (self._stop, self._stop, self._quiet, self._replace, self._dump)
        for number, handler in zip(HEARD, does, strict=True):
            self._before[number] = signal.signal(number, handler)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    # A handler may interrupt anything in this thread, a line half written too: it says nothing
    # itself, and leaves what takes time to another thread.

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        if self._echoes.has(number):
            return
        self._asked += 1
        grace = self._worker.grace if self._asked == 1 else 0.0
        self._worker.ask_to_stop(grace)
        self._in_thread(self._see_it_off, signal.Signals(number).name, self._asked, grace)

    def _quiet(self, _number: int, _frame: FrameType | None) -> None:
        self._worker.ask_to_be_quiet(quiet=True)

    def _replace(self, _number: int, _frame: FrameType | None) -> None:
        self._worker.ask_to_be_replaced("SIGHUP")

    def _dump(self, _number: int, _frame: FrameType | None) -> None:
        self._in_thread(self._write_report)

    def _in_thread(self, work: Callable[..., None], *args: object) -> None:
        threading.Thread(target=work, args=args, daemon=True).start()

    def _write_report(self) -> None:
        sys.stderr.write(self._worker.report())
        sys.stderr.flush()

    def _see_it_off(self, name: str, asked: int, grace: float) -> None:
        """The worker leaves in time, or is made to: a handler may hold its loop for ever."""
        if asked == 1:
            log.info("%s: finishing what runs; once more stops at once", name)
        else:
            log.warning("%s again: stopping at once, running jobs go back to the queue", name)
        if self._over.wait(grace + LAST_RESORT):
            return
        log.critical(
            "the event loop is blocked, so this worker cannot leave in peace; its jobs go back "
            "and the process ends\n%s",
            self._worker.report(),
        )
        try:
            self._worker.let_go()
        except BackendError as error:
            log.warning("they go back when its lease ends: %s", error)
        os._exit(1)
