"""The child process: imports the user's modules, then runs job after job, one at a time.

What belongs here: everything that happens in a cell. What does not: the worker's end (`keeper`,
`cells`). The handler is called in the main thread, so that a signal can end it; a thread beside
it hears the worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import os
import signal
import socket
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NoReturn

from msgspec import Struct

from boundary.jobs.core import wire
from boundary.jobs.core.records import JobError
from boundary.jobs.core.steering import Cancel, Discard, Retry, Snooze, Steer, as_job_result
from boundary.jobs.shell import logs, loops
from boundary.jobs.shell.context import Context
from boundary.jobs.shell.failure import describe
from boundary.jobs.shell.isolation import words
from boundary.jobs.shell.isolation.address import Address, function_at
from boundary.jobs.shell.isolation.words import Begin, Boot, Failed, Frames, Returned, Stop
from boundary.jobs.shell.signature import Signature

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

PARTING = 1.0
"""Seconds a cell whose worker let go of it has for its exit hooks."""


class Terminated(BaseException):
    """Raised in the handler at SIGTERM: it did not heed its request to stop."""


class Called(Struct, frozen=True, gc=False):
    """A function that is known here, with its parameters."""

    function: Callable[..., Any]
    signature: Signature
    is_async: bool


class Cell:
    """This process."""

    def __init__(self, wire_to_worker: socket.socket) -> None:
        self._socket = wire_to_worker
        self._sending = threading.Lock()
        self._orders: SimpleQueue[Boot | Begin | None] = SimpleQueue()
        self._known: dict[tuple[str, str, str], Called] = {}
        self._number = 0
        self._context: Context | None = None
        self._task: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        self._in_handler = False
        self._pid = os.getpid()
        self._folder = Path.cwd()

    def live(self) -> None:
        """Do what the worker says, until it lets go."""
        threading.Thread(target=self._listen, name="boundary-jobs-cell", daemon=True).start()
        while (order := self._orders.get()) is not None:
            signal.signal(signal.SIGTERM, self._terminate)
            if isinstance(order, Boot):
                self._boot(order)
            else:
                self._say(self._run(order))

    # Hearing and saying

    def _listen(self) -> None:
        frames = Frames()
        with contextlib.suppress(OSError):
            while data := self._socket.recv(1 << 16):
                for body in frames.feed(data):
                    self._hear(words.for_cell(body))
        self._part()

    def _hear(self, word: words.ToCell) -> None:
        if isinstance(word, Stop):
            if word.number == self._number:
                self._stop()
        else:
            self._orders.put(word)

    def _part(self) -> NoReturn:
        """The worker let go of this cell, or is dead: then nobody wants what still runs."""
        if not self._in_handler:
            self._orders.put(None)
            time.sleep(PARTING)
        os._exit(words.UNHEARD)

    def _say(self, word: words.FromCell) -> None:
        data = words.frame(word)
        try:
            with self._sending:
                self._socket.sendall(data)
        except OSError:
            # The worker is gone, or the handler closed what was not its own.
            os._exit(words.UNHEARD)

    def _stop(self) -> None:
        context, task = self._context, self._task
        if context is not None:
            context.cancelled.set()
        if task is not None:
            with contextlib.suppress(RuntimeError):  # its loop has just been closed
                task[0].call_soon_threadsafe(task[1].cancel)

    def _terminate(self, *_: object) -> None:
        if self._in_handler:
            raise Terminated
        os._exit(128 + signal.SIGTERM)

    # Being told to import

    def _boot(self, boot: Boot) -> None:
        logger = logging.getLogger(logs.NAME)
        logger.handlers, logger.propagate = [_Wire(self._say)], False
        logger.setLevel(boot.level)
        troubles: list[tuple[str, str]] = []
        for module in boot.modules:
            try:
                import_module(module)
            except BaseException as error:  # noqa: BLE001 - sys.exit at import is one trouble of many
                troubles.append((module, words.short(describe(error).stacktrace or "")))
        self._say(words.Ready(tuple(troubles)))

    # Running a job

    def _run(self, begin: Begin) -> words.End:
        self._number = number = begin.number
        try:
            with contextlib.suppress(ValueError, OSError):
                limit_memory(begin.memory)
            self._context = self._make_context(begin)
            result = self._answer(begin, self._call(begin))
        except Steer as steer:
            return _led_to(number, steer, self._is_spoiled())
        except MemoryError as error:
            return self._out_of_memory(begin, error)
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises is its failure
            spoiled = self._is_spoiled() or isinstance(error, Terminated)
            return _failed(number, describe(error), spoiled)
        finally:
            self._in_handler = False
            self._context = None
            if os.getpid() != self._pid:
                os._exit(0)  # the handler forked, and this is the fork: only one may answer
        return result

    def _call(self, begin: Begin) -> Any:
        called = self._called(begin)
        arguments = called.signature.convert(wire.decode_payload(begin.record.payload).args)
        parameter = called.signature.context_parameter
        if parameter is not None:
            arguments = {**arguments, parameter: self._context}
        self._say(words.Begun(begin.number))
        self._in_handler = True
        if not called.is_async:
            return called.function(**arguments)
        return loops.run(self._awaited(called.function(**arguments)))

    async def _awaited(self, work: Coroutine[Any, Any, Any]) -> Any:
        task = asyncio.current_task()
        assert task is not None
        self._task = (asyncio.get_running_loop(), task)
        try:
            return await work
        finally:
            self._task = None

    def _called(self, begin: Begin) -> Called:
        key = (begin.module, begin.name, begin.job_type)
        known = self._known.get(key)
        if known is None:
            from boundary.jobs.shell.registry import is_async  # here: what it needs is loaded

            function = function_at(Address(begin.module, begin.name))
            known = Called(function, Signature(begin.job_type, function), is_async(function))
            self._known[key] = known
        return known

    def _make_context(self, begin: Begin) -> Context:
        number = begin.number

        def report(_: wire.Record, progress: bytes) -> None:
            fraction, message = wire.decode_progress(progress)
            said = None if message is None else words.short(message)
            self._say(words.Progressed(number, fraction, said))

        def extend(seconds: float) -> None:
            self._say(words.Extended(number, seconds))

        return Context(begin.record, state=None, report=report, extend=extend)

    def _answer(self, begin: Begin, value: Any) -> words.End:
        self._in_handler = False
        spoiled = self._is_spoiled()
        answer = as_job_result(value)
        if answer is not None and answer.error is not None:
            return _failed(begin.number, answer.error, spoiled)
        result = wire.json_value(value if answer is None else answer.result, "result")
        size = len(words.frame(Returned(begin.number, result)))
        if size > begin.most + words.HEAD + 64:
            message = (
                f"the result of {begin.job_type} takes about {size:,} bytes, more than "
                f"{begin.most:,}; store it elsewhere and return where it is"
            )
            return _failed(begin.number, JobError(message, "PayloadTooLarge"), spoiled)
        return Returned(begin.number, result, spoiled)

    def _out_of_memory(self, begin: Begin, error: MemoryError) -> Failed:
        with contextlib.suppress(ValueError, OSError):
            limit_memory(None)  # what follows needs a little, and the process is not used again
        what = describe(error)
        limit = "" if begin.memory is None else f" (its memory_limit is {begin.memory:,} bytes)"
        message = f"{begin.job_type} got no more memory{limit}: {what.message or 'MemoryError'}"
        return _failed(begin.number, JobError(message, what.type, what.stacktrace), spoiled=True)

    def _is_spoiled(self) -> bool:
        """Whether the handler left the process so that the next job should not have it."""
        try:
            for descriptor in (1, 2):
                os.fstat(descriptor)
            moved = Path.cwd() != self._folder
        except OSError:
            return True
        return moved or any(one is None or one.closed for one in (sys.stdout, sys.stderr))


def _failed(number: int, error: JobError, spoiled: bool) -> Failed:
    """Of a long trace the innermost part says most."""
    stack = None if error.stacktrace is None else words.short(error.stacktrace[-words.SHORT :])
    return Failed(number, words.short(error.message), words.short(error.type), stack, spoiled)


def _led_to(number: int, steer: Steer, spoiled: bool) -> words.End:
    try:
        return _steered(number, steer, spoiled)
    except Exception as error:  # noqa: BLE001 - an answer of somebody's class may lack anything
        return _failed(number, describe(error), spoiled)


def _steered(number: int, steer: Steer, spoiled: bool) -> words.Steered:
    match steer:
        case Retry():
            wait = None if steer.after_ms is None else steer.after_ms / 1000
            return words.Steered(number, "retry", wait, "", spoiled)
        case Snooze():
            return words.Steered(number, "snooze", steer.delay_ms / 1000, "", spoiled)
        case Cancel():
            return words.Steered(number, "cancel", None, words.short(steer.reason), spoiled)
        case Discard():
            return words.Steered(number, "discard", None, words.short(steer.reason), spoiled)
        case _:
            return words.Steered(number, "retry", None, "", spoiled)


def limit_memory(most: int | None) -> None:
    """This process gets no more than `most` bytes of memory; None: what the system allows.

    On Linux of what it can write to and shares with nobody (RLIMIT_DATA: heap, private maps,
    the interpreter's own included, whether touched yet or not); elsewhere of its address space.
    """
    import resource

    kind = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (hard if most is None else most, hard))


class _Wire(logging.Handler):
    """Log lines of the library's loggers go to the worker's log."""

    def __init__(self, say: Callable[[words.FromCell], None]) -> None:
        super().__init__()
        self._tell = say

    def emit(self, record: logging.LogRecord) -> None:
        """One line, with its trace."""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        given = {name: record.__dict__[name] for name in logs.LABELS if name in record.__dict__}
        labels = {name: one if isinstance(one, int) else str(one) for name, one in given.items()}
        self._tell(words.Said(record.name, record.levelno, words.short(text), labels))


def main(descriptor: int, parent: int) -> None:
    """Be a cell of the worker `parent`, at the other end of this socket."""
    faulthandler.enable()  # a crash in native code says on standard error where it was
    _die_with(parent)
    Cell(socket.socket(fileno=descriptor)).live()


def _die_with(parent: int) -> None:
    """End with the worker, also while native code keeps this process from hearing of it."""
    if sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig = 1
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(words.UNHEARD)
