"""How log lines look: one event, one line, as text for people or JSON for programs.

What belongs here: formatting and escaping. What does not: deciding what is logged (`journal`).
The library never configures logging by itself; the command does, and programs may.
"""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Literal, TypeAlias

import msgspec

from boundary.jobs.core.names import shown_id

if TYPE_CHECKING:
    from boundary.jobs.core.wire import Record

Form: TypeAlias = Literal["text", "json"]

NAME = "boundary.jobs"
LABELS = ("job_id", "job_type", "queue", "attempt")
"""What a record may carry in `extra`."""

_UNSAFE = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)
"""Control characters, line breaks, marks that turn the direction of text, lone surrogates: what
could forge a line, move the cursor or hide text when it is shown."""

_COLORS = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}


def labels(record: Record) -> dict[str, object]:
    """What every log line about a job carries."""
    return {
        "job_id": str(shown_id(record.id)),
        "job_type": record.job_type,
        "queue": record.queue,
        "attempt": record.retry_count + 1,
    }


def one_line(text: str) -> str:
    r"""The text with control characters as escapes, such as ``\\n``; nothing else changes."""
    return _UNSAFE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def configure(
    level: int | str = "INFO",
    form: Form = "text",
    stream: IO[str] | None = None,
    color: bool = False,
) -> logging.Handler:
    """The logger `boundary.jobs` writes to `stream` (standard error), and only there.

    Calling it again replaces what the last call set up.

    Args:
        level: A level of `logging`, as number or name.
        color: Colour the level; in text only.

    Raises:
        ValueError: There is no such level.
    """
    logger = logging.getLogger(NAME)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines(color=color))
    logger.setLevel(level.upper() if isinstance(level, str) else level)
    logger.handlers = [handler]
    logger.propagate = False
    return handler


class TextLines(logging.Formatter):
    """``12:34:56.789 INFO    message  job_type 019a… (emails, run 2)``, local time."""

    def __init__(self, *, color: bool = False) -> None:
        super().__init__()
        self._color = color

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        at = datetime.fromtimestamp(record.created).astimezone()
        level = f"{record.levelname:<7}"
        if self._color:
            level = f"\x1b[{_COLORS.get(record.levelname, '0')}m{level}\x1b[0m"
        text = one_line(_message(record) + _labels(record) + _trace(self, record))
        return f"{at:%H:%M:%S}.{at.microsecond // 1000:03d} {level} {text}"


class JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, the labels, the trace."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        said: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _without_surrogates(_message(record)),
        }
        for name in LABELS:
            if name in record.__dict__:
                value = record.__dict__[name]
                said[name] = _without_surrogates(value) if isinstance(value, str) else value
        if trace := _trace(self, record):
            said["trace"] = _without_surrogates(trace.strip("\n"))
        line = msgspec.json.encode(said, enc_hook=str).decode()
        return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", line)


def _message(record: logging.LogRecord) -> str:
    """A line that cannot be put together is shown as its parts rather than lost."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - any `__str__` of an argument may raise anything
        return f"{record.msg!s} (its arguments cannot be shown)"


def _labels(record: logging.LogRecord) -> str:
    said = record.__dict__
    if "job_id" not in said:
        return f"  {said['job_type']}" if "job_type" in said else ""
    attempt = said.get("attempt", 1)
    run = f" run {attempt}" if attempt != 1 else ""
    return f"  {said.get('job_type', 'job')} {said['job_id']}{run}"


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    if not record.exc_info:
        return ""
    return "\n" + formatter.formatException(record.exc_info)


def _without_surrogates(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
