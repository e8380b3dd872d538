"""What a handler can answer besides a value: raise to steer, or the seed's result mapping.

What belongs here: the answers as data. What does not: what follows from them (`outcome`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from msgspec import Struct

from boundary.jobs.core.records import JobError
from boundary.jobs.core.values import JSON
from boundary.jobs.errors import UsageError

_LONGEST_S = 100 * 366 * 86_400
"""A hundred years; what lies beyond is a mistake of units."""


class Steer(Exception):
    """Base class of what a handler raises to steer its job; none is an error of the library.

    A subclass need not call `super().__init__()`, as with other exceptions: the defaults are class
    attributes.
    """


class Retry(Steer):
    """Run again, counted as a retry; a dead letter if no retries are left.

    Args:
        after: Seconds (or a timedelta) to wait; None: as the retry policy says.
    """

    after_ms: int | None = None

    def __init__(self, after: float | timedelta | None = None) -> None:
        self.after_ms = None if after is None else _millis("Retry(after=…)", after)
        wait = "" if self.after_ms is None else f" after {self.after_ms / 1000:g} s"
        super().__init__(f"the handler asked for a retry{wait}")


class Snooze(Steer):
    """Run again after `delay` seconds (or a timedelta), not counted as a retry."""

    _delay_ms: int | None = None

    def __init__(self, delay: float | timedelta) -> None:
        self._delay_ms = _millis("Snooze(…)", delay)
        super().__init__(f"the handler snoozed for {self._delay_ms / 1000:g} s")

    @property
    def delay_ms(self) -> int:
        """The wait.

        Raises:
            UsageError: No delay was given.
        """
        if self._delay_ms is None:
            raise UsageError(
                f"{type(self).__qualname__} does not say how long to snooze; "
                "call super().__init__(seconds) in its __init__"
            )
        return self._delay_ms


class Cancel(Steer):
    """The job is no longer needed: cancelled, for `reason`."""

    reason: str = "cancelled by its handler"

    def __init__(self, reason: str = reason) -> None:
        self.reason = str(reason)
        super().__init__(self.reason)


class Discard(Steer):
    """The job cannot succeed: failed, for `reason`, without retries and without a dead letter."""

    reason: str = "discarded by its handler"

    def __init__(self, reason: str = reason) -> None:
        self.reason = str(reason)
        super().__init__(self.reason)


def _millis(what: str, wait: float | timedelta) -> int:
    try:
        seconds = wait.total_seconds() if isinstance(wait, timedelta) else float(wait)
    except (TypeError, ValueError):
        raise UsageError(
            f"{what} takes a number of seconds or a timedelta, not {wait!r:.80}"
        ) from None
    if not 0 <= seconds <= _LONGEST_S:
        raise UsageError(
            f"{what} takes a time from 0 seconds up to a hundred years, not {wait!r:.80}"
        )
    return round(seconds * 1000)


class JobResult(Struct, frozen=True):
    """A handler's answer in the seed's form: a result, or the error of a failed run."""

    result: JSON = None
    error: JobError | None = None

    @classmethod
    def success(cls, result: JSON = None) -> JobResult:
        """The job is completed with this result."""
        return cls(result=result)

    @classmethod
    def failure(cls, message: str, type: str, stacktrace: str | None = None) -> JobResult:
        """The run failed, as if an exception of this type had been raised."""
        return cls(error=JobError(message, type, stacktrace))


def as_job_result(value: object) -> JobResult | None:
    """The answer `value` gives in the seed's form; None: it is a result in itself.

    A mapping counts if its keys are `success` (a boolean) and, as the seed writes it, `result` or
    `error`; any other mapping is a plain result.

    Raises:
        UsageError: It is an answer to raise, or another exception.
    """
    if isinstance(value, BaseException):
        raise UsageError(f"the handler returned a {type(value).__qualname__}; raise it instead")
    if isinstance(value, JobResult):
        return value
    if not isinstance(value, dict):
        return None
    answer = cast("dict[Any, Any]", value)
    success = answer.get("success")
    if success is True and answer.keys() <= {"success", "result"}:
        return JobResult(result=answer.get("result"))
    if success is False and answer.keys() <= {"success", "error"}:
        return JobResult(error=as_job_error(answer.get("error")))
    return None


def as_job_error(error: object) -> JobError:
    """An error in the seed's form (`message`, `type`, optional `stacktrace`) as a `JobError`."""
    if isinstance(error, JobError):
        return error
    if isinstance(error, dict):
        given = cast("dict[Any, Any]", error)
        stack = given.get("stacktrace")
        return JobError(
            str(given.get("message", "")),
            str(given.get("type", "Error")),
            None if stack is None else str(stack),
        )
    return JobError("" if error is None else str(error), "Error")
