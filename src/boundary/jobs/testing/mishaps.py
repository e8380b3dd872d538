"""What a test lets happen to a handler: an error instead of its run, or a death in it.

What belongs here: handlers that ask, each time they are called, what is to happen now; cutting a
run at a point of its own code. What does not: what becomes of the job (`draining`).

A point is where a worker may die: before a line of the handler's own code, and wherever an async
handler waits. The run unwinds there as by a cancellation (context managers close), and nothing of
it goes on.
"""

from __future__ import annotations

import asyncio
import copy
import opcode
import sys
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from boundary.jobs.shell.registry import Handler

    Tracer = Callable[[FrameType, str, Any], Any]


_NOP = opcode.opmap["NOP"]


class WorkerKilled(asyncio.CancelledError):
    """The worker died in this run. Raised by the testing kit where it dies."""


class Fail(NamedTuple):
    """The run raises this instead of taking place."""

    error: BaseException


class Kill(NamedTuple):
    """The worker dies at this point (1 is the first); None: when the handler has returned."""

    point: int | None


class Mishaps:
    """What is to happen to the next runs, by job type.

    Attributes:
        now: What is to happen to the run about to begin, unless something was planned for it.
        points: How many points the last run that might be killed has passed.
        died: Where its worker died in it, in words; "": it lived.
    """

    def __init__(self) -> None:
        self.now: Kill | None = None
        self.points: int = 0
        self.died = ""
        self._planned: dict[str, deque[Fail | Kill]] = {}

    def plan(self, job_type: str, what: Fail | Kill, times: int) -> None:
        """Happens to the next runs of this type, after what was planned before."""
        self._planned.setdefault(job_type, deque()).extend([what] * times)

    def instrumented(self, handler: Handler[..., Any]) -> Handler[..., Any]:
        """The same handler, whose runs ask what is to happen to them."""
        made = copy.copy(handler)
        made.function = self._async(handler) if handler.is_async else self._blocking(handler)
        return made

    def _next(self, job_type: str) -> Fail | Kill | None:
        now, self.now = self.now, None
        planned = self._planned.get(job_type)
        return planned.popleft() if planned else now

    def _blocking(self, handler: Handler[..., Any]) -> Callable[..., Any]:
        function = handler.function

        def call(**arguments: Any) -> Any:
            what = self._next(handler.job_type)
            if what is None:
                return function(**arguments)
            if isinstance(what, Fail):
                raise what.error
            points = self._points(function, what)
            value = points.run(lambda: function(**arguments))
            points.end()
            return value

        return call

    def _async(self, handler: Handler[..., Any]) -> Callable[..., Any]:
        function = handler.function

        async def call(**arguments: Any) -> Any:
            what = self._next(handler.job_type)
            if what is None:
                return await function(**arguments)
            if isinstance(what, Fail):
                raise what.error
            points = self._points(function, what)
            value = await Cut(function(**arguments), points)
            points.end()
            return value

        return call

    def _points(self, function: Callable[..., Any], kill: Kill) -> Points:
        self.points = 0
        return Points(function, kill, self)


class Points:
    """Counts the points a run passes, and ends it at the one where it is to die."""

    def __init__(self, function: Callable[..., Any], kill: Kill, told: Mishaps) -> None:
        self._codes = _codes(function)
        self._kill = kill
        self._told = told

    def run(self, step: Callable[[], Any]) -> Any:
        """What the step returns, its lines counted."""
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            return step()
        finally:
            sys.settrace(before)

    def reached(self, where: str, line: int) -> bool:
        """One point more; whether the run dies here."""
        self._told.points += 1
        if self._told.points != self._kill.point:
            return False
        self._told.died = f"{where} line {line}"
        return True

    def end(self) -> None:
        """The handler has returned.

        Raises:
            WorkerKilled: The worker has died, whatever the handler made of it.
        """
        if self._kill.point is None:
            self._told.died = "after its end"
        if self._told.died:
            raise WorkerKilled(f"the worker died {self._told.died}")

    def _enter(self, frame: FrameType, event: str, _: Any) -> Tracer | None:
        return self._line if frame.f_code in self._codes else None

    def _line(self, frame: FrameType, event: str, _: Any) -> Tracer:
        if event == "line" and _begins(frame) and self.reached("before", frame.f_lineno):
            raise WorkerKilled(f"the worker died {self._told.died}")
        return self._line


class Cut:
    """Awaits a coroutine, step by step, as far as its points allow."""

    def __init__(self, work: Coroutine[Any, Any, Any], points: Points) -> None:
        self._work = work
        self._points = points

    def __await__(self) -> Generator[Any, Any, Any]:
        error: BaseException | None = None
        while True:
            try:
                waited_for = self._points.run(partial(self._step, error))
            except StopIteration as end:
                return end.value
            if self._points.reached("while it waited in", self._line()):
                if isinstance(waited_for, asyncio.Future):
                    waited_for.cancel()  # as a cancellation of the task would
                error = WorkerKilled("the worker died while the handler waited")
                continue
            try:
                yield waited_for
                error = None
            except BaseException as raised:
                error = raised

    def _line(self) -> int:
        frame = getattr(self._work, "cr_frame", None)
        return 0 if frame is None else int(frame.f_lineno)

    def _step(self, error: BaseException | None) -> Any:
        return self._work.send(None) if error is None else self._work.throw(error)


def _begins(frame: FrameType) -> bool:
    """Whether the line is about to be run from its start.

    An exception raised where Python expects none would leave a `with` open that is around it,
    which no death of a process does: where a `with` comes back to its first line to close what it
    opened, and at the word `try`, which does nothing.
    """
    code = frame.f_code
    starts = (start for start, _, line in code.co_lines() if line == frame.f_lineno)
    return frame.f_lasti == min(starts, default=-1) and code.co_code[frame.f_lasti] != _NOP


def _codes(function: Callable[..., Any]) -> frozenset[CodeType]:
    """The handler's own code, and that of decorators around it."""
    codes: set[CodeType] = set()
    inner: Any = function
    while inner is not None:
        called = inner if hasattr(inner, "__code__") else cast("Any", type(inner)).__call__
        code = getattr(called, "__code__", None)
        if isinstance(code, CodeType):
            codes.add(code)
        inner = getattr(inner, "__wrapped__", None)
    return frozenset(codes)
