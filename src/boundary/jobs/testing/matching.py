"""Which enqueued jobs are the ones a test expected, and what to say if none is.

What belongs here: comparing arguments, and the text of a failed assertion. What does not: where
the jobs come from (`kit`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from boundary.jobs.core import wire
from boundary.jobs.errors import SerializationError

if TYPE_CHECKING:
    from boundary.jobs.core.records import Job

SHOWN = 10
"""Jobs a message shows of a type."""


Received: TypeAlias = "Callable[[Job], Mapping[str, Any]]"
"""The arguments as a job's handler gets them: in its types, with its defaults."""


def matches(job: Job, expected: Mapping[str, Any], received: Received) -> bool:
    """Whether the job's handler gets all of these arguments; it may get more."""
    return not differences(job, expected, received)


def differences(job: Job, expected: Mapping[str, Any], received: Received) -> list[str]:
    """Each argument that is not as expected, in words."""
    lines: list[str] = []
    gets = received(job)
    for name, value in expected.items():
        if name in gets and gets[name] == value:
            continue
        if name in job.args:
            if not _same(job.args[name], value):
                lines.append(f"{name} is {job.args[name]!r:.200}, expected {value!r:.200}")
        elif name in gets:
            lines.append(
                f"{name} is not given, so it is {gets[name]!r:.200}, expected {value!r:.200}"
            )
        else:
            lines.append(f"{name} is not given, expected {value!r:.200}")
    return lines


def _same(stored: object, expected: object) -> bool:
    """Equal as stored; an expected value may be of the handler's own types, or `mock.ANY`."""
    if stored == expected:
        return True
    try:
        return bool(stored == wire.json_value(expected, "expected"))
    except SerializationError:
        return False


def none_found(
    job_type: str, expected: Mapping[str, Any], enqueued: Sequence[Job], received: Received
) -> str:
    """What to say if no job of this type has these arguments."""
    wanted = f" with {_call(expected)}" if expected else ""
    lines = [f"no {job_type} job was enqueued{wanted}."]
    same = [job for job in enqueued if job.job_type == job_type]
    others = Counter(job.job_type for job in enqueued if job.job_type != job_type)
    if same:
        lines.append(f"{len(same)} {job_type} {'was' if len(same) == 1 else 'were'}:")
        # The closest first: most of what went wrong is one argument.
        same.sort(key=lambda job: len(differences(job, expected, received)))
        for job in same[:SHOWN]:
            lines.append(f"  {job_type}({_call(job.args)})")
            lines += [f"    {line}" for line in differences(job, expected, received)]
        if len(same) > SHOWN:
            lines.append(f"  ... and {len(same) - SHOWN} more")
    if others:
        lines.append(
            "Of other types: " + ", ".join(f"{name} ({n})" for name, n in sorted(others.items()))
        )
    if not enqueued:
        lines.append("Nothing was enqueued in this test.")
    return "\n".join(lines)


def some_found(job_type: str, expected: Mapping[str, Any], found: Sequence[Job]) -> str:
    """What to say of jobs that should not be there."""
    wanted = f" with {_call(expected)}" if expected else ""
    lines = [f"{len(found)} {job_type} job(s){wanted} enqueued, expected none:"]
    lines += [f"  {job_type}({_call(job.args)})" for job in found[:SHOWN]]
    return "\n".join(lines)


def _call(args: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r:.200}" for name, value in args.items())
