"""Running a job where its caller stands: no worker, no waiting.

What belongs here: the steps from a stored job to its outcome, taken by the caller of an enqueue
(`Jobs(inline=True)`) or of a test's drain. What does not: how a handler is run (`executor`), and
which jobs are to run now (those who ask).

    enqueue ──► Take ──► Perform (the executor, with one slot) ──► Settle ──► the job as it is now

A blocking handler runs in the thread that called, so that it sees the caller's transactions and
thread locals; an async one runs on the caller's loop, or on a loop in a thread beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from msgspec.structs import replace

from boundary.jobs.core import conversion, happenings, lifecycle, wire
from boundary.jobs.core.operations import (
    Claim,
    Claimed,
    Depart,
    Find,
    Interest,
    Operation,
    Outcome,
    Report,
    Settle,
    Take,
)
from boundary.jobs.core.outcome import Keep
from boundary.jobs.core.steering import Steer
from boundary.jobs.core.telling import told_error
from boundary.jobs.shell import flows
from boundary.jobs.shell.beside import Beside
from boundary.jobs.shell.executor import Executor
from boundary.jobs.shell.flows import Flow, Tell, ask
from boundary.jobs.shell.ids import incarnation
from boundary.jobs.shell.logs import labels
from boundary.jobs.shell.telemetry.journal import Journal
from boundary.jobs.shell.threads import Threads

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from boundary.jobs.core.records import Job
    from boundary.jobs.core.wire import Millis, Record
    from boundary.jobs.ports import (
        AsyncBackend,
        AsyncListener,
        AsyncWatcher,
        Backend,
        Clock,
        Listener,
        Watcher,
    )
    from boundary.jobs.shell.beside import Inbox
    from boundary.jobs.shell.draft import Draft
    from boundary.jobs.shell.registry import Registry
    from boundary.jobs.shell.settings import Settings

R = TypeVar("R")
T = TypeVar("T")

log: logging.Logger = logging.getLogger("boundary.jobs")

HOLD_MS = 3_600_000
"""The lease of a run that nobody renews; a caller that dies in it leaves the job for so long."""


class Ended(NamedTuple):
    """How a run ended, and what its handler raised and reported."""

    outcome: Outcome
    error: BaseException | None
    progress: bytes


class Perform(flows.Here[Ended], frozen=True):
    """The claimed job is run here; the store is not asked."""

    record: wire.Record


# The steps


class Terms(NamedTuple):
    """What jobs are run where they are enqueued, and what becomes of what they raise.

    Attributes:
        knows: Whether a job type has a handler here.
        keep_ms: How long cancelled jobs stay.
        raising: The caller gets what a handler raised, besides the job.
    """

    knows: Callable[[str], bool]
    keep_ms: int
    raising: bool


def enqueue(draft: Draft, terms: Terms) -> Flow[Job]:
    """The job is stored and, if it is due, run to its outcome; as it is then.

    A job that waits for its instant, or whose type has no handler here, is left to a worker.

    Raises:
        BaseException: Whatever its handler raised, if the terms say so.
    """
    return (yield from _run_if_due((yield from flows.enqueue(draft)), terms))


def enqueue_many(drafts: Iterable[Draft], terms: Terms) -> Flow[list[Job]]:
    """As `enqueue`, one after another once all are stored."""
    jobs = yield from flows.enqueue_many(drafts)
    for place, job in enumerate(jobs):
        jobs[place] = yield from _run_if_due(job, terms)
    return jobs


def _run_if_due(job: Job, terms: Terms) -> Flow[Job]:
    is_due = job.execute_at is None or job.execute_at <= job.created_at
    if job.status != "pending" or not is_due or not terms.knows(job.job_type):
        return job
    return (yield from _run(job, terms))


def _run(job: Job, terms: Terms) -> Flow[Job]:
    worker = incarnation()
    record = yield from ask(Take(job.id.bytes, worker, HOLD_MS))
    if record is None:  # a worker was quicker
        return (yield from flows.find(job.id)) or job
    try:
        yield Tell(happenings.Started(record.started or record.updated, worker, (record,)))
        ended = yield from ask(Perform(record))
        done = yield from settle(record, ended, worker)
    finally:
        yield from ask(Depart(worker, terms.keep_ms))
    hand_on(ended.error, raising=terms.raising)
    return done


def settle(record: Record, ended: Ended, worker: str) -> Flow[Job]:
    """The outcome is in the store. The job as it is afterwards, even if it is not kept."""
    if ended.progress:
        yield from ask(Report(record.id, record.token, ended.progress))
    settled = yield from ask(Settle(worker, (ended.outcome,)))
    runs = ((record, ended.outcome),)
    errors = {} if ended.error is None else {record.id: ended.error}
    happening = happenings.Ended(settled.now, worker, runs, settled.accepted, errors)
    Journal()(happening)
    yield Tell(happening)
    if ended.error is not None and not isinstance(ended.error, Steer):
        told = told_error(record.payload, ended.outcome.trail)
        trace = "" if told is None else f"\n{told.stacktrace or told.message}"
        log.error("%s raised%s", record.job_type, trace, extra=labels(record))
    (stored,) = yield from ask(Find((record.id,)))
    return conversion.job_of(stored or _afterwards(record, ended.outcome))


def _afterwards(record: Record, outcome: Outcome) -> Record:
    """What the store would hold, had the job not asked not to be kept."""
    status = lifecycle.after(record.status, outcome.event)
    return replace(record, status=status, ending=outcome.event, trail=outcome.trail, worker=None)


def hand_on(error: BaseException | None, *, raising: bool) -> None:
    """Raise what concerns the caller: everything but a handler's answers, if `raising`.

    Otherwise only what is no affair of the job at all: Ctrl-C, and a test runner's own.
    """
    if error is None or isinstance(error, Steer):
        return
    of_the_job = (Exception, SystemExit, GeneratorExit, asyncio.CancelledError)
    if raising or not isinstance(error, of_the_job):
        raise error


# Performing a run


class Desk:
    """Runs one claimed job at a time, with the handlers of a registry.

    Each run opens and closes the lifespan: what it yields belongs to an event loop.

    Args:
        store_now: The store's time; None: since the claim, as the loop counts.
    """

    def __init__(
        self,
        registry: Registry,
        settings: Settings,
        clock: Clock,
        store_now: Callable[[], Millis] | None = None,
    ) -> None:
        self._registry = registry
        self._settings = settings
        self._clock = clock
        self._store_now = store_now

    def run(self, record: Record) -> Ended:
        """How the run ended; a blocking handler was called in this thread.

        Raises:
            BaseException: What interrupted this thread, as Ctrl-C does, but for a blocking handler,
                whose run it fails. An async one was cancelled.
        """
        beside: Beside[Ended] = Beside()
        return beside.run(lambda: self.arun(record, partial(InCaller, beside.inbox)))

    async def arun(
        self, record: Record, threads: Callable[..., Threads[Any, Any]] = Threads
    ) -> Ended:
        """How the run ended, on this loop.

        Args:
            threads: Where blocking handlers are called.
        """
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        reported = [b""]

        def report(_: Record, progress: bytes) -> None:
            reported[0] = progress

        def collected() -> None:
            if not ended.done():
                ended.set_result(None)

        async with self._lifespan() as state:
            errors: dict[bytes, BaseException] = {}
            executor = Executor(
                self._registry,
                concurrency=1,
                # In the caller's process, whatever a worker would do.
                addresses=None,
                streams=None,
                keep=Keep(self._settings.retention.finished, self._settings.retention.dead),
                max_unhandled_ms=self._settings.workers.max_unhandled,
                max_crashes=self._settings.workers.max_crashes,
                result_limit=self._settings.payload_limit,
                clock=self._clock,
                state=state,
                report=report,
                collected=collected,
                store_now=self._store_now or _since(record, loop),
                errors=errors,
                threads=threads,
            )
            try:
                executor.add((record,))
                await ended
            finally:
                await executor.close()
        ((_, outcome),) = executor.collect(1)
        return Ended(outcome, errors.get(record.id), reported[0])

    def _lifespan(self) -> AbstractAsyncContextManager[Any]:
        lifespan = self._registry.lifespan
        return contextlib.nullcontext() if lifespan is None else lifespan()


def _since(record: Record, loop: asyncio.AbstractEventLoop) -> Callable[[], Millis]:
    began = loop.time()
    claimed = record.started or record.updated
    return lambda: claimed + round((loop.time() - began) * 1000)


class InCaller(Threads[T, R]):
    """`Threads` of one thread: the one that called, and does the work it finds in `inbox`."""

    def __init__(
        self,
        inbox: Inbox,
        loop: asyncio.AbstractEventLoop,
        work: Callable[[T], R],
        done: Callable[[T, R], None],
    ) -> None:
        super().__init__(loop, work, done)
        self._inbox = inbox

    def submit(self, item: T) -> None:
        """The caller's thread works on the item next."""
        self._inbox.put(partial(self._work_on, item))

    def give_up(self) -> None:
        """There is no other thread that could take its place."""

    def close(self) -> None:
        """The thread is its owner's."""

    def _work_on(self, item: T) -> None:
        result = self._work(item)
        with contextlib.suppress(RuntimeError):  # its time was over, and the loop is closed
            self._loop.call_soon_threadsafe(self._deliver, item, result)

    def _deliver(self, item: T, result: R) -> None:
        if not getattr(item, "given_up", False):
            self._done(item, result)


# A store at which runs are performed too


class InlineBackend:
    """`ports.Backend` over another, that performs runs itself."""

    def __init__(self, backend: Backend, desk: Desk) -> None:
        self._backend = backend
        self._desk = desk

    def execute(self, operation: Operation[R]) -> R:
        """As `ports.Backend.execute`; `Perform` calls the handler."""
        if isinstance(operation, Perform):
            return cast("R", self._desk.run(operation.record))
        return self._backend.execute(operation)

    def listen(self, interest: Interest) -> Listener:
        """As `ports.Backend.listen`."""
        return self._backend.listen(interest)

    def watch(self) -> Watcher:
        """As `ports.Backend.watch`."""
        return self._backend.watch()

    def close(self) -> None:
        """As `ports.Backend.close`."""
        self._backend.close()


class AsyncInlineBackend:
    """`ports.AsyncBackend` over another, that performs runs itself."""

    def __init__(self, backend: AsyncBackend, desk: Desk) -> None:
        self._backend = backend
        self._desk = desk

    async def execute(self, operation: Operation[R]) -> R:
        """As `ports.AsyncBackend.execute`; `Perform` calls the handler."""
        if isinstance(operation, Perform):
            return cast("R", await self._desk.arun(operation.record))
        return await self._backend.execute(operation)

    async def listen(self, interest: Interest) -> AsyncListener:
        """As `ports.AsyncBackend.listen`."""
        return await self._backend.listen(interest)

    async def watch(self) -> AsyncWatcher:
        """As `ports.AsyncBackend.watch`."""
        return await self._backend.watch()

    async def claim_when_told(self, claim: Claim, timeout: float) -> Claimed | None:
        """As `ports.AsyncBackend.claim_when_told`."""
        return await self._backend.claim_when_told(claim, timeout)

    async def close(self) -> None:
        """As `ports.AsyncBackend.close`."""
        await self._backend.close()
