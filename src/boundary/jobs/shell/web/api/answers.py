"""What the API answers, as far as it is not a record of the library itself.

What belongs here: answers as msgspec records, each with its status where that is not 200. What does
not: what is asked (`questions`), and answers to errors (`problems`).
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from msgspec import Struct

from boundary.jobs.core.records import Job, Status
from boundary.jobs.core.stats import MinuteStats, QueueStats, WorkerInfo
from boundary.jobs.core.values import JSON
from boundary.jobs.core.why import Why
from boundary.jobs.shell.hands import AuditEntry
from boundary.jobs.shell.operator_flows import FailureGroup
from boundary.jobs.shell.schedule_flows import ScheduleInfo


class JobList(Struct, frozen=True, kw_only=True):
    """Some jobs."""

    jobs: tuple[Job, ...]


class FoundJobs(Struct, frozen=True, kw_only=True):
    """A page of a search; no cursor: that was all. A page may be short and not be the last."""

    jobs: tuple[Job, ...]
    cursor: str | None


class OneJob(Struct, frozen=True, kw_only=True):
    """One job."""

    job: Job


class Explained(Struct, frozen=True, kw_only=True):
    """One job, and why it is where it is."""

    job: Job
    why: Why


class Retried(Struct, frozen=True, kw_only=True):
    """The seed's answer to a retry."""

    message: str
    job: Job


class NotFound(Struct, frozen=True, kw_only=True):
    """The seed's answer when there is no such job."""

    http_status: ClassVar[int] = 404

    error: str


class Result(Struct, frozen=True, kw_only=True):
    """A job that is completed, and what its handler returned; what looks like a secret is hidden."""

    id: UUID
    status: Status
    result: JSON


class NoResultYet(Struct, frozen=True, kw_only=True):
    """A job that has not ended within the time; it goes on, and may be asked for again."""

    http_status: ClassVar[int] = 202

    id: UUID
    status: Status


class Count(Struct, frozen=True, kw_only=True):
    """On how many jobs, workers or the like the request acted."""

    count: int


class Changed(Struct, frozen=True, kw_only=True):
    """Whether anything is different now."""

    changed: bool


class QueueList(Struct, frozen=True, kw_only=True):
    """Every queue with jobs, counters or a pause, by name."""

    queues: tuple[QueueStats, ...]


class WorkerList(Struct, frozen=True, kw_only=True):
    """The workers that are alive."""

    workers: tuple[WorkerInfo, ...]


class ScheduleList(Struct, frozen=True, kw_only=True):
    """All schedules, by name."""

    schedules: tuple[ScheduleInfo, ...]


class Fires(Struct, frozen=True, kw_only=True):
    """When a schedule fires next, the first first."""

    name: str
    fires: tuple[datetime, ...]


class OneSchedule(Struct, frozen=True, kw_only=True):
    """One schedule."""

    schedule: ScheduleInfo


class SeriesAnswer(Struct, frozen=True, kw_only=True):
    """What was counted in each minute, oldest first; nothing where nothing was."""

    series: tuple[MinuteStats, ...]


class FailureGroups(Struct, frozen=True, kw_only=True):
    """Dead letters by cause, that seen last first."""

    groups: tuple[FailureGroup, ...]


class AuditLog(Struct, frozen=True, kw_only=True):
    """What operators did, the latest first; no cursor: that was all."""

    entries: tuple[AuditEntry, ...]
    cursor: str | None


class Health(Struct, frozen=True, kw_only=True):
    """The store answers.

    Attributes:
        store: Its address, without credentials.
        workers: How many are alive.
        latency_ms: How long the store took to answer.
    """

    status: str
    store: str
    workers: int
    latency_ms: float
