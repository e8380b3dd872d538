"""How the command ends: the exit codes, and which error leads to which."""

from __future__ import annotations

from boundary.jobs.errors import BackendError, JobsError, LeaseLost, ResultError, UsageError

DONE, REFUSED, USAGE, UNREACHABLE = 0, 1, 2, 3

IN_MEMORY = (
    "a memory:// store ends with its process, and a command would look at an empty one of its own, "
    "or leave nothing behind; name a file (sqlite:///jobs.db) or a server (redis://host:6379/0) with "
    "--url or BOUNDARY_JOBS_URL; to look at a program's own store from inside, mount create_app(jobs)"
)
"""Why no command but the doctor takes it."""

OWN_SETTINGS = (
    "has settings of its own and does not read --config; put the file here as boundary-jobs.toml, or "
    "set variables (BOUNDARY_JOBS_WORKERS_LEASE=10000)"
)
"""What is said of a command that would pass over a configuration file."""

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
