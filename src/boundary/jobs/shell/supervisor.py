"""The supervisor: several worker processes under one command.

What belongs here: starting processes, hearing and telling them, and signals to the whole. What does
not: what is done about what happens (`core.supervision`), and jobs: it knows none, and no store.

    signal to the whole ──► supervision.step ──► Start, Tell ──► processes
                                  ▲                                  │
                                  └──── loaded, ready, exited ◄──────┘
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

from boundary.jobs.core import supervision
from boundary.jobs.core.supervision import (
    Alarm,
    Exited,
    Leave,
    Quiet,
    Replace,
    Say,
    Setup,
    Start,
    Stop,
    Tell,
    Tick,
    Told,
)
from boundary.jobs.shell import loops
from boundary.jobs.shell.child import VARIABLE
from boundary.jobs.shell.notify import Notify
from boundary.jobs.shell.signals import Echoes

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Sequence

    from boundary.jobs.core.supervision import Effect, Event

log: logging.Logger = logging.getLogger("boundary.jobs")

LEVELS = {
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}


class Supervisor:
    """Keeps `processes` worker processes alive until it is told to stop.

    Args:
        command: The arguments of `boundary-jobs` with which each child is started; a variable in
            its environment tells it that it is one.
        waits: A child that does not start is started again only by `replace_all`.
        hangup_stops: SIGHUP stops (a terminal that closes) rather than replaces the processes.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        processes: int,
        waits: bool = False,
        hangup_stops: bool = False,
    ) -> None:
        self._command = command
        self._hangup_stops = hangup_stops
        self._setup = Setup(processes, waits)
        self._notify = Notify()
        self._notified = False
        self._echoes = Echoes()
        self._processes: dict[int, Process] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._loop: asyncio.AbstractEventLoop

    async def run(self) -> int:
        """Until all processes have left for good. The exit code of the whole."""
        self._loop = asyncio.get_running_loop()
        state = supervision.begin(self._setup, _now())
        self._hear_signals()
        self._events.put_nowait(Tick(_now()))
        while state.code is None or state.children:
            state, effects = supervision.step(state, await self._events.get())
            for effect in effects:
                await self._perform(effect)
                if isinstance(effect, Leave):
                    return effect.code
            self._say_ready(state)
        return state.code

    def replace_all(self, why: str) -> None:
        """Every process is replaced, one after another."""
        self._events.put_nowait(Replace(_now(), None, why))

    def _hear_signals(self) -> None:
        hear = self._loop.add_signal_handler
        for number in (signal.SIGTERM, signal.SIGINT):
            hear(number, self._stop, number)
        hear(signal.SIGTSTP, lambda: self._events.put_nowait(Quiet(_now())))
        hear(signal.SIGTTIN, self._dump)
        if self._hangup_stops:
            hear(signal.SIGHUP, self._stop, signal.SIGHUP)
        else:
            hear(signal.SIGHUP, self._reload)

    def _stop(self, number: signal.Signals) -> None:
        if self._echoes.has(number):
            return
        log.info("%s: every process ends its jobs and leaves; once more stops at once", number.name)
        self._notify.stopping()
        self._events.put_nowait(Stop(_now()))

    def _reload(self) -> None:
        self._notify.reloading()
        self._notified = False
        self.replace_all("SIGHUP")

    def _dump(self) -> None:
        for process in self._processes.values():
            _send(process, signal.SIGTTIN)

    async def _perform(self, effect: Effect) -> None:
        match effect:
            case Start():
                await self._start(effect)
            case Tell():
                process = self._processes.get(effect.number)
                if process is not None:
                    _send(process, effect.signal)
            case Say():
                log.log(LEVELS[effect.level], "%s", effect.text)
            case Alarm():
                self._set_alarm(effect.at)
            case Leave():
                pass

    def _set_alarm(self, at: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None
        if at != supervision.INF:
            delay = max(at - _now(), 0.0) / 1000
            self._alarm = self._loop.call_later(
                delay, lambda: self._events.put_nowait(Tick(_now()))
            )

    def _say_ready(self, state: supervision.State) -> None:
        if not self._notified and state.is_ready and not state.waiting and not state.stopping:
            self._notified = True
            log.info("%d worker processes are at work", len(state.children))
            self._notify.ready(f"{len(state.children)} worker processes")

    # Processes

    async def _start(self, start: Start) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            given = (start.number, start.slot, int(start.succeeds), theirs.fileno())
            theirs.set_inheritable(True)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "boundary.jobs",
                *self._command,
                env={**os.environ, VARIABLE: ":".join(map(str, given))},
                pass_fds=(theirs.fileno(),),
                # Ctrl-C is for the supervisor, which tells its children.
                process_group=0,
            )
        self._processes[start.number] = process
        log.info("worker process %d starts (pid %d)", start.number, process.pid)
        self._spawn(start.number, process, ours)

    def _spawn(self, number: int, process: Process, line: socket.socket) -> None:
        task = self._loop.create_task(self._attend(number, process, line))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attend(self, number: int, process: Process, line: socket.socket) -> None:
        """Pass on what a child says, and how it ends."""
        hearing = self._loop.create_task(self._hear(number, line))
        code = await process.wait()
        await loops.end(hearing)
        line.close()
        del self._processes[number]
        self._events.put_nowait(Exited(_now(), number, code))

    async def _hear(self, number: int, line: socket.socket) -> None:
        rest = b""
        while data := await _received(self._loop, line):
            *words, rest = (rest + data).split(b"\n")
            for word in words:
                self._heard(number, word.decode(errors="replace"))

    def _heard(self, number: int, word: str) -> None:
        match word.partition(" "):
            case "loaded", _, grace:
                self._events.put_nowait(Told(_now(), number, "loaded", float(grace) * 1000))
            case "ready", _, _:
                self._events.put_nowait(Told(_now(), number, "ready"))
            case "claims", _, _:
                self._events.put_nowait(Quiet(_now(), quiet=False))
            case "replace", _, why:
                self._events.put_nowait(Replace(_now(), number, why))
            case _:
                log.warning("worker process %d said %r, which is no word", number, word)


async def _received(loop: asyncio.AbstractEventLoop, line: socket.socket) -> bytes:
    try:
        return await loop.sock_recv(line, 4096)
    except ConnectionError:
        return b""


def _send(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


def _now() -> float:
    return time.monotonic() * 1000
