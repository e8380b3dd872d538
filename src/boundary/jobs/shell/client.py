"""The door of the library: `Jobs`.

What belongs here: driving flows for callers that block, one line a call. What does not: any logic
of a call (`flows`), and what a program declares (`declaring`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    Self,
    TypeVar,
    Unpack,
    cast,
)
from uuid import UUID

from boundary.jobs.core.names import checked_name
from boundary.jobs.core.operations import MISFIRE_CAP, Misfire
from boundary.jobs.errors import UsageError
from boundary.jobs.shell import (
    audit_flows,
    connect,
    flows,
    hands,
    operator_flows,
    options,
    order_flows,
    schedule_flows,
    statistics_flows,
)
from boundary.jobs.shell.aio import AsyncJobs
from boundary.jobs.shell.audit_flows import AuditPage, UndoResult
from boundary.jobs.shell.clock import SystemClock
from boundary.jobs.shell.declaring import Declaring
from boundary.jobs.shell.draft import Draft, Drafting, json_args
from boundary.jobs.shell.driving import drive
from boundary.jobs.shell.flows import Flow, JobId, JobPage
from boundary.jobs.shell.hands import Action, Hand
from boundary.jobs.shell.ids import Ids
from boundary.jobs.shell.once import once
from boundary.jobs.shell.operator_flows import FailureGroup
from boundary.jobs.shell.options import (
    EnqueueOptions,
    JobOptions,
    Options,
)
from boundary.jobs.shell.registry import Handler
from boundary.jobs.shell.schedule_flows import ScheduleEdits, ScheduleInfo
from boundary.jobs.shell.statistics_flows import By
from boundary.jobs.shell.telemetry import tracing

if TYPE_CHECKING:
    from pathlib import Path

    from boundary.jobs.core.events import EventType
    from boundary.jobs.core.records import Job, Status
    from boundary.jobs.core.stats import JobStats, MinuteStats, QueueStats, WorkerInfo
    from boundary.jobs.core.values import JSON
    from boundary.jobs.core.why import Why
    from boundary.jobs.ports import AsyncBackend, Backend, Clock, Store
    from boundary.jobs.shell.following import Events
    from boundary.jobs.shell.inline import Desk, Terms
    from boundary.jobs.shell.settings import Settings
    from boundary.jobs.shell.worker import Worker

R = TypeVar("R")


class Jobs(Declaring):
    """Handlers and the store of their jobs. Threads may share one; it is opened on first use.

    Args:
        url: The store's URL; None: as configured, else ``sqlite:///boundary-jobs.db``.
        namespace: Separates stores under one URL (on SQLite each has its own file, such as
            ``jobs.shop.db``); None: as configured, else ``jobs``.
        config: Settings, a mapping of keys by section, or the path of a TOML file; overrides
            files and environment.
        clock: The time source for ids and the embedded stores; for tests.
        inline: Run a due job inside the call that enqueues it and return it with its outcome,
            without a worker. An exception in the handler becomes the job's outcome, as with a
            worker; with ``"raise"`` it is also raised. None: as configured, else False.

    Attributes:
        registry: Handlers and schedules, as a worker sees them.
        settings: The configuration in effect.
        aio: The same methods, awaitable.
        voice: Publishes the events these calls cause.

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
        inline: bool | Literal["raise"] | None = None,
    ) -> None:
        self.settings: Settings = _settings(url, namespace, config)
        self._inline = _checked_inline(self.settings.inline if inline is None else inline)
        connect.checked_url(self.settings.url)
        super().__init__(clock or SystemClock())
        self.aio: AsyncJobs = AsyncJobs(self)
        self._store_clock = clock
        self._new_id = Ids(self._clock).new

    @once
    def store(self) -> Store:
        """The opened store."""
        return connect.open_store(self.settings, self._store_clock)

    @once
    def _backend(self) -> Backend:
        backend = self.store.blocking()
        if not self._inline:
            return backend
        from boundary.jobs.shell.inline import InlineBackend  # here: most doors need none

        return InlineBackend(backend, self._desk())

    def open_async(self) -> AsyncBackend:
        """The store for one event loop, as used by `aio`."""
        backend = self.store.asynchronous()
        if not self._inline:
            return backend
        from boundary.jobs.shell.inline import AsyncInlineBackend  # as above

        return AsyncInlineBackend(backend, self._desk())

    def _desk(self) -> Desk:
        from boundary.jobs.shell.inline import Desk

        return Desk(self.registry, self.settings, self._clock)

    def enqueuing_one(self, draft: Draft) -> Flow[Job]:
        """The steps that store this job, and run it if `inline` is set."""
        if self._inline:
            from boundary.jobs.shell import inline

            steps = inline.enqueue(draft, self._inline_terms())
        else:
            steps = flows.enqueue(draft)
        # A draft that was made where nobody traces carries no trace; most are, and pay nothing.
        return steps if draft.options.metadata is None else tracing.sent(steps, draft.new.queue)

    def enqueuing(self, drafts: Iterable[Draft]) -> Flow[list[Job]]:
        """The same for many jobs."""
        if not self._inline:
            return tracing.sent(flows.enqueue_many(drafts))
        from boundary.jobs.shell import inline

        return tracing.sent(inline.enqueue_many(drafts, self._inline_terms()))

    def _inline_terms(self) -> Terms:
        from boundary.jobs.shell.inline import Terms

        knows = self.registry.handlers.__contains__
        return Terms(knows, self.settings.retention.finished, raising=self._inline == "raise")

    def _run(self, flow: Flow[R]) -> R:
        return drive(flow, self._backend, self.voice)

    def __repr__(self) -> str:
        from boundary.jobs.shell.settings import shown_url

        return f"<Jobs {shown_url(self.settings.url)}>"

    def worker(
        self,
        queues: Sequence[str] | None = None,
        concurrency: int | str | None = None,
        weights: Mapping[str, int] | None = None,
        max_jobs: int | None = None,
        max_memory: int | None = None,
        queue_concurrency: Mapping[str, int] | None = None,
    ) -> Worker:
        """A worker for these handlers.

        Args:
            queues: The queues to serve, in order; None: as configured, else every queue that has
                jobs, ``default`` first.
            concurrency: Jobs to run at the same time; ``"auto"`` or ``"auto:2-200"``: as many,
                within bounds, as the measured load allows; None: as configured (10).
            weights: Instead of an order: how often each queue comes first.
            max_jobs: Ask to be replaced after this many jobs, or stop if there is nobody to ask;
                None: as configured (0, never).
            max_memory: The same, once the process uses more than this many bytes.
            queue_concurrency: Per queue, the most jobs to run at the same time; None: as
                configured.

        Raises:
            UsageError: An argument is invalid.
        """
        from boundary.jobs.shell.worker import Worker  # here: an enqueuing process needs none

        return Worker(
            self.store,
            self.registry,
            self.settings,
            queues=queues,
            weights=weights,
            concurrency=concurrency,
            max_jobs=max_jobs,
            max_memory=max_memory,
            queue_concurrency=queue_concurrency,
            clock=self._clock,
        )

    # Jobs come in

    def new_id(self) -> bytes:
        """A new job id."""
        return self._new_id()

    def drafting(self, job_type: str, chosen: Options) -> Drafting:
        """A factory of drafts with this object's ids and limits."""
        limit = self.settings.payload_limit
        return Drafting(job_type, chosen, self._new_id, limit, tracing.created)

    def draft(
        self,
        handler: Handler[..., Any] | str,
        args: Mapping[str, Any] | None,
        given: Mapping[str, Any],
    ) -> Draft:
        """A job by handler or name, not stored yet; a name need not be registered here.

        Raises:
            UsageError: `handler` is neither, or an option or a name is invalid.
        """
        known = self.registry.find(handler) if isinstance(handler, str) else handler
        named = {} if args is None else options.named("args", args)
        if known is None:
            job_type = checked_name("job type", handler)
            return self.drafting(job_type, options.over(Options(), given)).draft(named)
        if not isinstance(cast("object", known), Handler):
            raise UsageError(
                f"{known!r:.80} is no handler; decorate it with @jobs.handler, or give the name of its "
                "job type"
            )
        if not given:
            return known.draft(named)
        chosen = options.over(known.options, given)
        return self.drafting(known.job_type, chosen).draft(known.signature.bind((), named))

    def send(self, draft: Draft) -> Job:
        """Store the draft and return it as a job."""
        return self._run(self.enqueuing_one(draft))

    async def asend(self, draft: Draft) -> Job:
        """Like `send`, awaitable."""
        return await self.aio.send(draft)

    def enqueue(
        self,
        job_type: str,
        args: Mapping[str, Any] | None = None,
        **given: Unpack[EnqueueOptions],
    ) -> Job:
        """Enqueue a job by name; the code that runs it need not be importable here.

        If the type is registered here, its options and signature apply.

        Returns:
            The job as stored.

        Raises:
            TypeError: The type is registered here and takes other arguments.
            UsageError: A name, an option or an argument is invalid; nothing was enqueued.
            BackendError: The store cannot accept it.
        """
        return self.send(self.draft(job_type, args, given))

    def enqueue_many(self, jobs: Iterable[Draft]) -> list[Job]:
        """Enqueue many jobs, one round trip per batch of 500; returns them in the order given.

        The iterable is consumed batch by batch, so it may be long. Each batch is stored in full or
        not at all; if one fails, those before it are stored.

        Args:
            jobs: Drafts from `handler.job(…)` or `handler.using(…).job(…)`.
        """
        return self._run(self.enqueuing(jobs))

    # Look

    def find(self, job_id: JobId) -> Job | None:
        """The job, or None.

        Raises:
            UsageError: `job_id` is not an id.
        """
        return self._run(flows.find(job_id))

    def why(self, job_id: JobId) -> Why | None:
        """Why the job is not running: a code, a sentence, what to do next. None: no such job.

        Raises:
            UsageError: `job_id` is not an id.
        """
        return self._run(operator_flows.why(job_id))

    def result(self, job_id: JobId, timeout: float | timedelta | None = None) -> JSON:
        """What the job's handler returned. Waits for the job to end, without polling.

        Args:
            timeout: Seconds, or a timedelta; None: no limit. 0 checks without waiting.

        Raises:
            JobFailed: The job failed.
            JobCancelled: The job was cancelled.
            JobNotFound: No such job is stored.
            ResultTimeout: The job has not ended in time; it is not affected.
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
        """One page of the jobs that match all conditions, newest first.

        Args:
            since: Only jobs created at or after this aware datetime.
            until: Only jobs created before this aware datetime.
            text: Only jobs whose arguments, metadata, result or errors contain it: within a
                string, or as a number, ``true``, ``false`` or ``null`` of that value.
            limit: 1 to 200.
            cursor: From the previous page, with the same conditions.

        Raises:
            UsageError: A condition is invalid.
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
        """Dead letters, newest first."""
        return self._run(flows.failed(limit))

    def failure_groups(
        self,
        *,
        fingerprint: str | None = None,
        queue: str | None = None,
        job_type: str | None = None,
        since: datetime | None = None,
        limit: int = 50,
    ) -> list[FailureGroup]:
        """Dead letters grouped by cause, the most recently seen first.

        Args:
            fingerprint: Only this cause.
            queue: Only those of this queue.
            job_type: Only those of this type.
            since: Only those that ended at or after this aware datetime.
            limit: 1 to 200.

        Raises:
            UsageError: A condition is invalid.
        """
        return self._run(
            operator_flows.failure_groups(
                fingerprint=fingerprint, queue=queue, job_type=job_type, since=since, limit=limit
            )
        )

    def history(self, job_type: str, limit: int = 20) -> list[Job]:
        """Finished jobs of a type with their results, newest first."""
        return self._run(flows.history(job_type, limit))

    def stats(self) -> JobStats:
        """Totals, queues and workers at one moment."""
        return self._run(statistics_flows.job_stats())

    def queue_stats(self, queue: str) -> QueueStats:
        """One queue; all zeros if it was never used."""
        return self._run(statistics_flows.queue_stats(queue))

    def queues(self) -> list[QueueStats]:
        """Every queue that has jobs, has counters or is paused, by name."""
        return self._run(statistics_flows.queues())

    def series(
        self,
        minutes: int | None = None,
        queue: str | None = None,
        *,
        hours: int | None = None,
        job_type: str | None = None,
        by: By = "queue",
    ) -> list[MinuteStats]:
        """Counts per minute or hour, oldest first; no row where nothing was counted.

        Args:
            minutes: The last 1 to 1440, the current one included; 60 by default.
            hours: Instead of minutes: the last 1 to 720.
            queue: Only this queue.
            job_type: Only this type.
            by: One row per queue or per job type.

        Raises:
            UsageError: An argument is invalid.
        """
        return self._run(
            statistics_flows.series(minutes, queue, hours=hours, job_type=job_type, by=by)
        )

    def workers(self) -> list[WorkerInfo]:
        """The workers that are alive."""
        return self._run(statistics_flows.workers())

    def events(
        self,
        types: Collection[EventType] | None = None,
        job_id: JobId | None = None,
        queue: str | None = None,
        *,
        timeout: float | timedelta | None = None,
    ) -> Events:
        """What happens to jobs from now on, whichever process enqueues or runs them.

        Returns an iterator that waits for the next event; close it with `with` or `close()`.
        Nothing waits for the iterator: events can be lost if it falls behind or the store fails.
        `lost` on each event counts those missing before it, and `lost` on the iterator counts them
        all, as far as is known; the last events of a process may go missing uncounted. Events of
        one process arrive in order; those of several may interleave, so compare `at`.

        Args:
            types: Only these, such as ``{"dead", "retrying"}``; None: all.
            job_id: Only events of this job.
            queue: Only events of jobs in this queue.
            timeout: Seconds, or a timedelta: stop iterating if no matching event arrives for this
                long; None: never stop.

        Raises:
            UsageError: An event type is unknown, or a name is invalid.
            BackendError: The store cannot be reached, now or in a later step; the next step tries
                again.
        """
        from boundary.jobs.shell.following import Events, wanted  # here: few follow events

        return Events(self._backend.watch, wanted(types, job_id, queue), timeout)

    # Act

    def cancel(
        self, job_id: JobId, *, by: str | None = None, action: JobId | None = None
    ) -> Job | None:
        """Cancel a waiting job, or ask a running one to stop. None: no such job.

        Returns:
            The job afterwards: cancelled, or running with `cancel_requested`.

        Raises:
            IllegalTransition: The job has ended.
        """
        return self._run(
            flows.cancel(job_id, self.settings.retention.finished, self.hand(by, action))
        )

    def retry(
        self, job_id: JobId, *, by: str | None = None, action: JobId | None = None
    ) -> Job | None:
        """Put a failed job back in its queue with all its retries. None: no such job.

        Raises:
            IllegalTransition: The job has not failed.
        """
        return self._run(flows.retry(job_id, self.hand(by, action)))

    def retry_failed(
        self,
        *,
        fingerprint: str | None = None,
        queue: str | None = None,
        job_type: str | None = None,
        limit: int | None = None,
        first: int = 0,
        rate: float | None = None,
        by: str | None = None,
        action: JobId | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> Action:
        """Put matching dead letters back in their queues, each at most once.

        Args:
            fingerprint: Only those with this cause, from `failure_groups`; the oldest first.
            queue: Only those of this queue.
            job_type: Only those of this type.
            limit: At most this many, 0 or more.
            first: This many are ready at once, whatever `rate` says.
            rate: How many of the others become ready per second; None: all at once.
            by: See `Jobs.audit`.
            action: See `Jobs.audit`.
            progress: Called after each batch with the number of jobs so far.

        Raises:
            UsageError: A condition is invalid.
        """
        pick = operator_flows.picked(fingerprint, queue, job_type, limit)
        hand = self.hand(by, action)
        return self._run(
            operator_flows.retry_failed(pick, hand, first=first, rate=rate, progress=progress)
        )

    def delete_failed(
        self,
        fingerprint: str,
        *,
        queue: str | None = None,
        limit: int | None = None,
        by: str | None = None,
        action: JobId | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> Action:
        """Delete dead letters with this cause; with `by`, it can be undone for a minute.

        Args:
            queue: Only those of this queue.
            limit: At most this many, 0 or more, the earliest failures first.
            progress: As in `retry_failed`.
        """
        pick = operator_flows.picked(fingerprint, queue, None, limit)
        return self._run(
            operator_flows.delete_failed(pick, self.hand(by, action), progress=progress)
        )

    def edit(
        self,
        job_id: JobId,
        args: Mapping[str, Any],
        *,
        by: str | None = None,
        action: JobId | None = None,
    ) -> Job | None:
        """Replace the arguments of a waiting job or a dead letter, which then waits again.

        None: no such job. If the type is registered here, its signature applies.

        Raises:
            TypeError: The type is registered here and takes other arguments.
            IllegalTransition: The job is running, has ended otherwise, or just changed.
            PayloadTooLarge, SerializationError: The arguments cannot be stored.
        """
        hand, limit = self.hand(by, action), self.settings.payload_limit
        return self._run(operator_flows.edit(job_id, args, self.bound, limit, hand))

    def audit(self, limit: int = 50, cursor: str | None = None) -> AuditPage:
        """One page of what operators did, latest first; the store keeps the last 10,000 actions.

        An action is logged if its call named somebody in `by`, in the same atomic step. Its id is
        the `action` passed (from `new_action`), else a new one.

        Args:
            limit: 1 to 200.
            cursor: From the previous page.
        """
        return self._run(audit_flows.audit(limit, cursor))

    def undo(self, action: JobId, *, by: str) -> UndoResult:
        """Undo an action of the last minute, as far as still possible.

        Jobs that were cancelled, deleted or purged return to what they were; dead letters that
        were retried or edited become dead letters again, unless they have started; a paused queue
        is resumed, a resumed one paused. Running jobs that were asked to stop, or deleted, stay so.

        Raises:
            IllegalTransition: The action is unknown, too old, already undone, or cannot be undone
                (it affected more than 10,000 jobs, or was itself an undo).
        """
        return self._run(audit_flows.undo(action, self.acting(by)))

    def hand(self, by: str | None, action: JobId | None) -> Hand | None:
        """Who acts, for the log; None: nobody was named."""
        return hands.hand(by, action, self._new_id)

    def acting(self, by: str) -> Hand:
        """Who acts, with a new action id."""
        return hands.named(by, self._new_id())

    def new_action(self) -> UUID:
        """A new action id, to pass as `action` and to `undo`."""
        return UUID(bytes=self._new_id())

    def bound(self, job_type: str, args: Mapping[str, Any]) -> dict[str, JSON]:
        """Arguments as they are stored, bound to the signature if the type is registered here."""
        known, given = self.registry.find(job_type), options.named("args", args)
        return json_args(given if known is None else known.signature.bind((), given))

    def delete(self, job_id: JobId, *, by: str | None = None, action: JobId | None = None) -> bool:
        """Delete the job, whatever its status. Returns whether it existed."""
        return self._run(flows.delete(job_id, self.hand(by, action)))

    def pause(self, queue: str, *, by: str | None = None, action: JobId | None = None) -> bool:
        """Stop workers from taking jobs of the queue. Returns whether that is a change."""
        return self._run(flows.set_paused(queue, paused=True, hand=self.hand(by, action)))

    def resume(self, queue: str, *, by: str | None = None, action: JobId | None = None) -> bool:
        """Let workers serve the queue again. Returns whether that is a change."""
        return self._run(flows.set_paused(queue, paused=False, hand=self.hand(by, action)))

    def quiet_workers(
        self, worker: str | None = None, *, by: str | None = None, action: JobId | None = None
    ) -> int:
        """Stop a worker from claiming jobs; it finishes those it has. Returns how many workers.

        Takes effect within a second and lasts until `unquiet_workers`. Each process is a worker of
        its own, also under a supervisor that runs several.

        Args:
            worker: Its `id` from `workers()`, the start of it (``host:pid``), or its process id;
                None: all workers.
        """
        return self._run(order_flows.instruct("quiet", worker, self.hand(by, action)))

    def unquiet_workers(
        self, worker: str | None = None, *, by: str | None = None, action: JobId | None = None
    ) -> int:
        """Let the worker claim jobs again; None: all. Returns how many workers."""
        return self._run(order_flows.instruct("unquiet", worker, self.hand(by, action)))

    def drain_workers(
        self, worker: str | None = None, *, by: str | None = None, action: JobId | None = None
    ) -> int:
        """Make a worker finish its jobs, within its `shutdown_timeout`, and exit; None: all.

        It is not replaced. Returns how many workers were told.
        """
        return self._run(order_flows.instruct("drain", worker, self.hand(by, action)))

    def restart_workers(
        self, worker: str | None = None, *, by: str | None = None, action: JobId | None = None
    ) -> int:
        """Replace a worker with a new process, without a gap in service; None: all.

        A worker without a supervisor finishes its jobs and starts again; one that runs inside your
        own program stops. Returns how many workers were told.
        """
        return self._run(order_flows.instruct("restart", worker, self.hand(by, action)))

    def purge(
        self,
        queue: str,
        *,
        by: str | None = None,
        action: JobId | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> int:
        """Delete the queue's waiting jobs (ready, scheduled, retrying). Returns how many.

        Args:
            progress: As in `retry_failed`.
        """
        return self._run(operator_flows.purge(queue, self.hand(by, action), progress=progress))

    def schedule(
        self,
        name: str,
        *,
        handler: Handler[..., Any] | str,
        args: Mapping[str, Any] | None = None,
        cron: str | None = None,
        every: float | timedelta | None = None,
        timezone: str = "UTC",
        misfire: Misfire = "once",
        misfire_cap: int = MISFIRE_CAP,
        paused: bool | None = None,
        by: str | None = None,
        action: JobId | None = None,
        **given: Unpack[JobOptions],
    ) -> ScheduleInfo:
        """Enqueue such a job at each tick, once, however many workers there are.

        Replaces the schedule of this name; if the rule is the same, its next tick stays.

        Args:
            cron: Five fields, six with seconds first, or an alias, in the local time of
                `timezone`.
            every: Instead of cron: an interval, in seconds or as a timedelta.
            misfire: What to do about ticks no worker fired in time, as with `Jobs.cron`.
            misfire_cap: How many missed ticks ``all`` makes up for, 1 to 1,000.
            paused: Whether it is paused; None: unchanged (a new one is not).
            by: Who asked for it, for the log; None: not logged.
            action: The action's id, from `new_action`; None: a new one.

        Raises:
            CronError: The expression or the time zone is invalid, or it never ticks.
            UsageError: Another argument is invalid.
        """
        draft = self.draft(handler, args, options.of_many(given))
        rule = schedule_flows.rule_of(
            cron=cron, every=every, timezone=timezone, misfire=misfire, misfire_cap=misfire_cap
        )
        hand = self.hand(by, action)
        flow = schedule_flows.schedule(name, draft, rule, paused=paused, hand=hand)
        return self._run(flow)

    def edit_schedule(
        self,
        name: str,
        *,
        by: str | None = None,
        action: JobId | None = None,
        **edits: Unpack[ScheduleEdits],
    ) -> ScheduleInfo | None:
        """Change the given parts of a schedule. None: no schedule has this name.

        If it ticks as before, it keeps its next tick. A schedule declared in code stays as edited
        until its declaration changes.

        Raises:
            CronError: The expression or the time zone is invalid, or it never ticks.
            UsageError: Another argument is invalid.
        """
        return self._run(schedule_flows.edit_schedule(name, edits, self.hand(by, action)))

    def pause_schedule(
        self, name: str, *, by: str | None = None, action: JobId | None = None
    ) -> ScheduleInfo | None:
        """Stop a schedule's ticks until it is resumed. None: no schedule has this name."""
        return self._run(schedule_flows.pause_schedule(name, self.hand(by, action)))

    def resume_schedule(
        self, name: str, *, by: str | None = None, action: JobId | None = None
    ) -> ScheduleInfo | None:
        """Let a schedule tick again from now on; ticks missed meanwhile are not made up for.

        None: no schedule has this name.
        """
        return self._run(schedule_flows.resume_schedule(name, self.hand(by, action)))

    def fire_schedule(
        self, name: str, *, by: str | None = None, action: JobId | None = None
    ) -> Job | None:
        """Enqueue one of a schedule's jobs now; its ticks are not affected, paused or not.

        Returns the job; None: no schedule has this name.
        """
        return self._run(schedule_flows.fire_schedule(name, self.new_id, self.hand(by, action)))

    def unschedule(self, name: str, *, by: str | None = None, action: JobId | None = None) -> bool:
        """Delete the schedule. Returns whether it existed.

        One that is declared in code returns when the next worker starts; pause it instead.
        """
        return self._run(schedule_flows.unschedule(name, self.hand(by, action)))

    def schedules(self) -> list[ScheduleInfo]:
        """All schedules, by name; `upcoming` on each gives its next ticks."""
        return self._run(schedule_flows.schedules())

    def declared_schedules(self) -> list[ScheduleInfo]:
        """The schedules declared in code, by name, as if they began now; does not use the store."""
        found = self.registry.schedules(self._clock.now())
        return [schedule_flows.shown(one) for one in sorted(found, key=lambda one: one.name)]

    # Tests

    @contextlib.contextmanager
    def redirected(self, store: Store) -> Generator[None]:
        """Send every call to `store` until the block ends; for tests.

        The original store is neither opened nor closed. Do not use it while other threads use this
        object for something else.
        """
        kept = {name: self.__dict__.pop(name, None) for name in ("store", "_backend")}
        aio, self.aio = self.aio, AsyncJobs(self)
        self.store = store
        try:
            yield
        finally:
            self.close()
            for name, value in kept.items():
                self.__dict__.pop(name, None)
                if value is not None:
                    self.__dict__[name] = value
            self.aio = aio

    # The end

    def close(self) -> None:
        """Close files and connections; later calls open them again.

        This includes those of event loops that have ended; a loop that is still running closes its
        own with `aio.close`.
        """
        self.aio.backends.forget_closed_loops()
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


def _checked_inline(inline: object) -> bool | Literal["raise"]:
    if inline == "raise":
        return "raise"
    if not isinstance(inline, bool):
        raise UsageError(f'inline is True, False or "raise", not {inline!r:.40}')
    return inline


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
