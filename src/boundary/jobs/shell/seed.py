"""The seed's names: `JobQueue`, `JobStore`, `JobStats`, `JobRegistry` and `JobWorker` of any store.

What belongs here: one door a call. What does not: what a call does (`flows`, `seed_flows`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from uuid import UUID

from boundary.jobs.core import job as jobs
from boundary.jobs.core.names import checked_name
from boundary.jobs.core.steering import as_job_result
from boundary.jobs.errors import DuplicateHandler
from boundary.jobs.shell import flows, seed_flows, statistics_flows
from boundary.jobs.shell.clock import SystemClock
from boundary.jobs.shell.driving import drive
from boundary.jobs.shell.failure import describe
from boundary.jobs.shell.seed_flows import Terms
from boundary.jobs.shell.settings import Settings
from boundary.jobs.shell.telemetry.stream import Voice

if TYPE_CHECKING:
    from boundary.jobs.core.job import JSON, Job, Status
    from boundary.jobs.core.stats import JobStats as JobStatsRecord
    from boundary.jobs.core.stats import QueueStats
    from boundary.jobs.ports import Backend, Clock, SeedHandler, Store
    from boundary.jobs.shell.flows import Flow

R = TypeVar("R")

log: logging.Logger = logging.getLogger("boundary.jobs")


class Pool:
    """An opened store with the terms under which jobs are held and kept.

    Args:
        clock: Where chance and the instants of `JobWorker` come from.
    """

    def __init__(
        self, store: Store, settings: Settings | None = None, clock: Clock | None = None
    ) -> None:
        chosen = settings or Settings()
        self.backend: Backend = store.blocking()
        self.voice: Voice = Voice()
        self.clock: Clock = clock or SystemClock()
        self.terms: Terms = Terms(
            chosen.workers.lease,
            chosen.retention.finished,
            chosen.retention.dead,
            chosen.workers.max_crashes,
            chosen.workers.max_unhandled,
        )

    def run(self, flow: Flow[R]) -> R:
        """The flow's value; blocks."""
        return drive(flow, self.backend, self.voice)

    def close(self) -> None:
        """Files and connections are let go."""
        self.backend.close()


class JobQueue:
    """`ports.JobQueue`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def enqueue_job(self, queue: str, job: Job) -> UUID:
        """As `ports.JobQueue.enqueue_job`."""
        return self._pool.run(seed_flows.enqueue(queue, job, job.execute_at))

    def schedule_job(self, queue: str, job: Job, execute_at: datetime) -> UUID:
        """As `ports.JobQueue.schedule_job`."""
        return self._pool.run(seed_flows.enqueue(queue, job, execute_at))

    def dequeue_job(self, queue: str) -> Job | None:
        """As `ports.JobQueue.dequeue_job`."""
        return self._pool.run(seed_flows.dequeue(queue, self._pool.terms))

    def peek_job(self, queue: str) -> Job | None:
        """As `ports.JobQueue.peek_job`."""
        return self._pool.run(seed_flows.peek(queue))

    def ack_job(self, job: Job) -> None:
        """As `ports.JobQueue.ack_job`."""
        self._pool.run(seed_flows.acknowledge(job, self._pool.terms))

    def delete_job(self, job_id: UUID) -> bool:
        """As `ports.JobQueue.delete_job`."""
        return self._pool.run(flows.delete(job_id))

    def queue_size(self, queue: str) -> int:
        """As `ports.JobQueue.queue_size`."""
        return self._pool.run(statistics_flows.queue_stats(queue)).size

    def list_queues(self) -> list[str]:
        """As `ports.JobQueue.list_queues`."""
        return [one.queue_name for one in self._pool.run(statistics_flows.queues())]

    def process_scheduled_jobs(self) -> int:
        """As `ports.JobQueue.process_scheduled_jobs`."""
        return self._pool.run(seed_flows.promote())

    def reclaim_abandoned_jobs(self) -> int:
        """As `ports.JobQueue.reclaim_abandoned_jobs`."""
        return self._pool.run(seed_flows.reclaim(self._pool.terms))


class JobStore:
    """`ports.JobStore`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def save_job(self, job: Job) -> Job:
        """As `ports.JobStore.save_job`."""
        return self._pool.run(seed_flows.save(job, self._pool.terms, self._pool.clock.u()))

    def find_job(self, job_id: UUID) -> Job | None:
        """As `ports.JobStore.find_job`."""
        return self._pool.run(flows.find(job_id))

    def find_jobs(
        self,
        *,
        status: Status | None = None,
        job_type: str | None = None,
        queue: str | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """As `ports.JobStore.find_jobs`."""
        return self._pool.run(
            flows.found(status=status, job_type=job_type, queue=queue, limit=limit)
        )

    def update_job_status(self, job_id: UUID, status: Status, result: JSON = None) -> Job | None:
        """As `ports.JobStore.update_job_status`."""
        terms, u = self._pool.terms, self._pool.clock.u()
        return self._pool.run(seed_flows.update_status(job_id, status, result, terms, u))

    def failed_jobs(self, limit: int = 20) -> list[Job]:
        """As `ports.JobStore.failed_jobs`."""
        return self._pool.run(flows.failed(limit))

    def retry_job(self, job_id: UUID) -> Job | None:
        """As `ports.JobStore.retry_job`."""
        return self._pool.run(flows.retry_if_failed(job_id))


class JobStats:
    """`ports.JobStats`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def job_stats(self) -> JobStatsRecord:
        """As `ports.JobStats.job_stats`."""
        return self._pool.run(statistics_flows.job_stats())

    def queue_stats(self, queue: str) -> QueueStats:
        """As `ports.JobStats.queue_stats`."""
        return self._pool.run(statistics_flows.queue_stats(queue))

    def job_history(self, job_type: str, limit: int = 20) -> list[Job]:
        """As `ports.JobStats.job_history`."""
        return self._pool.run(flows.history(job_type, limit))


class JobRegistry:
    """`ports.JobRegistry`."""

    def __init__(self) -> None:
        self._handlers: dict[str, SeedHandler] = {}

    def register(self, job_type: str, handler: SeedHandler) -> None:
        """As `ports.JobRegistry.register`."""
        if checked_name("job type", job_type) in self._handlers:
            raise DuplicateHandler(f"job type {job_type!r} has a handler already")
        self._handlers[job_type] = handler

    def get(self, job_type: str) -> SeedHandler | None:
        """As `ports.JobRegistry.get`."""
        return self._handlers.get(job_type)

    def handlers(self) -> Mapping[str, SeedHandler]:
        """As `ports.JobRegistry.handlers`."""
        return MappingProxyType(self._handlers)


class JobWorker:
    """`ports.JobWorker`: the seed's loop body; for production, `Jobs.worker`.

    Args:
        queues: Looked into in this order.
    """

    def __init__(
        self, pool: Pool, registry: JobRegistry, queues: tuple[str, ...] = ("default",)
    ) -> None:
        self._pool = pool
        self._queue = JobQueue(pool)
        self._store = JobStore(pool)
        self._registry = registry
        self._queues = queues
        self._stopped = False

    def process_next_job(self) -> Job | None:
        """As `ports.JobWorker.process_next_job`."""
        for queue in () if self._stopped else self._queues:
            job = self._queue.dequeue_job(queue)
            if job is not None:
                return self._process(job)
        return None

    def stop(self) -> None:
        """As `ports.JobWorker.stop`."""
        self._stopped = True

    def _process(self, job: Job) -> Job | None:
        handler = self._registry.get(job.job_type)
        if handler is None:
            log.error("no handler is registered for %s", job.job_type)
            known = tuple(self._registry.handlers())
            return self._pool.run(seed_flows.release_unhandled(job, known, self._pool.terms))
        started = self._store.save_job(jobs.start_job(job, self._now()))
        return self._store.save_job(self._run(handler, started))

    def _run(self, handler: SeedHandler, started: Job) -> Job:
        """The job after its run."""
        try:
            value = handler(started.args)
            if asyncio.iscoroutine(value):
                value = asyncio.run(value)
        except Exception as error:  # noqa: BLE001 - any exception is a failed run
            return jobs.fail_job(started, describe(error), self._now())
        answer = as_job_result(value)
        if answer is not None and answer.error is not None:
            return jobs.fail_job(started, answer.error, self._now())
        result = value if answer is None else answer.result
        return jobs.complete_job(started, result, self._now())

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._pool.clock.now() / 1000, UTC)


class JobsSystem(NamedTuple):
    """A queue, a store and statistics over the same jobs."""

    queue: JobQueue
    store: JobStore
    stats: JobStats
    pool: Pool


def jobs_system(pool: Pool) -> JobsSystem:
    """The seed's three roles over one pool."""
    return JobsSystem(JobQueue(pool), JobStore(pool), JobStats(pool), pool)
