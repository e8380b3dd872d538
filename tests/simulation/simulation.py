"""One seed, from its plan to its verdict.

What belongs here: the phases of a simulation: faults, quiet, drain, look. What does not: what is
drawn (`plan`), what befalls calls (`network`, `faults`), what is wrong (`tests.proof.checker`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from boundary.jobs.core import lifecycle, model
from boundary.jobs.core.operations import Enqueue, Prune, Reclaim, RemoveSchedule, SetPaused
from boundary.jobs.core.trails import decode_trail
from boundary.jobs.core.wire import NewJob
from boundary.jobs.errors import BackendError, JobsError
from tests.proof.checker import Verdict, Violation, check
from tests.proof.history import Asked, Bounds, Counted, Fault, History, Kept
from tests.simulation.faults import Cut
from tests.simulation.handlers import blocking, jobs, task
from tests.simulation.network import EPOCH, Place
from tests.simulation.nodes import Machine, WorkerMachine
from tests.simulation.observing import Transition
from tests.simulation.plan import Action, JobPlan, Plan, draw
from tests.simulation.world import Deadlock, Livelock, Process, World

GARBAGE = b"\xc1 this is no payload"
LONGEST_QUIET = 30.0
"""Seconds of quiet in which everything must have come to its end."""

EXIT = 1.0
"""Seconds beyond its shutdown timeout in which a worker leaves."""

PAUSE = 0.7
"""Leases a process that is hit by a call's fate stands still."""


class Result(NamedTuple):
    """What came of a seed.

    Attributes:
        digest: The same on every run of the seed.
        pairs: How often each transition was hit by each fault.
        faults: How often each befell somebody.
        steps: Callbacks and steps of the store.
    """

    seed: int
    verdict: Verdict
    digest: str
    pairs: Counter[tuple[Transition, str]]
    faults: Counter[str]
    steps: int
    seconds: float


def simulate(seed: int, told: Callable[[str], None] | None = None) -> Result:
    """The seed's result; `told` hears the story."""
    run = Simulation(draw(seed), told)
    with _quiet_logs(told, run.world):
        return run.result()


class Simulation:
    """A seed under way."""

    def __init__(self, plan: Plan, told: Callable[[str], None] | None) -> None:
        self.plan = plan
        self.world = World()
        self.chance = Random(plan.seed + 1_000_003)
        self.place = Place(self.world, self.chance, plan.mix.timeout)
        self.place.faults = plan.mix
        self.place.told = None if told is None else self._teller(told)
        plan.mix.strike = self._strike
        self.ids = {
            one.job.number: UUID(int=Random(plan.seed * 1_000 + one.job.number).getrandbits(128))
            for script in plan.scripts
            for one in script
            if one.job is not None
        }
        for number, id in self.ids.items():
            self.place.names[id.bytes] = f"j{number}"
        self.wrong: list[Violation] = []
        self.workers = [
            WorkerMachine(
                self.place,
                f"w{number}",
                Random(plan.seed * 64 + number),
                plan.skews[number],
                plan.settings,
                plan.concurrency,
            )
            for number in range(plan.workers)
        ]
        self.clients = [
            Client(self.place, f"c{number}", self, script, plan.skews[plan.workers + number])
            for number, script in enumerate(plan.scripts)
        ]

    def _teller(self, told: Callable[[str], None]) -> Callable[[str], None]:
        return lambda line: told(f"{self.world.now * 1000:9.2f}  {line}")

    @property
    def machines(self) -> list[Machine]:
        """Workers and clients."""
        return [*self.workers, *self.clients]

    def result(self) -> Result:
        """All phases."""
        self._set_faults()
        try:
            self.world.run(lambda: False, self.plan.calm_at)
            self._calm_down()
            self.world.after(1.0, self._undo_what_came_late)
            if any(not always for _, _, _, always in self.plan.restarts):
                # What is known of such a store: a job whose outcome was undone stays with its
                # worker until that ends.
                for machine in self.workers:
                    self.world.after(0.5, self._befall, machine, "sigterm", 0.0)
            limit = self.world.now + LONGEST_QUIET
            self.world.run(self._is_through, limit)
            self._drain()
        except (Livelock, Deadlock) as error:
            self.wrong.append(Violation(type(error).__name__.lower(), "", str(error)))
        verdict = self._verdict()
        pairs = Counter(
            (step, hit) for call in self.place.hit for step in call.steps for hit in set(call.hits)
        )
        digest, steps, seconds = self.place.digest(), self.world.steps, self.world.now
        for machine in self.machines:
            machine.bury()
        faults = Counter(one.kind for one in self.place.history if isinstance(one, Fault))
        return Result(self.plan.seed, verdict, digest, pairs, faults, steps, seconds)

    # Faults

    def _set_faults(self) -> None:
        for at, lag, down, always in self.plan.restarts:
            self.place.restart(at, lag, down, always=always)
        for at, number, what, seconds in self.plan.stops:
            self.world.after(at, self._befall, self.machines[number], what, seconds)

    def _befall(self, machine: Machine, what: str, seconds: float) -> None:
        here = machine.here
        if not here.alive:
            return
        if what == "cut":
            now = self.world.now
            kind = self.chance.choice(("cut", "cut off"))
            self.plan.mix.cuts[machine.name] = Cut(now, now + seconds, kind)
            self.place.fault("cut", here.name, seconds)
        elif what == "fuse":
            # At any await: after so many further callbacks.
            here.on_fuse = lambda: self._hit(here, "kill", 0.0)
            here.fuse = self.chance.randrange(1, 60)
        else:
            self._hit(here, what, seconds)

    def _strike(self, process: Process, kind: str) -> bool:
        """The fate of a call befalls its sender."""
        if process.alive and not self.plan.mix.over:
            lease = self.plan.lease
            self._hit(process, kind, self.chance.choice((0.1, PAUSE, 2.0)) * lease)
        return True

    def _hit(self, process: Process, kind: str, seconds: float) -> None:
        machine = next(one for one in self.machines if one.here is process)
        if kind == "sigterm" and not isinstance(machine, WorkerMachine):
            return
        self.place.hurt(process, kind)
        if kind == "kill":
            self.place.fault("kill", process.name)
            process.kill()
        elif kind == "pause":
            self.place.fault("pause", process.name, seconds)
            process.pause(seconds)
        elif isinstance(machine, WorkerMachine):
            self.place.fault("sigterm", process.name)
            machine.sigterm(twice=self.chance.random() < 0.2)

    def _calm_down(self) -> None:
        self.plan.mix.over = True
        if self.place.told:
            self.place.told("--- quiet")

    def _undo_what_came_late(self) -> None:
        """Requests that took a second may have come after those that take them back."""
        self.place.memory.run(SetPaused("other", paused=False))
        self.place.memory.run(RemoveSchedule("beat"))

    # The end

    def _is_through(self) -> bool:
        state = self.place.memory.state
        return (
            all(client.is_done for client in self.clients)
            and not any(one.here.alive and one.here.main.stands for one in self.workers)
            and not state.schedules
            and all(one.status in lifecycle.FINISHED for one in state.jobs.values())
        )

    def _drain(self) -> None:
        if self.place.told:
            self.place.told("--- drain")
        pending = [one for one in self.workers if one.here.alive]
        for machine in self.workers:
            machine.wanted = False
            if not machine.here.main.stands:
                machine.sigterm()
        limit = self.plan.settings.workers.shutdown_timeout / 1000 + EXIT
        stood = max((3.0 for one in pending if one.here.main.stands), default=0.0)
        gone = self.world.run(
            lambda: not any(one.here.alive and not one.here.main.stands for one in pending),
            self.world.now + limit + stood,
        )
        if not gone:
            names = ", ".join(one.here.name for one in pending if one.here.alive)
            self.wrong.append(Violation("no exit", "", f"{names} did not leave within {limit:g} s"))

    def _verdict(self) -> Verdict:
        state = self.place.memory.state
        kept = [self._kept(one) for one in state.jobs.values()]
        totals = [state.counters[name] for name in sorted(state.counters)]
        history = History(
            self.place.history,
            kept,
            Counted(
                sum(one.succeeded for one in totals),
                sum(one.failed for one in totals),
                sum(one.retried for one in totals),
            ),
            tuple(self._left()),
            Bounds(
                max_crashes=self.plan.settings.workers.max_crashes,
                overlap=self.plan.lease * 500,
                reach=self.plan.lease * 1000,
            ),
            store_told=True,
        )
        verdict = check(history)
        for machine in self.machines:
            self.wrong += [Violation("broke", "", text) for text in machine.problems]
        return verdict._replace(violations=(*self.wrong, *verdict.violations))

    def _kept(self, record: Any) -> Kept:
        result = None
        if record.status == "completed":
            result = decode_trail(record.trail).result
        return Kept(
            self.place.name(record.id),
            record.status,
            record.token,
            record.retry_count,
            record.crashes,
            record.payload,
            result if isinstance(result, int) else None,
        )

    def _left(self) -> Iterator[str]:
        """What is still there when every lease and every retention is over."""
        state, far = self.place.memory.state.copy(), EPOCH + 10**12
        while model.step(state, Reclaim(1_000, 0), far)[1]:
            pass
        while model.step(state, Prune(), far)[1]:
            pass
        yield from (f"job {self.place.name(id)}" for id in state.jobs)
        for name, lanes in state.lanes.items():
            yield from (f"an entry of {name}" for lane in lanes for _ in lane)
        yield from (f"worker {name}" for name in state.workers)
        yield from (f"schedule {name}" for name in state.schedules)


class Client(Machine):
    """Asks for jobs, or operates, by a script; a new process goes on where the last one died."""

    def __init__(
        self,
        place: Place,
        name: str,
        simulation: Simulation,
        script: tuple[Action, ...],
        skew: int,
    ) -> None:
        self.script = script
        self.position = 0
        self.simulation = simulation
        chance = Random(simulation.plan.seed * 64 + 60 + len(script))
        super().__init__(place, name, chance, skew, Client.work)

    @property
    def is_done(self) -> bool:
        """Whether it has come to the end of its script."""
        return not self.wanted

    async def work(self) -> None:
        """The program."""
        while self.position < len(self.script):
            action = self.script[self.position]
            wait = action.at - self.place.world.now
            if wait > 0:
                await asyncio.sleep(wait)
            # What must happen, is tried until it has; else a death in between is the end of it.
            must = action.what in {"unschedule", "resume"}
            if not must:
                self.position += 1
            await self._act(action, 1_000 if must else 3)
            if must:
                self.position += 1
        self.wanted = False

    async def _act(self, action: Action, times: int) -> None:
        for _ in range(times):
            try:
                await self._try(action)
                return
            except BackendError:
                await asyncio.sleep(self.chance.random() * 0.2)
            except JobsError:
                return

    async def _try(self, action: Action) -> None:
        door = jobs.aio
        match action.what:
            case "enqueue":
                assert action.job is not None
                await self._enqueue(action.job)
            case "again":
                await self._enqueue_again(action.target)
            case "cancel":
                await door.cancel(self._id(action))
            case "retry":
                await door.retry_failed(limit=5)
            case "delete":
                await door.delete(self._id(action))
            case "pause":
                await door.pause("other")
            case "resume":
                await door.resume("other")
            case "schedule":
                args = {"plan": [["ok", 0.02]]}
                await door.schedule("beat", every=action.target / 1000, handler=task, args=args)
            case "unschedule":
                await door.unschedule("beat")

    def _id(self, action: Action) -> UUID:
        return self.simulation.ids[action.target]

    async def _enqueue_again(self, number: int) -> None:
        for script in self.simulation.plan.scripts:
            for one in script:
                if one.job is not None and one.job.number == number:
                    await self._enqueue(one.job)

    async def _enqueue(self, job: JobPlan) -> None:
        """By the same id, so that it may be repeated."""
        id = self.simulation.ids[job.number]
        draft = self._draft(job, id)
        place = self.place
        retries = job.options["max_retries"]
        asked = Asked(f"j{job.number}", place.stamp(), None, draft.new.payload, 0.0, retries)
        place.note(asked)
        if job.kind == "garbage":
            backend = jobs.store.asynchronous()
            await backend.execute(Enqueue((draft.new,)))
        else:
            await jobs.aio.send(draft)
        place.note(asked._replace(at=place.stored_at[id.bytes], known=True))

    def _draft(self, job: JobPlan, id: UUID) -> Any:
        handler = blocking if job.kind == "blocking" else task
        draft = handler.using(job_id=id, **job.options).job(plan=job.steps)
        if job.kind == "unknown":
            return _with(draft, job_type="nobody_knows")
        if job.kind == "garbage":
            return _with(draft, payload=GARBAGE)
        return draft


def _with(draft: Any, **changes: Any) -> Any:
    from msgspec.structs import replace

    new: NewJob = replace(draft.new, **changes)
    return replace(draft, new=new)


@contextmanager
def _quiet_logs(told: Callable[[str], None] | None, world: World) -> Iterator[None]:
    """The library's log is part of a story that is told, and of no other."""
    log = logging.getLogger("boundary.jobs")
    was = log.disabled
    if told is None:
        log.disabled = True
        try:
            yield
        finally:
            log.disabled = was
        return
    handler = _Telling(told, world)
    log.addHandler(handler)
    propagate, log.propagate = log.propagate, False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = propagate


class _Telling(logging.Handler):
    def __init__(self, told: Callable[[str], None], world: World) -> None:
        super().__init__(logging.INFO)
        self._told = told
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        self._told(f"{self._world.now * 1000:9.2f}      log: {record.getMessage()}")
