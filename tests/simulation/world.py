"""Virtual time, and processes in it: event loops that share one queue and one clock.

What belongs here: scheduling, loops, and what may befall a process (killed, paused, blocked).
What does not: a store, a network, a worker.

Time begins at 0 and is set to the instant of the next timer, never added to. It counts in steps
of 2**-20 s, so that seconds times 1000 and back are exact, and a timer goes off strictly after its
instant: what compares with `<=` makes progress.
"""

from __future__ import annotations

import asyncio
from asyncio.events import _set_running_loop
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, copy_context
from heapq import heappop, heappush
from typing import Any

STEPS = 2**20
"""Steps of time in a second."""

MOST = 400_000
"""Callbacks after which a run counts as a livelock."""


class Gone(BaseException):
    """A process that was killed tries to do something."""


class Livelock(Exception):
    """So many callbacks and no end."""


class Deadlock(Exception):
    """Nothing is ready, no timer is set, and it is not over."""


class Handle:
    """`asyncio.Handle`, as far as asyncio asks for it."""

    __slots__ = ("args", "callback", "context", "gone", "loop", "moment")

    def __init__(
        self,
        loop: Loop | None,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
        moment: float = 0.0,
    ) -> None:
        self.loop = loop
        self.callback = callback
        self.args = args
        self.context = context
        self.moment = moment
        self.gone = False

    def cancel(self) -> None:
        """It does not happen."""
        self.gone = True

    def cancelled(self) -> bool:
        """Whether it does not happen."""
        return self.gone

    def when(self) -> float:
        """Its instant, as it was asked for."""
        return self.moment


class World:
    """One queue, one clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.steps = 0
        self.ready: deque[Handle] = deque()
        self.timers: list[tuple[int, int, Handle]] = []
        self.loops: list[Loop] = []
        self._ticket = 0

    def after(self, seconds: float, callback: Callable[..., object], *args: Any) -> None:
        """This happens then, in no process."""
        self.set_timer(self.now + seconds, Handle(None, callback, args, None))

    def set_timer(self, when: float, handle: Handle) -> None:
        """The handle is ready strictly after this instant."""
        self._ticket += 1
        heappush(self.timers, (int(when * STEPS) + 1, self._ticket, handle))

    def run(self, done: Callable[[], bool], until: float) -> bool:
        """Go on until `done` (True) or past an instant (False).

        Raises:
            Livelock, Deadlock: It does not come to an end.
        """
        while not done():
            self._do_what_is_ready()
            if done():
                return True
            if not self.timers:
                raise Deadlock(f"nothing will happen after {self.now:.3f} s")
            moment = self.timers[0][0]
            if moment > until * STEPS:
                return False
            self.now = moment / STEPS
            while self.timers and self.timers[0][0] == moment:
                self.ready.append(heappop(self.timers)[2])
        return True

    def _do_what_is_ready(self) -> None:
        ready = self.ready
        current: Loop | None = None
        try:
            while ready:
                handle = ready.popleft()
                if handle.gone:
                    continue
                loop = handle.loop
                if loop is None:
                    handle.callback(*handle.args)
                    continue
                if loop.stands:
                    loop.put_aside(handle)
                    continue
                if loop is not current:
                    _set_running_loop(loop)
                    current = loop
                self.steps += 1
                if self.steps > MOST:
                    raise Livelock(f"{MOST:,} callbacks by {self.now:.3f} s")
                try:
                    handle.context.run(handle.callback, *handle.args)  # type: ignore[union-attr]
                except Exception as error:
                    loop.call_exception_handler({"message": "callback", "exception": error})
                loop.process.burn()
        finally:
            _set_running_loop(None)


class Loop(asyncio.AbstractEventLoop):
    """A loop of one process; `stands` while the process is dead, paused or blocked."""

    def __init__(self, world: World, process: Process) -> None:
        self.world = world
        self.process = process
        self.stands = False
        self.aside: list[Handle] = []
        self.tasks: list[asyncio.Task[Any]] = []
        world.loops.append(self)

    def put_aside(self, handle: Handle) -> None:
        """It happens when the process goes on."""
        if self.process.alive:
            self.aside.append(handle)

    def go_on(self) -> None:
        """What was put aside is ready."""
        self.stands = False
        aside, self.aside = self.aside, []
        self.world.ready.extend(aside)

    # What asyncio and the library ask of a loop

    def time(self) -> float:
        """Seconds that only grow."""
        return self.world.now

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        """As asyncio."""
        handle = Handle(self, callback, args, context or copy_context())
        if self.process.alive:
            self.world.ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        """As asyncio: a loop that is no more says so."""
        if not self.process.alive:
            raise RuntimeError("this loop is closed")
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Any:
        """As asyncio."""
        return self.call_at(self.world.now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Any:
        """As asyncio."""
        handle = Handle(self, callback, args, context or copy_context(), when)
        if self.process.alive:
            self.world.set_timer(max(when, self.world.now), handle)
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        """As asyncio."""
        if not self.process.alive:
            raise Gone
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, Any], **kwargs: Any) -> asyncio.Task[Any]:
        """As asyncio."""
        if not self.process.alive:
            coro.close()
            raise Gone
        task = asyncio.Task(coro, loop=self, **kwargs)
        self.tasks.append(task)
        return task

    def get_debug(self) -> bool:
        """Never."""
        return False

    def is_running(self) -> bool:
        """While its process lives."""
        return self.process.alive

    def is_closed(self) -> bool:
        """Once its process is gone."""
        return not self.process.alive

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Something broke that nobody caught."""
        if self.process.alive:
            self.process.broke(context.get("exception") or context["message"])

    def bury(self) -> None:
        """Coroutines of a dead process are closed; whatever they try on their way out is refused."""
        _set_running_loop(self)
        for task in self.tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                with suppress(BaseException):  # it is dead, nobody listens
                    task.get_coro().close()  # type: ignore[union-attr]
        self.tasks.clear()
        self.aside.clear()
        _set_running_loop(None)


class Process:
    """What can be killed, paused and blocked: a main loop, and a side loop for its threads.

    Attributes:
        skew: Milliseconds its clock is wrong.
        fuse: Callbacks until `on_fuse`; 0: it does not burn.
    """

    def __init__(self, world: World, name: str, skew: int = 0) -> None:
        self.world = world
        self.name = name
        self.skew = skew
        self.alive = True
        self.fuse = 0
        self.main = Loop(world, self)
        self.side = Loop(world, self)
        self._stops = 0
        self.problems: list[str] = []
        self.on_death: Callable[[], None] = lambda: None
        self.on_fuse: Callable[[], None] = self.kill

    def kill(self) -> None:
        """It does nothing more."""
        if self.alive:
            self.alive = False
            for loop in (self.main, self.side):
                loop.stands = True
                loop.aside.clear()
            self.on_death()

    def pause(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after so many seconds."""
        self._stop((self.main, self.side), seconds)

    def block(self, seconds: float) -> None:
        """Its main loop stands still, its threads go on."""
        self._stop((self.main,), seconds)

    def _stop(self, loops: tuple[Loop, ...], seconds: float) -> None:
        self._stops += 1
        for loop in loops:
            loop.stands = True
        self.world.after(seconds, self._resume, self._stops)

    def _resume(self, stop: int) -> None:
        # A later stop ends when it says so.
        if self.alive and stop == self._stops:
            for loop in (self.main, self.side):
                if loop.stands:
                    loop.go_on()

    def burn(self) -> None:
        """One callback is done."""
        if self.fuse:
            self.fuse -= 1
            if not self.fuse and self.alive:
                self.on_fuse()

    def broke(self, error: object) -> None:
        """Something nobody caught."""
        self.problems.append(repr(error))
