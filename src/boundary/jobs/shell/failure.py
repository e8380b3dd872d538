"""What went wrong in a handler, as text.

What belongs here: making a `JobError` of any exception, however hostile. What does not: deciding
what the failure leads to.
"""

from __future__ import annotations

import traceback
from pathlib import Path

from boundary.jobs.core.records import JobError

FRAMES = 40
_OURS = str(Path(__file__).parent)


class Told(Exception):
    """A failure in another process, as that described it.

    Attributes:
        error: What to store of it.
    """

    def __init__(self, error: JobError) -> None:
        super().__init__(f"{error.type}: {error.message}")
        self.error = error


def describe(error: BaseException) -> JobError:
    """The exception's message, type and stack trace; never raises.

    The trace starts at the handler: the frames of the worker that called it are left out.
    """
    if isinstance(error, Told):
        return error.error
    return JobError(_message(error), type(error).__name__, _stacktrace(error))


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as second:  # noqa: BLE001 - a user's __str__ may raise anything
        return f"<{type(error).__name__} whose __str__ raised {type(second).__name__}>"


def _stacktrace(error: BaseException) -> str:
    try:
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OURS):
            trace = trace.tb_next
        lines = traceback.format_exception(type(error), error, trace, limit=-FRAMES)
        return "".join(lines).rstrip()
    except BaseException as second:  # noqa: BLE001 - as above, and broken sources or chains
        return f"<no stack trace: {type(second).__name__}>"
