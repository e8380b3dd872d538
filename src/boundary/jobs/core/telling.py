"""A run's error as it may be told to whoever reads along: logs, traces, events.

What belongs here: what of an error is hidden, from what the job itself says is secret. What does not: the
rule by which a name gives a secret away (`redaction`), who is told.
"""

from __future__ import annotations

from msgspec.structs import replace

from boundary.jobs.core import trails, wire
from boundary.jobs.core.records import JobError
from boundary.jobs.core.redaction import redacted_text, secrets_in
from boundary.jobs.errors import RecordError


def told_error(payload: bytes, trail: bytes) -> JobError | None:
    """Why the latest run of the job failed, redacted; None: it did not, or it cannot be read."""
    error = trails.error_of(trail)
    return None if error is None else redacted_error(error, _secrets(payload))


def redacted_error(error: JobError, secrets: frozenset[str] = frozenset()) -> JobError:
    """The error, its texts redacted; these values are hidden wherever they occur."""
    trace = error.stacktrace
    return replace(
        error,
        message=redacted_text(error.message, secrets),
        stacktrace=None if trace is None else redacted_text(trace, secrets),
    )


def _secrets(payload: bytes) -> frozenset[str]:
    try:
        found = wire.decode_payload(payload)
    except RecordError:
        return frozenset[str]()
    return secrets_in(found.args) | secrets_in(found.metadata or {})
