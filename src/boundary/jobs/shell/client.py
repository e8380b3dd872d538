"""The door of the library: `Jobs`.

What belongs here: registering handlers, and driving flows for callers that block, one line a
call. What does not: any logic of a call (`flows`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    ParamSpec,
    Protocol,
    Self,
    TypeAlias,
    TypeVar,
    Unpack,
    cast,
    overload,
)

from boundary.jobs.core import wire
from boundary.jobs.core.names import checked_name
from boundary.jobs.errors import UsageError
from boundary.jobs.shell import connect, flows, options
from boundary.jobs.shell.aio import AsyncJobs
from boundary.jobs.shell.clock import SystemClock
from boundary.jobs.shell.context import Context
from boundary.jobs.shell.draft import Draft, Drafting
from boundary.jobs.shell.driving import drive
from boundary.jobs.shell.flows import Flow, JobId, JobPage, ScheduleInfo
from boundary.jobs.shell.ids import Ids
from boundary.jobs.shell.options import EnqueueOptions, HandlerOptions, Isolation, Options
from boundary.jobs.shell.registry import ContextHandler, Handler, Registry

if TYPE_CHECKING:
    from pathlib import Path

    from boundary.jobs.core.records import JSON, Job, Status
    from boundary.jobs.core.stats import JobStats, MinuteStats, QueueStats, WorkerInfo
    from boundary.jobs.ports import Backend, Clock, Store
    from boundary.jobs.shell.config import Settings
    from boundary.jobs.shell.worker import Worker

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
H = TypeVar("H", bound=Handler[..., Any])
F = TypeVar("F", bound=Callable[..., Any])

if TYPE_CHECKING:
    # What only a type checker reads.

    class _Anything:
        """What only a parameter typed `Any` or `object`, or not at all, would take."""

    class _Named(Protocol[R_co]):
        def __call__(self, first: Any, /, *, ctx: Context) -> R_co: ...

    Loose: TypeAlias = (
        Callable[Concatenate[_Anything, ...], R]
        | Callable[[Any, Context], R]
        | Callable[[Any, Any, Context], R]
        | Callable[[Any, Any, Any, Context], R]
        | Callable[[Any, Any, Any, Any, Context], R]
        | _Named[R]
    )
    """Functions of which types cannot say what an enqueue takes; see `docs/decisions/0001`."""

    class Decorator(Protocol):
        """What `jobs.handler(…)` with options returns."""

        @overload
        def __call__(  # pyright: ignore[reportOverlappingOverload] - no function fits both
            self, function: Loose[R], /
        ) -> Handler[..., R]: ...
        @overload
        def __call__(
            self, function: Callable[Concatenate[Context, P], R], /
        ) -> ContextHandler[P, R]: ...
        @overload
        def __call__(self, function: Callable[P, R], /) -> Handler[P, R]: ...


class Jobs:
    """Handlers, and a store of their jobs. Threads may share one; it opens at the first use.

    Args:
        url: Where the store is; None: as configured, else ``sqlite:///boundary-jobs.db``.
        namespace: Keeps stores under one URL apart (on SQLite, each has a file of its own, such as
            ``jobs.shop.db``); None: as configured, else ``jobs``.
        config: Settings, keys by section, or a TOML file; over files and environment.
        clock: Where ids and the embedded stores get their time; for tests.

    Attributes:
        registry: What a worker knows.
        settings: The configuration in force.
        aio: The same calls, awaitable.

    Raises:
        UsageError: The URL or a setting is wrong.
    """

    def __init__(
        self,
        url: str | None = None,
        namespace: str | None = None,
        *,
        config: Settings | Mapping[str, Any] | Path | str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.settings = _settings(url, namespace, config)
        connect.checked_url(self.settings.url)
        self.registry = Registry()
        self.aio = AsyncJobs(self)
        self._clock = clock or SystemClock()
        self._store_clock = clock
        self._new_id = Ids(self._clock).new

    @cached_property
    def store(self) -> Store:
        """The opened store."""
        return connect.open_store(self.settings, self._store_clock)

    @cached_property
    def _backend(self) -> Backend:
        return self.store.blocking()

    def _run(self, flow: Flow[R]) -> R:
        return drive(flow, self._backend)

    def __repr__(self) -> str:
        from boundary.jobs.shell import config as configuration

        return f"<Jobs {configuration.shown_url(self.settings.url)}>"

    # Registering

    @overload
    def handler(  # pyright: ignore[reportOverlappingOverload] - as above
        self, function: Loose[R], /
    ) -> Handler[..., R]: ...
    @overload
    def handler(
        self, function: Callable[Concatenate[Context, P], R], /
    ) -> ContextHandler[P, R]: ...
    @overload
    def handler(self, function: Callable[P, R], /) -> Handler[P, R]: ...
    @overload
    def handler(self, name: str | None = None, **given: Unpack[HandlerOptions]) -> Decorator: ...
    def handler(self, name: Any = None, **given: Any) -> Any:
        """The decorated function runs jobs of a type.

        Bare (``@jobs.handler``) or with options; `HandlerOptions` says what each means.

        Args:
            name: The job type; None: the function's name.

        Raises:
            UsageError: An option is wrong, or the function takes `*args` or positional-only
                parameters.
            DuplicateHandler: The type has a handler.
        """
        if callable(name):
            if given:
                raise UsageError("write @jobs.handler bare, or @jobs.handler(…) with options")
            return self._register(name, None, Options(), None)
        isolation, rest = options.isolation(given)
        chosen = options.over(Options(), rest)

        def register(function: Callable[..., Any]) -> Handler[..., Any]:
            return self._register(function, name, chosen, isolation)

        return register

    def _register(
        self,
        function: Callable[..., Any],
        name: str | None,
        chosen: Options,
        isolation: Isolation | None,
    ) -> Handler[..., Any]:
        job_type = getattr(function, "__name__", repr(function)) if name is None else name
        made: Handler[..., Any] = Handler(function, job_type, chosen, self, isolation)
        self.registry.add(made)
        return made

    def cron(self, expression: str, *, timezone: str = "UTC") -> Callable[[H], H]:
        """The handler below runs at each tick, once, however many workers there are.

        The schedule is named after the job type; workers put it into the store when they start.

        Args:
            expression: Five fields, six with seconds first, or an alias such as ``@daily``.
            timezone: The IANA zone whose local time ticks.

        Raises:
            CronError: The expression or the zone is wrong, or it never ticks.
        """
        from boundary.jobs.core import cron as crons  # here: few programs have schedules

        crons.checked(expression, timezone, wire.at(self._clock.now()))

        def declare(handler: H) -> H:
            if not isinstance(cast("object", handler), Handler):
                raise UsageError("put @jobs.cron above @jobs.handler, not below")
            self.registry.declare(handler, expression, timezone)
            return handler

        return declare

    def middleware(self, function: F) -> F:
        """The decorated ``async def mw(ctx, call_next)`` is around every run, the first outermost.

        Raises:
            UsageError: It is not async.
        """
        self.registry.add_middleware(function)
        return function

    def lifespan(self, function: F) -> F:
        """What the decorated async generator yields is every handler's `Context.state`.

        Each worker opens it before its first job and closes it after its last.

        Raises:
            UsageError: There is one already.
        """
        self.registry.set_lifespan(function)
        return function

    def worker(
        self,
        queues: Sequence[str] | None = None,
        concurrency: int | str | None = None,
        weights: Mapping[str, int] | None = None,
        queue_concurrency: Mapping[str, int] | None = None,
    ) -> Worker:
        """A worker for these handlers.

        Args:
            queues: Served in this order; None: as configured, else every queue that has jobs,
                ``default`` first.
            concurrency: Jobs that run at the same time; ``"auto"`` or ``"auto:2-200"``: as many,
                within bounds, as the measured load allows; None: as configured (10).
            weights: Instead of an order: how often each queue comes first.
            queue_concurrency: Of these queues, at most so many jobs at the same time; None: as
                configured.

        Raises:
            UsageError: One of them is wrong.
        """
        from boundary.jobs.shell.worker import Worker  # here: an enqueuing process needs none

        return Worker(
            self.store,
            self.registry,
            self.settings,
            queues=queues,
            weights=weights,
            concurrency=concurrency,
            queue_concurrency=queue_concurrency,
            clock=self._clock,
        )

    # Jobs come in

    def drafting(self, job_type: str, chosen: Options) -> Drafting:
        """A maker of drafts under this door's ids and limits."""
        return Drafting(job_type, chosen, self._new_id, self.settings.payload_limit)

    def draft(
        self,
        handler: Handler[..., Any] | str,
        args: Mapping[str, Any] | None,
        given: Mapping[str, Any],
    ) -> Draft:
        """A job by handler or name, not stored yet; a name need not be registered here."""
        known = self.registry.find(handler) if isinstance(handler, str) else handler
        named = {} if args is None else options.named("args", args)
        if known is None:
            job_type = checked_name("job type", handler)
            return self.drafting(job_type, options.over(Options(), given)).draft(named)
        chosen = options.over(known.options, given)
        return self.drafting(known.job_type, chosen).draft(known.signature.bind((), named))

    def send(self, draft: Draft) -> Job:
        """The draft as a stored job."""
        return self._run(flows.enqueue(draft))

    async def asend(self, draft: Draft) -> Job:
        """As `send`, awaited."""
        return await self.aio.send(draft)

    def enqueue(
        self,
        job_type: str,
        args: Mapping[str, Any] | None = None,
        **given: Unpack[EnqueueOptions],
    ) -> Job:
        """A job by name, as stored; the code that runs it need not be importable here.

        If the type is registered here, its options and its signature count.

        Raises:
            TypeError: The type is registered here and takes other arguments.
            UsageError: A name, an option or an argument is wrong; nothing was enqueued.
            BackendError: The store cannot take it.
        """
        return self.send(self.draft(job_type, args, given))

    def enqueue_many(self, jobs: Iterable[Draft]) -> list[Job]:
        """The jobs as stored, in the order given; one round trip a batch of 500.

        The iterable is drawn from batch by batch, so it may be long. A batch is stored wholly or
        not at all; if one fails, those before it are stored.

        Args:
            jobs: What `handler.job(…)` and `handler.using(…).job(…)` make.
        """
        return self._run(flows.enqueue_many(jobs))

    # Look

    def find(self, job_id: JobId) -> Job | None:
        """The job, or None.

        Raises:
            UsageError: It is no id.
        """
        return self._run(flows.find(job_id))

    def result(self, job_id: JobId, timeout: float | timedelta | None = None) -> JSON:
        """What the job's handler returned; waits for its end, and is woken at it.

        Args:
            timeout: Seconds, or a timedelta; None: for ever. 0 only looks.

        Raises:
            JobFailed: It ended as failed.
            JobCancelled: It was cancelled.
            JobNotFound: No such job is stored.
            ResultTimeout: It has not ended in time; it goes on.
        """
        return self._run(flows.result(job_id, timeout))

    def search(
        self,
        *,
        status: Status | None = None,
        job_type: str | None = None,
        queue: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        text: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> JobPage:
        """The jobs that match all conditions, newest first, a page of them.

        Args:
            since: Created at or after this instant, and before
            until: this one; both aware.
            text: Occurs in the arguments, metadata, result or errors.
            limit: 1 to 200.
            cursor: From the page before, with the same conditions.

        Raises:
            UsageError: A condition is not what it may be.
        """
        return self._run(
            flows.search(
                status=status,
                job_type=job_type,
                queue=queue,
                since=since,
                until=until,
                text=text,
                limit=limit,
                cursor=cursor,
            )
        )

    def failed(self, limit: int = 20) -> list[Job]:
        """The newest dead letters first."""
        return self._run(flows.failed(limit))

    def history(self, job_type: str, limit: int = 20) -> list[Job]:
        """The newest finished jobs of a type, with their results."""
        return self._run(flows.history(job_type, limit))

    def stats(self) -> JobStats:
        """Totals, queues and workers at one moment."""
        return self._run(flows.job_stats())

    def queue_stats(self, queue: str) -> QueueStats:
        """One queue; zeros for one nobody used."""
        return self._run(flows.queue_stats(queue))

    def queues(self) -> list[QueueStats]:
        """Every queue with jobs, counters or a pause, by name."""
        return self._run(flows.queues())

    def series(self, minutes: int = 60, queue: str | None = None) -> list[MinuteStats]:
        """What was counted in each of the last minutes, oldest first; nothing where nothing was.

        Args:
            minutes: 1 to 1440, this one included.
            queue: Only this one.

        Raises:
            UsageError: One of them is not what it may be.
        """
        return self._run(flows.series(minutes, queue))

    def workers(self) -> list[WorkerInfo]:
        """The workers that are alive."""
        return self._run(flows.workers())

    # Act

    def cancel(self, job_id: JobId) -> Job | None:
        """A job that waits never runs; one that runs is asked to stop. None: no such job.

        Raises:
            IllegalTransition: It has ended.
        """
        return self._run(flows.cancel(job_id, self.settings.retention.finished))

    def retry(self, job_id: JobId) -> Job | None:
        """The failed job waits in its queue with a full budget. None: no such job.

        Raises:
            IllegalTransition: It has not failed.
        """
        return self._run(flows.retry(job_id))

    def retry_failed(
        self, *, queue: str | None = None, job_type: str | None = None, limit: int | None = None
    ) -> int:
        """Dead letters that match wait in their queues again, each at most once. How many."""
        return self._run(flows.retry_failed(queue, job_type, limit))

    def delete(self, job_id: JobId) -> bool:
        """The job is gone, wherever it was. Whether it was there."""
        return self._run(flows.delete(job_id))

    def pause(self, queue: str) -> bool:
        """Workers pass over the queue. Whether that is a change."""
        return self._run(flows.set_paused(queue, paused=True))

    def resume(self, queue: str) -> bool:
        """Workers serve the queue again. Whether that is a change."""
        return self._run(flows.set_paused(queue, paused=False))

    def purge(self, queue: str) -> int:
        """Jobs of the queue that wait (ready, scheduled, retrying) are gone. How many."""
        return self._run(flows.purge(queue))

    def schedule(
        self,
        name: str,
        *,
        handler: Handler[..., Any] | str,
        args: Mapping[str, Any] | None = None,
        cron: str | None = None,
        every: float | timedelta | None = None,
        timezone: str = "UTC",
        **given: Unpack[HandlerOptions],
    ) -> ScheduleInfo:
        """Such a job is enqueued at each tick, once, however many workers there are.

        The schedule of this name is replaced; if it ticks the same, its next tick stays.

        Args:
            cron: Five fields, six with seconds first, or an alias, in the local time of
                `timezone`; or
            every: an interval, in seconds or as a timedelta.

        Raises:
            CronError: The expression or the zone is wrong, or it never ticks.
            UsageError: Something else is.
        """
        draft = self.draft(handler, args, given)
        return self._run(flows.schedule(name, draft, cron=cron, every=every, timezone=timezone))

    def unschedule(self, name: str) -> bool:
        """No schedule has this name. Whether one had."""
        return self._run(flows.unschedule(name))

    def schedules(self) -> list[ScheduleInfo]:
        """All schedules, by name."""
        return self._run(flows.schedules())

    # The end

    def close(self) -> None:
        """Files and connections of this door are let go; further calls open them again."""
        if "_backend" in self.__dict__:
            self._backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aio.close()
        self.close()


def _settings(
    url: str | None,
    namespace: str | None,
    config: Settings | Mapping[str, Any] | Path | str | None,
) -> Settings:
    from pathlib import Path

    import msgspec

    from boundary.jobs.shell import config as configuration  # here: read once, by the first Jobs

    found = configuration.load(config, os.environ, Path.cwd(), url)
    if namespace is None:
        return found
    return msgspec.structs.replace(found, namespace=checked_name("namespace", namespace))
