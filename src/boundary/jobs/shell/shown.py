"""Jobs and schedules as they may be shown, without what looks like a secret; what came of an undo.

What belongs here: which fields of a record are redacted. What does not: the rule (`core.redaction`).
"""

from __future__ import annotations

from msgspec.structs import replace

from boundary.jobs.core.records import Attempt, Job, Progress
from boundary.jobs.core.redaction import redacted, redacted_text, secrets_in
from boundary.jobs.core.telling import redacted_error
from boundary.jobs.core.why import Why
from boundary.jobs.shell.audit_flows import UndoResult
from boundary.jobs.shell.operator_flows import FailureGroup
from boundary.jobs.shell.schedule_flows import ScheduleInfo


def shown(job: Job) -> Job:
    """The job, its arguments, metadata, result and errors redacted.

    What stands under the name of a secret in the arguments or metadata is hidden in errors too.
    """
    secrets = _secrets(job)
    return replace(
        job,
        args=redacted(job.args),
        metadata=redacted(job.metadata),
        result=redacted(job.result),
        error=None if job.error is None else redacted_error(job.error, secrets),
        errors=tuple(
            [replace(run, error=redacted_error(run.error, secrets)) for run in job.errors]
        ),
        attempts=tuple([_attempt(one, secrets) for one in job.attempts]),
        reason=None if job.reason is None else redacted_text(job.reason, secrets),
        progress=None if job.progress is None else _progress(job.progress, secrets),
    )


def shown_text(text: str, job: Job | None) -> str:
    """What is said of the job, redacted as its errors are."""
    return redacted_text(text, _secrets(job))


def _attempt(one: Attempt, secrets: frozenset[str]) -> Attempt:
    return one if one.error is None else replace(one, error=redacted_error(one.error, secrets))


def _progress(one: Progress, secrets: frozenset[str]) -> Progress:
    return one if one.message is None else replace(one, message=redacted_text(one.message, secrets))


def _secrets(job: Job | None) -> frozenset[str]:
    """What the job itself says is secret."""
    return frozenset() if job is None else secrets_in([job.args, job.metadata])


def shown_why(why: Why, job: Job | None = None) -> Why:
    """The answer, the errors in it redacted.

    Args:
        job: What it is about, as stored: what it says is secret is hidden in its errors.
    """
    secrets = _secrets(job)
    return replace(
        why,
        sentence=redacted_text(why.sentence, secrets),
        error=None if why.error is None else redacted_error(why.error, secrets),
    )


def shown_group(group: FailureGroup) -> FailureGroup:
    """The group, the errors and the arguments in it redacted."""
    secrets = _secrets(group.sample)
    return replace(
        group,
        error=None if group.error is None else redacted_error(group.error, secrets),
        sample=None if group.sample is None else shown(group.sample),
    )


def shown_schedule(one: ScheduleInfo) -> ScheduleInfo:
    """The schedule, its arguments redacted."""
    return replace(one, args=redacted(one.args))


def undone_words(undone: UndoResult) -> str:
    """What came of an undo, also that nothing did: somebody who reads "undone" looks no further."""
    count, skipped = undone.restored, undone.skipped
    gone_on = f"{skipped:,} {'has' if skipped == 1 else 'have'} gone on meanwhile"
    if not count:
        why = gone_on if skipped else "what runs and was asked to stop is not told to go on"
        return f"nothing is undone: {why}"
    restored = "1 is as it was" if count == 1 else f"{count:,} are as they were"
    return f"undone: {restored}" + (f"; {gone_on}" if skipped else "")
