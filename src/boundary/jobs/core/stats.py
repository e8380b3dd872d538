"""Counters and what is told of them.

What belongs here: adding up. What does not: when something is counted (`lifecycle.COUNTED`), and
where counters are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Struct


class Counters(Struct, frozen=True):
    """Totals of a queue's runs since the store was created.

    Attributes:
        succeeded: Jobs completed.
        failed: Jobs dead-lettered or discarded.
        retried: Failed runs that were followed by a retry.
        duration_ms: Total duration of these runs.
        wait_ms: Total time from when they were due until a worker took them.
    """

    queue: str
    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    duration_ms: float = 0.0
    wait_ms: float = 0.0

    def add(self, other: Counters) -> Counters:
        """Both together."""
        return Counters(
            self.queue,
            self.succeeded + other.succeeded,
            self.failed + other.failed,
            self.retried + other.retried,
            self.duration_ms + other.duration_ms,
            self.wait_ms + other.wait_ms,
        )

    @property
    def runs(self) -> int:
        """How many were counted."""
        return self.succeeded + self.failed + self.retried

    @property
    def avg_duration_ms(self) -> float:
        """The mean duration of a run, 0.0 if there was none."""
        return self.duration_ms / self.runs if self.runs else 0.0

    @property
    def avg_wait_ms(self) -> float:
        """The mean time a run was waited for, 0.0 if there was none."""
        return self.wait_ms / self.runs if self.runs else 0.0


class QueueStats(Struct, frozen=True, kw_only=True):
    """One queue.

    Attributes:
        size: Jobs ready to run.
        scheduled: Jobs waiting for a later time (scheduled or retrying).
        running: Jobs held by workers.
        processed_total: Jobs that reached their end: succeeded + failed.
        retried_total: Failed runs that were followed by a retry.
        avg_duration_ms: Mean duration of a run.
        avg_wait_ms: Mean time from when a run was due until a worker took it.
        paused: Whether workers skip it.
        oldest_ready_at: When the longest-waiting ready job became ready; None: none is ready.
        per_minute: Runs that ended per minute, averaged over the last five whole minutes.
    """

    queue_name: str
    size: int = 0
    processed_total: int = 0
    failed_total: int = 0
    succeeded_total: int = 0
    avg_duration_ms: float = 0.0
    retried_total: int = 0
    scheduled: int = 0
    running: int = 0
    paused: bool = False
    avg_wait_ms: float = 0.0
    oldest_ready_at: datetime | None = None
    per_minute: float = 0.0


class MinuteStats(Struct, frozen=True, kw_only=True):
    """Totals of the runs of a queue or a job type within one minute or hour.

    Attributes:
        minute: Its start, an aware UTC datetime; for an hour, its first minute.
        queue_name: The queue; empty if the row is for a job type in all queues.
        job_type: The type; None if the row is for a queue.
        succeeded: Jobs completed.
        failed: Jobs dead-lettered or discarded.
        retried: Failed runs that were followed by a retry.
        avg_duration_ms: Mean duration of these runs.
        avg_wait_ms: Mean time from when they were due until a worker took them.
    """

    minute: datetime
    queue_name: str
    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    avg_duration_ms: float = 0.0
    avg_wait_ms: float = 0.0
    job_type: str | None = None


WorkerPhase: TypeAlias = Literal["running", "quiet", "draining"]


class WorkerInfo(Struct, frozen=True, kw_only=True):
    """One worker that is alive, or was a moment ago.

    Attributes:
        id: Its incarnation.
        status: Whether it is running jobs; `quiet`: it was told to claim nothing; `draining`: it
            finishes what it has and exits.
        queues: The queues it serves, in order; empty: every queue.
        seen_until: The end of its lease; in the past if the worker was lost.
        running: The jobs it holds.
        job_types: Those it has handlers for, by name; None: not reported, or too many to report
            (`TYPES_TOLD`).
        schedules: The schedules its code declares.
    """

    id: str
    status: Literal["running", "idle", "quiet", "draining"]
    queues: tuple[str, ...]
    concurrency: int
    host: str
    pid: int
    started_at: datetime
    seen_until: datetime
    running: tuple[UUID, ...] = ()
    job_types: tuple[str, ...] | None = None
    schedules: tuple[str, ...] = ()


class JobStats(Struct, frozen=True, kw_only=True):
    """The seed's `job_stats`: totals are the sums over the queues."""

    total_processed: int = 0
    total_failed: int = 0
    total_succeeded: int = 0
    total_retried: int = 0
    queues: tuple[QueueStats, ...] = ()
    workers: tuple[WorkerInfo, ...] = ()


def queue_stats(
    counters: Counters,
    *,
    ready: int,
    scheduled: int,
    running: int,
    paused: bool,
    oldest_ready_at: datetime | None = None,
    per_minute: float = 0.0,
) -> QueueStats:
    """One queue's statistics."""
    return QueueStats(
        queue_name=counters.queue,
        size=ready,
        scheduled=scheduled,
        running=running,
        paused=paused,
        processed_total=counters.succeeded + counters.failed,
        failed_total=counters.failed,
        succeeded_total=counters.succeeded,
        retried_total=counters.retried,
        avg_duration_ms=counters.avg_duration_ms,
        avg_wait_ms=counters.avg_wait_ms,
        oldest_ready_at=oldest_ready_at,
        per_minute=per_minute,
    )


def job_stats(queues: Iterable[QueueStats], workers: Iterable[WorkerInfo]) -> JobStats:
    """Totals over the queues, beside them and the workers."""
    rows = tuple(queues)
    return JobStats(
        total_processed=sum(row.processed_total for row in rows),
        total_failed=sum(row.failed_total for row in rows),
        total_succeeded=sum(row.succeeded_total for row in rows),
        total_retried=sum(row.retried_total for row in rows),
        queues=rows,
        workers=tuple(workers),
    )


TYPES_TOLD = 500
"""Most job types a worker says it knows; one that knows more says none, and may know any."""


class WorkerNote(Struct, frozen=True):
    """What a worker says of itself; what is added goes to the end, with a default."""

    queues: tuple[str, ...]
    concurrency: int
    host: str
    pid: int
    started_at: datetime
    job_types: tuple[str, ...] | None = None
    phase: WorkerPhase = "running"
    schedules: tuple[str, ...] = ()

    def serves(self, queue: str) -> bool:
        """Whether it takes jobs of this queue."""
        return not self.queues or queue in self.queues

    def knows(self, job_type: str) -> bool:
        """Whether it has a handler for this type, as far as it said."""
        return self.job_types is None or job_type in self.job_types


_decode_note = msgspec.msgpack.Decoder(WorkerNote).decode


def encode_worker(
    *,
    queues: tuple[str, ...],
    concurrency: int,
    host: str,
    pid: int,
    started_at: datetime,
    job_types: tuple[str, ...] = (),
    phase: WorkerPhase = "running",
    schedules: tuple[str, ...] = (),
) -> bytes:
    """What a worker says of itself with each heartbeat."""
    told = tuple(sorted(job_types)) if len(job_types) <= TYPES_TOLD else None
    note = WorkerNote(queues, concurrency, host, pid, started_at, told, phase, schedules)
    return msgspec.msgpack.encode(note)


def worker_note(note: bytes) -> WorkerNote | None:
    """What a worker said of itself; None if it said nothing (a single dequeue).

    Raises:
        msgspec.MsgspecError: It cannot be read.
    """
    return _decode_note(note) if note else None


def worker_info(
    id: str, note: bytes, seen_until: datetime, running: tuple[UUID, ...]
) -> WorkerInfo | None:
    """The worker that sent this note; None for one that sent none (a single dequeue)."""
    try:
        said = worker_note(note)
    except msgspec.MsgspecError:
        said = WorkerNote((), 0, "unreadable", 0, seen_until)
    if said is None:
        return None
    return WorkerInfo(
        id=id,
        status=said.phase if said.phase != "running" else "running" if running else "idle",
        queues=said.queues,
        concurrency=said.concurrency,
        host=said.host,
        pid=said.pid,
        started_at=said.started_at,
        seen_until=seen_until,
        running=running,
        job_types=said.job_types,
        schedules=said.schedules,
    )
