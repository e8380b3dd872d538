"""A worker's turns: what happens goes to the dispatcher, what it answers is performed.

What belongs here: the events that wait, what the dispatcher knows, the alarm and the tasks of one
shift. What does not: a decision (`core.dispatcher`), performing one (`shift`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from boundary.jobs.core import dispatcher
from boundary.jobs.core.dispatcher import (
    Arrived,
    Disowned,
    Finished,
    Returned,
    State,
    Stop,
    Tick,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from boundary.jobs.core.dispatcher import Effect, Event, Setup


class Turns:
    """The loop of one shift, on the event loop that runs. Called there, but for `from_thread`.

    Args:
        u: Draws a number from [0, 1).

    Attributes:
        state: What the dispatcher knows.
        idle: Set while the worker has nothing to do but to wait for work: a notice that wakes one
            wakes no other.
    """

    def __init__(self, setup: Setup, u: Callable[[], float]) -> None:
        self.state: State = State(setup)
        self.idle: asyncio.Event = asyncio.Event()
        self._u = u
        self._loop = asyncio.get_running_loop()
        self._events: deque[Event] = deque()
        self._sleeper: asyncio.Future[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._broken: BaseException | None = None
        self._over = False

    def now(self) -> float:
        """Milliseconds, as in the dispatcher's events."""
        return self._loop.time() * 1000

    # What happens

    def tell(self, event: Event) -> None:
        """The dispatcher hears of it, after all it was told before."""
        self._events.append(event)
        self._wake()

    def forget_what_is_lost(self) -> None:
        """What was heard of jobs that are lost now, and not told yet, is of no use to anybody.

        Jobs that came in a moment ago are lost too.
        """
        stale = (Finished, Returned, Disowned)
        heard = (one for one in self._events if not isinstance(one, stale))
        self._events = deque(
            replace(one, count=0, of=()) if isinstance(one, Arrived) else one for one in heard
        )

    def set_alarm(self, at: float) -> None:
        """A tick comes at this moment; an earlier alarm is off."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None
        if at != dispatcher.INF:
            self._alarm = self._loop.call_at(at / 1000, self._tick)

    def _tick(self) -> None:
        self.tell(Tick(self.now(), self._u()))

    def from_thread(self, call: Callable[..., None]) -> Callable[..., None]:
        """What calls this on the loop, whatever thread calls it; not once the loop is closed."""

        def hand_over(*args: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody to tell
                self._loop.call_soon_threadsafe(call, *args)

        return hand_over

    # The loop

    async def go_on(self, perform: Callable[[Effect], None]) -> None:
        """Events in, effects out, until `end`.

        Raises:
            BaseException: What broke a task, or what `give_up` was given.
        """
        self._tick()
        while not self._over and self._broken is None:
            while self._events and not self._over:
                self.state, effects = dispatcher.step(self.state, self._events.popleft())
                for effect in effects:
                    perform(effect)
            self._look_whether_idle()
            if not self._over and self._broken is None:
                await self._fall_asleep()
        if self._broken is not None:
            raise self._broken

    async def unless_stopped(self, work: Coroutine[Any, Any, None]) -> bool:
        """Whether the work was done; it is broken off if a stop is asked for meanwhile.

        However this ends, the work is a task of the shift, which `close` ends.

        Raises:
            BaseException: What broke it, or another task.
        """
        working = self.spawn(work)
        while not working.done():
            if self._broken is not None:
                raise self._broken
            if any(isinstance(one, Stop) for one in self._events):
                working.cancel()
                return False
            await asyncio.wait({working, self._fall_asleep()}, return_when=asyncio.FIRST_COMPLETED)
        working.result()
        return True

    def end(self) -> None:
        """No further event is looked at."""
        self._over = True

    def give_up(self, error: BaseException) -> None:
        """No further event is looked at, because of this."""
        self._broken = error
        self._wake()

    def _fall_asleep(self) -> asyncio.Future[None]:
        self._sleeper = self._loop.create_future()
        return self._sleeper

    def _wake(self) -> None:
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)

    def _look_whether_idle(self) -> None:
        if dispatcher.idle_claim(self.state, 0.0) is not None:
            self.idle.set()
        else:
            self.idle.clear()

    # Tasks

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """It is done beside the loop, which breaks if it does."""
        task = self._loop.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._reap)
        return task

    def spawn_made(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """The same, made here, where it runs: one that is never to run is not made."""
        self.spawn(make())

    def _reap(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.give_up(error)

    async def close(self, seconds: float) -> None:
        """The alarm is off; tasks are cancelled, and had so long to end."""
        self.set_alarm(dispatcher.INF)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
