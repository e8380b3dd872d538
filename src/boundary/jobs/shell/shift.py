"""One shift of a worker: performs what the dispatcher decides.

What belongs here: one loop that turns what happens into events and effects into calls of the
store and the executor. What does not: a decision (`core.dispatcher`), running a handler
(`executor`), keeping the lease (`pulse`), what a worker is told once (`worker`).

    claim ──► executor.add ──► handler ──► outcome ──► settle (with the next claim)
      ▲                                                   │
      └────────────────── dispatcher.step ◄───────────────┘
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from msgspec.structs import replace

from boundary.jobs.core import dispatcher, operations, outcome
from boundary.jobs.core.dispatcher import (
    Abandon,
    Alarm,
    Arrived,
    Disowned,
    Exchange,
    Failed,
    Finished,
    GiveBack,
    Joined,
    Leave,
    Measured,
    Noticed,
    Quieted,
    Recycle,
    Renew,
    Resize,
    Returned,
    Setup,
    State,
    Stop,
    Sweep,
    Tick,
    Weighed,
)
from boundary.jobs.core.happenings import (
    Admitted,
    LeaseLost,
    Progressed,
    Started,
    TakenBack,
)
from boundary.jobs.core.operations import (
    BATCH,
    Claim,
    Claimed,
    Depart,
    Find,
    Heartbeat,
    Inherit,
    Prune,
    Reclaim,
    Report,
    Settle,
    SettleAndClaim,
    Settled,
)
from boundary.jobs.core.outcome import Keep
from boundary.jobs.errors import BackendError, BackendUnavailable
from boundary.jobs.shell import memory, schedule_flows
from boundary.jobs.shell.driving import drive_async
from boundary.jobs.shell.dump import report
from boundary.jobs.shell.executor import Executor
from boundary.jobs.shell.firing import REFIRE_MS, Firing
from boundary.jobs.shell.isolation.address import addresses
from boundary.jobs.shell.load import Load
from boundary.jobs.shell.pulse import Heart, describe_worker
from boundary.jobs.shell.reports import Reports
from boundary.jobs.shell.streams import Streams
from boundary.jobs.shell.surroundings import Surroundings
from boundary.jobs.shell.telemetry.stream import Voice
from boundary.jobs.shell.telemetry.wiring import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from boundary.jobs.core.operations import Fire, Operation, Outcome
    from boundary.jobs.core.stats import WorkerPhase
    from boundary.jobs.core.wire import Millis, Record
    from boundary.jobs.ports import AsyncBackend, Clock, Store
    from boundary.jobs.shell.config import Settings
    from boundary.jobs.shell.registry import Registry
    from boundary.jobs.shell.running import Run
    from boundary.jobs.shell.telemetry.health import Health

R = TypeVar("R")

log: logging.Logger = logging.getLogger("boundary.jobs")

CROWD_MS = 200
"""How long jobs on their last chance are put off while another of them runs."""

LONGEST_EAR = 2.0
"""Seconds an idle worker relies on being told: a connection that died tells nothing."""

PASSED_OVER = 0.05
"""Seconds until a worker with a queue that is full listens again after it heard of nothing else."""

MEASURED = 0.25
"""Seconds between looks at the processor, where the number of slots follows it."""

DEPARTURE = 0.5
"""Seconds a worker that leaves waits for the store to take note."""


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


class Post(NamedTuple):
    """What a worker brings to each of its shifts."""

    store: Store
    registry: Registry
    settings: Settings
    setup: Setup
    clock: Clock
    surroundings: Surroundings


class Shift:
    """One `run` of a worker, on one event loop."""

    def __init__(
        self,
        worker: Post,
        *,
        burst: bool,
        whole_process: bool,
        keeper: Keeper | None,
        health: Health | None,
    ) -> None:
        settings = worker.settings
        self._keeper = keeper
        self._order: bytes | None = None
        self._worker = worker
        self._settings = settings
        self._burst = burst
        self._streams = Streams() if whole_process else None
        self._state = State(replace(worker.setup, burst=burst))
        self._events: deque[dispatcher.Event] = deque()
        self._loop = asyncio.get_running_loop()
        self._sleeper: asyncio.Future[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._lease_alarm: asyncio.TimerHandle | None = None
        self._counting = False
        self._idle = asyncio.Event()
        self._moving = asyncio.Lock()
        self._losses = 0
        self._unsure: set[bytes] = set()
        self._handing_in: set[tuple[bytes, int]] = set()
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._broken: BaseException | None = None
        self._left = False
        self._offset: float = worker.clock.now() - self._now()
        self._reports = Reports(self._send_report, self._from_thread(self._spawn_made))
        self._firing = Firing(self._fire, self._store_now, lambda: self._tell(Noticed(self._now())))
        self._addresses = addresses(worker.registry.handlers.values())
        self._keep = Keep(settings.retention.finished, settings.retention.dead)
        self._incarnation = worker.surroundings.incarnation()
        self._began = worker.clock.now()
        self._telemetry = Telemetry(
            worker.store.asynchronous(), worker.registry.subscribers, health
        )
        if health is not None:
            health.meter.in_flight = lambda: len(self._runs)
        self._backend: AsyncBackend = self._telemetry.backend
        self._executor: Executor
        self._heart: Heart

    async def work(self) -> None:
        """The whole shift, from joining to departing."""
        try:
            if not await self._has_joined():
                return
            async with self._lifespan() as resources:
                self._executor = self._make_executor(resources)
                if self._keeper is not None:
                    self._keeper.ready()
                with self._pulse(), self._watch():
                    self._watch_lease()
                    self._spawn(self._hear())
                    if self._worker.setup.bounds is not None:
                        self._spawn(self._measure())
                    try:
                        await self._turn()
                    finally:
                        await self._executor.close()
        finally:
            try:
                await self._depart()
            finally:
                if self._streams is not None:
                    self._streams.close()

    def ask_to_stop(self, grace: float | None) -> None:
        """Take nothing more; from any thread."""
        seconds = self.grace if grace is None else grace

        def stop() -> None:
            self._tell(Stop(self._now(), seconds * 1000))
            self._spawn(self._say_how_it_is())

        self._from_thread(stop)()

    def ask_to_be_quiet(self, *, quiet: bool) -> None:
        """Claim nothing more, or claim again; from any thread."""

        def tell() -> None:
            log.info("claiming no more jobs" if quiet else "claiming jobs again")
            self._tell(Quieted(self._now(), quiet))
            self._spawn(self._say_how_it_is())
            if not quiet and self._keeper is not None:
                self._keeper.claims_again()

        self._from_thread(tell)()

    def ask_to_be_replaced(self, why: str) -> None:
        """Another process takes over, and this one stops; from any thread."""
        if self._keeper is None:
            self._from_thread(lambda: log.info("leaving, to be started anew: %s", why))()
            self.ask_to_stop(None)
        else:
            self._from_thread(self._keeper.replace)(why)

    @property
    def grace(self) -> float:
        """Seconds that running jobs get when it is asked to stop."""
        return self._settings.workers.shutdown_timeout / 1000

    def report(self) -> str:
        """What runs, and the stack of every thread, for people; from any thread."""
        return report(self._incarnation, self._runs, self._loop.time())

    def let_go(self) -> None:
        """The store forgets this worker, and its jobs go back; blocks, from any thread."""
        with contextlib.closing(self._worker.store.blocking()) as backend:
            backend.execute(Depart(self._incarnation, self._keep.finished))

    # The loop

    async def _turn(self) -> None:
        """Events in, effects out, until the dispatcher says to leave."""
        self._tell(Tick(self._now(), self._worker.clock.u()))
        while not self._left and self._broken is None:
            while self._events and not self._left:
                self._state, effects = dispatcher.step(self._state, self._events.popleft())
                for effect in effects:
                    self._perform(effect)
            self._look_whether_idle()
            if not self._left and self._broken is None:
                self._sleeper = self._loop.create_future()
                await self._sleeper
        if self._broken is not None:
            raise self._broken

    def _look_whether_idle(self) -> None:
        """Only an idle worker waits for work: a notice that wakes one wakes no other."""
        if dispatcher.idle_claim(self._state, 0.0) is not None:
            self._idle.set()
        else:
            self._idle.clear()

    def _tell(self, event: dispatcher.Event) -> None:
        self._events.append(event)
        self._wake()

    def _wake(self) -> None:
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)

    def _perform(self, effect: dispatcher.Effect) -> None:
        match effect:
            case Exchange():
                self._spawn(self._exchange(effect))
            case Alarm():
                self._set_alarm(effect.at)
            case Sweep():
                self._spawn(self._sweep())
            case GiveBack():
                self._tell_returned(self._executor.give_back())
            case Abandon():
                self._tell_returned(self._executor.give_back())
                self._executor.abandon()
            case Renew():
                self._renew()
            case Recycle():
                self.ask_to_be_replaced(effect.why)
            case Resize():
                self._resize(effect.slots)
            case Leave():
                self._left = True

    def _now(self) -> float:
        return self._loop.time() * 1000

    def _store_now(self) -> Millis:
        """The store's time: what it last said, and what has passed since."""
        return round(self._now() + self._offset)

    def _set_alarm(self, at: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None
        if at != dispatcher.INF:
            self._alarm = self._loop.call_at(
                at / 1000, lambda: self._tell(Tick(self._now(), self._worker.clock.u()))
            )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._reap)

    def _spawn_made(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Made here, where it runs: one that is never to run is not made."""
        self._spawn(make())

    def _reap(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broken = error
            self._wake()

    def _tell_returned(self, jobs: tuple[Record, ...]) -> None:
        if jobs:
            self._tell(Returned(self._now(), len(jobs), of=self._of(jobs)))

    def _of(self, jobs: tuple[Record, ...]) -> tuple[tuple[str, int], ...]:
        """How many jobs are of each queue with a limit."""
        limited = {queue for queue, _ in self._worker.setup.limits}
        if not limited:
            return ()
        return tuple(Counter(one.queue for one in jobs if one.queue in limited).items())

    def _collected(self) -> None:
        """Outcomes came in: tell the dispatcher once for all of this turn of the loop."""
        if not self._counting:
            self._counting = True
            self._loop.call_soon(self._count)

    def _count(self) -> None:
        self._counting = False
        runs = self._executor.durations()
        if runs:
            self._tell(Finished(self._now(), runs))

    # Slots that follow the load

    async def _measure(self) -> None:
        load = Load()
        while True:
            await asyncio.sleep(MEASURED)
            share = load.read(MEASURED, self._executor.processes)
            self._tell(Measured(self._now(), share, self._worker.clock.u()))

    def _resize(self, slots: int) -> None:
        log.debug("%d jobs at once from now on", slots)
        self._executor.resize(slots)

    # Talking to the store

    async def _exchange(self, effect: Exchange) -> None:
        """One round trip: outcomes out, jobs in."""
        if self._state.nameless:
            self._arrived(effect, (), None)  # it was thought of under the name that is lost
            return
        mine, losses = self._incarnation, self._losses
        done = self._executor.collect(BATCH)
        ids = {record.id for record, _ in done}
        handing_in = {(record.id, record.token) for record, _ in done}
        self._handing_in |= handing_in
        try:
            await self._reports.flush(ids)
            settled, claimed = await self._ask(mine, [one for _, one in done], effect)
        except BackendError as error:
            self._executor.put_back(done)
            self._handing_in -= handing_in
            if isinstance(error, BackendUnavailable) and not self._burst:
                self._unsure |= ids
                await self._go_on_as_heir(mine, error)
            else:
                log.warning("the store failed, trying again: %s", error)
            self._failed(effect, error)
            return
        async with self._moving:
            # The store may have moved already while this worker waits to hear of it.
            self._handing_in -= handing_in
            if settled is not None:
                self._offset = settled.now - self._now()
                if mine != self._incarnation and losses == self._losses:
                    done, settled = self._once_more(done, settled)
                self._tell_ended(mine, done, settled)
            if claimed is None:
                self._arrived(effect, (), None)
            else:
                await self._take_in(mine, effect, claimed)

    def _once_more(
        self, done: list[tuple[Record, Outcome]], settled: Settled
    ) -> tuple[list[tuple[Record, Outcome]], Settled]:
        """What was refused because this worker goes on as its heir, its heir hands in again."""
        rows = list(zip(done, settled.accepted, strict=True))
        self._executor.put_back([one for one, accepted in rows if not accepted])
        taken = [one for one, accepted in rows if accepted]
        return taken, replace(settled, accepted=(True,) * len(taken))

    def _tell_ended(self, mine: str, done: list[tuple[Record, Outcome]], settled: Settled) -> None:
        self._telemetry.watched(settled.watched)
        self._telemetry.contact()
        self._telemetry.ended(settled.now, mine, done, self._taken(done, settled))

    def _taken(self, done: list[tuple[Record, Outcome]], settled: Settled) -> tuple[bool, ...]:
        """Which outcomes took effect; one that was sent before, and no answer came, may have."""
        if not self._unsure:
            return settled.accepted
        taken = [
            accepted or record.id in self._unsure
            for (record, _), accepted in zip(done, settled.accepted, strict=True)
        ]
        self._unsure.difference_update(record.id for record, _ in done)
        return tuple(taken)

    async def _go_on_as_heir(self, mine: str, error: BackendError) -> None:
        """Whether the last claim took place is not known: what it brought, if it did, goes back.

        Should it take place later still, it is one of a worker nobody knows.
        """
        log.warning("the store failed, trying again: %s", error)
        async with self._moving:
            await self._move(mine)

    async def _move(self, mine: str) -> None:
        heir = self._worker.surroundings.incarnation()
        failures = itertools.count()
        lease, keep = self._settings.workers.lease, self._keep.finished
        # The first of these calls that takes place begins the heir's lease, answered or not.
        sent = self._worker.surroundings.monotonic()
        while mine == self._incarnation:
            # What another exchange hands in just now is this worker's too.
            held = ((record.id, record.token) for record in self._executor.held)
            known = (*held, *sorted(self._handing_in))
            info = self._heartbeat().info
            beat = await self._try(Inherit(mine, heir, known, lease, info, keep))
            if beat is not None:
                break
            await self._back_off(next(failures))
        else:
            return
        if mine == self._incarnation:
            self._incarnation = heir
            self._heart.renewed(heir, sent)
            if not beat.alive:
                self._tell(Disowned(self._now()))
            elif self._state.nameless:
                self._tell(Joined(self._now()))

    async def _ask(
        self, mine: str, outcomes: list[Outcome], effect: Exchange
    ) -> tuple[Settled | None, Claimed | None]:
        settle = Settle(mine, tuple(outcomes)) if outcomes else None
        claim = self._claim(mine, effect) if effect.claiming else None
        if settle is not None and claim is not None:
            return await self._backend.execute(SettleAndClaim(settle, claim))
        if settle is not None:
            return await self._backend.execute(settle), None
        if claim is not None:
            return None, await self._backend.execute(claim)
        return None, None

    def _claim(self, mine: str, effect: Exchange) -> Claim:
        return Claim(
            worker=mine,
            queues=effect.queues,
            slots=effect.slots,
            lease_ms=self._settings.workers.lease,
            ahead=effect.ahead,
            limits=effect.limits,
            promote=BATCH if self._settings.scheduled_processor.enabled else 0,
        )

    async def _take_in(self, mine: str, effect: Exchange, claimed: Claimed) -> None:
        """What came in begins, unless this worker goes by another name by now.

        Nobody moves meanwhile: a move that does not know of these jobs would give them back.
        """
        if self._burst and claimed.alive:
            # It would leave before they are fired.
            for one in claimed.ticks:
                await self._firing.fire(one)
        jobs = await self._without_crowd(claimed.jobs) if mine == self._incarnation else ()
        if mine == self._incarnation:
            self._begin(effect, claimed, jobs)
            return
        self._arrived(effect, (), None)
        if claimed.jobs:
            await self._try(Depart(mine, self._keep.finished))

    def _begin(self, effect: Exchange, claimed: Claimed, jobs: tuple[Record, ...]) -> None:
        self._offset = claimed.now - self._now()
        self._telemetry.contact()
        due = None if claimed.next_due is None else float(claimed.next_due - claimed.now)
        if due is not None and claimed.ticks:
            # They are fired below, and then it is noticed. Where that fails, not at once again.
            due = max(due, REFIRE_MS)
        if not claimed.alive:
            self._arrived(effect, (), None)
            self._tell(Disowned(self._now()))
            return
        # After a power cut a store may give a job again, under the token it runs under here.
        jobs = tuple([one for one in jobs if not self._executor.goes_on(one)])
        if jobs and dispatcher.claims(self._state):
            # They begin before the dispatcher thinks about it, which takes as long as beginning.
            self._telemetry.watched(claimed.watched)
            self._telemetry.tell(Started(claimed.now, self._incarnation, jobs))
            self._executor.add(jobs)
            self._arrived(effect, jobs, due)
        else:
            # Asked to stop, or to be quiet, since it asked: nothing begins any more.
            self._arrived(effect, jobs, due)
            self._tell_returned(self._executor.refuse(jobs))
        self._stop_cancelled(claimed.cancelling)
        for one in () if self._burst else claimed.ticks:
            self._spawn(self._firing.fire(one))

    async def _without_crowd(self, jobs: tuple[Record, ...]) -> tuple[Record, ...]:
        """The jobs to run here: of those on their last chance, one at a time.

        The others are back in the store before that one begins, so that its crash is not theirs.
        """
        limit = self._settings.workers.max_crashes
        suspects = [one for one in jobs if outcome.on_last_chance(one, limit)]
        spared = suspects if self._executor.has_suspect(limit) else suspects[1:]
        if not spared:
            return jobs
        back = self._put_off(spared)
        if await self._try(Settle(self._incarnation, tuple(back))) is not None:
            return tuple(one for one in jobs if one not in spared)
        # None of them begins before that is in the store; it is handed in with the next outcomes.
        self._executor.put_back(list(zip(suspects, self._put_off(suspects), strict=True)))
        return tuple(one for one in jobs if one not in suspects)

    def _put_off(self, records: list[Record]) -> list[Outcome]:
        return [outcome.released(one, self._keep.finished, CROWD_MS) for one in records]

    def _arrived(self, effect: Exchange, jobs: tuple[Record, ...], due_ms: float | None) -> None:
        leftover = self._executor.waiting > 0
        u, of = self._worker.clock.u(), self._of(jobs)
        self._tell(Arrived(self._now(), effect, len(jobs), due_ms, leftover, u, of))

    def _failed(self, effect: Exchange, error: BackendError) -> None:
        if self._burst:
            self._broken = error
            self._wake()
            return
        self._tell(Failed(self._now(), effect, self._worker.clock.u()))

    def _stop_cancelled(self, ids: tuple[bytes, ...]) -> None:
        if ids:
            self._tell_returned(self._executor.cancel(ids))

    async def _try(self, operation: Operation[R]) -> R | None:
        """An operation that may as well happen later, or elsewhere."""
        try:
            return await self._backend.execute(operation)
        except BackendError as error:
            log.warning("%s did not happen now: %s", type(operation).__name__, error)
            return None

    async def _has_joined(self) -> bool:
        """Whether the store knows this worker; not if it was told to stop while it waited."""
        joining = self._loop.create_task(self._join())
        while not joining.done():
            if self._broken is not None:
                raise self._broken
            if any(isinstance(one, Stop) for one in self._events):
                joining.cancel()
                return False
            self._sleeper = self._loop.create_future()
            await asyncio.wait({joining, self._sleeper}, return_when=asyncio.FIRST_COMPLETED)
        joining.result()
        return True

    async def _join(self) -> None:
        """The store knows this worker, and the schedules declared in code."""
        for failures in itertools.count():
            try:
                beat = await self._backend.execute(self._heartbeat(join=True))
                self._telemetry.watched(beat.watched)
                self._telemetry.contact()
                await self._declare()
                return
            except BackendError as error:
                if self._burst:
                    raise
                log.warning("waiting for the store: %s", error)
                await self._back_off(failures)

    async def _back_off(self, failures: int) -> None:
        await asyncio.sleep(dispatcher.backoff_ms(failures, self._worker.clock.u()) / 1000)

    async def _declare(self) -> None:
        registry = self._worker.registry
        if not registry.declared:
            return
        declaring = schedule_flows.declare(registry.schedules)
        for one in await drive_async(declaring, self._backend, Voice()):
            if one.origin == "edited":
                log.info("schedule %s stands as it was edited, not as the code says", one.name)
            if one.paused:
                log.info("schedule %s is paused", one.name)

    async def _depart(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DEPARTURE)
        await self._telemetry.flush(DEPARTURE)
        leaving = self._loop.create_task(self._try(Depart(self._incarnation, self._keep.finished)))
        await asyncio.wait({leaving}, timeout=DEPARTURE)
        for timer in (self._alarm, self._lease_alarm):
            if timer is not None:
                timer.cancel()
        await self._backend.close()
        log.info("worker %s has stopped", self._incarnation)

    # Duties

    async def _hear(self) -> None:
        """While idle, wait for work and claim it when it comes."""
        failures = 0
        while True:
            await self._idle.wait()
            effect = dispatcher.idle_claim(self._state, self._worker.clock.u())
            if effect is None:
                self._idle.clear()
                continue
            mine = self._incarnation
            try:
                claim = self._claim(mine, effect)
                claimed = await self._backend.claim_when_told(claim, LONGEST_EAR)
            except BackendError as error:
                await self._go_on_as_heir(mine, error)
                await self._back_off(failures)
                failures += 1
                continue
            failures = 0
            if claimed is not None:
                async with self._moving:
                    await self._take_in(mine, effect, claimed)
                await asyncio.sleep(0)  # they begin, and are counted, before it listens again
                if not claimed.jobs and any(room == 0 for _, room in effect.limits):
                    # The notice may be of a queue that is full here: leave it to others a while.
                    await asyncio.sleep(PASSED_OVER)

    async def _sweep(self) -> None:
        """Take back what lost workers held; let go of what is past its retention."""
        limit = self._settings.workers.max_crashes
        taken = await self._try(Reclaim(limit, self._keep.dead))
        if taken:
            log.warning("took back %d jobs of workers whose lease had ended", len(taken))
            self._tell(Noticed(self._now()))
            found = await self._try(Find(taken)) or ()
            records = tuple([one for one in found if one is not None])
            self._telemetry.tell(TakenBack(self._store_now(), records))
        while await self._try(Prune()) == BATCH and self._state.phase == "running":
            pass
        if self._worker.setup.max_memory:
            self._tell(Weighed(self._now(), memory.resident()))

    async def _fire(self, fire: Fire) -> bool | None:
        """Whether this tick was fired now, by this worker; None: the store failed."""
        fired = await self._try(fire)
        if fired and fire.job is not None:
            self._telemetry.tell(Admitted(self._store_now(), (fire.job,)))
        return fired

    def _renew(self) -> None:
        """Lost leases: whatever runs is stopped and not handed in; a new name, a fresh start."""
        log.error(
            "the store gave this worker's jobs to others (lease of %g s not renewed); "
            "stopping them here and going on",
            self._settings.workers.lease / 1000,
        )
        if self._telemetry.errors:
            self._telemetry.errors.clear()
        self._telemetry.tell(LeaseLost(self._incarnation, len(self._executor.held)))
        self._executor.drop()
        # What was heard of the lost jobs, and not told yet, is of no use to anybody; those that
        # came in a moment ago are lost too.
        stale = (Finished, Returned, Disowned)
        heard = (one for one in self._events if not isinstance(one, stale))
        self._events = deque(
            replace(one, count=0, of=()) if isinstance(one, Arrived) else one for one in heard
        )
        self._losses += 1
        self._incarnation = self._worker.surroundings.incarnation()
        self._spawn(self._rejoin(self._incarnation))

    async def _rejoin(self, mine: str) -> None:
        failures = itertools.count()
        while mine == self._incarnation:
            if await self._try(self._heartbeat(join=True)) is not None:
                self._tell(Joined(self._now()))
                return
            await self._back_off(next(failures))

    # Leases

    def _heartbeat(self, *, join: bool = False) -> Heartbeat:
        lease = self._settings.workers.lease
        info = describe_worker(
            replace(self._worker.setup, concurrency=self._state.slots),
            self._worker.registry.handlers,
            began=self._began,
            phase=self._phase(),
            schedules=self._worker.registry.declared,
        )
        return Heartbeat(self._incarnation, lease, info, join)

    def _phase(self) -> WorkerPhase:
        if self._state.phase != "running":
            return "draining"
        return "quiet" if self._state.quiet else "running"

    async def _say_how_it_is(self) -> None:
        """Whoever looks at the workers sees at once what became of an order."""
        await self._try(self._heartbeat())

    def _pulse(self) -> contextlib.AbstractContextManager[object]:
        around = self._worker.surroundings
        self._heart = heart = Heart(
            # One under a new name may overtake the call that tells the store of it.
            beat=lambda: self._heartbeat(join=self._state.nameless),
            lease=self._settings.workers.lease / 1000,
            now=around.monotonic,
            heard=self._beaten,
        )
        return around.pulse(self._worker.store, heart.beats())

    def _from_thread(self, call: Callable[..., None]) -> Callable[..., None]:
        def hand_over(*args: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody to tell
                self._loop.call_soon_threadsafe(call, *args)

        return hand_over

    def _beaten(self, mine: str, beat: operations.Beat) -> None:
        """In the pulse's thread, which the event loop cannot hold up."""
        self._telemetry.contact()
        self._from_thread(self._heard)(mine, beat)

    def _heard(self, mine: str, beat: operations.Beat) -> None:
        if mine != self._incarnation:
            return
        self._telemetry.watched(beat.watched)
        if beat.alive:
            self._stop_cancelled(beat.cancelling)
            self._obey(beat.order)
        elif not self._moving.locked() and not self._state.nameless:
            self._tell(Disowned(self._now()))

    def _obey(self, order: operations.Order | None) -> None:
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

    def _watch_lease(self) -> None:
        """Jobs are stopped before their lease ends, also while the store does not answer at all.

        On the loop: a heartbeat that waits for its answer cannot say so in time.
        """
        left = self._heart.left(self._incarnation)
        if left <= 0 and not self._state.nameless:
            self._tell(Disowned(self._now()))
        lease = self._settings.workers.lease / 1000
        self._lease_alarm = self._loop.call_later(max(left, lease / 20), self._watch_lease)

    def _watch(self) -> contextlib.AbstractContextManager[object]:
        return self._worker.surroundings.watch(
            runs=lambda: self._runs,
            left_behind=lambda: self._executor.left_behind,
            streams=self._streams,
        )

    async def _send_report(self, record: Record, progress: bytes) -> None:
        self._telemetry.tell(Progressed(self._store_now(), self._incarnation, record, progress))
        await self._try(Report(record.id, record.token, progress))

    # Parts

    def _lifespan(self) -> contextlib.AbstractAsyncContextManager[Any]:
        lifespan = self._worker.registry.lifespan
        return contextlib.nullcontext() if lifespan is None else lifespan()

    def _make_executor(self, resources: Any) -> Executor:
        return Executor(
            self._worker.registry,
            concurrency=self._worker.setup.concurrency,
            keep=self._keep,
            addresses=self._addresses,
            streams=self._streams,
            max_unhandled_ms=self._settings.workers.max_unhandled,
            max_crashes=self._settings.workers.max_crashes,
            result_limit=self._settings.payload_limit,
            clock=self._worker.clock,
            state=resources,
            report=self._reports.put,
            collected=self._collected,
            store_now=self._store_now,
            errors=self._telemetry.errors,
            processing=self._telemetry.processing(),
            threads=self._worker.surroundings.threads,
        )

    @property
    def _runs(self) -> list[Run]:
        """The runs under way; from any thread, also before the first can be."""
        executor: Executor | None = getattr(self, "_executor", None)
        return [] if executor is None else executor.runs
