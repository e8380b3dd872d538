"""What failures have in common: the fingerprint of a cause.

What belongs here: which failures are the same. What does not: where fingerprints are kept and
counted (`operations.Groups`).

Two failures have one cause if their job type, their exception type and the innermost frames of
their traces are the same: files by their last two parts, functions, no line numbers and no message,
so that neither another deploy nor an id in a message makes a cause of its own.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final, Protocol

FRAMES: Final = 3
"""Innermost frames that count."""

_FRAME: Final = re.compile(r'^ *File "(.*?)", line \d+, in (.*)$', re.MULTILINE)

BY_STORE: Final = {"exhaust": "Unknown", "crash": "WorkerLost", "quarantine": "RecordError"}
"""How a store calls the cause of a dead letter that nobody told it one of, by its ending."""


class Failure(Protocol):
    """What a cause is told by: an exception's name and its Python trace."""

    @property
    def type(self) -> str:
        """Its class's name."""
        ...

    @property
    def stacktrace(self) -> str | None:
        """As Python prints it."""
        ...


def fingerprint(job_type: str, error: Failure | None) -> str:
    """The cause of a failure: 16 letters and digits, or a name and the type where no code failed."""
    if error is None:
        return unnamed("exhaust", job_type)
    if not error.stacktrace and error.type in BY_STORE.values():
        return f"{error.type}:{job_type}"
    told = "\n".join((job_type, error.type, *frames(error.stacktrace)))
    return hashlib.sha256(told.encode(errors="backslashreplace")).hexdigest()[:16]


def unnamed(ending: str, job_type: str) -> str:
    """The cause of a dead letter of which nobody told one."""
    return f"{BY_STORE[ending]}:{job_type}"


def frames(stacktrace: str | None) -> list[str]:
    """The innermost frames of a Python trace, outermost first: ``folder/file.py:function``."""
    found = _FRAME.findall(stacktrace or "")[-FRAMES:]
    return [f"{_place(path)}:{function}" for path, function in found]


def _place(path: str) -> str:
    return "/".join(path.replace("\\", "/").split("/")[-2:])
