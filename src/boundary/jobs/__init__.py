"""Background jobs: enqueue a function call here, run it elsewhere or later, at least once.

What belongs here: the public names. What does not: code.
"""

from __future__ import annotations

from boundary.jobs.core.events import Event, EventType
from boundary.jobs.core.records import (
    Attempt,
    FailedRun,
    Job,
    JobError,
    Priority,
    Progress,
    Status,
)
from boundary.jobs.core.retry import RetryPolicy
from boundary.jobs.core.secret import Secret
from boundary.jobs.core.stats import JobStats, MinuteStats, QueueStats, WorkerInfo
from boundary.jobs.core.steering import Cancel, Discard, JobResult, Retry, Snooze
from boundary.jobs.core.why import BusyWith, Why
from boundary.jobs.errors import (
    BackendError,
    BackendUnavailable,
    ConfigError,
    CronError,
    DuplicateHandler,
    EnqueueUncertain,
    IllegalTransition,
    InvalidName,
    JobCancelled,
    JobFailed,
    JobNotFound,
    JobsError,
    LeaseLost,
    PayloadTooLarge,
    RecordError,
    ResultError,
    ResultTimeout,
    SerializationError,
    StoreFormatError,
    StoreFull,
    StoreRefused,
    UsageError,
)
from boundary.jobs.shell.aio import AsyncJobs
from boundary.jobs.shell.audit_flows import AuditPage, UndoResult
from boundary.jobs.shell.client import Jobs
from boundary.jobs.shell.context import Context
from boundary.jobs.shell.draft import Draft
from boundary.jobs.shell.flows import JobPage
from boundary.jobs.shell.hands import Action, AuditEntry
from boundary.jobs.shell.operator_flows import FailureGroup
from boundary.jobs.shell.registry import Handler
from boundary.jobs.shell.schedule_flows import ScheduleInfo
from boundary.jobs.version import __version__ as __version__

__all__ = [
    "Action",
    "AsyncJobs",
    "Attempt",
    "AuditEntry",
    "AuditPage",
    "BackendError",
    "BackendUnavailable",
    "BusyWith",
    "Cancel",
    "ConfigError",
    "Context",
    "CronError",
    "Discard",
    "Draft",
    "DuplicateHandler",
    "EnqueueUncertain",
    "Event",
    "EventType",
    "FailedRun",
    "FailureGroup",
    "Handler",
    "IllegalTransition",
    "InvalidName",
    "Job",
    "JobCancelled",
    "JobError",
    "JobFailed",
    "JobNotFound",
    "JobPage",
    "JobResult",
    "JobStats",
    "Jobs",
    "JobsError",
    "LeaseLost",
    "MinuteStats",
    "PayloadTooLarge",
    "Priority",
    "Progress",
    "QueueStats",
    "RecordError",
    "ResultError",
    "ResultTimeout",
    "Retry",
    "RetryPolicy",
    "ScheduleInfo",
    "Secret",
    "SerializationError",
    "Snooze",
    "Status",
    "StoreFormatError",
    "StoreFull",
    "StoreRefused",
    "UndoResult",
    "UsageError",
    "Why",
    "WorkerInfo",
]
