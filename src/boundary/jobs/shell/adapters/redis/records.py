"""A job's record as bytes, as `lua/parts/record.lua` has it.

What belongs here: between `core.wire.Record` and the bytes of one. What does not: where a job
stands. A record is `static .. state`: what it was asked to do, written once, and behind it how it
stands, which a job that was never touched does not have. Scripts change the state; the payload is
opaque to them.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct as Layout
from struct import error as struct_error
from typing import Any, Final, NamedTuple, cast

from msgspec.structs import replace

from boundary.jobs.core.operations import Act, Entry, What
from boundary.jobs.core.records import Status
from boundary.jobs.core.wire import Millis, NewJob, Record
from boundary.jobs.errors import UsageError

FORMAT: Final = 1
NONE: Final = -9007199254740991
"""Stands for "no instant"; the smallest whole number a script can hold."""

STATUSES: Final[tuple[Status, ...]] = (
    "pending",
    "running",
    "completed",
    "failed",
    "retrying",
    "cancelled",
)
"""A status is stored as its place here. From `failed` on they are uncommon: each has an index."""

EVENTS: Final = (
    "succeed",
    "fail",
    "exhaust",
    "discard",
    "quarantine",
    "crash",
    "cancel",
    "release",
    "snooze",
    "reclaim",
)
"""An ending is stored as its place here, counted from 1. Only ever extended at the end."""

WHATS: Final[dict[What, str]] = {
    "cancel": "c",
    "retry": "t",
    "delete": "d",
    "purge": "g",
    "edit": "e",
    "pause": "p",
    "resume": "r",
    "undo": "u",
    "quiet": "q",
    "unquiet": "Q",
    "drain": "D",
    "restart": "R",
    "schedule": "s",
    "edit_schedule": "E",
    "pause_schedule": "P",
    "resume_schedule": "U",
    "fire_schedule": "F",
    "unschedule": "X",
}
"""What an operator did is stored as a letter."""

EVENT: Final = {name: number for number, name in enumerate(EVENTS, 1)}
STATUS: Final = {name: number for number, name in enumerate(STATUSES)}

_HEAD = Layout(">BIHIHIBB")
_STATE = Layout(">BBBBHqqqqIHqqI")
_ENDINGS = ("", *EVENTS)
_LONGEST = 255
_SMALL = 256
_STOP, _PARKED = 1, 2
_TOKENS = 0xFFFFFFFF

UNREADABLE: Final = "unreadable"
"""The job type of a record that was set aside."""


class Broken(NamedTuple):
    """A record no script could read, as it was set aside."""

    lane: bytes
    data: bytes


@lru_cache(maxsize=4_096)
def lane(queue: str, priority: int) -> bytes:
    """The name of a queue's jobs of one priority.

    Raises:
        UsageError: The name of the queue is too long.
    """
    made = b"%b:%d" % (queue.encode(), priority)
    return _short(made)


@lru_cache(maxsize=4_096)
def _type(job_type: str) -> bytes:
    return _short(job_type.encode())


def _short(name: bytes) -> bytes:
    if len(name) > _LONGEST:
        raise UsageError(f"{name[:60]!r}… is too long for a name")
    return name


@lru_cache(maxsize=4_096)
def _queue_and_priority(lane: bytes) -> tuple[str, int]:
    queue, _, priority = lane.rpartition(b":")
    return queue.decode(errors="backslashreplace"), int(priority)


@lru_cache(maxsize=4_096)
def _text(name: bytes) -> str:
    return name.decode(errors="backslashreplace")


def rest(where: bytes, job_type: str, payload: bytes) -> bytes:
    """What a record holds from the lane length on, but for its state.

    Raises:
        UsageError: A name is too long.
    """
    kind = _type(job_type)
    return b"%c%c%b%b%b" % (len(where), len(kind), where, kind, payload)


def arrival(job: NewJob, where: bytes, number: int) -> bytes:
    """A job that is ready at once, on its way to `enqueue.lua`; `number` is that of its lane."""
    kind = _type(job.job_type)
    high, low = number >> 8, number & 0xFF
    sizes = (len(where), len(kind))
    return b"%b%c%c%c%c%b%b%b" % (job.id, high, low, *sizes, where, kind, job.payload)


def admission(job: NewJob) -> bytes:
    """A job of any kind, on its way to `admit.lua`."""
    if job.parked:
        how = b"p"
    elif job.run_at is not None:
        how = b"a" + job.run_at.to_bytes(8, "big", signed=True)
    elif job.delay_ms > 0:
        how = b"d" + job.delay_ms.to_bytes(8, "big")
    else:
        how = b"r"
    return b"%b%b%b" % (
        job.id,
        how,
        rest(lane(job.queue, job.priority), job.job_type, job.payload),
    )


def is_plain(job: NewJob) -> bool:
    """Whether the job is ready at once, as nearly all are."""
    return job.run_at is None and job.delay_ms <= 0 and not job.parked


def decode(id: bytes, data: bytes) -> Record:
    """The record of these bytes, which a script has found to be one."""
    form, size, seq_high, seq_low, made_high, made_low, lane_size, type_size = _HEAD.unpack_from(
        data
    )
    if form != FORMAT:
        raise ValueError(form)
    types = 19 + lane_size
    payload = types + type_size
    queue, priority = _queue_and_priority(data[19:types])
    job_type = _text(data[types:payload])
    seq = seq_high << 32 | seq_low
    created = made_high << 32 | made_low
    if len(data) == size:
        return Record(seq, id, job_type, queue, priority, data[payload:], created, created)
    return Record(
        seq, id, job_type, queue, priority, data[payload:size], created, *_state_of(data[size:])
    )


def _state_of(data: bytes) -> tuple[Any, ...]:
    return _same_state(data) if len(data) < _SMALL else _state(data)


@lru_cache(maxsize=64)
def _same_state(data: bytes) -> tuple[Any, ...]:
    """As `_state`: jobs that were taken together have one state."""
    return _state(data)


def _state(data: bytes) -> tuple[Any, ...]:
    """The fields of a record from `updated` on."""
    (
        status,
        ending,
        flags,
        worker_size,
        retry_count,
        updated,
        due,
        completed,
        prune_at,
        token,
        crashes,
        execute_at,
        started,
        progress_size,
    ) = cast("tuple[int, ...]", _STATE.unpack_from(data))
    progress = 64 + worker_size
    trail = progress + progress_size
    return (
        updated,
        STATUSES[status],
        None if due == NONE else due,
        None if execute_at == NONE else execute_at,
        None if started == NONE else started,
        None if completed == NONE else completed,
        data[64:progress].decode() if worker_size else None,
        token,
        retry_count,
        crashes,
        flags & _STOP > 0,
        _ENDINGS[ending],
        data[trail:],
        data[progress:trail],
        flags & _PARKED > 0,
        None if prune_at == NONE else prune_at,
    )


def readable(id: bytes, data: bytes) -> Record:
    """As `decode`, for bytes that no script has looked at: what cannot be read is shown as that."""
    try:
        return decode(id, data)
    except (struct_error, IndexError, ValueError):
        return quarantined(id, Broken(b"default:2", data))


def encode_state(record: Record) -> bytes:
    """How a job stands."""
    worker = (record.worker or "").encode()
    flags = (_STOP if record.cancelling else 0) | (_PARKED if record.parked else 0)
    return (
        _STATE.pack(
            STATUS[record.status],
            EVENT[record.ending] if record.ending else 0,
            flags,
            len(worker),
            record.retry_count,
            record.updated,
            stored(record.due),
            stored(record.completed),
            stored(record.prune_at),
            token(record.token),
            record.crashes,
            stored(record.execute_at),
            stored(record.started),
            len(record.progress),
        )
        + worker
        + record.progress
        + record.trail
    )


def encode_static(record: Record) -> bytes:
    """The part of a record that is written once."""
    tail = rest(lane(record.queue, record.priority), record.job_type, record.payload)
    seq, created = record.seq.to_bytes(6, "big"), record.created.to_bytes(6, "big")
    return b"%c%b%b%b%b" % (FORMAT, (17 + len(tail)).to_bytes(4, "big"), seq, created, tail)


def token(number: int) -> int:
    """A token as it is stored; one that no claim gave (below 0) is the token of none."""
    return number & _TOKENS


def stored(instant: Millis | None) -> int:
    """An instant as it is stored."""
    return NONE if instant is None else instant


_ENTRY = Layout(">qqqI")
_BY_LETTER: Final[dict[str, What]] = {letter: what for what, letter in WHATS.items()}


def encode_act(act: Act | None) -> bytes:
    """An act, on its way to a script; nothing if it is nobody's."""
    if act is None:
        return b""
    target = act.target.encode()[:0xFFFF]
    head = act.id + act.undo_ms.to_bytes(4, "big") + WHATS[act.what].encode()
    return head + len(target).to_bytes(2, "big") + target + act.by.encode()


def decode_entry(id: bytes, data: bytes) -> Entry:
    """An entry of the log."""
    at, until, undone, count = _ENTRY.unpack_from(data)
    size = int.from_bytes(data[29:31], "big")
    return Entry(
        id,
        at,
        data[31 + size :].decode(),
        _BY_LETTER[chr(data[28])],
        data[31 : 31 + size].decode(errors="ignore"),
        count,
        None if until == NONE else until,
        None if undone == NONE else undone,
    )


def broken(data: bytes) -> Broken:
    """What was set aside of a record."""
    return Broken(data[1 : 1 + data[0]], data[1 + data[0] :])


def quarantined(id: bytes, found: Broken) -> Record:
    """A record that was set aside, as one that can be shown: failed, its bytes as the payload."""
    queue, priority = _queue_and_priority(found.lane)
    record = Record(0, id, UNREADABLE, queue, priority, found.data, 0, 0)
    return replace(record, status="failed", ending="quarantine")
