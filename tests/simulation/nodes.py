"""Machines: each runs one process after another, a worker or a client.

What belongs here: starting processes, and what stands for threads in them. What does not: the
worker, which is the library's own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from random import Random
from types import TracebackType
from typing import Any, Self

from boundary.jobs.errors import BackendError
from boundary.jobs.shell.flows import Flow, Listen, Wait
from boundary.jobs.shell.settings import Settings
from boundary.jobs.shell.surroundings import Surroundings
from boundary.jobs.shell.worker import Worker
from tests.simulation.handlers import Here, jobs
from tests.simulation.network import Backend, Clock, Place


class Pulse:
    """Takes the steps of a worker's heartbeats on the side loop, as `shell.pulse.Pulse` in a
    thread."""

    def __init__(self, here: Here, beats: Flow[None]) -> None:
        self._here = here
        self._beats = beats
        self._task: asyncio.Task[None]

    def __enter__(self) -> Self:
        self._task = self._here.side.create_task(self._go_on())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._here.side.call_soon(self._task.cancel)

    async def _go_on(self) -> None:
        backend = Backend(self._here.place, self._here.side)
        ear: Any = None
        step = next(self._beats)
        while True:
            reply: Any = None
            try:
                if isinstance(step, Listen):
                    reply = ear = await backend.listen(step.interest)
                elif not isinstance(step, Wait):
                    reply = await backend.execute(step)
                elif ear is None:
                    await asyncio.sleep(step.seconds)
                else:
                    await ear.wait(step.seconds)
            except BackendError as error:
                ear = None
                step = self._beats.throw(error)
            else:
                step = self._beats.send(reply)


class Threads:
    """What `shell.threads.Threads` is to the executor: works a moment later, beside the loop."""

    def __init__(
        self, here: Here, chance: Random, work: Callable[[Any], Any], done: Callable[..., Any]
    ) -> None:
        self._here = here
        self._chance = chance
        self._work = work
        self._done = done

    def submit(self, item: Any) -> None:
        """As there."""
        # Mostly at once, and now and then a busy machine takes its time.
        wait = 1.5 if self._chance.random() < 0.1 else 0.001
        self._here.side.call_later(self._chance.random() * wait, self._serve, item)

    def _serve(self, item: Any) -> None:
        result = self._work(item)
        if self._here.alive:
            self._here.main.call_later(self._chance.random() * 0.002, self._collect, item, result)

    def _collect(self, item: Any, result: Any) -> None:
        if not getattr(item, "given_up", False):
            self._done(item, result)

    def give_up(self) -> None:
        """As there."""

    def close(self) -> None:
        """As there."""


class Machine:
    """Runs a program; after its end, however it came, again.

    Attributes:
        here: The process, alive or not.
        wanted: Whether a new one is started when this one is gone.
        problems: What went wrong with its processes.
    """

    def __init__(
        self,
        place: Place,
        name: str,
        chance: Random,
        skew: int,
        program: Callable[[Machine], Coroutine[Any, Any, None]],
    ) -> None:
        self.place = place
        self.name = name
        self.chance = chance
        self.skew = skew
        self.wanted = True
        self.problems: list[str] = []
        self.here: Here
        self.gone: list[Here] = []
        self._program = program
        self._boots = 0
        self.boot()

    def boot(self) -> None:
        """A new process."""
        self._boots += 1
        self.here = here = Here(self.place.world, f"{self.name}.{self._boots}", self.skew)
        here.place = self.place
        here.on_death = self._gone
        task = here.main.create_task(self._program(self))
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.problems.append(f"{self.here.name} broke: {error!r}")
        self.here.on_death = self._gone
        self.here.kill()

    def _gone(self) -> None:
        self.problems += [f"{self.here.name}: {problem}" for problem in self.here.problems]
        self.gone.append(self.here)
        if self.wanted:
            self.place.world.after(self.chance.random() * 0.3, self._boot_again)

    def _boot_again(self) -> None:
        if self.wanted and not self.here.alive:
            self.boot()

    def bury(self) -> None:
        """Nothing of it is left."""
        self.wanted = False
        self.here.on_death = lambda: None
        self.here.kill()
        for here in (*self.gone, self.here):
            here.main.bury()
            here.side.bury()


class WorkerMachine(Machine):
    """Runs a worker.

    Attributes:
        worker: Of the process there is.
    """

    def __init__(
        self,
        place: Place,
        name: str,
        chance: Random,
        skew: int,
        settings: Settings,
        concurrency: int,
    ) -> None:
        self.settings = settings
        self.concurrency = concurrency
        self.worker: Worker
        super().__init__(place, name, chance, skew, WorkerMachine.work)

    async def work(self) -> None:
        """The program: the library's worker, in the surroundings of a simulation."""
        here, chance = self.here, self.chance
        names = iter(range(1_000_000))
        self.worker = Worker(
            jobs.store,
            jobs.registry,
            self.settings,
            concurrency=self.concurrency,
            clock=Clock(here.world, here.skew, chance),
            surroundings=Surroundings(
                incarnation=lambda: f"{here.name}.{next(names)}",
                monotonic=here.main.time,
                pulse=lambda _, beats: Pulse(here, beats),
                threads=lambda _, work, done: Threads(here, chance, work, done),  # type: ignore[arg-type, return-value]
                watch=lambda **_: contextlib.nullcontext(),
            ),
        )
        await self.worker.run()

    def sigterm(self, *, twice: bool = False) -> None:
        """As the signal handler of a worker process."""
        if self.here.alive:
            self.worker.stop(0.0 if twice else None)
