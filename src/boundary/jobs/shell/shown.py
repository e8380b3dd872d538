"""Jobs and schedules as they may be shown: without what looks like a secret.

What belongs here: which fields of a record are redacted. What does not: the rule (`core.redaction`).
"""

from __future__ import annotations

from msgspec.structs import replace

from boundary.jobs.core.records import Attempt, Job, JobError
from boundary.jobs.core.redaction import redacted, redacted_text
from boundary.jobs.core.why import Why
from boundary.jobs.shell.operators import FailureGroup
from boundary.jobs.shell.schedule_flows import ScheduleInfo


def shown(job: Job) -> Job:
    """The job, its arguments, metadata, result and errors redacted."""
    return replace(
        job,
        args=redacted(job.args),
        metadata=redacted(job.metadata),
        result=redacted(job.result),
        error=None if job.error is None else _error(job.error),
        errors=tuple([replace(run, error=_error(run.error)) for run in job.errors]),
        attempts=tuple([_attempt(one) for one in job.attempts]),
    )


def _attempt(one: Attempt) -> Attempt:
    return one if one.error is None else replace(one, error=_error(one.error))


def _error(error: JobError) -> JobError:
    trace = error.stacktrace
    return replace(
        error,
        message=redacted_text(error.message),
        stacktrace=None if trace is None else redacted_text(trace),
    )


def shown_why(why: Why) -> Why:
    """The answer, the errors in it redacted."""
    return replace(
        why,
        sentence=redacted_text(why.sentence),
        error=None if why.error is None else _error(why.error),
    )


def shown_group(group: FailureGroup) -> FailureGroup:
    """The group, the errors and the arguments in it redacted."""
    return replace(
        group,
        error=None if group.error is None else _error(group.error),
        sample=None if group.sample is None else shown(group.sample),
    )


def shown_schedule(one: ScheduleInfo) -> ScheduleInfo:
    """The schedule, its arguments redacted."""
    return replace(one, args=redacted(one.args))
