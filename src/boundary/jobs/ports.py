"""The Protocols between the parts.

What belongs here: what one part may expect of another, without a driver's type in it: `Backend`
and `AsyncBackend` (a store), `Finding`, `Clock`, and the seed's roles. What does not: any implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, NamedTuple, Protocol, Self, TypeVar
from uuid import UUID

from boundary.jobs.core.operations import Claim, Claimed, Interest, Operation
from boundary.jobs.core.records import Job, Status
from boundary.jobs.core.stats import JobStats as JobStatsRecord
from boundary.jobs.core.stats import QueueStats
from boundary.jobs.core.values import JSON

R = TypeVar("R")


class Clock(Protocol):
    """Where instants and chance come from; the only such place besides a store's own clock."""

    def now(self) -> int:
        """Milliseconds since the epoch."""
        ...

    def mono(self) -> int:
        """Milliseconds the machine has been running: never set, the same for all its processes."""
        ...

    def u(self) -> float:
        """A number drawn evenly from [0, 1)."""
        ...


class Listener(Protocol):
    """An ear for notices, from its creation on: none is missed in between. `with` closes it."""

    def wait(self, timeout: float) -> bool:
        """Return at the next notice (True) or after `timeout` seconds (False).

        Notices that came since the last call count; many count as one. Callable from one
        thread at a time.
        """
        ...

    def close(self) -> None:
        """Stop listening; a `wait` under way returns."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncListener(Protocol):
    """As `Listener`, awaited on the event loop it was made on."""

    async def wait(self, timeout: float) -> bool:
        """As `Listener.wait`."""
        ...

    async def close(self) -> None:
        """As `Listener.close`."""
        ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class Watcher(Protocol):
    """Hears the frames of events that are announced, from its creation on.

    While there is one, replies of the store say that somebody watches; of workers that are at
    work within a second.
    """

    def hear(self, timeout: float) -> list[bytes]:
        """The frames that came in since the last call; waits up to `timeout` seconds for one.

        Callable from one thread at a time. None when closed.

        Raises:
            BackendError: The store is gone; a later call tries again.
        """
        ...

    def close(self) -> None:
        """Stop hearing; a `hear` under way returns."""
        ...


class AsyncWatcher(Protocol):
    """As `Watcher`, awaited on the event loop it was made on."""

    async def hear(self, timeout: float) -> list[bytes]:
        """As `Watcher.hear`."""
        ...

    async def close(self) -> None:
        """As `Watcher.close`."""
        ...


class Backend(Protocol):
    """A store for callers that block. Threads may share one; a forked child may go on using it."""

    def execute(self, operation: Operation[R]) -> R:
        """Run one operation as one atomic step.

        Raises:
            BackendError: As the operation says, or `BackendUnavailable` after the store's timeout.
            UsageError: The operation is wrong in itself.
        """
        ...

    def listen(self, interest: Interest) -> Listener:
        """Hear of notices, from this process or any other that uses the store."""
        ...

    def watch(self) -> Watcher:
        """Hear what is announced, by this process or any other that uses the store."""
        ...

    def close(self) -> None:
        """Let go of files and connections; further calls open them again."""
        ...


class AsyncBackend(Protocol):
    """A store for callers on an event loop."""

    async def execute(self, operation: Operation[R]) -> R:
        """As `Backend.execute`. Cancelled while under way, the operation still may happen."""
        ...

    async def listen(self, interest: Interest) -> AsyncListener:
        """As `Backend.listen`."""
        ...

    async def watch(self) -> AsyncWatcher:
        """As `Backend.watch`."""
        ...

    async def claim_when_told(self, claim: Claim, timeout: float) -> Claimed | None:
        """At the next notice of work in its queues, what the claim brings.

        The first call does not wait for one, if the store keeps no notices for who is not there
        yet: what came before it is found. A store may make the claim in the same breath, so that an
        idle worker has its job with one message.

        Returns:
            None: no notice came within `timeout` seconds, and no job.

        Raises:
            BackendError: As `execute`; whether the claim took place is not known then.
        """
        ...

    async def close(self) -> None:
        """As `Backend.close`."""
        ...


class Finding(NamedTuple):
    """What was looked at, how it is, and what to do about it."""

    what: str
    state: Literal["ok", "note", "problem"]
    text: str


class Store(Protocol):
    """An opened URL: hands out backends over the same jobs."""

    @property
    def url(self) -> str:
        """The URL, without credentials."""
        ...

    def blocking(self) -> Backend:
        """A backend with connections of its own."""
        ...

    def asynchronous(self) -> AsyncBackend:
        """A backend with connections of its own."""
        ...

    def examine(self) -> list[Finding]:
        """What an operator should know of the place where jobs are kept; nothing is changed.

        Empty if nothing can be learned of it, for then an operation says why.
        """
        ...


# The seed's roles


class JobQueue(Protocol):
    """The seed's IJobQueue, with what at-least-once needs beside it."""

    def enqueue_job(self, queue: str, job: Job) -> UUID:
        """The job waits in `queue`, or for its `execute_at` if that is ahead. Its id."""
        ...

    def schedule_job(self, queue: str, job: Job, execute_at: datetime) -> UUID:
        """The job waits for `execute_at`. Its id."""
        ...

    def dequeue_job(self, queue: str) -> Job | None:
        """The next job, held under a lease of its own; None if nothing is ready.

        It is `pending`, for `start_job`; saving its outcome settles it. Not settled within the
        lease, another dequeue may get it after `reclaim_abandoned_jobs`, which a dequeue does too.
        """
        ...

    def peek_job(self, queue: str) -> Job | None:
        """The job `dequeue_job` would give, still in its place."""
        ...

    def ack_job(self, job: Job) -> None:
        """A dequeued job is completed without a result.

        Raises:
            LeaseLost: Its lease ended and it was taken back.
        """
        ...

    def delete_job(self, job_id: UUID) -> bool:
        """The job is gone from queue, schedule and store. Whether it was there."""
        ...

    def queue_size(self, queue: str) -> int:
        """Jobs ready in `queue`, over all priorities."""
        ...

    def list_queues(self) -> list[str]:
        """Every queue with jobs or counters, by name."""
        ...

    def process_scheduled_jobs(self) -> int:
        """Jobs whose instant has come wait in their queues. How many."""
        ...

    def reclaim_abandoned_jobs(self) -> int:
        """Jobs whose lease has ended are back in their queues. How many."""
        ...


class JobStore(Protocol):
    """The seed's IJobStore."""

    def save_job(self, job: Job) -> Job:
        """The job is stored; an outcome of a dequeued job settles it. The job as stored.

        Raises:
            LeaseLost: The outcome came after the lease ended; nothing changed.
            IllegalTransition: The stored job's status does not lead to this one.
        """
        ...

    def find_job(self, job_id: UUID) -> Job | None:
        """The job, or None."""
        ...

    def find_jobs(
        self,
        *,
        status: Status | None = None,
        job_type: str | None = None,
        queue: str | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """The newest jobs that match all conditions given."""
        ...

    def update_job_status(self, job_id: UUID, status: Status, result: JSON = None) -> Job | None:
        """The job has this status, counters follow. None: no such job.

        Raises:
            IllegalTransition: The life cycle has no such step.
        """
        ...

    def failed_jobs(self, limit: int = 20) -> list[Job]:
        """The newest dead letters first."""
        ...

    def retry_job(self, job_id: UUID) -> Job | None:
        """The dead letter waits in its queue with a full budget. None: no such failed job."""
        ...


class JobStats(Protocol):
    """The seed's IJobStats."""

    def job_stats(self) -> JobStatsRecord:
        """Totals, queues and workers."""
        ...

    def queue_stats(self, queue: str) -> QueueStats:
        """One queue; zeros for one nobody used."""
        ...

    def job_history(self, job_type: str, limit: int = 20) -> list[Job]:
        """The newest finished jobs of a type, with their results."""
        ...


SeedHandler = Callable[[dict[str, Any]], Any]
"""The seed's handler: one argument, the args mapping; a result mapping, a `JobResult` or a value."""


class JobRegistry(Protocol):
    """The seed's registry: job type to handler."""

    def register(self, job_type: str, handler: SeedHandler) -> None:
        """The type has this handler.

        Raises:
            DuplicateHandler: It has one.
        """
        ...

    def get(self, job_type: str) -> SeedHandler | None:
        """The handler, or None."""
        ...

    def handlers(self) -> Mapping[str, SeedHandler]:
        """All of them, by job type."""
        ...


class JobWorker(Protocol):
    """The seed's worker."""

    def process_next_job(self) -> Job | None:
        """Run one ready job to its outcome. The job afterwards; None if nothing was ready."""
        ...

    def stop(self) -> None:
        """Take no further job; running ones get the shutdown timeout."""
        ...
