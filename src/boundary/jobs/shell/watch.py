"""A thread that watches over what handlers do to their worker.

What belongs here: noticing that the event loop does not turn, that the interpreter is held, that
handlers left behind still run, that a handler closed a stream or took the worker's signals; saying
so, and mending what can be mended. What does not: the lease (`pulse`), timeouts (`deadlines`).

Everything it says is one log record with the handler, its job and its stack, and said again only
after ten times as long.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Self

from boundary.jobs.shell import stacks
from boundary.jobs.shell.logs import labels
from boundary.jobs.shell.running import stack_of
from boundary.jobs.shell.signals import HEARD

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from boundary.jobs.shell.running import Run
    from boundary.jobs.shell.streams import Streams

log: logging.Logger = logging.getLogger("boundary.jobs")

LOOK = 0.25
"""Seconds between looks."""

BLOCKED = 1.0
"""Seconds the event loop may go without a turn."""

HELD = 30.0
"""Seconds after which stacks go to standard error though no Python code can run: native code holds
the interpreter, and may never let it go.

Not sooner: a process that was stopped (SIGSTOP, a frozen container) for longer is told so as soon as
it goes on, while its threads run, and then reading their stacks can end it (`faulthandler` takes no
lock). After so long its leases are lost anyway.
"""

REMIND = 60.0
"""Seconds between words about handlers that were left behind."""


class Watch:
    """Watches while the `with` block lasts; made on the event loop it watches.

    Args:
        runs: The runs under way; called in the watching thread.
        left_behind: Those whose slots went to other jobs though they go on; there too.
        streams: Those of the process, which is this worker's: look after its signals too, and let
            the interpreter itself say when it is held.
    """

    def __init__(
        self,
        *,
        runs: Callable[[], list[Run]],
        left_behind: Callable[[], list[Run]],
        streams: Streams | None,
    ) -> None:
        self._runs = runs
        self._left_behind = left_behind
        self._streams = streams
        self._loop = asyncio.get_running_loop()
        self._ident = threading.get_ident()
        self._turned = time.monotonic()
        self._asked = False
        self._say_at = BLOCKED
        self._remind_at = 0.0
        self._arm_at = 0.0
        # What the worker does at each signal it listens to.
        self._signals = {one: signal.getsignal(one) for one in HEARD} if streams is not None else {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="boundary-jobs-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        self._thread.join(LOOK)
        if self._streams is not None:
            faulthandler.cancel_dump_traceback_later()

    def _go_on(self) -> None:
        before, used = time.monotonic(), time.process_time()
        while not self._ending.wait(LOOK):
            now, using = time.monotonic(), time.process_time()
            try:
                if now - before - LOOK >= BLOCKED:
                    self._say_held(now - before, using - used)
                self._look(now)
            except Exception:  # a watch that breaks must not be silent, nor end
                log.exception("the watch over handlers failed; please report this")
            before, used = now, using

    def _look(self, now: float) -> None:
        if self._streams is not None and now >= self._arm_at:
            self._arm_at = now + BLOCKED
            with contextlib.suppress(Exception):  # no standard error to write to
                faulthandler.dump_traceback_later(HELD, file=sys.__stderr__ or sys.stderr)
        self._look_at_loop(now)
        self._look_at_left_behind(now)
        if self._streams is not None:
            self._streams.keep_open()
            self._look_at_signals()

    # The event loop

    def _look_at_loop(self, now: float) -> None:
        if not self._asked:
            self._asked, self._turned = True, now
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._beat)
            return
        since = now - self._turned
        if since >= self._say_at:
            self._say_at *= 10
            self._say_blocked(since)

    def _beat(self) -> None:
        since = time.monotonic() - self._turned
        self._asked = False
        if self._say_at > BLOCKED:
            self._say_at = BLOCKED
            log.warning("the event loop turns again, after %.1f s", since)

    def _say_blocked(self, since: float) -> None:
        task = asyncio.current_task(self._loop)
        stack = stacks.of_thread(self._ident)
        run = next((one for one in self._runs() if task is not None and one.task is task), None)
        if run is not None:
            log.error(
                "%s has kept the event loop to itself for %.1f s; every other job of this worker "
                "waits. Await what it does, or make it a plain `def`: that gets a thread. It is at\n%s",
                run.record.job_type,
                since,
                stack,
                extra=labels(run.record),
            )
        elif task is not None:
            name = getattr(task.get_coro(), "__qualname__", repr(task))
            log.error(
                "the task %s has kept the event loop for %.1f s; it is at\n%s", name, since, stack
            )
        else:
            log.error(
                "the event loop has not turned for %.1f s: threads keep the interpreter busy, or the "
                "machine has no time for it. What runs in threads:\n%s",
                since,
                self._threads() or "nothing",
            )

    def _say_held(self, late: float, used: float) -> None:
        if used < late / 20:
            log.warning("this process did not run for %.1f s: it was stopped, or got no time", late)
            return
        log.error(
            "native code held the interpreter for %.1f s; no handler, and no heartbeat, could go on "
            'meanwhile. Such a handler wants isolation="process". What runs:\n%s',
            late,
            self._threads(on_loop=True) or "nothing any more",
        )

    def _threads(self, *, on_loop: bool = False) -> str:
        """The runs in threads, each with its stack."""
        parts: list[str] = []
        for run in self._runs():
            if run.thread is not None:
                parts.append(f"{describe(run)}\n{stacks.of_thread(run.thread)}")
            elif on_loop and run.task is not None and run.task is asyncio.current_task(self._loop):
                parts.append(f"{describe(run)}\n{stacks.of_thread(self._ident)}")
        return "\n".join(parts)

    # Handlers left behind

    def _look_at_left_behind(self, now: float) -> None:
        left = self._left_behind()
        if not left:
            self._remind_at = now + REMIND
            return
        if now < self._remind_at:
            return
        self._remind_at = now + REMIND
        log.warning(
            "%d handlers go on though they were asked to stop and their slots given away:\n%s",
            len(left),
            "\n".join(f"{describe(run)}\n{stack_of(run)}" for run in left),
        )

    # What the worker needs of its process

    def _look_at_signals(self) -> None:
        if self._asked:
            return  # the loop could not take them back now
        taken = [
            number for number, mine in self._signals.items() if signal.getsignal(number) != mine
        ]
        if taken:
            names = ", ".join(number.name for number in taken)
            log.error("a handler took the worker's %s; it is the worker's again", names)
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._take_signals_back, taken)

    def _take_signals_back(self, numbers: list[signal.Signals]) -> None:
        for number in numbers:
            with contextlib.suppress(ValueError, OSError):  # not in the main thread
                signal.signal(number, self._signals[number])


def describe(run: Run) -> str:
    """The run, for people: type, id, where."""
    said = labels(run.record)
    where = "" if run.thread is None else f" in thread {run.thread:#x}"
    return f"{said['job_type']} {said['job_id']}{where}"
