"""Every error of the library, as one tree.

What belongs here: exception classes, their data and their stable codes. What does not: the
decision when to raise one, and the mapping to exit codes or HTTP statuses (the doors do that
from `code`).

    JobsError
    ├── UsageError                 your call is wrong; nothing was done
    │   ├── ConfigError            a configuration file, key or variable is invalid
    │   ├── InvalidName            a queue, job type or schedule name is not allowed
    │   ├── DuplicateHandler       one job type registered twice
    │   ├── SerializationError     an argument or result cannot be represented in JSON
    │   ├── PayloadTooLarge        arguments and metadata above the limit
    │   ├── CronError              an expression is invalid or never fires
    │   └── IllegalTransition      the job's status does not allow this
    ├── BackendError               the store is the cause; trying again may help
    │   ├── BackendUnavailable     the store did not answer in time
    │   ├── StoreRefused           the server denies access: user, password or permissions
    │   ├── StoreFull              the store accepts no new jobs; workers keep draining it
    │   ├── EnqueueUncertain       the outcome of an enqueue is unknown; repeat it by id
    │   ├── StoreFormatError       the store is foreign, damaged or of a newer version
    │   ├── RecordError            one stored job cannot be read; it is kept in quarantine
    │   └── LeaseLost              the job was taken back; this outcome was not stored
    └── ResultError                waiting for a result ended without one
        ├── JobFailed
        ├── JobCancelled
        ├── JobNotFound
        └── ResultTimeout

`Retry`, `Snooze`, `Cancel` and `Discard` are not errors but answers a handler gives by
raising; they live in `boundary.jobs.core.steering`.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "BackendError",
    "BackendUnavailable",
    "ConfigError",
    "CronError",
    "DuplicateHandler",
    "EnqueueUncertain",
    "IllegalTransition",
    "InvalidName",
    "JobCancelled",
    "JobFailed",
    "JobNotFound",
    "JobsError",
    "LeaseLost",
    "PayloadTooLarge",
    "RecordError",
    "ResultError",
    "ResultTimeout",
    "SerializationError",
    "StoreFormatError",
    "StoreFull",
    "StoreRefused",
    "UsageError",
]


class JobsError(Exception):
    """Base class of every error raised on purpose by boundary.jobs.

    Attributes:
        code: Stable snake_case name of the kind of error, for programs.
        message: For people: what is wrong, with which data, and how to fix it.
    """

    code: ClassVar[str] = "jobs_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class UsageError(JobsError):
    """The call is wrong and will fail again if repeated; nothing was done."""

    code = "usage"


class ConfigError(UsageError):
    """A configuration source contains an unknown key or an invalid value."""

    code = "config"


class InvalidName(UsageError):
    """A queue, job type or schedule name is not of the form `[A-Za-z0-9_.:-]{1,128}`."""

    code = "invalid_name"


class DuplicateHandler(UsageError):
    """The job type already has a handler."""

    code = "duplicate_handler"


class SerializationError(UsageError):
    """A value cannot be represented in JSON.

    Attributes:
        where: What the value is, such as ``argument 'image'`` or ``result``.
    """

    code = "serialization"

    def __init__(self, message: str, *, where: str) -> None:
        super().__init__(message)
        self.where = where


class PayloadTooLarge(UsageError):
    """A job's arguments and metadata exceed the size limit.

    Attributes:
        size: Encoded size in bytes.
        limit: The limit in bytes.
    """

    code = "payload_too_large"

    def __init__(self, message: str, *, size: int, limit: int) -> None:
        super().__init__(message)
        self.size = size
        self.limit = limit


class CronError(UsageError):
    """A cron expression is invalid or never fires."""

    code = "cron"


class IllegalTransition(UsageError):
    """The job's status does not allow this step.

    Attributes:
        status: The job's status.
        event: The step that was requested.
    """

    code = "illegal_transition"

    def __init__(self, message: str, *, status: str, event: str) -> None:
        super().__init__(message)
        self.status = status
        self.event = event


class BackendError(JobsError):
    """The store, not the call, is the cause; the same call may succeed later."""

    code = "backend"


class BackendUnavailable(BackendError):
    """The store could not be reached or did not answer within the timeout."""

    code = "backend_unavailable"


class StoreRefused(BackendError):
    """The server denies access or this operation: check user, password and permissions."""

    code = "store_refused"


class StoreFull(BackendError):
    """The store accepts no new data (disk full, memory limit); workers keep draining it."""

    code = "store_full"


class EnqueueUncertain(BackendError):
    """The outcome of an enqueue is unknown; repeating it with the same ids is safe.

    Attributes:
        job_ids: The ids (hexadecimal UUIDs) whose outcome is unknown.
    """

    code = "enqueue_uncertain"

    def __init__(self, message: str, *, job_ids: tuple[str, ...]) -> None:
        super().__init__(message)
        self.job_ids = job_ids


class StoreFormatError(BackendError):
    """The store belongs to another program, is damaged, or was written by a newer version."""

    code = "store_format"


class RecordError(BackendError):
    """One stored job cannot be read; its bytes are kept.

    Attributes:
        data: The bytes that could not be read.
    """

    code = "record"

    def __init__(self, message: str, *, data: bytes) -> None:
        super().__init__(message)
        self.data = data


class LeaseLost(BackendError):
    """The job was taken back or settled by another worker; this call changed nothing."""

    code = "lease_lost"


class ResultError(JobsError):
    """Waiting for a result ended without one."""

    code = "result"


class JobNotFound(ResultError):
    """No job with this id is stored (never enqueued, deleted, or past its retention)."""

    code = "job_not_found"


class JobFailed(ResultError):
    """The job failed.

    Attributes:
        error_type: Class name of the handler's exception.
        stacktrace: The handler's stack trace, if it was kept.
    """

    code = "job_failed"

    def __init__(self, message: str, *, error_type: str, stacktrace: str | None) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.stacktrace = stacktrace


class JobCancelled(ResultError):
    """The job was cancelled, by an operator, by its handler or because it expired."""

    code = "job_cancelled"


class ResultTimeout(ResultError):
    """The job has not ended within the time given; it is not affected."""

    code = "result_timeout"
