"""How a job is laid down in a store: record format, version 1.

What belongs here: the bytes of a job and the way between them and a `Job`. What does not: where
a store keeps them, and what may happen to a job.

A stored job is a `Record`: the few fields a store must understand, and two byte strings it must
not. `payload` is written once, at enqueue, and never rewritten, so what a newer version put into
it is kept. `trail` is what runs left behind (result, errors, reason), a map of which keys this
version does not know are carried along. Both are MessagePack; a store, a script or a worker that
only moves jobs never opens them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import Annotated, Any, TypeAlias, cast

import msgspec
from msgspec import Meta, Struct, msgpack
from msgspec.structs import replace

from boundary.jobs.core import lifecycle, priority
from boundary.jobs.core.names import shown_id
from boundary.jobs.core.records import (
    JSON,
    Attempt,
    BackoffStrategy,
    FailedRun,
    Job,
    JobError,
    Progress,
    RetryPolicy,
    Status,
)
from boundary.jobs.errors import JobsError, RecordError, SerializationError

Millis: TypeAlias = int
"""An instant as milliseconds since the epoch, or (in names ending in `_ms`) a duration."""

VERSION = 1
ERRORS_KEPT = 10
RUNS_KEPT = 20
MESSAGE_LIMIT = 4_096
STACK_LIMIT = 8_192
SHOWN = 24
"""Bytes of an unreadable record that its error shows."""

_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
_LONGEST_MS = timedelta.max // timedelta(milliseconds=1)


class NewJob(Struct, frozen=True, gc=False):
    """A job on its way in. The store's clock turns `delay_ms` into an instant.

    Attributes:
        id: 16 bytes, unique; the same id enqueued again makes no second job.
        priority: Rank 0 (critical) to 3 (low).
        payload: From `encode_payload`.
        delay_ms: Not before this long after the store took it.
        run_at: Not before this instant; wins over `delay_ms`.
        parked: Keep it, but in no queue (the seed's `save_job` before `enqueue_job`).
    """

    id: bytes
    job_type: str
    queue: str
    priority: int
    payload: bytes
    delay_ms: int = 0
    run_at: Millis | None = None
    parked: bool = False


class Record(Struct, frozen=True, gc=False):
    """A stored job, as every backend returns it.

    Attributes:
        seq: Grows with enqueue order within a store; the cursor of a search.
        due: Waits for this instant (scheduled or retrying); None once it is ready.
        execute_at: The instant it was last told to wait for, kept for people.
        ending: The life-cycle event that ended it (`succeed`, `exhaust`, `crash` …), or "".
        progress: MessagePack `[fraction, message]`, or empty.
        parked: In no queue: pending, but not waiting for a worker.
    """

    seq: int
    id: bytes
    job_type: str
    queue: str
    priority: int
    payload: bytes
    created: Millis
    updated: Millis
    status: Status = "pending"
    due: Millis | None = None
    execute_at: Millis | None = None
    started: Millis | None = None
    completed: Millis | None = None
    worker: str | None = None
    token: int = 0
    retry_count: int = 0
    crashes: int = 0
    cancelling: bool = False
    ending: str = ""
    trail: bytes = b""
    progress: bytes = b""
    parked: bool = False
    prune_at: Millis | None = None


def ready_since(record: Record) -> Millis:
    """When a ready job was so first: it came in, or the instant it was told to wait for."""
    return max(record.created, record.execute_at or 0)


RetryFields: TypeAlias = tuple[
    BackoffStrategy, Annotated[int, Meta(ge=1)], Annotated[int, Meta(ge=1)], bool
]
"""A retry policy: strategy, initial delay and longest delay in ms, jitter."""


class Payload(Struct, array_like=True, frozen=True, gc=False):
    """What a job was asked to do. New fields go to the end; none is ever removed."""

    version: int
    args: dict[str, Any]
    max_retries: int
    retry: RetryFields | None = None
    timeout_ms: int | None = None
    expires_ms: int | None = None
    keep_ms: int | None = None
    metadata: dict[str, Any] | None = None


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


_encode = msgpack.Encoder().encode
_decode_payload = msgpack.Decoder(Payload).decode
_decode_trail = msgpack.Decoder(Trail).decode
_decode_kept = msgpack.Decoder(dict[str, Any]).decode
_decode_progress = msgpack.Decoder(tuple[float, str | None]).decode
_decode_fields = msgpack.Decoder(list[msgspec.Raw]).decode
_decode_int = msgpack.Decoder(int).decode

_DAMAGE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


def _plain(value: object) -> object:
    """Turn the few types msgspec does not know into JSON values."""
    from pathlib import PurePath  # here: few arguments are paths

    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"no JSON form for {type(value).__module__}.{type(value).__qualname__}")


_to_json = partial(msgspec.to_builtins, enc_hook=_plain, str_keys=True)
_SCALARS = frozenset({float, bool, type(None)})
"""What needs no look; text may hold lone surrogates, integers may be larger than 64 bits."""


def json_value(value: object, where: str) -> JSON:
    """The JSON value that stands for `value`: dataclasses, dates, UUIDs, enums and paths as text.

    Args:
        where: What the value is, for the error: ``argument 'image'``.

    Raises:
        SerializationError: JSON cannot carry it; the message names `where` and the type.
    """
    if type(value) in _SCALARS or (type(value) is str and value.isascii()):
        return value
    try:
        plain = _to_json(value)
        _encode(plain)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise SerializationError(
            f"{where} ({kind}) cannot be stored as JSON: {_say(error)}; pass plain data "
            "(text, numbers, lists, mappings, dataclasses, dates) or a reference such as an id",
            where=where,
        ) from error
    return plain


def _say(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _text(text: str) -> str:
    """The text as UTF-8 can carry it; file names and foreign messages may hold surrogates."""
    if text.isascii():
        return text
    return text.encode(errors="backslashreplace").decode()


def encode_payload(payload: Payload) -> bytes:
    """The payload's bytes; the values in it are JSON values already."""
    return _encode(payload)


def decode_payload(data: bytes) -> Payload:
    """The payload these bytes hold.

    Raises:
        RecordError: They are not a payload, or one of a version this library does not know.
    """
    try:
        payload = _decode_payload(data)
    except _DAMAGE as error:
        _check_version(_version(data), data)
        raise RecordError(_unreadable("payload", data, error), data=data) from error
    _check_version(payload.version, data)
    return payload


def _version(data: bytes) -> int:
    """The format version of a payload that cannot be read as ours; ours if it names none."""
    try:
        return _decode_int(_decode_fields(data)[0])
    except (*_DAMAGE, IndexError):
        return VERSION


def _check_version(version: int, data: bytes) -> None:
    if version != VERSION:
        raise RecordError(
            f"the payload has format version {version}, this library reads {VERSION}; "
            "run it with a newer boundary-jobs (the bytes are kept)",
            data=data,
        )


def _unreadable(part: str, data: bytes, error: Exception) -> str:
    shown = data[:SHOWN].hex(" ") + (" …" if len(data) > SHOWN else "")
    return f"the {part} cannot be read ({error}); {len(data)} bytes are kept: {shown}"


def retry_fields(policy: RetryPolicy) -> RetryFields | None:
    """A policy as it is stored, delays at least a millisecond; the default one costs nothing."""
    if policy == RetryPolicy():
        return None
    return (
        policy.strategy,
        _delay_ms(policy.initial_delay),
        _delay_ms(policy.max_delay),
        policy.jitter,
    )


def _delay_ms(seconds: float) -> int:
    return max(1, round(min(seconds * 1000, _LONGEST_MS)))


def retry_policy(fields: RetryFields | None) -> RetryPolicy:
    """The policy `retry_fields` stored."""
    if fields is None:
        return RetryPolicy()
    strategy, initial_ms, max_ms, jitter = fields
    return RetryPolicy(strategy, initial_ms / 1000, max_ms / 1000, jitter)


def decode_trail(data: bytes) -> Trail:
    """What the runs of a job left behind.

    Raises:
        RecordError: The bytes are not a trail.
    """
    if not data:
        return Trail()
    try:
        return _decode_trail(data)
    except _DAMAGE as error:
        raise RecordError(_unreadable("trail", data, error), data=data) from error


def _carry(data: bytes) -> dict[str, Any]:
    """What a new outcome goes on top of; a damaged trail is kept aside rather than lost."""
    if not data:
        return {}
    try:
        decode_trail(data)
        return _decode_kept(data)
    except (RecordError, *_DAMAGE):
        return {"damaged": data}


def succeeded(trail: bytes, result: JSON, by: str | None = None) -> bytes:
    """The trail after a run by that worker that returned `result` (a JSON value)."""
    if not trail:
        if by is None:
            return b"" if result is None else _encode({"result": result})
        return _just_by(by) if result is None else _encode({"result": result, "by": by})
    kept = _carry(trail)
    if by is not None:
        kept["by"] = by
    _drop(kept, "error", "reason", "unhandled_since", "lost")
    kept["result"] = result
    return _encode(kept)


@lru_cache(maxsize=8)
def _just_by(worker: str) -> bytes:
    """What nearly every job of a worker leaves behind."""
    return _encode({"by": worker})


def ran(trail: bytes, run: RunRow) -> bytes:
    """The trail after a run that ended neither well nor with an error."""
    kept = _carry(trail)
    _add_run(kept, run)
    return _encode(kept)


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
    row = [attempt, at, *_bounded(error)]
    _drop(kept, "result", "reason", "unhandled_since")
    kept["error"] = row[2:]
    kept["errors"] = [*kept.get("errors", ()), row][-ERRORS_KEPT:]
    return _encode(kept)


def _drop(kept: dict[str, Any], *names: str) -> None:
    """What was true of an earlier run is not of this one."""
    for name in names:
        kept.pop(name, None)


def because(trail: bytes, reason: str, run: RunRow | None = None) -> bytes:
    """The trail with the reason somebody gave for ending or postponing the job."""
    kept = _carry(trail)
    if run is not None:
        _add_run(kept, run)
    return _encode({**kept, "reason": _text(reason[:MESSAGE_LIMIT])})


def unhandled(trail: bytes, now: Millis) -> tuple[bytes, int]:
    """The trail of a job nobody here can run, and for how long (ms) that has been so."""
    kept = _carry(trail)
    since = kept.get("unhandled_since")
    if not isinstance(since, int):
        since = kept["unhandled_since"] = now
    return _encode(kept), now - since


def lost(trail: bytes, retry_count: int) -> tuple[bytes, int]:
    """The trail of a job that cost one more process of its own, and how many that makes.

    Each such run is a failed one too, so a job without a retry has none behind it: an operator's
    retry begins anew.
    """
    kept = _carry(trail)
    before = kept.get("lost") if retry_count else None
    times = kept["lost"] = 1 + (before if isinstance(before, int) else 0)
    return _encode(kept), times


def _bounded(error: JobError) -> tuple[str, str, str | None]:
    """An error of a size a record can carry; of a long trace the innermost part says most."""
    stack = error.stacktrace
    if stack is not None and len(stack) > STACK_LIMIT:
        stack = "…" + stack[-STACK_LIMIT:]
    message = error.message
    if len(message) > MESSAGE_LIMIT:
        message = message[:MESSAGE_LIMIT] + "…"
    kind = error.type[:MESSAGE_LIMIT]
    return (_text(message), _text(kind), None if stack is None else _text(stack))


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


def decode_progress(data: bytes) -> tuple[float, str | None]:
    """What `encode_progress` wrote: fraction and message."""
    return _decode_progress(data)


def runs_of(trail: bytes) -> tuple[RunRow, ...]:
    """The runs a trail tells of, as far as it can be read."""
    try:
        return decode_trail(trail).runs
    except RecordError:
        return ()


def encode_progress(progress: Progress) -> bytes:
    """The bytes of a progress report."""
    message = progress.message
    return _encode((progress.fraction, None if message is None else _text(message)))


def instant(millis: Millis | None) -> datetime | None:
    """An aware UTC datetime, or None for none."""
    return None if millis is None else at(millis)


def at(millis: Millis) -> datetime:
    """The aware UTC datetime of an instant, or the nearest one there is."""
    try:
        return datetime.fromtimestamp(millis / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return _LAST if millis > 0 else _FIRST


def millis(moment: datetime) -> Millis:
    """The instant of an aware datetime."""
    return round(moment.timestamp() * 1000)


def _span(duration_ms: int | None) -> timedelta | None:
    """A duration, or the nearest one there is."""
    if duration_ms is None:
        return None
    return timedelta(milliseconds=max(-_LONGEST_MS, min(duration_ms, _LONGEST_MS)))


def job_of(record: Record) -> Job:
    """The job a record holds; one that cannot be read still is a job, and says what is wrong."""
    try:
        payload, trail = decode_payload(record.payload), decode_trail(record.trail)
        progress = Progress(*_decode_progress(record.progress)) if record.progress else None
        retry = retry_policy(payload.retry)
    except (JobsError, *_DAMAGE) as problem:
        return _unreadable_job(record, problem)
    error = None if trail.error is None else JobError(*trail.error)
    if record.ending == "crash":
        error = _worker_lost(record)
    expires = None if payload.expires_ms is None else record.created + payload.expires_ms
    return Job(
        id=shown_id(record.id),
        job_type=record.job_type,
        queue=record.queue,
        args=payload.args,
        status=record.status,
        priority=priority.name(record.priority),
        retry_count=record.retry_count,
        max_retries=payload.max_retries,
        retry=retry,
        execute_at=instant(record.execute_at),
        created_at=at(record.created),
        updated_at=at(record.updated),
        started_at=instant(record.started),
        completed_at=instant(record.completed),
        timeout=_span(payload.timeout_ms),
        expires_at=instant(expires),
        keep_result=_span(payload.keep_ms),
        result=trail.result,
        error=error,
        errors=tuple([_failed_run(*row) for row in trail.errors]),
        attempts=_attempts(record, trail),
        reason=trail.reason,
        metadata=payload.metadata or {},
        progress=progress,
        crash_count=record.crashes + _lost(record, trail),
        cancel_requested=record.cancelling,
        worker=record.worker,
        fencing_token=record.token,
    )


def _lost(record: Record, trail: Trail) -> int:
    """Processes of its own the job cost since its budget was last full (see `lost`)."""
    is_fresh = record.retry_count == 0 and record.status in {"pending", "running"}
    return 0 if is_fresh else trail.lost


def _attempts(record: Record, trail: Trail) -> tuple[Attempt, ...]:
    """The runs of a trail, each with its error if that is still there."""
    errors = {(row[0], row[1]): JobError(*row[2:]) for row in trail.errors}
    runs = list(trail.runs)
    if trail.by is not None and record.completed is not None:
        attempt = record.retry_count + 1
        runs.append((attempt, trail.by, record.started, record.completed, record.ending))
    return tuple(
        [
            Attempt(number, worker, instant(began), at(ended), event, errors.get((number, ended)))
            for number, worker, began, ended, event in runs[-RUNS_KEPT:]
        ]
    )


def _run_row(attempt: Attempt) -> RunRow:
    began = None if attempt.started_at is None else millis(attempt.started_at)
    return attempt.number, attempt.worker, began, millis(attempt.ended_at), attempt.outcome


def _failed_run(
    attempt: int, moment: Millis, message: str, kind: str, stack: str | None
) -> FailedRun:
    return FailedRun(attempt, at(moment), JobError(message, kind, stack))


def _worker_lost(record: Record) -> JobError:
    """Why a job is dead that killed every worker that ran it; nobody was left to write it."""
    return JobError(
        f"{record.crashes} workers were lost while they ran this job; it may crash, exhaust or "
        "kill its process. Run it alone, then retry it",
        "WorkerLost",
    )


def _unreadable_job(record: Record, problem: Exception) -> Job:
    return Job(
        id=shown_id(record.id),
        job_type=record.job_type,
        queue=record.queue,
        status=record.status,
        priority=priority.name(record.priority),
        retry_count=record.retry_count,
        execute_at=instant(record.execute_at),
        created_at=at(record.created),
        updated_at=at(record.updated),
        started_at=instant(record.started),
        completed_at=instant(record.completed),
        error=JobError(_say(problem), "RecordError"),
        crash_count=record.crashes,
        worker=record.worker,
        fencing_token=record.token,
    )


def as_its_status_has_it(record: Record, now: Millis) -> Record:
    """A record from outside, with what a job of its status has and nothing else.

    A pending one is parked, a retrying one is due at its `execute_at` (now if none), a running one
    has a worker (one of its own if none is named), a finished one has an ending and an end (now
    if none, or if that is ahead).
    """
    record = replace(record, due=None, parked=record.status == "pending")
    if record.status == "running":
        worker = record.worker or f"saved:{record.id.hex()}"
        return replace(record, worker=worker, ending="", completed=None, prune_at=None)
    record = replace(record, worker=None, cancelling=False)
    if record.status in lifecycle.FINISHED:
        ending = record.ending or lifecycle.ENDINGS[record.status]
        completed = now if record.completed is None else min(record.completed, now)
        return replace(record, ending=ending, completed=completed)
    record = replace(record, ending="", completed=None, prune_at=None)
    if record.status == "pending":
        return record
    due = now if record.execute_at is None else record.execute_at
    return replace(record, due=due, execute_at=due)


def payload_of(job: Job) -> Payload:
    """What of a job is written once (the seed's doors hand whole jobs to a store)."""
    expires = None if job.expires_at is None else millis(job.expires_at) - millis(job.created_at)
    return Payload(
        VERSION,
        cast("dict[str, Any]", json_value(job.args, "args")),
        job.max_retries,
        retry_fields(job.retry),
        _span_ms(job.timeout),
        expires,
        _span_ms(job.keep_result),
        cast("dict[str, Any]", json_value(job.metadata, "metadata")) or None,
    )


def _span_ms(duration: timedelta | None) -> int | None:
    return None if duration is None else round(duration / timedelta(milliseconds=1))


def trail_of(job: Job) -> bytes:
    """What of a job is written by its runs."""
    trail: dict[str, Any] = {
        "result": json_value(job.result, "result"),
        "error": None if job.error is None else _bounded(job.error),
        "errors": [
            (run.attempt, millis(run.at), *_bounded(run.error)) for run in job.errors[-ERRORS_KEPT:]
        ]
        or None,
        "runs": [_run_row(one) for one in job.attempts[-RUNS_KEPT:]] or None,
        "reason": None if job.reason is None else _text(job.reason),
    }
    kept = {name: value for name, value in trail.items() if value is not None}
    return _encode(kept) if kept else b""


def record_of(job: Job, keep: Mapping[str, int]) -> Record:
    """A whole job as a record, for `Save`; `keep` says how long each finished status stays (ms)."""
    completed = None if job.completed_at is None else millis(job.completed_at)
    kept = keep.get(job.status)
    return Record(
        seq=0,
        id=job.id.bytes,
        job_type=job.job_type,
        queue=job.queue,
        priority=priority.rank(job.priority),
        payload=encode_payload(payload_of(job)),
        created=millis(job.created_at),
        updated=millis(job.updated_at),
        status=job.status,
        execute_at=None if job.execute_at is None else millis(job.execute_at),
        started=None if job.started_at is None else millis(job.started_at),
        completed=completed,
        worker=job.worker,
        token=job.fencing_token,
        retry_count=job.retry_count,
        crashes=job.crash_count,
        cancelling=job.cancel_requested,
        trail=trail_of(job),
        progress=b"" if job.progress is None else encode_progress(job.progress),
        prune_at=None if completed is None or kept is None else completed + kept,
    )
