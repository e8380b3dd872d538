"""The worker's end of one cell: its process, and the run it has.

What belongs here: starting the process, hearing it, ending it. What does not: which job it gets
(`cells`), what happens in it (`cell`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from boundary.jobs.core.exits import signal_name
from boundary.jobs.shell import logs
from boundary.jobs.shell.isolation import words
from boundary.jobs.shell.isolation.words import Begin, Boot, Frames, Gibberish, Stop

if TYPE_CHECKING:
    from collections.abc import Callable

log: logging.Logger = logging.getLogger("boundary.jobs")

REAPED = 1.0
"""Seconds a process that was killed has to be gone."""

LAST_EXIT = 3.0
"""Seconds a process that was let go has for its exit hooks."""

LAST_WORDS = 0.25
"""Seconds what a process said last may take to come, after its end; longer if others hold its end
of the connection."""

_BIRTH = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from boundary.jobs.shell.isolation.cell import main; main(int(sys.argv[2]), int(sys.argv[3]))"
)


class CellLost(Exception):
    """The process ended in the middle of a run; the message says how."""


class NotBegun(Exception):
    """The process ended before the handler was called; the message says how."""


class CellUnavailable(Exception):
    """No process can be started here and now."""


class Ear(Protocol):
    """What hears of a run under way."""

    def begun(self) -> None:
        """The handler is called now; before, its process may have had to start."""
        ...

    def progress(self, fraction: float, message: str | None) -> None:
        """As `Context.progress`."""
        ...

    def extend(self, seconds: float) -> None:
        """As `Context.extend`."""
        ...

    def patience(self) -> tuple[float, float]:
        """Seconds a run that should stop has to do so by itself, and then after SIGTERM."""
        ...


class Keeper(asyncio.Protocol):
    """One cell. Everything is called on the event loop.

    Args:
        gone: Called once when the process has ended.
    """

    def __init__(self, boot: Boot, most: int, gone: Callable[[Keeper], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._boot = boot
        self._frames = Frames(most + words.ROOM)
        self._gone = gone
        self._transport: asyncio.WriteTransport | None = None
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._started: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._answer: asyncio.Future[words.End] | None = None
        self._ear: Ear | None = None
        self._number = 0
        self._begun = False
        self._sentence = ""
        self._hung_up = False
        self._buried = False
        self.ready: bool = False
        self.runs: int = 0
        self.spoiled: bool = False

    @property
    def alive(self) -> bool:
        """Whether its process can be given a job."""
        return not self._ended.done() and not self.spoiled

    @property
    def pid(self) -> int | None:
        """Of its process, once there is one."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """There is a process, on its way to being ready.

        Raises:
            CellUnavailable: The system has no room for it.
        """
        ours, theirs = socket.socketpair()
        try:
            await self._loop.create_unix_connection(lambda: self, sock=ours)
        except BaseException:  # the worker leaves at this moment
            ours.close()
            theirs.close()
            raise
        name = "boundary-jobs-keeper"
        threading.Thread(target=self._keep, args=(theirs,), name=name, daemon=True).start()
        await self._started
        self._send(self._boot)

    async def run(self, begin: Begin, ear: Ear) -> words.End:
        """How the run ended.

        Cancelled, it is told to stop, then sent SIGTERM, then SIGKILL, as `ear.patience` says;
        what it answers meanwhile counts.

        Raises:
            CellLost, NotBegun: The process ended.
        """
        self._answer = self._loop.create_future()
        self._ear, self._number, self._begun = ear, begin.number, False
        self.runs += 1
        try:
            if self._ended.done():
                raise NotBegun(how_it_ended(self._ended.result()))
            self._send(begin)
            try:
                return await asyncio.shield(self._answer)
            except asyncio.CancelledError:
                return await self._end(self._answer)
        finally:
            if not self._answer.done():
                self.kill("its run is not wanted any more")
            elif not self._answer.cancelled():
                self._answer.exception()  # heard
            self._answer = self._ear = None

    def let_go(self) -> None:
        """The process may end; its exit hooks run."""
        self.spoiled = True
        if self._transport is not None:
            self._transport.close()
        self._loop.call_later(LAST_EXIT, self.kill, "it did not end when it was let go")

    def kill(self, why: str) -> None:
        """The process and what it started end, now."""
        self._sentence = self._sentence or why
        self.spoiled = True
        self._signal(signal.SIGKILL)

    async def ended(self) -> None:
        """Return when the process has ended."""
        await asyncio.shield(self._ended)

    # Ending a run

    async def _end(self, answer: asyncio.Future[words.End]) -> words.End:
        assert self._ear is not None
        heed, after_term = self._ear.patience()
        if heed > 0:
            self._send(Stop(self._number))
            if await _within(answer, heed):
                return answer.result()
        self._sentence = "was sent SIGTERM"
        self._signal(signal.SIGTERM)
        self.spoiled = True
        if not await _within(answer, after_term):
            self._sentence = "was killed (SIGKILL)"
            self._signal(signal.SIGKILL)
            await _within(answer, REAPED)
        if answer.done():
            return answer.result()
        raise CellLost("did not end though it was killed")

    def _signal(self, number: int) -> None:
        """To the process, and to those it started: they are one group."""
        with self._lock:
            if self._process is not None and not self._ended.done():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, number)

    # The process's thread

    def _keep(self, theirs: socket.socket) -> None:
        """Start it and wait for its end.

        In one thread: the system ends a cell with the thread that started it.
        """
        try:
            process = self._spawn(theirs)
        except OSError as error:
            self._tell(self._not_started, error)
            return
        finally:
            theirs.close()
        self._tell(self._is_started, process)
        if hasattr(os, "waitid"):
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            # What it started goes with it; its own number is not another's while it is not reaped.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        else:
            process.wait()
        with self._lock:
            code = process.wait()  # it has ended: this does not wait
            self._process = None
        self._tell(self._has_ended, code)

    def _spawn(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        path = [one or str(Path.cwd()) for one in sys.path]
        number = theirs.fileno()
        command = [sys.executable, "-c", _BIRTH, json.dumps(path), str(number), str(os.getpid())]
        return subprocess.Popen(  # noqa: S603 - our own interpreter
            command,
            stdin=subprocess.DEVNULL,
            pass_fds=[number],
            # Ctrl-C in the terminal is for the worker; what a cell starts can be ended with it.
            start_new_session=True,
        )

    def _tell(self, call: Callable[..., None], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the worker has left
            self._loop.call_soon_threadsafe(call, *args)

    def _is_started(self, process: subprocess.Popen[bytes]) -> None:
        if not self._ended.done():
            self._process = process
        if not self._started.done():
            self._started.set_result(None)
        if self.spoiled:
            self._signal(signal.SIGKILL)  # it was let go before it was there

    def _not_started(self, error: OSError) -> None:
        if not self._started.done():
            self._started.set_exception(CellUnavailable(str(error)))
        self._has_ended(-1)

    def _has_ended(self, code: int) -> None:
        if self._ended.done():
            return
        self._ended.set_result(code)
        # What it said last may still be on its way: all is heard once the connection is lost.
        if self._transport is None or self._hung_up:
            self._lose()
        else:
            self._loop.call_later(LAST_WORDS, self._lose)

    def _lose(self) -> None:
        if self._buried:
            return
        self._buried = True
        answer = self._answer
        if answer is not None and not answer.done():
            how = self._sentence or how_it_ended(self._ended.result())
            answer.set_exception(CellLost(how) if self._begun else NotBegun(how))
        if self._transport is not None:
            self._transport.close()
        self._gone(self)

    # Hearing it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It can be spoken to."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """It said something."""
        try:
            for body in self._frames.feed(data):
                self._hear(words.for_worker(body))
        except Gibberish as error:
            self.kill(f"was killed: it said what no cell says ({error})")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """It says no more."""
        self._hung_up = True
        if self._ended.done():
            self._lose()
        elif not self.spoiled:
            # Mostly its process has just ended; one that goes on cannot be heard any more.
            self.spoiled = True
            why = "was killed: it closed its connection to the worker"
            self._loop.call_later(LAST_WORDS, self.kill, why)

    def _hear(self, word: words.FromCell) -> None:
        match word:
            case words.Ready():
                self.ready = True
                for module, trouble in word.troubles:
                    log.error(
                        "a process for isolated handlers cannot import %s: %s", module, trouble
                    )
            case words.Said():
                _log(word)
            case _ if word.number == self._number and self._ear is not None:
                self._hear_of_run(word, self._ear)
            case _:
                pass  # of a run that is over: a thread its handler left behind

    def _hear_of_run(self, word: words.OfRun, ear: Ear) -> None:
        match word:
            case words.Begun():
                self._begun = True
                ear.begun()
            case words.Progressed():
                ear.progress(word.fraction, word.message)
            case words.Extended():
                ear.extend(word.seconds)
            case _:
                self.spoiled = self.spoiled or word.spoiled
                if self._answer is not None and not self._answer.done():
                    self._answer.set_result(word)

    def _send(self, word: words.ToCell) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(words.frame(word))


async def _within(answer: asyncio.Future[words.End], seconds: float) -> bool:
    await asyncio.wait({answer}, timeout=seconds)
    return answer.done()


def _log(word: words.Said) -> None:
    """A cell's line, as one of this process; only of the library's own loggers."""
    if word.logger != logs.NAME and not word.logger.startswith(logs.NAME + "."):
        return
    logger = logging.getLogger(word.logger)
    if logger.isEnabledFor(word.level):
        labels = {name: one for name, one in word.labels.items() if name in logs.LABELS}
        logger.log(word.level, "%s", word.text, extra=labels)


def how_it_ended(code: int) -> str:
    """An exit code, in words."""
    if code == words.UNHEARD:
        return "closed its connection to the worker, and ended"
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal_name(-code)
    if -code == signal.SIGKILL:
        return f"was killed by {name}, and not by its worker: the system does so when memory is out"
    return f"was killed by {name}"
