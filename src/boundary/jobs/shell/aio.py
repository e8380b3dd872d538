"""The asyncio door: the same names as `Jobs`, awaited.

What belongs here: driving flows on an event loop, one line a call. What does not: any logic of a
call (`flows`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack
from weakref import WeakKeyDictionary

from boundary.jobs.core.operations import MISFIRE_CAP, Misfire
from boundary.jobs.shell import (
    audit_flows,
    flows,
    operator_flows,
    options,
    order_flows,
    schedule_flows,
    statistics_flows,
)
from boundary.jobs.shell.audit_flows import AuditPage, UndoResult
from boundary.jobs.shell.driving import drive_async
from boundary.jobs.shell.flows import Flow, JobId, JobPage
from boundary.jobs.shell.hands import Action
from boundary.jobs.shell.operator_flows import FailureGroup
from boundary.jobs.shell.schedule_flows import ScheduleEdits, ScheduleInfo
from boundary.jobs.shell.statistics_flows import By

if TYPE_CHECKING:
    import asyncio

    from boundary.jobs.core.events import EventType
    from boundary.jobs.core.records import Job, Status
    from boundary.jobs.core.stats import JobStats, MinuteStats, QueueStats, WorkerInfo
    from boundary.jobs.core.values import JSON
    from boundary.jobs.core.why import Why
    from boundary.jobs.ports import AsyncBackend
    from boundary.jobs.shell.client import Jobs
    from boundary.jobs.shell.draft import Draft
    from boundary.jobs.shell.following import AsyncEvents
    from boundary.jobs.shell.options import EnqueueOptions, JobOptions
    from boundary.jobs.shell.registry import Handler

R = TypeVar("R")


class LoopBackends:
    """A backend for each event loop that calls, until that has ended."""

    def __init__(self, open_one: Callable[[], AsyncBackend]) -> None:
        self._open = open_one
        self._of: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncBackend] = WeakKeyDictionary()

    def mine(self) -> AsyncBackend:
        """The running loop's; opened if there is none."""
        import asyncio  # here: a process that never awaits should not pay for it

        loop = asyncio.get_running_loop()
        backend = self._of.get(loop)
        if backend is None:
            self.forget_closed_loops()
            backend = self._of[loop] = self._open()
        return backend

    def taken(self) -> AsyncBackend | None:
        """The running loop's, for who closes it; the next call opens another."""
        import asyncio  # as above

        return self._of.pop(asyncio.get_running_loop(), None)

    def forget_closed_loops(self) -> None:
        """Nobody calls from them any more, and their files and connections would stay open.

        A backend knows its loop (its tasks do), so that the weak keys alone let go of neither.
        """
        for known in self._of.keyrefs():
            loop = known()
            if loop is not None and loop.is_closed():
                self._of.pop(loop, None)


class AsyncJobs:
    """`Jobs` for callers on an event loop, as `jobs.aio`. Each loop has its own connections."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self.backends: LoopBackends = LoopBackends(jobs.open_async)

    async def _run(self, flow: Flow[R]) -> R:
        return await drive_async(flow, self.backends.mine(), self._jobs.voice)

    async def send(self, draft: Draft) -> Job:
        """Store the draft and return it as a job."""
        return await self._run(self._jobs.enqueuing_one(draft))

    async def enqueue(
        self,
        job_type: str,
        args: Mapping[str, Any] | None = None,
        **given: Unpack[EnqueueOptions],
    ) -> Job:
        """As `Jobs.enqueue`."""
        return await self.send(self._jobs.draft(job_type, args, given))

    async def enqueue_many(self, jobs: Iterable[Draft]) -> list[Job]:
        """As `Jobs.enqueue_many`."""
        return await self._run(self._jobs.enqueuing(jobs))

    async def find(self, job_id: JobId) -> Job | None:
        """As `Jobs.find`."""
        return await self._run(flows.find(job_id))

    async def why(self, job_id: JobId) -> Why | None:
        """As `Jobs.why`."""
        return await self._run(operator_flows.why(job_id))

    async def result(
        self,
        job_id: JobId,
        timeout: float | timedelta | None = None,
    ) -> JSON:
        """As `Jobs.result`."""
        return await self._run(flows.result(job_id, timeout))

    async def search(
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
        """As `Jobs.search`."""
        return await self._run(
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

    async def failed(self, limit: int = 20) -> list[Job]:
        """As `Jobs.failed`."""
        return await self._run(flows.failed(limit))

    async def failure_groups(
        self,
        *,
        fingerprint: str | None = None,
        queue: str | None = None,
        job_type: str | None = None,
        since: datetime | None = None,
        limit: int = 50,
    ) -> list[FailureGroup]:
        """As `Jobs.failure_groups`."""
        return await self._run(
            operator_flows.failure_groups(
                fingerprint=fingerprint, queue=queue, job_type=job_type, since=since, limit=limit
            )
        )

    async def history(self, job_type: str, limit: int = 20) -> list[Job]:
        """As `Jobs.history`."""
        return await self._run(flows.history(job_type, limit))

    async def stats(self) -> JobStats:
        """As `Jobs.stats`."""
        return await self._run(statistics_flows.job_stats())

    async def queue_stats(self, queue: str) -> QueueStats:
        """As `Jobs.queue_stats`."""
        return await self._run(statistics_flows.queue_stats(queue))

    async def queues(self) -> list[QueueStats]:
        """As `Jobs.queues`."""
        return await self._run(statistics_flows.queues())

    async def series(
        self,
        minutes: int | None = None,
        queue: str | None = None,
        *,
        hours: int | None = None,
        job_type: str | None = None,
        by: By = "queue",
    ) -> list[MinuteStats]:
        """As `Jobs.series`."""
        return await self._run(
            statistics_flows.series(minutes, queue, hours=hours, job_type=job_type, by=by)
        )

    async def workers(self) -> list[WorkerInfo]:
        """As `Jobs.workers`."""
        return await self._run(statistics_flows.workers())

    def events(
        self,
        types: Collection[EventType] | None = None,
        job_id: JobId | None = None,
        queue: str | None = None,
        *,
        timeout: float | timedelta | None = None,
    ) -> AsyncEvents:
        """As `Jobs.events`: for `async for`; `async with` starts listening at once."""
        from boundary.jobs.shell.following import AsyncEvents, wanted  # here: few follow events

        return AsyncEvents(
            lambda: self.backends.mine().watch(), wanted(types, job_id, queue), timeout
        )

    async def cancel(
        self, job_id: JobId, *, by: str | None = None, action: JobId | None = None
    ) -> Job | None:
        """As `Jobs.cancel`."""
        return await self._run(
            flows.cancel(
                job_id, self._jobs.settings.retention.finished, self._jobs.hand(by, action)
            )
        )

    async def retry(
        self, job_id: JobId, *, by: str | None = None, action: JobId | None = None
    ) -> Job | None:
        """As `Jobs.retry`."""
        return await self._run(flows.retry(job_id, self._jobs.hand(by, action)))

    async def retry_failed(
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
        """As `Jobs.retry_failed`."""
        pick = operator_flows.picked(fingerprint, queue, job_type, limit)
        hand = self._jobs.hand(by, action)
        return await self._run(
            operator_flows.retry_failed(pick, hand, first=first, rate=rate, progress=progress)
        )

    async def delete_failed(
        self,
        fingerprint: str,
        *,
        queue: str | None = None,
        limit: int | None = None,
        by: str | None = None,
        action: JobId | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> Action:
        """As `Jobs.delete_failed`."""
        pick = operator_flows.picked(fingerprint, queue, None, limit)
        return await self._run(
            operator_flows.delete_failed(pick, self._jobs.hand(by, action), progress=progress)
        )

    async def edit(
        self,
        job_id: JobId,
        args: Mapping[str, Any],
        *,
        by: str | None = None,
        action: JobId | None = None,
    ) -> Job | None:
        """As `Jobs.edit`."""
        hand, limit = self._jobs.hand(by, action), self._jobs.settings.payload_limit
        return await self._run(operator_flows.edit(job_id, args, self._jobs.bound, limit, hand))

    async def audit(self, limit: int = 50, cursor: str | None = None) -> AuditPage:
        """As `Jobs.audit`."""
        return await self._run(audit_flows.audit(limit, cursor))

    async def undo(self, action: JobId, *, by: str) -> UndoResult:
        """As `Jobs.undo`."""
        return await self._run(audit_flows.undo(action, self._jobs.acting(by)))

    async def delete(
        self, job_id: JobId, *, by: str | None = None, action: JobId | None = None
    ) -> bool:
        """As `Jobs.delete`."""
        return await self._run(flows.delete(job_id, self._jobs.hand(by, action)))

    async def pause(
        self, queue: str, *, by: str | None = None, action: JobId | None = None
    ) -> bool:
        """As `Jobs.pause`."""
        return await self._run(
            flows.set_paused(queue, paused=True, hand=self._jobs.hand(by, action))
        )

    async def resume(
        self, queue: str, *, by: str | None = None, action: JobId | None = None
    ) -> bool:
        """As `Jobs.resume`."""
        return await self._run(
            flows.set_paused(queue, paused=False, hand=self._jobs.hand(by, action))
        )

    async def quiet_workers(
        self, worker: str | None = None, *, by: str | None = None, action: JobId | None = None
    ) -> int:
        """As `Jobs.quiet_workers`."""
        return await self._run(order_flows.instruct("quiet", worker, self._jobs.hand(by, action)))

    async def unquiet_workers(
        self, worker: str | None = None, *, by: str | None = None, action: JobId | None = None
    ) -> int:
        """As `Jobs.unquiet_workers`."""
        return await self._run(order_flows.instruct("unquiet", worker, self._jobs.hand(by, action)))

    async def drain_workers(
        self, worker: str | None = None, *, by: str | None = None, action: JobId | None = None
    ) -> int:
        """As `Jobs.drain_workers`."""
        return await self._run(order_flows.instruct("drain", worker, self._jobs.hand(by, action)))

    async def restart_workers(
        self, worker: str | None = None, *, by: str | None = None, action: JobId | None = None
    ) -> int:
        """As `Jobs.restart_workers`."""
        return await self._run(order_flows.instruct("restart", worker, self._jobs.hand(by, action)))

    async def purge(
        self,
        queue: str,
        *,
        by: str | None = None,
        action: JobId | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> int:
        """As `Jobs.purge`."""
        return await self._run(
            operator_flows.purge(queue, self._jobs.hand(by, action), progress=progress)
        )

    async def schedule(
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
        """As `Jobs.schedule`."""
        draft = self._jobs.draft(handler, args, options.of_many(given))
        rule = schedule_flows.rule_of(
            cron=cron, every=every, timezone=timezone, misfire=misfire, misfire_cap=misfire_cap
        )
        hand = self._jobs.hand(by, action)
        flow = schedule_flows.schedule(name, draft, rule, paused=paused, hand=hand)
        return await self._run(flow)

    async def edit_schedule(
        self,
        name: str,
        *,
        by: str | None = None,
        action: JobId | None = None,
        **edits: Unpack[ScheduleEdits],
    ) -> ScheduleInfo | None:
        """As `Jobs.edit_schedule`."""
        return await self._run(
            schedule_flows.edit_schedule(name, edits, self._jobs.hand(by, action))
        )

    async def pause_schedule(
        self, name: str, *, by: str | None = None, action: JobId | None = None
    ) -> ScheduleInfo | None:
        """As `Jobs.pause_schedule`."""
        return await self._run(schedule_flows.pause_schedule(name, self._jobs.hand(by, action)))

    async def resume_schedule(
        self, name: str, *, by: str | None = None, action: JobId | None = None
    ) -> ScheduleInfo | None:
        """As `Jobs.resume_schedule`."""
        return await self._run(schedule_flows.resume_schedule(name, self._jobs.hand(by, action)))

    async def fire_schedule(
        self, name: str, *, by: str | None = None, action: JobId | None = None
    ) -> Job | None:
        """As `Jobs.fire_schedule`."""
        return await self._run(
            schedule_flows.fire_schedule(name, self._jobs.new_id, self._jobs.hand(by, action))
        )

    async def unschedule(
        self, name: str, *, by: str | None = None, action: JobId | None = None
    ) -> bool:
        """As `Jobs.unschedule`."""
        return await self._run(schedule_flows.unschedule(name, self._jobs.hand(by, action)))

    async def schedules(self) -> list[ScheduleInfo]:
        """As `Jobs.schedules`."""
        return await self._run(schedule_flows.schedules())

    async def close(self) -> None:
        """Close this loop's connections; later calls open them again."""
        backend = self.backends.taken()
        if backend is not None:
            await backend.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
