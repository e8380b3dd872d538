"""The live view at work: looks, keys and acts, joined in one loop.

What belongs here: when the store is asked, and leaving the terminal as it was. What does not: what a
key means (`brain`), how it looks (`drawing`).

The store is asked from one thread beside this one, a look or an act at a time, so that a store that is
slow or away holds up no key.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType
from typing import Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console, Group
from rich.live import Live

from boundary.jobs import Jobs
from boundary.jobs.errors import JobsError
from boundary.jobs.shell.cli.top import brain, drawing
from boundary.jobs.shell.cli.top.brain import Command, Said, State
from boundary.jobs.shell.cli.top.glimpse import Glimpse, look, name_of
from boundary.jobs.shell.cli.top.keys import Keyboard, single_keys
from boundary.jobs.shell.shown import undone_words

SHARE: Final = 5
"""A look is not repeated before so many times as long as it took: it never takes over a store."""
STOPPING: Final = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
HEARD: Final = STOPPING | {signal.SIGTSTP, signal.SIGWINCH}


class Done(Struct, frozen=True):
    """What came of an act, and its id if it can be undone."""

    said: Said
    act: UUID | None = None


def carry_out(jobs: Jobs, command: Command, by: str) -> Done:
    """The act is done, or refused with the reason."""
    try:
        return _ACTS[command.what](jobs, command.target, by)
    except JobsError as error:
        return Done(Said(error.message, bad=True))


def _pause(jobs: Jobs, queue: str, by: str) -> Done:
    act = jobs.new_action()
    changed = jobs.pause(queue, by=by, action=act)
    return Done(Said(f"{queue} is paused; its jobs stay"), act if changed else None)


def _resume(jobs: Jobs, queue: str, by: str) -> Done:
    act = jobs.new_action()
    changed = jobs.resume(queue, by=by, action=act)
    return Done(Said(f"{queue} is served again"), act if changed else None)


def _retry(jobs: Jobs, job_id: str, by: str) -> Done:
    act = jobs.new_action()
    job = jobs.retry(job_id, by=by, action=act)
    if job is None:
        return Done(GONE)
    return Done(Said(f"{job.job_type} waits in {job.queue} again"), act)


def _cancel(jobs: Jobs, job_id: str, by: str) -> Done:
    act = jobs.new_action()
    job = jobs.cancel(job_id, by=by, action=act)
    if job is None:
        return Done(GONE)
    if job.status == "cancelled":
        return Done(Said(f"{job.job_type} is cancelled and will not run"), act)
    return Done(Said(f"{job.job_type} runs; it was asked to stop"))


def _undo(jobs: Jobs, act: str, by: str) -> Done:
    done = jobs.undo(act, by=by)
    return Done(Said(undone_words(done), bad=not done.restored))


GONE: Final = Said("this job has gone: deleted, or past its retention", bad=True)
_ACTS: Final[dict[str, Callable[[Jobs, str, str], Done]]] = {
    "pause": _pause,
    "resume": _resume,
    "retry": _retry,
    "cancel": _cancel,
    "undo": _undo,
}


class Signals:
    """What this process was told by signals since it was last asked."""

    def __init__(self) -> None:
        self.stopped: int | None = None
        self.suspended: bool = False

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Noted; whoever waits for keys is woken by the wake-up descriptor."""
        del frame
        if number in STOPPING:
            self.stopped = number
        self.suspended |= number == signal.SIGTSTP

    @contextmanager
    def heard(self, bell: int) -> Generator[None]:
        """Signals are noted; afterwards they do what they did before."""
        before = {one: signal.signal(one, self.hear) for one in HEARD}
        rung = signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(rung)
            for one, handler in before.items():
                signal.signal(one, handler)


class Watching:
    """The view over one store, until somebody leaves.

    Args:
        by: Who acts, for the log.
        interval: Seconds between two looks.
    """

    def __init__(self, jobs: Jobs, console: Console, by: str, interval: float) -> None:
        self._jobs = jobs
        self._console = console
        self._by = by
        self._interval = interval
        self._state = State()
        self._glimpse = look(jobs)
        self._away = ""
        self._next = time.monotonic() + interval
        self._asked: Future[Glimpse] | Future[Done] | None = None
        self._looking = 0.0
        self._waiting: list[Command] = []
        self._signals = Signals()

    def run(self) -> None:
        """The view is shown until `q`, Ctrl-C or a signal; the terminal is as it was then.

        Raises:
            SystemExit: A signal other than Ctrl-C ended it.
        """
        keyboard = Keyboard(sys.stdin.fileno())
        pool = ThreadPoolExecutor(1, "boundary.jobs top")
        try:
            with self._signals.heard(keyboard.bell):
                while self._shown(keyboard, pool):
                    os.kill(os.getpid(), signal.SIGSTOP)
                    self._signals.suspended = False
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            keyboard.close()
        if self._signals.stopped not in {None, signal.SIGINT}:
            sys.exit(128 + (self._signals.stopped or 0))

    def _shown(self, keyboard: Keyboard, pool: ThreadPoolExecutor) -> bool:
        """The view is on the screen until it is left; whether that is to come back."""
        self._state = brain.settled(self._state, self._glimpse)
        with (
            single_keys(sys.stdin.fileno()),
            Live(self._drawn(), console=self._console, auto_refresh=False, screen=True) as live,
        ):
            live.refresh()
            while not (self._state.left or keyboard.gone or self._signals.stopped):
                if self._signals.suspended:
                    return True
                self._ask(keyboard, pool)
                for key in keyboard.wait(self._patience()):
                    self._press(key)
                self._hear()
                live.update(self._drawn(), refresh=True)
        return False

    def _drawn(self) -> Group:
        store = name_of(self._jobs)
        return drawing.screen(self._state, self._glimpse, store, self._away, self._console)

    def _patience(self) -> float:
        """Seconds until something is to be done by itself; ages grow by the second."""
        return 1.0 if self._asked else min(1.0, self._next - time.monotonic())

    def _press(self, key: str) -> None:
        self._state, command = brain.step(self._state, key, self._glimpse)
        if command is not None:
            self._waiting.append(command)

    def _ask(self, keyboard: Keyboard, pool: ThreadPoolExecutor) -> None:
        """The store is asked for what comes next, unless it has not answered yet."""
        if self._asked is not None:
            return
        if self._waiting:
            self._asked = pool.submit(carry_out, self._jobs, self._waiting.pop(0), self._by)
        elif self._state.hurry or time.monotonic() >= self._next:
            self._state = replace(self._state, hurry=False)
            self._looking = time.monotonic()
            self._asked = pool.submit(look, self._jobs, self._state.opened)
        if self._asked is not None:
            self._asked.add_done_callback(lambda _: keyboard.ring())

    def _hear(self) -> None:
        """What the store answered, if it has, is shown."""
        if self._asked is None or not self._asked.done():
            return
        asked, self._asked = self._asked, None
        try:
            answer = asked.result()
        except JobsError as error:
            self._away = error.message
            self._next = time.monotonic() + self._interval
            return
        if isinstance(answer, Done):
            act = answer.act or self._state.act
            self._state = replace(self._state, said=answer.said, act=act, hurry=True)
            return
        self._away = ""
        self._glimpse = answer
        self._state = brain.settled(self._state, answer)
        now = time.monotonic()
        self._next = now + max(self._interval, SHARE * (now - self._looking))
