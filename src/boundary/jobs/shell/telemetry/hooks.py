"""Hooks: users' functions that are told of events, such as those that report errors.

What belongs here: calling them in a thread of their own, so that neither their time nor their
errors are a job's. What does not: registering (`declaring`), what an event is (`core.events`).
"""

from __future__ import annotations

import atexit
import inspect
import logging
import os
import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from boundary.jobs.core import events
from boundary.jobs.core.happenings import Ended
from boundary.jobs.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from boundary.jobs.core.events import Event, Row
    from boundary.jobs.core.happenings import Happening

log: logging.Logger = logging.getLogger("boundary.jobs")

WAITING: Final = 10_000
"""Happenings that wait for slow hooks; more are passed over, and that is logged."""

LAST_MOMENT: Final = 2.0
"""Seconds hooks get at the end of the process."""

FAILED: Final = frozenset({"retrying", "failed", "dead"})
"""Events with which a hook gets what the handler raised."""


class Hook(NamedTuple):
    """A function, the events it wants (None: all), and whether it takes the exception too."""

    function: Callable[..., object]
    types: frozenset[str] | None
    takes_error: bool


def hook_of(function: Callable[..., object], types: frozenset[str] | None) -> Hook:
    """The hook this function is.

    Raises:
        UsageError: It is async, or takes neither an event nor an event and an exception.
    """
    name = getattr(function, "__qualname__", repr(function))
    if inspect.iscoroutinefunction(function):
        raise UsageError(
            f"{name} is async; an on_event hook is a plain function, in its own thread"
        )
    parameters = inspect.signature(function).parameters.values()
    positional = [
        one for one in parameters if one.kind in {one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD}
    ]
    needed = [one for one in positional if one.default is one.empty]
    if not positional or len(needed) > 2:  # noqa: PLR2004 - event and error
        raise UsageError(f"{name} must take an event, or an event and an exception (or None)")
    return Hook(function, types, len(positional) > 1)


class Hooks:
    """A subscriber that calls hooks, each with each event it wants, in order."""

    def __init__(self) -> None:
        self._hooks: tuple[Hook, ...] = ()
        self._wanted: frozenset[str] | None = frozenset()
        self._begin()
        atexit.register(self.flush, LAST_MOMENT)

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._queue: queue.Queue[Happening] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._dropped = 0

    def __repr__(self) -> str:
        return "the hooks"

    def add(self, hook: Hook) -> None:
        """It is told of what happens from now on."""
        self._hooks = (*self._hooks, hook)
        wanted = [one.types for one in self._hooks]
        self._wanted = None if None in wanted else frozenset[str]().union(*filter(None, wanted))

    def __call__(self, happening: Happening) -> None:
        """Those who want it are told soon. From any thread; waits for nobody."""
        types = events.types_of(happening)
        if not types or (self._wanted is not None and self._wanted.isdisjoint(types)):
            return  # nearly all that happens is success, and most hooks want failures
        if self._pid != os.getpid():
            self._begin()  # the thread is the parent's
        try:
            self._queue.put_nowait(happening)
        except queue.Full:
            self._dropped += 1
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(
                        target=self._serve, name="boundary-jobs-hooks", daemon=True
                    )
                    self._thread.start()

    def _serve(self) -> None:
        while True:
            happening = self._queue.get()
            try:
                self._tell(happening)
            finally:
                self._queue.task_done()
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                log.warning("hooks are too slow: %d happenings were passed over", dropped)

    def _tell(self, happening: Happening) -> None:
        errors: Mapping[bytes, BaseException] = {}
        if isinstance(happening, Ended):
            errors = happening.errors
        for row in events.rows_of(happening):
            wanting = [one for one in self._hooks if one.types is None or row.type in one.types]
            if wanting:
                self._call(wanting, row, errors)

    def _call(self, wanting: list[Hook], row: Row, errors: Mapping[bytes, BaseException]) -> None:
        event: Event = events.event_of(row)
        error = errors.get(row.id) if row.type in FAILED else None
        for hook in wanting:
            given: tuple[Any, ...] = (event, error) if hook.takes_error else (event,)
            try:
                hook.function(*given)
            except Exception:
                log.exception("the hook %r failed; jobs go on", hook.function)

    def flush(self, seconds: float) -> None:
        """What has happened so far is told, or the time is up. Blocks."""
        end = time.monotonic() + seconds
        while self._pid == os.getpid() and self._thread is not None:
            with self._queue.all_tasks_done:
                if not self._queue.unfinished_tasks or time.monotonic() >= end:
                    return
                self._queue.all_tasks_done.wait(max(end - time.monotonic(), 0.0))
