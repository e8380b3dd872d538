"""What runs leave behind in a job's trail: result, errors, runs, reason.

What belongs here: the trail after each kind of end, and what can be read in one. What does not:
which end a run comes to (`outcome`), the rest of a record (`wire`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias

from msgspec import Struct, msgpack

from boundary.jobs.core.records import JobError
from boundary.jobs.core.redaction import redacted_text
from boundary.jobs.core.values import JSON
from boundary.jobs.core.wire import DAMAGE, Millis, as_utf8, encode, no_extension, unreadable
from boundary.jobs.errors import RecordError

ERRORS_KEPT = 10
RUNS_KEPT = 20
MESSAGE_LIMIT = 4_096
STACK_LIMIT = 8_192

RunRow: TypeAlias = tuple[int, str | None, Millis | None, Millis, str]
"""A run that has ended: attempt, worker, when it was taken, when it ended, with which event."""


class Trail(Struct, frozen=True, gc=False):
    """What of a trail a job shows; what else is in it is carried along unread.

    Attributes:
        runs: All that ended but for one that succeeded: of that the record itself tells the
            instants, and
        by: its worker. So jobs that end alike have trails that are alike.
    """

    result: Any = None
    error: tuple[str, str, str | None] | None = None
    errors: tuple[tuple[int, Millis, str, str, str | None], ...] = ()
    reason: str | None = None
    lost: int = 0
    runs: tuple[RunRow, ...] = ()
    by: str | None = None


_decode_trail = msgpack.Decoder(Trail, ext_hook=no_extension).decode
_decode_kept = msgpack.Decoder(dict[str, Any]).decode


def decode_trail(data: bytes) -> Trail:
    """What the runs of a job left behind.

    Raises:
        RecordError: The bytes are not a trail.
    """
    if not data:
        return Trail()
    try:
        return _decode_trail(data)
    except DAMAGE as error:
        raise RecordError(unreadable("trail", data, error), data=data) from error


def _carry(data: bytes) -> dict[str, Any]:
    """What a new outcome goes on top of; a damaged trail is kept aside rather than lost."""
    if not data:
        return {}
    try:
        decode_trail(data)
        return _decode_kept(data)
    except (RecordError, *DAMAGE):
        return {"damaged": data}


def succeeded(trail: bytes, result: JSON, by: str | None = None) -> bytes:
    """The trail after a run by that worker that returned `result` (a JSON value)."""
    if not trail:
        if by is None:
            return b"" if result is None else encode({"result": result})
        return _just_by(by) if result is None else encode({"result": result, "by": by})
    kept = _carry(trail)
    if by is not None:
        kept["by"] = by
    _drop(kept, "error", "reason", "unhandled_since", "lost")
    kept["result"] = result
    return encode(kept)


@lru_cache(maxsize=8)
def _just_by(worker: str) -> bytes:
    """What nearly every job of a worker leaves behind."""
    return encode({"by": worker})


def ran(trail: bytes, run: RunRow) -> bytes:
    """The trail after a run that ended neither well nor with an error."""
    kept = _carry(trail)
    _add_run(kept, run)
    return encode(kept)


def _add_run(kept: dict[str, Any], run: RunRow | None) -> None:
    """Of all runs the last `RUNS_KEPT` stay."""
    kept.pop("by", None)
    if run is not None:
        kept["runs"] = [*kept.get("runs", ()), run][-RUNS_KEPT:]


def failed(
    trail: bytes, attempt: int, at: Millis, error: JobError, run: RunRow | None = None
) -> bytes:
    """The trail after a failed run; of all failed runs the last `ERRORS_KEPT` stay."""
    kept = _carry(trail)
    _add_run(kept, run)
    row = [attempt, at, *bounded(error)]
    _drop(kept, "result", "reason", "unhandled_since")
    kept["error"] = row[2:]
    kept["errors"] = [*kept.get("errors", ()), row][-ERRORS_KEPT:]
    return encode(kept)


def _drop(kept: dict[str, Any], *names: str) -> None:
    """What was true of an earlier run is not of this one."""
    for name in names:
        kept.pop(name, None)


def because(trail: bytes, reason: str, run: RunRow | None = None) -> bytes:
    """The trail with the reason somebody gave for ending or postponing the job."""
    kept = _carry(trail)
    if run is not None:
        _add_run(kept, run)
    return encode({**kept, "reason": as_utf8(reason[:MESSAGE_LIMIT])})


def concealed(trail: bytes, secrets: frozenset[str]) -> bytes:
    """The trail with those texts hidden in its errors and its reason; as it is if damaged."""
    kept = _carry(trail)
    if kept.get("damaged") == trail:
        return trail

    def hidden(text: Any) -> Any:
        return redacted_text(text, secrets) if isinstance(text, str) else text

    if kept.get("error") is not None:
        kept["error"] = [hidden(text) for text in kept["error"]]
    if "errors" in kept:
        kept["errors"] = [[*row[:2], *map(hidden, row[2:])] for row in kept["errors"]]
    if "reason" in kept:
        kept["reason"] = hidden(kept["reason"])
    return encode(kept)


def unhandled(trail: bytes, now: Millis) -> tuple[bytes, int]:
    """The trail of a job nobody here can run, and for how long (ms) that has been so."""
    kept = _carry(trail)
    since = kept.get("unhandled_since")
    if not isinstance(since, int):
        since = kept["unhandled_since"] = now
    return encode(kept), now - since


def lost(trail: bytes, retry_count: int) -> tuple[bytes, int]:
    """The trail of a job that cost one more process of its own, and how many that makes.

    Each such run is a failed one too, so a job without a retry has none behind it: an operator's
    retry begins anew.
    """
    kept = _carry(trail)
    before = kept.get("lost") if retry_count else None
    times = kept["lost"] = 1 + (before if isinstance(before, int) else 0)
    return encode(kept), times


def bounded(error: JobError) -> tuple[str, str, str | None]:
    """An error of a size a record can carry; of a long trace the innermost part says most."""
    stack = error.stacktrace
    if stack is not None and len(stack) > STACK_LIMIT:
        stack = "…" + stack[-STACK_LIMIT:]
    message = error.message
    if len(message) > MESSAGE_LIMIT:
        message = message[:MESSAGE_LIMIT] + "…"
    kind = error.type[:MESSAGE_LIMIT]
    return (as_utf8(message), as_utf8(kind), None if stack is None else as_utf8(stack))


def error_of(trail: bytes) -> JobError | None:
    """Why the latest run failed, as far as the trail can be read."""
    try:
        error = decode_trail(trail).error
    except RecordError:
        return None
    return None if error is None else JobError(*error)


def reason_of(trail: bytes) -> str | None:
    """Why the latest run ended or was put off, if it says so and can be read."""
    try:
        return decode_trail(trail).reason
    except RecordError:
        return None


def runs_of(trail: bytes) -> tuple[RunRow, ...]:
    """The runs a trail tells of, as far as it can be read."""
    try:
        return decode_trail(trail).runs
    except RecordError:
        return ()
