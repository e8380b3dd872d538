"""A coroutine on a loop of its own, in a thread beside its caller, who waits for it.

What belongs here: the thread, work the caller's own thread does meanwhile, and what becomes of all
of it when the caller is interrupted. What does not: what the coroutine does (`inline`).
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import threading
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from boundary.jobs.shell import loops

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

T = TypeVar("T")

log: logging.Logger = logging.getLogger("boundary.jobs")

UNWINDING = 2.0
"""Seconds an interrupted caller waits for the coroutine to unwind. Another Ctrl-C ends that too."""

LISTEN = 0.5
"""Seconds of one wait of the caller: a signal that comes the moment before it begins does not end it."""

Inbox: TypeAlias = "SimpleQueue[Callable[[], None] | None]"
"""Work for the caller's thread; None: there will be no more."""

_around: contextvars.ContextVar[Beside[Any]] = contextvars.ContextVar("boundary-jobs-beside")


class Beside(Generic[T]):
    """One coroutine beside one caller.

    Attributes:
        inbox: The caller's thread does what is put here, in turn.
    """

    def __init__(self) -> None:
        self.inbox: Inbox = SimpleQueue()
        self._answer: Future[T] = Future()
        self._begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = Future()
        self._stopped = False
        self._within: set[Beside[Any]] = set()

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the coroutine comes to; it runs in the context of the caller.

        Raises:
            BaseException: Ctrl-C, or whatever else ends the waiting: after the coroutine was
                cancelled and has unwound.
        """
        target, name = contextvars.copy_context().run, "boundary-jobs-inline"
        thread = threading.Thread(target=target, args=(self._serve, work), name=name, daemon=True)
        outer = _around.get(None)
        with contextlib.nullcontext() if outer is None else outer.holding(self):
            try:
                thread.start()
                while (task := self._next()) is not None:
                    task()
            except BaseException:
                self.stop()
                _await_end(thread)
                raise
        return self._answer.result()

    def stop(self) -> None:
        """The coroutine is cancelled; from any thread.

        So is what runs beside it in turn: while it waits for that, it cannot hear of its own.
        """
        if self._stopped:  # a second cancellation would cut its unwinding short
            return
        self._stopped = True
        for inner in tuple(self._within):
            inner.stop()
        self._begun.add_done_callback(_cancel)

    @contextlib.contextmanager
    def holding(self, inner: Beside[Any]) -> Generator[None]:
        """Meanwhile this coroutine waits for another, that is stopped with it."""
        self._within.add(inner)
        try:
            if self._stopped:  # before it knew of this one
                inner.stop()
            yield
        finally:
            self._within.discard(inner)

    def _next(self) -> Callable[[], None] | None:
        while True:
            with contextlib.suppress(Empty):
                return self.inbox.get(timeout=LISTEN)

    def _serve(self, work: Callable[[], Coroutine[Any, Any, T]]) -> None:
        _around.set(self)
        try:
            self._answer.set_result(loops.run(self._cancellable(work)))
        except BaseException as error:  # noqa: BLE001 - the caller's thread raises it
            self._answer.set_exception(error)
        finally:
            self.inbox.put(None)

    async def _cancellable(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        task = asyncio.current_task()
        assert task is not None
        self._begun.set_result((asyncio.get_running_loop(), task))
        return await work()


def _cancel(begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]]) -> None:
    loop, task = begun.result()
    with contextlib.suppress(RuntimeError):  # it has ended meanwhile, and its loop is closed
        loop.call_soon_threadsafe(task.cancel)


def _await_end(thread: threading.Thread) -> None:
    if thread.is_alive():
        thread.join(UNWINDING)
    if thread.is_alive():
        log.error("a handler goes on though its caller was interrupted; nobody waits for it")
