"""One shift of a worker: its parts, put together, and what the dispatcher decides, performed.

What belongs here: which part performs which effect, what others ask of a worker while it works, its
duties beside the jobs. What does not: a decision (`core.dispatcher`), the loop (`turning`), the
store's view of it (`membership`), calls for jobs (`exchanging`) and what they bring (`intake`),
running a handler (`executor`), what a worker is told once (`worker`).

    claim ──► intake ──► executor ──► handler ──► outcome ──► settle (with the next claim)
      ▲                                                          │
      └──────────────── turning: dispatcher.step ◄───────────────┘
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Protocol

from boundary.jobs.core.dispatcher import (
    Abandon,
    Alarm,
    Effect,
    Exchange,
    Finished,
    GiveBack,
    Leave,
    Measured,
    Noticed,
    Quieted,
    Recycle,
    Renew,
    Resize,
    Stop,
    Sweep,
    Weighed,
)
from boundary.jobs.core.happenings import Admitted, LeaseLost, Progressed, TakenBack
from boundary.jobs.core.operations import BATCH, Find, Prune, Reclaim, Report
from boundary.jobs.shell import memory
from boundary.jobs.shell.attempts import attempt
from boundary.jobs.shell.clock import StoreClock
from boundary.jobs.shell.dump import report
from boundary.jobs.shell.exchanging import Exchanging
from boundary.jobs.shell.executor import Executor
from boundary.jobs.shell.firing import Firing
from boundary.jobs.shell.intake import Intake
from boundary.jobs.shell.isolation.address import addresses
from boundary.jobs.shell.load import Load
from boundary.jobs.shell.membership import Membership
from boundary.jobs.shell.reports import Reports
from boundary.jobs.shell.streams import Streams
from boundary.jobs.shell.telemetry.wiring import Telemetry
from boundary.jobs.shell.turning import Turns

if TYPE_CHECKING:
    from boundary.jobs.core.operations import Beat, Fire, Order
    from boundary.jobs.core.wire import Record
    from boundary.jobs.shell.post import Post
    from boundary.jobs.shell.running import Run
    from boundary.jobs.shell.telemetry.health import Health

log: logging.Logger = logging.getLogger("boundary.jobs")

MEASURED = 0.25
"""Seconds between looks at the processor, where the number of slots follows it."""

DEPARTURE = 0.5
"""Seconds a worker that leaves waits for the store to take note."""

FLIGHT = 0.2
"""The same of one that is cancelled: whoever does that waits for its end, and for no store."""


class Keeper(Protocol):
    """Who started this process, and starts another in its place."""

    @property
    def succeeds(self) -> bool:
        """Whether another process still has the ports that are to be this one's."""
        ...

    def ready(self) -> None:
        """The store knows this worker, its lifespan has begun; it claims jobs from here on."""
        ...

    def claims_again(self) -> None:
        """An operator took back that it is to claim nothing."""
        ...

    def replace(self, why: str) -> None:
        """Another process is wanted in the place of this one, which then is told to stop."""
        ...


class Shift:
    """One `run` of a worker, on one event loop."""

    def __init__(
        self,
        post: Post,
        *,
        whole_process: bool,
        keeper: Keeper | None,
        health: Health | None,
    ) -> None:
        self._post = post
        self._streams = Streams() if whole_process else None
        self._keeper = keeper
        self._order: bytes | None = None
        self._counting = False
        self._loop = asyncio.get_running_loop()
        self._turns = turns = Turns(post.setup, post.clock.u)
        self._clock = StoreClock(turns.now, post.clock.now())
        self._addresses = addresses(post.registry.handlers.values())
        self._telemetry = Telemetry(post.store.asynchronous(), post.registry.subscribers, health)
        if health is not None:
            health.meter.in_flight = lambda: len(self._runs)
        self._backend = self._telemetry.backend
        self._membership = Membership(post, turns, self._telemetry, self._asked)
        self._reports = Reports(self._send_report, turns.from_thread(turns.spawn_made))
        self._executor: Executor
        self._intake: Intake
        self._exchanging: Exchanging

    async def work(self) -> None:
        """The whole shift, from joining to departing."""
        patience = DEPARTURE
        try:
            if not await self._turns.unless_stopped(self._membership.join()):
                return
            async with self._lifespan() as resources:
                self._equip(resources)
                if self._keeper is not None:
                    self._keeper.ready()
                with self._membership.renewing(), self._watch():
                    self._turns.spawn(self._exchanging.hear())
                    if self._post.setup.bounds is not None:
                        self._turns.spawn(self._measure())
                    try:
                        await self._turns.go_on(self._perform)
                    finally:
                        await self._executor.close()
        except asyncio.CancelledError:
            patience = FLIGHT
            raise
        finally:
            try:
                await self._depart(patience)
            finally:
                if self._streams is not None:
                    self._streams.close()

    async def _depart(self, patience: float) -> None:
        """Each of its steps has so many seconds; what is open is closed, also if it is cancelled."""
        name = self._membership.name
        try:
            await self._turns.close(patience)
            await self._telemetry.flush(patience)
            leaving = self._turns.spawn(self._membership.depart(name))
            await asyncio.wait({leaving}, timeout=patience)
        finally:
            await self._backend.close()
            # A call that was on its way has heard of that, and its task has to end before the loop.
            await self._turns.close(patience)
        log.info("worker %s has stopped", name)

    # What others ask of it

    def ask_to_stop(self, grace: float | None) -> None:
        """Take nothing more; from any thread."""
        seconds = self.grace if grace is None else grace

        def stop() -> None:
            self._turns.tell(Stop(self._turns.now(), seconds * 1000))
            self._turns.spawn(self._membership.say_how_it_is())

        self._turns.from_thread(stop)()

    def ask_to_be_quiet(self, *, quiet: bool) -> None:
        """Claim nothing more, or claim again; from any thread."""

        def tell() -> None:
            log.info("claiming no more jobs" if quiet else "claiming jobs again")
            self._turns.tell(Quieted(self._turns.now(), quiet))
            self._turns.spawn(self._membership.say_how_it_is())
            if not quiet and self._keeper is not None:
                self._keeper.claims_again()

        self._turns.from_thread(tell)()

    def ask_to_be_replaced(self, why: str) -> None:
        """Another process takes over, and this one stops; from any thread."""
        if self._keeper is None:
            self._turns.from_thread(log.info)("leaving, to be started anew: %s", why)
            self.ask_to_stop(None)
        else:
            self._turns.from_thread(self._keeper.replace)(why)

    def _asked(self, beat: Beat) -> None:
        self._intake.stop_cancelled(beat.cancelling)
        self._obey(beat.order)

    def _obey(self, order: Order | None) -> None:
        """An order stands with each beat; it is followed once."""
        if order is None or order.id == self._order:
            return
        self._order = order.id
        match order.word:
            case "quiet" | "unquiet":
                self.ask_to_be_quiet(quiet=order.word == "quiet")
            case "drain":
                log.info("an operator asked for it: finishing what runs, then leaving")
                self.ask_to_stop(None)
            case "restart":
                self.ask_to_be_replaced("an operator asked for it")

    @property
    def grace(self) -> float:
        """Seconds that running jobs get when it is asked to stop."""
        return self._post.settings.workers.shutdown_timeout / 1000

    def report(self) -> str:
        """What runs, and the stack of every thread, for people; from any thread."""
        return report(self._membership.name, self._runs, self._loop.time())

    def let_go(self) -> None:
        """The store forgets this worker, and its jobs go back; blocks, from any thread."""
        self._membership.let_go()

    # What the dispatcher decides

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Exchange():
                self._turns.spawn(self._exchanging.exchange(effect))
            case Alarm():
                self._turns.set_alarm(effect.at)
            case Sweep():
                self._turns.spawn(self._sweep())
            case GiveBack():
                self._intake.returned(self._executor.give_back())
            case Abandon():
                self._intake.returned(self._executor.give_back())
                self._executor.abandon()
            case Renew():
                self._renew()
            case Recycle():
                self.ask_to_be_replaced(effect.why)
            case Resize():
                log.debug("%d jobs at once from now on", effect.slots)
                self._executor.resize(effect.slots)
            case Leave():
                self._turns.end()

    def _renew(self) -> None:
        """Lost leases: whatever runs is stopped and not handed in; a new name, a fresh start."""
        log.error(
            "the store gave this worker's jobs to others (lease of %g s not renewed); "
            "stopping them here and going on",
            self._post.settings.workers.lease / 1000,
        )
        if self._telemetry.errors:
            self._telemetry.errors.clear()
        self._telemetry.tell(LeaseLost(self._membership.name, len(self._executor.held)))
        self._executor.drop()
        self._turns.forget_what_is_lost()
        self._membership.begin_anew()

    def _collected(self) -> None:
        """Outcomes came in: tell the dispatcher once for all of this turn of the loop."""
        if not self._counting:
            self._counting = True
            self._loop.call_soon(self._count)

    def _count(self) -> None:
        self._counting = False
        runs = self._executor.durations()
        if runs:
            self._turns.tell(Finished(self._turns.now(), runs))

    # Duties

    async def _measure(self) -> None:
        """The dispatcher hears of the load, which the number of slots follows; without end."""
        load = Load()
        while True:
            await asyncio.sleep(MEASURED)
            share = load.read(MEASURED, self._executor.processes)
            self._turns.tell(Measured(self._turns.now(), share, self._post.clock.u()))

    async def _sweep(self) -> None:
        """Take back what lost workers held; let go of what is past its retention."""
        while await self._take_back() == BATCH and self._turns.state.phase == "running":
            pass
        while (
            await attempt(self._backend, Prune()) == BATCH and self._turns.state.phase == "running"
        ):
            pass
        if self._post.setup.max_memory:
            self._turns.tell(Weighed(self._turns.now(), memory.resident()))

    async def _take_back(self) -> int:
        """How many jobs of lost workers wait again by this call; the next may bring more."""
        limit = self._post.settings.workers.max_crashes
        taken = await attempt(self._backend, Reclaim(limit, self._post.keep.dead))
        if not taken:
            return 0
        log.warning("took back %d jobs of workers whose lease had ended", len(taken))
        self._notice()
        found = await attempt(self._backend, Find(taken)) or ()
        records = tuple([one for one in found if one is not None])
        self._telemetry.tell(TakenBack(self._clock.now(), records))
        return len(taken)

    async def _fire(self, fire: Fire) -> bool | None:
        """Whether this tick was fired now, by this worker; None: the store failed."""
        fired = await attempt(self._backend, fire)
        if fired and fire.job is not None:
            self._telemetry.tell(Admitted(self._clock.now(), (fire.job,)))
        return fired

    async def _send_report(self, record: Record, progress: bytes) -> None:
        self._telemetry.tell(Progressed(self._clock.now(), self._membership.name, record, progress))
        await attempt(self._backend, Report(record.id, record.token, progress))

    def _notice(self) -> None:
        self._turns.tell(Noticed(self._turns.now()))

    # Parts

    def _lifespan(self) -> contextlib.AbstractAsyncContextManager[Any]:
        lifespan = self._post.registry.lifespan
        return contextlib.nullcontext() if lifespan is None else lifespan()

    def _watch(self) -> contextlib.AbstractContextManager[object]:
        return self._post.surroundings.watch(
            runs=lambda: self._runs,
            left_behind=lambda: self._executor.left_behind,
            streams=self._streams,
        )

    def _equip(self, resources: Any) -> None:
        """The parts that work with jobs, once there is what handlers share."""
        self._executor = executor = self._make_executor(resources)
        firing = Firing(self._fire, self._clock.now, self._notice)
        around = (self._post, self._turns, self._membership, executor)
        self._intake = Intake(*around, firing, self._telemetry, self._clock)
        self._exchanging = Exchanging(
            *around, self._intake, self._reports, self._telemetry, self._clock
        )

    def _make_executor(self, resources: Any) -> Executor:
        workers = self._post.settings.workers
        return Executor(
            self._post.registry,
            concurrency=self._post.setup.concurrency,
            keep=self._post.keep,
            addresses=self._addresses,
            streams=self._streams,
            max_unhandled_ms=workers.max_unhandled,
            max_crashes=workers.max_crashes,
            result_limit=self._post.settings.payload_limit,
            clock=self._post.clock,
            state=resources,
            report=self._reports.put,
            collected=self._collected,
            store_now=self._clock.now,
            errors=self._telemetry.errors,
            processing=self._telemetry.processing(),
            threads=self._post.surroundings.threads,
        )

    @property
    def _runs(self) -> list[Run]:
        """The runs under way; from any thread, also before the first can be."""
        executor: Executor | None = getattr(self, "_executor", None)
        return [] if executor is None else executor.runs
