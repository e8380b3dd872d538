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
    """Handlers, and a store of their jobs. Threads may share one; it opens at the first use.

    Args:
        url: Where the store is; None: as configured, else ``sqlite:///boundary-jobs.db``.
        namespace: Keeps stores under one URL apart (on SQLite, each has a file of its own, such as
            ``jobs.shop.db``); None: as configured, else ``jobs``.
        config: Settings, keys by section, or a TOML file; over files and environment.
        clock: Where ids and the embedded stores get their time; for tests.
        inline: A job that is due is run by its enqueue, which returns it with its outcome; no
            worker is needed. What the handler raises is the job's outcome, as with a worker;
            with ``"raise"`` it is raised as well. None: as configured, else False.

    Attributes:
        registry: What a worker knows.
        settings: The configuration in force.
        aio: The same calls, awaitable.
        voice: Tells of what these calls bring about.

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
        """The store for one event loop, as `aio` uses it."""
        backend = self.store.asynchronous()
        if not self._inline:
            return backend
        from boundary.jobs.shell.inline import AsyncInlineBackend  # as above

        return AsyncInlineBackend(backend, self._desk())

    def _desk(self) -> Desk:
        from boundary.jobs.shell.inline import Desk

        return Desk(self.registry, self.settings, self._clock)

    def enqueuing_one(self, draft: Draft) -> Flow[Job]:
        """The steps that store this job, and run it if this door is inline."""
        if self._inline:
            from boundary.jobs.shell import inline

            steps = inline.enqueue(draft, self._inline_terms())
        else:
            steps = flows.enqueue(draft)
        # A draft that was made where nobody traces carries no trace; most are, and pay nothing.
        return steps if draft.options.metadata is None else tracing.sent(steps, draft.new.queue)

    def enqueuing(self, drafts: Iterable[Draft]) -> Flow[list[Job]]:
        """The same for many."""
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
            queues: Served in this order; None: as configured, else every queue that has jobs,
                ``default`` first.
            concurrency: Jobs that run at the same time; ``"auto"`` or ``"auto:2-200"``: as many,
                within bounds, as the measured load allows; None: as configured (10).
            weights: Instead of an order: how often each queue comes first.
            max_jobs: It asks to be replaced after so many jobs, and without anybody to ask it
                stops; None: as configured (0, never).
            max_memory: The same when its process has more bytes of memory.
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
            max_jobs=max_jobs,
            max_memory=max_memory,
            queue_concurrency=queue_concurrency,
            clock=self._clock,
        )

    # Jobs come in

    def new_id(self) -> bytes:
        """The id of a job to come."""
        return self._new_id()

    def drafting(self, job_type: str, chosen: Options) -> Drafting:
        """A maker of drafts under this door's ids and limits."""
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
            UsageError: It is neither, or an option or a name is wrong.
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
        """The draft as a stored job."""
        return self._run(self.enqueuing_one(draft))

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
        return self._run(self.enqueuing(jobs))

    # Look

    def find(self, job_id: JobId) -> Job | None:
        """The job, or None.

        Raises:
            UsageError: It is no id.
        """
        return self._run(flows.find(job_id))

    def why(self, job_id: JobId) -> Why | None:
        """Why the job is not running: a code, a sentence, what to do next. None: no such job.

        Raises:
            UsageError: It is no id.
        """
        return self._run(operator_flows.why(job_id))

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
            text: The arguments, metadata, result or errors mention it: in a text, or as a number,
                ``true``, ``false`` or ``null`` of that value.
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

    def failure_groups(
        self,
        *,
        fingerprint: str | None = None,
        queue: str | None = None,
        job_type: str | None = None,
        since: datetime | None = None,
        limit: int = 50,
    ) -> list[FailureGroup]:
        """Dead letters by cause, that seen last first.

        Args:
            fingerprint: Only this cause.
            queue: Only those of this queue.
            job_type: Only those of this type.
            since: Only those that ended at or after this aware instant.
            limit: 1 to 200.

        Raises:
            UsageError: A condition is not what it may be.
        """
        return self._run(
            operator_flows.failure_groups(
                fingerprint=fingerprint, queue=queue, job_type=job_type, since=since, limit=limit
            )
        )

    def history(self, job_type: str, limit: int = 20) -> list[Job]:
        """The newest finished jobs of a type, with their results."""
        return self._run(flows.history(job_type, limit))

    def stats(self) -> JobStats:
        """Totals, queues and workers at one moment."""
        return self._run(statistics_flows.job_stats())

    def queue_stats(self, queue: str) -> QueueStats:
        """One queue; zeros for one nobody used."""
        return self._run(statistics_flows.queue_stats(queue))

    def queues(self) -> list[QueueStats]:
        """Every queue with jobs, counters or a pause, by name."""
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
        """What was counted in each minute or hour, oldest first; nothing where nothing was.

        Args:
            minutes: The last 1 to 1440, this one included; 60 unless said. Or
            hours: the last 1 to 720.
            queue: Only this queue.
            job_type: Only this type.
            by: Whether a row is about a queue or a job type.

        Raises:
            UsageError: One of them is not what it may be.
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
        """What happens to jobs from now on, whichever process they are enqueued and run in.

        An iterator that waits for the next event, to be closed by `with` or `close()`. Nothing
        waits for it: events may get lost where it does not keep up or the store fails. Each event
        says in `lost` how many are missing before it, and `lost` of the iterator how many in all,
        as far as that is known; the last ones of a process may be missing without a word. Those of
        one process come in their order; of several, as they arrive: `at` says what was first.

        Args:
            types: Only these, such as ``{"dead", "retrying"}``; None: all.
            job_id: Only of this job.
            queue: Only of jobs in this queue.
            timeout: Seconds, or a timedelta, after which it ends if no such event comes; None: never.

        Raises:
            UsageError: There is no such type, or no such name.
            BackendError: The store cannot be heard, at once or in a later step; another step
                tries again.
        """
        from boundary.jobs.shell.following import Events, wanted  # here: few follow events

        return Events(self._backend.watch, wanted(types, job_id, queue), timeout)

    # Act

    def cancel(
        self, job_id: JobId, *, by: str | None = None, action: JobId | None = None
    ) -> Job | None:
        """A job that waits never runs; one that runs is asked to stop. None: no such job.

        Returns:
            The job as this left it: cancelled, or running with `cancel_requested`.

        Raises:
            IllegalTransition: It has ended.
        """
        return self._run(
            flows.cancel(job_id, self.settings.retention.finished, self.hand(by, action))
        )

    def retry(
        self, job_id: JobId, *, by: str | None = None, action: JobId | None = None
    ) -> Job | None:
        """The failed job waits in its queue with a full budget. None: no such job.

        Raises:
            IllegalTransition: It has not failed.
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
        """Dead letters that match wait in their queues again, each at most once.

        Args:
            fingerprint: Only those with this cause, as `failure_groups` tells it; the oldest first.
            queue: Only those of this queue.
            job_type: Only those of this type.
            limit: At most so many, from 0 on.
            first: So many of them wait for no rate.
            rate: So many a second of the others become ready; None: all at once.
            by: See `Jobs.audit`.
            action: See `Jobs.audit`.
            progress: Called with how many there are so far, after each batch of them.

        Raises:
            UsageError: A condition is not what it may be.
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
        """Dead letters with this cause are gone; undoable for a minute, if `by` somebody.

        Args:
            queue: Only those of this queue.
            limit: At most so many, from 0 on, those first that died first.
            progress: As of `retry_failed`.
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
        """The job that waits, or is dead, has these arguments instead; a dead one waits again.

        None: no such job. If the type is registered here, its signature counts.

        Raises:
            TypeError: The type is registered here and takes other arguments.
            IllegalTransition: It runs or has ended otherwise, or changed at this moment.
            PayloadTooLarge, SerializationError: The arguments cannot be stored.
        """
        hand, limit = self.hand(by, action), self.settings.payload_limit
        return self._run(operator_flows.edit(job_id, args, self.bound, limit, hand))

    def audit(self, limit: int = 50, cursor: str | None = None) -> AuditPage:
        """What operators did, the latest first, a page of it; the store keeps the last 10,000.

        An act is in the log if its call said `by` whom; in the same step as it was done. Its id is
        that given as `action` (a new one is made by `new_action`), else one of its own.

        Args:
            limit: 1 to 200.
            cursor: From the page before.
        """
        return self._run(audit_flows.audit(limit, cursor))

    def undo(self, action: JobId, *, by: str) -> UndoResult:
        """What an act of the last minute did is undone, where that still may be.

        Jobs that were cancelled, deleted or purged wait again or are what they were; dead letters
        that were retried or edited are dead letters again, unless they have begun; a pause is
        lifted, a resumed queue paused. Running jobs that were asked to stop, or deleted, stay so.

        Raises:
            IllegalTransition: It is not known, too old, undone already, or cannot be undone (it
                was about more than 10,000 jobs, or undid something itself).
        """
        return self._run(audit_flows.undo(action, self.acting(by)))

    def hand(self, by: str | None, action: JobId | None) -> Hand | None:
        """Who acts, for the log; None: nobody is named."""
        return hands.hand(by, action, self._new_id)

    def acting(self, by: str) -> Hand:
        """Who acts, under an id of its own."""
        return hands.named(by, self._new_id())

    def new_action(self) -> UUID:
        """The id of an act to come: pass it as `action`, and to `undo`."""
        return UUID(bytes=self._new_id())

    def bound(self, job_type: str, args: Mapping[str, Any]) -> dict[str, JSON]:
        """Arguments as they are stored, bound to the signature if the type is registered here."""
        known, given = self.registry.find(job_type), options.named("args", args)
        return json_args(given if known is None else known.signature.bind((), given))

    def delete(self, job_id: JobId, *, by: str | None = None, action: JobId | None = None) -> bool:
        """The job is gone, wherever it was. Whether it was there."""
        return self._run(flows.delete(job_id, self.hand(by, action)))

    def pause(self, queue: str, *, by: str | None = None, action: JobId | None = None) -> bool:
        """Workers pass over the queue. Whether that is a change."""
        return self._run(flows.set_paused(queue, paused=True, hand=self.hand(by, action)))

    def resume(self, queue: str, *, by: str | None = None, action: JobId | None = None) -> bool:
        """Workers serve the queue again. Whether that is a change."""
        return self._run(flows.set_paused(queue, paused=False, hand=self.hand(by, action)))

    def quiet_workers(
        self, worker: str | None = None, *, by: str | None = None, action: JobId | None = None
    ) -> int:
        """The worker claims nothing more, and goes on with what it has; None: all. How many.

        Within a second; it stays so until `unquiet_workers`. What is told to a worker is told to one
        process; a supervisor with several has as many workers.

        Args:
            worker: Its `id` from `workers()`, the beginning of it (``host:pid``), or its process id.
        """
        return self._run(order_flows.instruct("quiet", worker, self.hand(by, action)))

    def unquiet_workers(
        self, worker: str | None = None, *, by: str | None = None, action: JobId | None = None
    ) -> int:
        """The worker claims jobs again; None: all. How many."""
        return self._run(order_flows.instruct("unquiet", worker, self.hand(by, action)))

    def drain_workers(
        self, worker: str | None = None, *, by: str | None = None, action: JobId | None = None
    ) -> int:
        """The worker ends what it has, within its `shutdown_timeout`, and leaves; None: all.

        Nobody starts in its place. How many were told.
        """
        return self._run(order_flows.instruct("drain", worker, self.hand(by, action)))

    def restart_workers(
        self, worker: str | None = None, *, by: str | None = None, action: JobId | None = None
    ) -> int:
        """The worker is replaced by a new process, without a gap in service; None: all.

        One that runs alone ends what it has and starts anew; a worker that a program runs in
        its own process leaves. How many were told.
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
        """Jobs of the queue that wait (ready, scheduled, retrying) are gone. How many.

        Args:
            progress: As of `retry_failed`.
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
        """Such a job is enqueued at each tick, once, however many workers there are.

        The schedule of this name is replaced; if it ticks the same, its next tick stays.

        Args:
            cron: Five fields, six with seconds first, or an alias, in the local time of
                `timezone`; or
            every: an interval, in seconds or as a timedelta.
            misfire: What becomes of ticks no worker fired in time, as with `cron`.
            misfire_cap: How many of them ``all`` makes up for, 1 to 1,000.
            paused: Whether it is paused; None: as it was, a new one is not.
            by: Who asked for it, for the log; None: it is not in there.
            action: The id of the act, from `new_action`; None: it gets one.

        Raises:
            CronError: The expression or the zone is wrong, or it never ticks.
            UsageError: Something else is.
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
        """The schedule is as before but for the edits. None: there is none of this name.

        One that ticks the same afterwards keeps its next tick. One that code declares stays as
        edited until its declaration changes.

        Raises:
            CronError: The expression or the zone is wrong, or it never ticks.
            UsageError: Something else is.
        """
        return self._run(schedule_flows.edit_schedule(name, edits, self.hand(by, action)))

    def pause_schedule(
        self, name: str, *, by: str | None = None, action: JobId | None = None
    ) -> ScheduleInfo | None:
        """It does not tick until it is resumed. None: there is none of this name."""
        return self._run(schedule_flows.pause_schedule(name, self.hand(by, action)))

    def resume_schedule(
        self, name: str, *, by: str | None = None, action: JobId | None = None
    ) -> ScheduleInfo | None:
        """It ticks again, from now on: nothing of what it slept through is made up for.

        None: there is none of this name.
        """
        return self._run(schedule_flows.resume_schedule(name, self.hand(by, action)))

    def fire_schedule(
        self, name: str, *, by: str | None = None, action: JobId | None = None
    ) -> Job | None:
        """One of its jobs waits now, as stored; its ticks stay as they are, paused or not.

        None: there is none of this name.
        """
        return self._run(schedule_flows.fire_schedule(name, self.new_id, self.hand(by, action)))

    def unschedule(self, name: str, *, by: str | None = None, action: JobId | None = None) -> bool:
        """No schedule has this name. Whether one had.

        One that code declares is back when the next worker starts; pause it instead.
        """
        return self._run(schedule_flows.unschedule(name, self.hand(by, action)))

    def schedules(self) -> list[ScheduleInfo]:
        """All schedules, by name; `upcoming` of each tells when it fires."""
        return self._run(schedule_flows.schedules())

    def declared_schedules(self) -> list[ScheduleInfo]:
        """The schedules declared in code, by name, as if they began now; no store is asked."""
        found = self.registry.schedules(self._clock.now())
        return [schedule_flows.shown(one) for one in sorted(found, key=lambda one: one.name)]

    # Tests

    @contextlib.contextmanager
    def redirected(self, store: Store) -> Generator[None]:
        """Until the block ends every call of this door goes to `store`, for tests.

        The door's own store is neither opened nor closed. Not for a process with other threads
        that use this door for something else at the same time.
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
        """Files and connections of this door are let go; further calls open them again.

        Those of event loops that have ended are too; one that still runs closes its own, with
        `aio.close`.
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
