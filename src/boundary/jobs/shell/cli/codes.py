"""How the command ends: the exit codes, and which error leads to which."""

from __future__ import annotations

from boundary.jobs.errors import BackendError, JobsError, LeaseLost, ResultError, UsageError

DONE, REFUSED, USAGE, UNREACHABLE = 0, 1, 2, 3

_CODES: tuple[tuple[type[JobsError] | str, int], ...] = (
    ("illegal_transition", REFUSED),
    (ResultError, REFUSED),
    (LeaseLost, REFUSED),
    (UsageError, USAGE),
    (BackendError, UNREACHABLE),
)


def exit_code(error: JobsError) -> int:
    """The exit code of an error: 1 not found or refused, 2 usage, 3 store unreachable."""
    for kind, code in _CODES:
        if error.code == kind if isinstance(kind, str) else isinstance(error, kind):
            return code
    return REFUSED
