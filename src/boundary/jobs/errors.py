"""Every error of the library, as one tree.

What belongs here: exception classes, their data and their stable codes. What does not: the
decision when to raise one, and the mapping to exit codes or HTTP statuses (the doors do that
from `code`).

    JobsError
    ├── UsageError                 your call is wrong; nothing was done
    │   ├── ConfigError            a file, a key or a variable of the configuration
    │   ├── InvalidName            a queue, job type or schedule name with other characters
    │   ├── DuplicateHandler       one job type registered twice
    │   ├── SerializationError     an argument or result that JSON cannot carry
    │   ├── PayloadTooLarge        arguments and metadata above the limit
    │   ├── CronError              an expression that is wrong or never fires
    │   └── IllegalTransition      the life cycle has no such step
    ├── BackendError               the world is wrong; trying again may help
    │   ├── BackendUnavailable     the store did not answer in time
    │   ├── StoreRefused           the server does not let us in: user, password or rights
    │   ├── StoreFull              the store takes no new jobs; draining goes on
    │   ├── EnqueueUncertain       the outcome of an enqueue is unknown; repeat it by id
    │   ├── StoreFormatError       the file or server is foreign, damaged or newer than we are
    │   ├── RecordError            one stored job cannot be read; it is kept in quarantine
    │   └── LeaseLost              the job was taken back; this outcome changes nothing
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
    """Root of every error raised on purpose by boundary.jobs.

    Attributes:
        code: Stable snake_case name of the kind of error, for programs.
        message: The sentence for people: culprit, data, remedy.
    """

    code: ClassVar[str] = "jobs_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class UsageError(JobsError):
    """The call is wrong and would be wrong again; nothing was done."""

    code = "usage"


class ConfigError(UsageError):
    """A configuration source holds an unknown key or a bad value."""

    code = "config"


class InvalidName(UsageError):
    """A queue, job type or schedule name is not of the form `[A-Za-z0-9_.:-]{1,128}`."""

    code = "invalid_name"


class DuplicateHandler(UsageError):
    """A job type has a handler already."""

    code = "duplicate_handler"


class SerializationError(UsageError):
    """A value cannot be carried as JSON.

    Attributes:
        where: What the value is, such as ``argument 'image'`` or ``result``.
    """

    code = "serialization"

    def __init__(self, message: str, *, where: str) -> None:
        super().__init__(message)
        self.where = where


class PayloadTooLarge(UsageError):
    """A job's arguments and metadata are larger than the limit.

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
    """A cron expression cannot be read, or never fires."""

    code = "cron"


class IllegalTransition(UsageError):
    """The life cycle has no such step from the job's status.

    Attributes:
        status: The status the job has.
        event: What was asked of it.
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
    """The server does not let us in, or not do this: user, password or rights are wrong."""

    code = "store_refused"


class StoreFull(BackendError):
    """The store takes no new data (disk full, memory limit); draining goes on."""

    code = "store_full"


class EnqueueUncertain(BackendError):
    """The outcome of an enqueue is unknown; the same call with the same ids is safe.

    Attributes:
        job_ids: The ids (hexadecimal UUIDs) whose outcome is unknown.
    """

    code = "enqueue_uncertain"

    def __init__(self, message: str, *, job_ids: tuple[str, ...]) -> None:
        super().__init__(message)
        self.job_ids = job_ids


class StoreFormatError(BackendError):
    """The store is not ours, is damaged, or was written by a newer version."""

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
    """The job was taken back or settled by another; this call changed nothing."""

    code = "lease_lost"


class ResultError(JobsError):
    """Waiting for a result ended without one."""

    code = "result"


class JobNotFound(ResultError):
    """No job with this id is stored (never enqueued, deleted, or past its retention)."""

    code = "job_not_found"


class JobFailed(ResultError):
    """The job ended as failed.

    Attributes:
        error_type: Class name of the handler's exception, as text.
        stacktrace: The handler's stack trace, if one was kept.
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
    """The job has not ended within the time given; it goes on."""

    code = "result_timeout"
