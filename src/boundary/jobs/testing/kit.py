"""Your jobs in your tests: on memory, under a clock that stands still, run when a test says so.

What belongs here: what a test may ask and say of jobs (`JobsKit`), and pointing an application's
own `Jobs` at it (`jobs_under_test`). What does not: the steps of a run (`draining`), what may befall
it (`mishaps`), pytest (`boundary.jobs_pytest`).
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Generator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

from msgspec.structs import replace

from boundary.jobs.core import conversion
from boundary.jobs.core.operations import Enqueue, Find, Fire, Operation
from boundary.jobs.errors import ResultTimeout, UsageError
from boundary.jobs.shell import loops, schedule_flows
from boundary.jobs.shell.adapters.memory import MemoryStore
from boundary.jobs.shell.client import Jobs
from boundary.jobs.shell.driving import drive, drive_async
from boundary.jobs.shell.inline import AsyncInlineBackend, Desk, InlineBackend
from boundary.jobs.shell.options import Isolation, Options
from boundary.jobs.shell.registry import Handler, Registry, Rule
from boundary.jobs.testing import draining, idempotency, matching
from boundary.jobs.testing.clock import FakeClock
from boundary.jobs.testing.mishaps import Fail, Kill, Mishaps

if TYPE_CHECKING:
    from boundary.jobs.core.records import Job
    from boundary.jobs.core.values import JSON
    from boundary.jobs.shell.draft import Draft
    from boundary.jobs.shell.flows import Flow, JobId

R = TypeVar("R")
H = TypeVar("H", bound=Handler[..., Any])

MOST_RUNS = 1_000


class WatchedStore(MemoryStore):
    """A store in memory that remembers each job as it came in.

    Attributes:
        enqueued: Those jobs, oldest first.
    """

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.enqueued: list[Job] = []

    def run(self, operation: Operation[R]) -> R:
        """As `MemoryStore.run`."""
        reply = super().run(operation)
        if isinstance(operation, Enqueue):
            fresh = cast("Any", reply).fresh
            self._note([one.id for one, new in zip(operation.jobs, fresh, strict=True) if new])
        elif isinstance(operation, Fire) and operation.job is not None and reply:
            self._note([operation.job.id])
        return reply

    def _note(self, ids: list[bytes]) -> None:
        records = super().run(Find(tuple(ids)))
        self.enqueued += [conversion.job_of(one) for one in records if one is not None]


class JobsKit(Jobs):
    """`Jobs` for a test: everything a `Jobs` has, and what a test needs besides.

    Its store is in memory and its own. Nothing runs until `drain` (or `run_for`) says so, then one
    job at a time, blocking handlers in the thread of the test. Handlers registered here are
    forgotten with it.

    Args:
        jobs: An application's, whose handlers, middleware, schedules and settings it has; None:
            it begins with none.
        clock: None: one of its own, which begins at the same instant in each test.
        at_least_once: Each run is cut at each of its points in turn, then runs wholly, loses its
            outcome and runs once more: what the store promises, at its worst.

    Attributes:
        clock: Moves time: ``clock.travel(hours=3)``.
    """

    def __init__(
        self,
        jobs: Jobs | None = None,
        *,
        clock: FakeClock | None = None,
        at_least_once: bool = False,
    ) -> None:
        self.clock: FakeClock = clock or FakeClock()
        settings = None if jobs is None else replace(jobs.settings, url="memory://")
        super().__init__("memory://", config=settings, clock=self.clock, inline=False)
        self._mishaps = Mishaps()
        self._at_least_once = at_least_once
        self._deaths: dict[bytes, int] = {}
        self.watched: WatchedStore = WatchedStore(self.clock)
        self.store = self.watched
        if jobs is not None:
            self.registry: Registry = jobs.registry.copy(self._mishaps.instrumented)
        self._run(schedule_flows.declare(self.registry.schedules))

    # Handlers of a test's own

    def _register(
        self,
        function: Callable[..., Any],
        name: str | None,
        chosen: Options,
        isolation: Isolation | None,
    ) -> Handler[..., Any]:
        # What asks for a process of its own runs in that of the test too.
        made = super()._register(function, name, chosen, None)
        self.registry.handlers[made.job_type] = self._mishaps.instrumented(made)
        return made

    def _declare(self, door: str, name: str | None, rule: Rule) -> Callable[[H], H]:
        """As of `Jobs`; a schedule ticks from now on."""
        declare = super()._declare(door, name, rule)

        def declared(handler: H) -> H:
            declare(handler)
            self._run(schedule_flows.declare(self.registry.schedules))
            return handler

        return declared

    # Running

    def drain(self, *, raising: bool = False, limit: int = MOST_RUNS) -> list[Job]:
        """Everything that is ready has run, in the order a worker would take it.

        Jobs that come in meanwhile run too; what is due later, retries included, does not.

        Args:
            raising: Raise what a handler raises, once that is its job's outcome. Otherwise it is
                only that, and logged, so that pytest shows it if the test fails.
            limit: So many runs are a mistake.

        Returns:
            The jobs that ran, each as it was after its run; one that ran twice, twice.

        Raises:
            UsageError: Called on an event loop; ``await jobs.adrain()`` there.
        """
        return self._stepped("drain", draining.drain(self._bench(raising, limit)))

    async def adrain(self, *, raising: bool = False, limit: int = MOST_RUNS) -> list[Job]:
        """As `drain`, on this loop; blocking handlers run in threads, as with a worker."""
        return await self._astepped(draining.drain(self._bench(raising, limit)))

    def run_for(
        self,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        raising: bool = False,
        limit: int = MOST_RUNS,
    ) -> list[Job]:
        """So much time has passed with a worker about: what came due has run at its instant.

        Retries, delayed jobs, schedules and leases that end, in their order. Otherwise as `drain`.
        """
        until = self._until(days, hours, minutes, seconds)
        return self._stepped("run_for", draining.pass_time(self._bench(raising, limit), until))

    async def arun_for(
        self,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        raising: bool = False,
        limit: int = MOST_RUNS,
    ) -> list[Job]:
        """As `run_for`, on this loop."""
        until = self._until(days, hours, minutes, seconds)
        return await self._astepped(draining.pass_time(self._bench(raising, limit), until))

    def _until(self, days: float, hours: float, minutes: float, seconds: float) -> int:
        span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        return self.clock.now() + round(span / timedelta(milliseconds=1))

    def _bench(self, raising: bool, limit: int) -> draining.Bench:
        return draining.Bench(
            self.registry,
            self.settings,
            self.clock,
            self._mishaps,
            self._deaths,
            self._at_least_once,
            raising,
            limit,
        )

    def _performing(self) -> Desk:
        return Desk(self.registry, self.settings, self.clock, store_now=self.clock.now)

    def _stepped(self, name: str, flow: Flow[R]) -> R:
        if loops.is_running():
            raise UsageError(
                f"{name} blocks and this thread has a running event loop; "
                f"use `await jobs.a{name}(...)` here"
            )
        return drive(flow, InlineBackend(self.store.blocking(), self._performing()), self.voice)

    async def _astepped(self, flow: Flow[R]) -> R:
        backend = AsyncInlineBackend(self.store.asynchronous(), self._performing())
        return await drive_async(flow, backend, self.voice)

    def result(self, job_id: JobId, timeout: float | timedelta | None = 0) -> JSON:
        """As `Jobs.result`, without waiting: nothing runs unless the test says so.

        Raises:
            ResultTimeout: The job has not ended; drain first.
        """
        try:
            return super().result(job_id, 0 if timeout is None else timeout)
        except ResultTimeout as error:
            raise ResultTimeout(f"{error}; jobs.drain() runs what is ready") from None

    # What came in

    def enqueued(self, handler: Handler[..., Any] | str | None = None) -> list[Job]:
        """The jobs that came in, oldest first, as they were then; of one type, or all."""
        name = None if handler is None else _type_of(handler)
        return [job for job in self.watched.enqueued if name in {None, job.job_type}]

    def assert_enqueued(self, handler: Handler[..., Any] | str, /, **args: Any) -> Job:
        """A job of this handler came in with at least these arguments; the latest such.

        Values are compared as the handler gets them (a UUID, a date, a dataclass; a default where
        none was given) and as they are stored.

        Raises:
            AssertionError: None did; the message shows those that came closest.
            UsageError: The handler has no such argument.
        """
        received = self._received(handler, args)
        found = [job for job in self.enqueued(handler) if matching.matches(job, args, received)]
        if not found:
            raise AssertionError(
                matching.none_found(_type_of(handler), args, self.enqueued(), received)
            )
        return found[-1]

    def assert_not_enqueued(self, handler: Handler[..., Any] | str, /, **args: Any) -> None:
        """No job of this handler came in with these arguments.

        Raises:
            AssertionError: One did.
            UsageError: The handler has no such argument.
        """
        received = self._received(handler, args)
        found = [job for job in self.enqueued(handler) if matching.matches(job, args, received)]
        if found:
            raise AssertionError(matching.some_found(_type_of(handler), args, found))

    def _received(
        self, handler: Handler[..., Any] | str, args: dict[str, Any]
    ) -> matching.Received:
        """What the handler gets of a job.

        Raises:
            UsageError: It has no such argument: a misspelt name would never match, or always not.
        """
        known = self.registry.find(handler) if isinstance(handler, str) else handler
        if known is None:
            return lambda job: job.args
        signature = known.signature
        signature.check_known(args)

        def received(job: Job) -> dict[str, Any]:
            try:
                return {**signature.defaults, **signature.convert(dict(job.args))}
            except UsageError:  # its run will fail; it came in all the same
                return job.args

        return received

    # What befalls runs

    def fail_next(
        self,
        handler: Handler[..., Any] | str,
        error: BaseException | type[BaseException] = RuntimeError,
        *,
        times: int = 1,
    ) -> None:
        """The next run of this handler (or so many) raises `error`, instead of taking place.

        The library's own answers do too: ``fail_next(send, Retry(after=30))``.
        """
        raised = error("made to fail by the test") if isinstance(error, type) else error
        self._mishaps.plan(_type_of(handler), Fail(raised), times)

    def kill_next(
        self, handler: Handler[..., Any] | str, *, point: int | None = None, times: int = 1
    ) -> None:
        """The worker dies in the next run of this handler, and its job is held until its lease ends.

        Args:
            point: Where: 1 is before the first line of the handler. None: when it has returned,
                before its outcome is stored, so that it will run twice.
        """
        self._mishaps.plan(_type_of(handler), Kill(point), times)

    # Is it idempotent?

    def check_idempotent(
        self,
        draft: Draft,
        *,
        snapshot: Callable[[], object],
        reset: Callable[[], object] = lambda: None,
        most: int = 200,
    ) -> idempotency.Report:
        """The job does no harm by running again, wherever its worker died before.

        It runs once; then twice; then, for each point of its handler, cut there and whole after
        that. Each time what `snapshot` returns must be the same.

        Args:
            draft: What `handler.job(…)` makes.
            snapshot: The state that counts, as a value to compare: rows, files, mails sent.
            reset: Brings about the state from before the first run.
            most: Points tried at most, 1 or more, spread evenly.

        Raises:
            AssertionError: It differs; the message says where, and how.
            UsageError: The job does not complete, or `most` is below 1.
        """
        # `at_least_once` would add a run to each history, and to the one all are compared with.
        before, self._at_least_once = self._at_least_once, False
        try:
            return idempotency.check(self, self._mishaps, draft, snapshot, reset, most)
        finally:
            self._at_least_once = before


@contextlib.contextmanager
def jobs_under_test(
    jobs: Jobs, *, clock: FakeClock | None = None, at_least_once: bool = False
) -> Generator[JobsKit]:
    """Until the block ends, every call of an application's `jobs` goes to the kit it yields.

    For any test framework; in pytest, the fixture `jobs` does it.
    """
    kit = JobsKit(jobs, clock=clock, at_least_once=at_least_once)
    with jobs.redirected(kit.store):
        yield kit


def load_jobs(target: str) -> Jobs:
    """The `Jobs` that ``MODULE:NAME`` names.

    Raises:
        UsageError: There is none; what importing the module raises is raised as it is.
    """
    module, mark, name = target.partition(":")
    if not mark or not module or not name:
        raise UsageError(f"{target!r} names no Jobs; write MODULE:NAME, such as shop.tasks:jobs")
    found = getattr(importlib.import_module(module), name, None)
    if not isinstance(found, Jobs):
        raise UsageError(f"{module} has no Jobs called {name}, but {found!r:.80}")
    return found


def _type_of(handler: Handler[..., Any] | str) -> str:
    if isinstance(handler, str):
        return handler
    if isinstance(cast("object", handler), Handler):
        return handler.job_type
    raise UsageError(
        f"a handler is a function under @jobs.handler, or its type, not {handler!r:.80}"
    )
