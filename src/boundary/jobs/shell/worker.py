"""The worker: performs what the dispatcher decides.

What belongs here: one loop that turns what happens into events and effects into calls of the
store and the executor. What does not: a decision (`core.dispatcher`), running a handler
(`executor`), keeping the lease (`pulse`).

    claim ──► executor.add ──► handler ──► outcome ──► settle (with the next claim)
      ▲                                                   │
      └────────────────── dispatcher.step ◄───────────────┘
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

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
    Leave,
    Noticed,
    Renew,
    Returned,
    State,
    Stop,
    Sweep,
    Tick,
)
from boundary.jobs.core.names import checked_name
from boundary.jobs.core.operations import (
    BATCH,
    Claim,
    Claimed,
    Depart,
    Heartbeat,
    Inherit,
    Prune,
    PutSchedule,
    Reclaim,
    Report,
    Settle,
    SettleAndClaim,
    Settled,
    Time,
)
from boundary.jobs.core.outcome import Keep
from boundary.jobs.errors import BackendError, BackendUnavailable, UsageError
from boundary.jobs.shell import loops
from boundary.jobs.shell.clock import SystemClock
from boundary.jobs.shell.executor import Executor
from boundary.jobs.shell.journal import Journal
from boundary.jobs.shell.pulse import Heart, describe_worker
from boundary.jobs.shell.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence

    from boundary.jobs.core.operations import Operation, Outcome, Schedule
    from boundary.jobs.core.wire import Millis, Record
    from boundary.jobs.ports import AsyncBackend, Clock, Store
    from boundary.jobs.shell.config import Settings
    from boundary.jobs.shell.registry import Registry

R = TypeVar("R")

log = logging.getLogger("boundary.jobs")

SWEEP_MS = 5_000
CROWD_MS = 200
"""How long jobs on their last chance are put off while another of them runs."""

LONGEST_EAR = 2.0
"""Seconds an idle worker relies on being told: a connection that died tells nothing."""

DEPARTURE = 0.5
"""Seconds a worker that leaves waits for the store to take note."""


class Worker:
    """Runs jobs of a store with the handlers of a registry.

    Made by `Jobs.worker`. It holds no resources itself: each `run` is a shift of its own, and
    several may go on at once, in one process or many.

    Args:
        queues: Served in this order; None: the configured ones, else every queue that has jobs,
            ``default`` first.
        weights: Instead of an order: how often each queue comes first, relative to the others.
        concurrency: Jobs that run at the same time (default 10).

    Raises:
        UsageError: `concurrency` is below 1, a weight is below 1, both orders are given.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        settings: Settings,
        *,
        queues: Sequence[str] | None = None,
        weights: Mapping[str, int] | None = None,
        concurrency: int | None = None,
        clock: Clock | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        self.store = store
        self.registry = registry
        self.settings = settings
        self.clock = clock or SystemClock()
        self.surroundings = surroundings or Surroundings()
        self.setup = _setup(settings, queues, weights, concurrency)
        self._shifts: set[Shift] = set()

    async def run(self, *, burst: bool = False, handle_signals: bool = False) -> None:
        """Run jobs until stopped.

        Args:
            burst: Return as soon as nothing is ready and nothing runs here; what is due later is
                not waited for.
            handle_signals: SIGTERM and SIGINT stop it: the first lets running jobs end within
                `shutdown_timeout`, the second at once. Only in the main thread.

        Raises:
            BackendError: In a burst, the store cannot be used. Otherwise that is waited out.
        """
        shift = Shift(self, burst=burst)
        self._shifts.add(shift)
        try:
            with _signals(shift) if handle_signals else contextlib.nullcontext():
                await shift.work()
        finally:
            self._shifts.discard(shift)

    def run_until_empty(self) -> None:
        """Run jobs until nothing is ready and nothing runs here; blocks. From any thread.

        Raises:
            UsageError: Called on an event loop; ``await worker.run(burst=True)`` there.
            BackendError: The store cannot be used.
        """
        if loops.is_running():
            raise UsageError(
                "run_until_empty blocks and this thread has a running event loop; "
                "use `await worker.run(burst=True)` here"
            )
        loops.run(self.run(burst=True))

    def stop(self, grace: float | None = None) -> None:
        """Every `run` under way takes no further job and returns when its jobs have ended.

        Callable from any thread. Returns at once.

        Args:
            grace: Seconds running jobs get; then they are stopped and released to other workers.
                None: `workers.shutdown_timeout`.
        """
        for shift in list(self._shifts):
            shift.ask_to_stop(grace)


def _setup(
    settings: Settings,
    queues: Sequence[str] | None,
    weights: Mapping[str, int] | None,
    concurrency: int | None,
) -> dispatcher.Setup:
    if queues is not None and weights is not None:
        raise UsageError("give queues (a strict order) or weights, not both")
    if isinstance(queues, str):
        raise UsageError(f"queues is a list of names, not the text {queues!r}")
    names = settings.workers.queues if queues is None and weights is None else queues
    slots = settings.workers.concurrency if concurrency is None else concurrency
    if slots < 1:
        raise UsageError(f"concurrency is 1 or more, not {slots!r}")
    rows = tuple((weights or {}).items())
    for name, weight in rows:
        if weight < 1:
            raise UsageError(f"the weight of queue {name!r} is 1 or more, not {weight!r}")
    for name in (*(names or ()), *(name for name, _ in rows)):
        checked_name("queue", name)
    return dispatcher.Setup(
        concurrency=slots,
        queues=None if names is None else tuple(names),
        weights=rows,
        poll_ms=_longest_wait(settings),
        sweep_ms=min(SWEEP_MS, settings.workers.lease / 2),
    )


def _longest_wait(settings: Settings) -> int:
    """How long (ms) a worker goes without looking, for new jobs or for what has come due."""
    scheduled = settings.scheduled_processor
    if not scheduled.enabled:
        return settings.workers.poll_interval
    return min(settings.workers.poll_interval, scheduled.interval)


@contextlib.contextmanager
def _signals(shift: Shift) -> Generator[None]:
    loop = asyncio.get_running_loop()
    asked = 0

    def ask(name: str) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            log.info("%s: finishing what runs; once more stops at once", name)
            shift.ask_to_stop(None)
        else:
            log.warning("%s again: stopping at once, running jobs go back to the queue", name)
            shift.ask_to_stop(0.0)

    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, ask, number.name)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


class Shift:
    """One `run` of a worker, on one event loop."""

    def __init__(self, worker: Worker, *, burst: bool) -> None:
        settings = worker.settings
        self._worker = worker
        self._settings = settings
        self._burst = burst
        self._state = State(replace(worker.setup, burst=burst))
        self._events: deque[dispatcher.Event] = deque()
        self._loop = asyncio.get_running_loop()
        self._sleeper: asyncio.Future[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._watch: asyncio.TimerHandle | None = None
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
        self._reports: dict[bytes, tuple[Record, bytes]] = {}
        self._reporting = False
        self._firing: set[tuple[str, Millis]] = set()
        self._journal = Journal()
        self._keep = Keep(settings.retention.finished, settings.retention.dead)
        self._incarnation = worker.surroundings.incarnation()
        self._info = describe_worker(worker.setup, settings, worker.clock.now())
        self._backend: AsyncBackend = worker.store.asynchronous()
        self._executor: Executor
        self._heart: Heart

    async def work(self) -> None:
        """The whole shift, from joining to departing."""
        try:
            if not await self._has_joined():
                return
            async with self._lifespan() as resources:
                self._executor = self._make_executor(resources)
                with self._pulse():
                    self._watch_lease()
                    self._spawn(self._hear())
                    try:
                        await self._turn()
                    finally:
                        await self._executor.close()
        finally:
            await self._depart()

    def ask_to_stop(self, grace: float | None) -> None:
        """Take nothing more; from any thread."""
        seconds = self._settings.workers.shutdown_timeout / 1000 if grace is None else grace
        with contextlib.suppress(RuntimeError):  # the loop is closed: it has stopped
            self._loop.call_soon_threadsafe(lambda: self._tell(Stop(self._now(), seconds * 1000)))

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

    def _reap(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broken = error
            self._wake()

    def _tell_returned(self, count: int) -> None:
        if count:
            self._tell(Returned(self._now(), count))

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

    # Talking to the store

    async def _exchange(self, effect: Exchange) -> None:
        """One round trip: outcomes out, jobs in."""
        mine, losses = self._incarnation, self._losses
        done = self._executor.collect(BATCH)
        ids = {record.id for record, _ in done}
        handing_in = {(record.id, record.token) for record, _ in done}
        self._handing_in |= handing_in
        try:
            await self._flush_reports(ids)
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
                self._journal.settled(done, self._taken(done, settled))
            if claimed is None:
                self._arrived(effect, 0, None)
            else:
                await self._take_in(mine, effect, claimed)

    def _once_more(
        self, done: list[tuple[Record, Outcome]], settled: Settled
    ) -> tuple[list[tuple[Record, Outcome]], Settled]:
        """What was refused because this worker goes on as its heir, its heir hands in again."""
        rows = list(zip(done, settled.accepted, strict=True))
        self._executor.put_back([one for one, accepted in rows if not accepted])
        taken = [one for one, accepted in rows if accepted]
        return taken, Settled(settled.now, (True,) * len(taken))

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
        wait = dispatcher.BACKOFF_MS / 1000
        lease, keep = self._settings.workers.lease, self._keep.finished
        while mine == self._incarnation:
            sent = self._worker.surroundings.monotonic()
            # What another exchange hands in just now is this worker's too.
            held = ((record.id, record.token) for record in self._executor.held)
            known = (*held, *sorted(self._handing_in))
            beat = await self._try(Inherit(mine, heir, known, lease, self._info, keep))
            if beat is not None:
                break
            await asyncio.sleep(wait * (0.5 + self._worker.clock.u()))
            wait = min(wait * 2, dispatcher.LONGEST_BACKOFF_MS / 1000)
        else:
            return
        if mine == self._incarnation:
            self._incarnation = heir
            self._heart.renewed(heir, sent)
            if not beat.alive:
                self._tell(Disowned(self._now()))

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
            promote=BATCH if self._settings.scheduled_processor.enabled else 0,
        )

    async def _take_in(self, mine: str, effect: Exchange, claimed: Claimed) -> None:
        """What came in begins, unless this worker goes by another name by now.

        Nobody moves meanwhile: a move that does not know of these jobs would give them back.
        """
        jobs = await self._without_crowd(claimed.jobs) if mine == self._incarnation else ()
        if mine == self._incarnation:
            self._begin(effect, claimed, jobs)
            return
        self._arrived(effect, 0, None)
        if claimed.jobs:
            await self._try(Depart(mine, self._keep.finished))

    def _begin(self, effect: Exchange, claimed: Claimed, jobs: tuple[Record, ...]) -> None:
        self._offset = claimed.now - self._now()
        due = None if claimed.next_due is None else float(claimed.next_due - claimed.now)
        if not claimed.alive:
            self._arrived(effect, 0, None)
            self._tell(Disowned(self._now()))
            return
        # After a power cut a store may give a job again, under the token it runs under here.
        jobs = tuple([one for one in jobs if not self._executor.goes_on(one)])
        self._arrived(effect, len(jobs), due)
        self._journal.claimed(jobs)
        if self._state.phase == "running":
            self._executor.add(jobs)
        else:
            # Asked to stop since it asked: nothing begins any more.
            self._tell_returned(self._executor.refuse(jobs))
        self._stop_cancelled(claimed.cancelling)
        for one in claimed.ticks:
            self._spawn(self._fire(one))

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

    def _arrived(self, effect: Exchange, count: int, due_ms: float | None) -> None:
        leftover = self._executor.waiting > 0
        self._tell(Arrived(self._now(), effect, count, due_ms, leftover, self._worker.clock.u()))

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
        self._sleeper = self._loop.create_future()
        await asyncio.wait({joining, self._sleeper}, return_when=asyncio.FIRST_COMPLETED)
        if not joining.done():
            joining.cancel()
            return False
        joining.result()
        return True

    async def _join(self) -> None:
        """The store knows this worker, and the schedules declared in code."""
        wait = dispatcher.BACKOFF_MS / 1000
        while True:
            try:
                await self._backend.execute(self._heartbeat(join=True))
                now = await self._backend.execute(Time())
                for declared in self._worker.registry.schedules(now):
                    await self._backend.execute(PutSchedule(declared))
                return
            except BackendError as error:
                if self._burst:
                    raise
                log.warning("waiting for the store: %s", error)
                await asyncio.sleep(wait * (0.5 + self._worker.clock.u()))
                wait = min(wait * 2, dispatcher.LONGEST_BACKOFF_MS / 1000)

    async def _depart(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DEPARTURE)
        leaving = self._loop.create_task(self._try(Depart(self._incarnation, self._keep.finished)))
        await asyncio.wait({leaving}, timeout=DEPARTURE)
        for timer in (self._alarm, self._watch):
            if timer is not None:
                timer.cancel()
        await self._backend.close()
        log.info("worker %s has stopped", self._incarnation)

    # Duties

    async def _hear(self) -> None:
        """While idle, wait for work and claim it when it comes."""
        wait = dispatcher.BACKOFF_MS / 1000
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
                await asyncio.sleep(wait * (0.5 + self._worker.clock.u()))
                wait = min(wait * 2, dispatcher.LONGEST_BACKOFF_MS / 1000)
                continue
            wait = dispatcher.BACKOFF_MS / 1000
            if claimed is not None:
                async with self._moving:
                    await self._take_in(mine, effect, claimed)

    async def _sweep(self) -> None:
        """Take back what lost workers held; let go of what is past its retention."""
        limit = self._settings.workers.max_crashes
        taken = await self._try(Reclaim(limit, self._keep.dead))
        if taken:
            log.warning("took back %d jobs of workers whose lease had ended", len(taken))
            self._tell(Noticed(self._now()))
        while await self._try(Prune()) == BATCH and self._state.phase == "running":
            pass

    async def _fire(self, schedule: Schedule) -> None:
        """This tick's job is enqueued, by this worker or another."""
        key = (schedule.name, schedule.next_at)
        if key in self._firing:
            return
        self._firing.add(key)
        try:
            fire = self._worker.registry.tick(schedule, self._store_now())
            if await self._try(fire):
                log.info("schedule %s fired", schedule.name, extra={"job_type": schedule.job_type})
                self._tell(Noticed(self._now()))
        finally:
            self._firing.discard(key)

    def _renew(self) -> None:
        """Lost leases: whatever runs is stopped and not handed in; a new name, a fresh start."""
        log.error(
            "the store gave this worker's jobs to others (lease of %g s not renewed); "
            "stopping them here and going on",
            self._settings.workers.lease / 1000,
        )
        self._executor.drop()
        # What was heard of the lost jobs, and not told yet, is of no use to anybody; those that
        # came in a moment ago are lost too.
        stale = (Finished, Returned, Disowned)
        heard = (one for one in self._events if not isinstance(one, stale))
        self._events = deque(
            replace(one, count=0) if isinstance(one, Arrived) else one for one in heard
        )
        self._losses += 1
        self._incarnation = self._worker.surroundings.incarnation()
        self._spawn(self._rejoin(self._incarnation))

    async def _rejoin(self, mine: str) -> None:
        while mine == self._incarnation:
            if await self._try(self._heartbeat(join=True)) is not None:
                self._tell(Noticed(self._now()))
                return
            await asyncio.sleep(dispatcher.BACKOFF_MS / 1000)

    # Leases

    def _heartbeat(self, *, join: bool = False) -> Heartbeat:
        lease = self._settings.workers.lease
        return Heartbeat(self._incarnation, lease, self._info, join)

    def _pulse(self) -> contextlib.AbstractContextManager[object]:
        around = self._worker.surroundings
        self._heart = heart = Heart(
            beat=self._heartbeat,
            lease=self._settings.workers.lease / 1000,
            now=around.monotonic,
            heard=self._from_thread(self._heard),
        )
        return around.pulse(self._worker.store, heart.beats())

    def _from_thread(self, call: Callable[..., None]) -> Callable[..., None]:
        def hand_over(*args: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody to tell
                self._loop.call_soon_threadsafe(call, *args)

        return hand_over

    def _heard(self, mine: str, beat: operations.Beat) -> None:
        if mine != self._incarnation:
            return
        if beat.alive:
            self._stop_cancelled(beat.cancelling)
        elif not self._moving.locked():
            self._tell(Disowned(self._now()))

    def _watch_lease(self) -> None:
        """Jobs are stopped before their lease ends, also while the store does not answer at all.

        On the loop: a heartbeat that waits for its answer cannot say so in time.
        """
        left = self._heart.left(self._incarnation)
        if left <= 0:
            self._tell(Disowned(self._now()))
        lease = self._settings.workers.lease / 1000
        self._watch = self._loop.call_later(max(left, lease / 20), self._watch_lease)

    # Progress

    def _report(self, record: Record, progress: bytes) -> None:
        """From any thread: the latest progress of a job, to be stored soon."""
        self._reports[record.id] = (record, progress)
        if not self._reporting:
            self._reporting = True
            self._from_thread(lambda: self._spawn(self._send_reports()))()

    async def _send_reports(self) -> None:
        try:
            while self._reports:
                await self._flush_reports(set(self._reports))
        finally:
            self._reporting = False

    async def _flush_reports(self, ids: set[bytes]) -> None:
        """Progress of these jobs is stored; before their outcomes, or never."""
        for id in sorted(ids & self._reports.keys()) if self._reports else ():
            # Another flush, of an exchange or of the sender, may have taken it meanwhile.
            report = self._reports.pop(id, None)
            if report is not None:
                await self._try(Report(id, report[0].token, report[1]))

    # Parts

    def _lifespan(self) -> contextlib.AbstractAsyncContextManager[Any]:
        lifespan = self._worker.registry.lifespan
        return contextlib.nullcontext() if lifespan is None else lifespan()

    def _make_executor(self, resources: Any) -> Executor:
        return Executor(
            self._worker.registry,
            concurrency=self._worker.setup.concurrency,
            keep=self._keep,
            max_unhandled_ms=self._settings.workers.max_unhandled,
            result_limit=self._settings.payload_limit,
            clock=self._worker.clock,
            state=resources,
            report=self._report,
            collected=self._collected,
            store_now=self._store_now,
            threads=self._worker.surroundings.threads,
        )
