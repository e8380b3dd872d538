"""Runs jobs: from a claimed record to its outcome.

What belongs here: slots, which job gets one, asking a run to stop, and that each job has one outcome,
which waits to be collected. What does not: calling the handler (`calling`), which outcome that leads
to (`endings`), when a run's time is over (`deadlines`), talking to the store (the worker), deciding
how much to claim (`core.dispatcher`).

The way of a job: `add` → `_fill` finds a free slot → `_begin` decodes it and finds its handler →
`_serve` (async, or in a process of its own) or a thread (sync) has it called → `endings` makes the
outcome → `_finish` puts it where the worker collects it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from boundary.jobs.core import outcome, wire
from boundary.jobs.core.names import shown_id
from boundary.jobs.errors import RecordError
from boundary.jobs.shell.calling import Calls
from boundary.jobs.shell.deadlines import Deadlines
from boundary.jobs.shell.endings import Endings
from boundary.jobs.shell.logs import labels
from boundary.jobs.shell.running import GRACE, LAST_GRACE, Run, patience, stack_of
from boundary.jobs.shell.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from boundary.jobs.core.operations import Outcome
    from boundary.jobs.core.outcome import Keep
    from boundary.jobs.core.wire import Millis, Payload, Record
    from boundary.jobs.ports import Clock
    from boundary.jobs.shell.isolation.address import Address
    from boundary.jobs.shell.registry import Registry
    from boundary.jobs.shell.streams import Streams
    from boundary.jobs.shell.telemetry.tracing import Processing
    from boundary.jobs.shell.threads import MakeThreads

log: logging.Logger = logging.getLogger("boundary.jobs")

HOG = 0.001
"""Seconds a slot goes on without a turn for the rest of the loop."""

KILL_GRACE = 1.0
"""Seconds until its end is believed."""

START_GRACE = 15.0
"""Seconds a process may take until it calls the handler, beside the handler's timeout."""

_FOREIGN = (
    "the task that ran the handler was cancelled, and not by its worker: by the handler itself?"
)


class Executor:
    """Slots for `concurrency` jobs. Everything but `progress` is called on its event loop.

    Args:
        addresses: Where processes find the handlers that run in one of their own, by job type, as
            far as known; None: every handler runs in this process.
        report: Called with a record and encoded progress, from any thread.
        collected: Called when outcomes wait, once until they are taken with `collect`.
        store_now: The store's time as well as it is known.
        errors: Gets what handlers raise, by the id of the job; None: nobody wants to know.
        processing: Makes a span of each run; None: nobody traces.
        streams: Of the process, if it is this worker's.
        threads: Makes the threads for handlers that block.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        concurrency: int,
        keep: Keep,
        addresses: Mapping[str, Address] | None,
        streams: Streams | None,
        max_unhandled_ms: int,
        max_crashes: int,
        result_limit: int,
        clock: Clock,
        state: Any,
        report: Callable[[Record, bytes], None],
        collected: Callable[[], None],
        store_now: Callable[[], Millis],
        errors: dict[bytes, BaseException] | None = None,
        processing: Processing | None = None,
        threads: MakeThreads = Threads,
    ) -> None:
        self._registry = registry
        self._concurrency = concurrency
        self._keep = keep
        self._max_unhandled_ms = max_unhandled_ms
        self._collected = collected
        self._loop = asyncio.get_running_loop()
        self._time = self._loop.time
        self._endings = Endings(
            keep=keep,
            max_crashes=max_crashes,
            result_limit=result_limit,
            clock=clock,
            time=self._time,
            store_now=store_now,
            errors=errors,
        )
        self._deadlines = Deadlines(
            self._loop, lambda run: self._ask_to_stop(run, "timeout", GRACE)
        )
        self._buffer: deque[Record] = deque()
        self._running: dict[bytes, Run] = {}
        self._idle: deque[asyncio.Future[Run]] = deque()
        # In order, as all that is iterated over here: a worker's steps depend on no address.
        self._slots: dict[asyncio.Task[None], None] = {}
        self._calls = Calls(
            registry,
            self._endings,
            addresses=addresses,
            result_limit=result_limit,
            state=state,
            report=report,
            extend=self._extend,
            processing=processing,
            streams=streams,
            threads=threads,
            finished=self._finish,
        )
        self._closed = False
        self._yielded = self._time()
        self._outcomes: list[tuple[Record, Outcome]] = []
        self._durations: dict[str, list[float]] = {}
        self._left_behind: list[Run] = []
        self._missing_said: dict[str, float] = {}

    # What the worker does with it

    def add(self, records: Iterable[Record]) -> None:
        """These claimed jobs run, in this order, as slots become free."""
        self._buffer.extend(records)
        self._fill()

    def collect(self, most: int) -> list[tuple[Record, Outcome]]:
        """Up to `most` outcomes with their jobs, oldest first; they are the caller's now."""
        taken, self._outcomes = self._outcomes[:most], self._outcomes[most:]
        return taken

    def put_back(self, outcomes: list[tuple[Record, Outcome]]) -> None:
        """Outcomes the store did not take; `collect` brings them again, first."""
        self._outcomes[:0] = outcomes

    @property
    def waiting(self) -> int:
        """Outcomes that wait to be collected."""
        return len(self._outcomes)

    @property
    def held(self) -> tuple[Record, ...]:
        """All jobs that are this worker's: running, waiting, or with an outcome."""
        running = (run.record for run in self._running.values())
        return (*running, *self._buffer, *(record for record, _ in self._outcomes))

    def goes_on(self, record: Record) -> bool:
        """Whether this very job runs here under that very token."""
        run = self._running.get(record.id)
        if run is None:
            return False
        return (run.record.token, run.record.created) == (record.token, record.created)

    def give_way(self, records: Iterable[Record]) -> tuple[Record, ...]:
        """Let go of other jobs by these ids, and keep no outcome. Which had none yet.

        They were deleted while they were here, and enqueued anew: tokens begin anew, too, so that
        the store would take what comes of the old one for the new one's. They run, wait for a slot,
        or have an outcome that was not handed in.
        """
        running = self._running
        new = {record.id: record.created for record in records}

        def replaced(old: Record) -> bool:
            return new.get(old.id, old.created) != old.created

        runs = [running[id] for id in new if id in running]
        for run in runs:
            self._disown(run)
        unbegun = [record for record in self._buffer if replaced(record)]
        for record in unbegun:
            self._buffer.remove(record)
        self._outcomes = [row for row in self._outcomes if not replaced(row[0])]
        return (*[run.record for run in runs], *unbegun)

    def has_suspect(self, max_crashes: int) -> bool:
        """Whether a job on its last chance runs or waits here."""
        held = (*self._buffer, *(run.record for run in self._running.values()))
        return any(outcome.on_last_chance(record, max_crashes) for record in held)

    @property
    def runs(self) -> list[Run]:
        """The runs under way; from any thread."""
        return list(self._running.values())

    @property
    def left_behind(self) -> list[Run]:
        """Runs that go on though their slots were given away; from any thread."""
        return [run for run in self._left_behind if not run.over]

    @property
    def processes(self) -> tuple[int, ...]:
        """Pids of the child processes that run handlers."""
        return self._calls.processes

    def durations(self) -> tuple[tuple[str, int, float], ...]:
        """(queue, runs, milliseconds together) of what finished since the last call."""
        self._calls.keep_streams_open()  # once a turn, for the handlers on the loop
        taken, self._durations = self._durations, {}
        return tuple((queue, int(count), total) for queue, (count, total) in taken.items())

    def resize(self, slots: int) -> None:
        """There is room for so many jobs; what runs beyond it ends first."""
        self._concurrency = slots
        self._fill()

    def give_back(self) -> tuple[Record, ...]:
        """Release every job that has not begun. Which."""
        unbegun = tuple(self._buffer)
        self._buffer.clear()
        return self.refuse(unbegun)

    def refuse(self, records: tuple[Record, ...]) -> tuple[Record, ...]:
        """Release these claimed jobs unbegun. Which."""
        # Each goes to the head in turn: the last first keeps their order.
        for record in reversed(records):
            self._outcomes.append((record, outcome.released(record, self._keep.finished)))
        return records

    def cancel(self, ids: Iterable[bytes]) -> tuple[Record, ...]:
        """Ask these jobs to stop. Which had not begun (and are cancelled at once)."""
        wanted = set(ids)
        for id, run in list(self._running.items()):
            if id in wanted:
                self._ask_to_stop(run, "cancel", GRACE)
        unbegun = tuple([record for record in self._buffer if record.id in wanted])
        for record in unbegun:
            self._buffer.remove(record)
            why = "cancelled before it started"
            self._outcomes.append((record, outcome.cancelled(record, self._keep.finished, why)))
        return unbegun

    def abandon(self) -> None:
        """Stop what runs and release it; handlers get a last moment to unwind."""
        self._calls.wind_down()
        for run in list(self._running.values()):
            run.stop = ""
            self._ask_to_stop(run, "abandon", LAST_GRACE)

    def drop(self) -> None:
        """The leases are lost: stop everything, keep no outcome."""
        for run in list(self._running.values()):
            self._disown(run)
        self._buffer.clear()
        self._outcomes.clear()
        self._durations.clear()

    async def close(self) -> None:
        """Slots, threads and processes end; what does not within a moment is left behind."""
        self._closed = True
        self._calls.release_threads()
        self._deadlines.close()
        for slot in self._slots:
            slot.cancel()
        if self._slots:
            await asyncio.wait(self._slots, timeout=LAST_GRACE)
        await self._calls.close()

    # Finding a slot

    def _fill(self) -> None:
        now = self._time()
        while self._buffer and len(self._running) < self._concurrency:
            run = self._begin(self._buffer.popleft(), now)
            if run is not None:
                self._start(run)

    def _begin(self, record: Record, started: float) -> Run | None:
        """The run of a record, or None if its outcome is clear without one."""
        try:
            payload = wire.decode_payload(record.payload)
        except RecordError as error:
            self._quarantine(record, error)
            return None
        handler = self._registry.find(record.job_type)
        if handler is None:
            self._hand_on(record, payload)
            return None
        if outcome.is_refused(record, payload):
            self._put(record, outcome.refused(self._endings.ended(record, payload, started)), 0.0)
            return None
        if outcome.expired(record, payload):
            ended = self._endings.ended(record, payload, started)
            self._put(
                record,
                outcome.cancelled(record, ended.keep_ms, "expired before it could start"),
                0.0,
            )
            return None
        run = Run(record, payload, handler, started)
        self._running[record.id] = run
        if payload.timeout_ms is not None:
            # A process may have to start first; the handler's time begins with the handler.
            start = START_GRACE if self._calls.is_isolated(handler) else 0.0
            self._deadlines.put(
                run, started + start + payload.timeout_ms / 1000, len(self._running)
            )
        self._calls.prepare(run)
        return run

    def _start(self, run: Run) -> None:
        if not self._calls.is_on_loop(run):
            self._calls.in_thread(run)
            return
        while self._idle:
            idle = self._idle.popleft()
            if not idle.done():  # a handler may have had its slot cancelled later
                idle.set_result(run)
                return
        slot = self._loop.create_task(self._serve(run))
        self._slots[slot] = None
        slot.add_done_callback(self._slot_ended)

    def _slot_ended(self, slot: asyncio.Task[None]) -> None:
        self._slots.pop(slot, None)
        error = asyncio.CancelledError(_FOREIGN) if slot.cancelled() else slot.exception()
        if error is None or self._closed:
            return
        if not slot.cancelled():
            log.critical("a slot broke; please report this", exc_info=error)
        for run in self.runs:
            if run.task is slot:
                run.over = True
                self._finish(run, self._endings.raised(run, error))

    def _extend(self, run: Run, seconds: float) -> None:
        """The run's timeout, if it has one, is so many seconds from now."""
        if seconds > 0:
            self._deadlines.put(run, self._time() + seconds, len(self._running))

    def _quarantine(self, record: Record, error: RecordError) -> None:
        log.error(
            "job %s of type %s cannot be read and is now a dead letter: %s",
            shown_id(record.id),
            record.job_type,
            error,
            extra=labels(record),
        )
        self._put(record, outcome.quarantined(record, self._keep.dead), 0.0)

    def _hand_on(self, record: Record, payload: Payload) -> None:
        ended = self._endings.ended(record, payload, self._time())
        known = tuple(sorted(self._registry.handlers))
        result = outcome.unhandled(ended, known, self._max_unhandled_ms)
        now = self._time()
        if now >= self._missing_said.get(record.job_type, 0.0):
            self._missing_said[record.job_type] = now + 60
            log.warning(
                "no handler here for job type %r (known: %s); its jobs wait for another worker",
                record.job_type,
                ", ".join(known) or "none",
                extra=labels(record),
            )
        self._put(record, result, 0.0)

    # Slots on the loop

    async def _serve(self, run: Run) -> None:
        """One slot: run this job, then the next ones, until cancelled or given up."""
        task = asyncio.current_task()
        assert task is not None
        while True:
            run.task = task
            result = await self._calls.on_loop(run, task)
            run.task = None
            if run.given_up:
                return
            self._keep_outcome(run, result)
            now = run.finished
            if now - self._yielded > HOG:
                now = await self._breathe()
            following = self._next_on_loop(now)
            if following is None:
                idle: asyncio.Future[Run] = self._loop.create_future()
                self._idle.append(idle)
                following = await idle
            run = following

    async def _breathe(self) -> float:
        """Handlers that never wait would keep the loop from everything else."""
        await asyncio.sleep(0)
        self._yielded = now = self._time()
        return now

    def _next_on_loop(self, now: float) -> Run | None:
        """The next waiting job, if it is one a slot on the loop runs; saves a wake-up."""
        while self._buffer and len(self._running) < self._concurrency:
            run = self._begin(self._buffer.popleft(), now)
            if run is None:
                continue
            if self._calls.is_on_loop(run):
                return run
            self._calls.in_thread(run)
        return None

    # How it ended

    def _finish(self, run: Run, result: Outcome) -> None:
        self._keep_outcome(run, result)
        self._fill()

    def _keep_outcome(self, run: Run, result: Outcome) -> None:
        if not run.ended:
            self._end(run)
            self._put(run.record, result, (run.finished - run.started) * 1000)

    def _end(self, run: Run) -> None:
        run.ended = True
        run.deadline = None
        self._running.pop(run.record.id, None)

    def _put(self, record: Record, result: Outcome, duration_ms: float) -> None:
        self._outcomes.append((record, result))
        row = self._durations.get(record.queue)
        if row is None:
            self._durations[record.queue] = [1, duration_ms]
        else:
            row[0] += 1
            row[1] += duration_ms
        self._collected()

    # Asking it to stop

    def _ask_to_stop(self, run: Run, why: str, grace: float) -> None:
        if run.ended or run.stop:
            return
        run.stop = why
        if run.context is not None:
            run.context.cancelled.set()
        if run.task is not None:
            run.task.cancel()
        elif run.context is None and not self._calls.is_on_loop(run):
            # A blocking handler without a context cannot hear of it: nothing to wait for.
            grace = 0.0
        if self._calls.is_isolated(run.handler):
            grace = sum(patience(run)) + KILL_GRACE
        self._loop.call_later(grace, self._give_up, run)

    def _give_up(self, run: Run) -> None:
        """The run did not stop: it gets its outcome, its slot goes to another job."""
        if run.ended:
            return
        stack = stack_of(run)
        log.error(
            "%s goes on though it was asked to stop (%s); its slot is given to other jobs. It is "
            "at\n%s",
            run.record.job_type,
            run.stop,
            stack or "(no Python code)",
            extra=labels(run.record),
        )
        ended = self._endings.ended(run.record, run.payload, run.started)
        result = self._endings.stopped(run, ended, None)
        self._leave_behind(run)
        self._finish(run, result)

    def _disown(self, run: Run) -> None:
        """It is not this worker's any more: it stops as soon as it can, and nobody waits for it."""
        self._ask_to_stop(run, "abandon", LAST_GRACE)
        self._end(run)
        self._leave_behind(run)

    def _leave_behind(self, run: Run) -> None:
        run.given_up = True
        self._left_behind = [one for one in self._left_behind if not one.over]
        self._left_behind.append(run)
        self._calls.leave_behind(run)
