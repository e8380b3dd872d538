"""How a job is laid down in a store: record format, version 1.

What belongs here: the bytes of a job, and of the values in them. What does not: where a store keeps
them, what runs leave behind (`trails`), the way to a `Job` (`conversion`), what may happen to one.

A stored job is a `Record`: the few fields a store must understand, and two byte strings it must
not. `payload` is written once, at enqueue, and never rewritten, so what a newer version put into
it is kept. `trail` is what runs left behind (result, errors, reason), a map of which keys this
version does not know are carried along. Both are MessagePack; a store, a script or a worker that
only moves jobs never opens them.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Protocol, TypeAlias, TypeGuard, cast

import msgspec
from msgspec import Meta, Struct, msgpack

from boundary.jobs.core.bases import plain_base
from boundary.jobs.core.nesting import NESTING_LIMIT, is_too_deep
from boundary.jobs.core.records import Progress, Status
from boundary.jobs.core.redaction import HIDDEN, names_a_secret
from boundary.jobs.core.retry import LONGEST_DELAY, BackoffStrategy, RetryPolicy
from boundary.jobs.core.secret import Secret, sealed
from boundary.jobs.core.values import JSON
from boundary.jobs.errors import RecordError, SerializationError

Millis: TypeAlias = int
"""An instant as milliseconds since the epoch, or (in names ending in `_ms`) a duration."""

VERSION = 1
ARGS = 1
"""Where in a payload the arguments are."""

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


_DEFAULT_RETRY = RetryPolicy()

encode: Callable[[object], bytes] = msgpack.Encoder().encode


def no_extension(code: int, data: memoryview) -> object:
    """Of MessagePack's extensions, which other programs may use, JSON has none: it is unreadable.

    Raises:
        msgspec.ValidationError: Always.
    """
    raise msgspec.ValidationError(f"an extension of type {code}, {len(data)} bytes, is no JSON")


_decode_payload = msgpack.Decoder(Payload, ext_hook=no_extension).decode

_decode_progress = msgpack.Decoder(tuple[float, str | None]).decode
_decode_fields = msgpack.Decoder(list[msgspec.Raw]).decode
_decode_int = msgpack.Decoder(int).decode

DAMAGE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


def _plain(value: object) -> object:
    """Turn the few types msgspec does not know into JSON values."""
    from pathlib import PurePath  # here: few arguments are paths

    if isinstance(value, Secret):
        return sealed(cast("Secret[Any]", value))
    if isinstance(value, PurePath):
        return str(value)
    if _is_model(value):
        return value.model_dump(mode="json", by_alias=True)
    if (plain := plain_base(value)) is not None:
        return plain
    raise TypeError(f"no JSON form for {type(value).__module__}.{type(value).__qualname__}")


def _whole(value: object) -> object:
    """As `_plain`; a model that its own JSON does not bring back is refused.

    A `SecretStr` is stars in it, a field may be excluded or have an alias that is only written.
    """
    plain = _plain(value)
    if _is_model(value):
        kind = type(value)
        why = f"{kind.__qualname__} does not come back from its own JSON as it is: "
        try:
            again = kind.model_validate_json(msgspec.json.encode(plain))
        except ValueError as error:
            raise ValueError(f"{why}{error}") from error
        if again.model_dump() != value.model_dump():
            raise ValueError(f"{why}it has a secret, or fields it reads otherwise than it writes")
    return plain


class _Model(Protocol):
    """What a Pydantic model can do."""

    def model_dump(self, *, mode: str = ..., by_alias: bool = ...) -> object: ...

    @classmethod
    def model_validate_json(cls, json_data: bytes) -> _Model: ...


def _is_model(value: object) -> TypeGuard[_Model]:
    return hasattr(value, "model_dump") and not isinstance(value, type)


_to_json = partial(msgspec.to_builtins, enc_hook=_plain, str_keys=True)
_to_whole_json = partial(msgspec.to_builtins, enc_hook=_whole, str_keys=True)
_SCALARS = frozenset({float, bool, type(None)})
"""What needs no look; text may hold lone surrogates, integers may be larger than 64 bits."""


_PLAIN = (
    "pass plain data (text, numbers, lists, mappings, dataclasses, Pydantic models, dates) or a "
    "reference such as an id"
)
_AWAIT = (
    "await it: what is around an async function, such as a decorator or middleware, has to be "
    "`async def` too, or it counts as blocking and nobody awaits"
)


_FLATTEN = "flatten it, or keep it elsewhere and pass a reference such as an id"


def json_value(
    value: object, where: str, *, whole: bool = False, levels: int = NESTING_LIMIT
) -> JSON:
    """The JSON value that stands for `value`: dataclasses, models, dates, UUIDs, enums and paths.

    Args:
        where: What the value is, for the error: ``argument 'image'``.
        whole: It will be read again, and nothing of a model may be missing then.
        levels: In how many lists and mappings may stand in one another.

    Raises:
        SerializationError: JSON cannot carry it, or it is nested deeper; the message names `where`
            and the type.
    """
    if type(value) in _SCALARS or (type(value) is str and value.isascii()):
        return value
    try:
        plain = _to_whole_json(value) if whole else _to_json(value)
        too_deep = is_too_deep(plain, encode(plain), levels)
    except RecursionError as error:
        raise SerializationError(
            f"{where} ({_kind(value)}) is nested in more than {NESTING_LIMIT} levels, or holds itself; "
            f"{_FLATTEN}",
            where=where,
        ) from error
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        kind, remedy = _kind(value), _AWAIT if isinstance(value, Coroutine) else _PLAIN
        raise SerializationError(
            f"{where} ({kind}) cannot be stored as JSON: {said(error)}; {remedy}",
            where=where,
        ) from error
    if too_deep:
        raise SerializationError(
            f"{where} ({_kind(value)}) is nested in more than {NESTING_LIMIT} levels; {_FLATTEN}",
            where=where,
        )
    return plain


def _kind(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def said(error: BaseException) -> str:
    """What an error says; its type, if it says nothing."""
    return str(error) or type(error).__name__


def as_utf8(text: str) -> str:
    """The text as UTF-8 can carry it; file names and foreign messages may hold surrogates.

    Of a class made of `str`, such as a template's safe text, it is a plain one: MessagePack takes no
    other.
    """
    if type(text) is not str:
        text = str.__str__(text)
    if text.isascii():
        return text
    return text.encode(errors="backslashreplace").decode()


def encode_payload(payload: Payload) -> bytes:
    """The payload's bytes; the values in it are JSON values already."""
    return encode(payload)


def decode_payload(data: bytes) -> Payload:
    """The payload these bytes hold.

    Raises:
        RecordError: They are not a payload, or one of a version this library does not know.
    """
    try:
        payload = _decode_payload(data)
    except DAMAGE as error:
        _check_version(_version(data), data)
        raise RecordError(unreadable("payload", data, error), data=data) from error
    _check_version(payload.version, data)
    return payload


def with_args(data: bytes, args: dict[str, JSON]) -> bytes:
    """A payload's bytes with other arguments; what a newer version put there stays as it is.

    Raises:
        RecordError: They are not a payload, or one of a version this library does not know.
    """
    decode_payload(data)
    fields = _decode_fields(data)
    fields[ARGS] = msgspec.Raw(encode(args))
    return encode(fields)


def _version(data: bytes) -> int:
    """The format version of a payload that cannot be read as ours; ours if it names none."""
    try:
        return _decode_int(_decode_fields(data)[0])
    except (*DAMAGE, IndexError):
        return VERSION


def _check_version(version: int, data: bytes) -> None:
    if version != VERSION:
        raise RecordError(
            f"the payload has format version {version}, this library reads {VERSION}; "
            "run it with a newer boundary-jobs (the bytes are kept)",
            data=data,
        )


def unreadable(part: str, data: bytes, error: Exception) -> str:
    """What the error of a part of a record says that cannot be read."""
    if names_a_secret(data[:SHOWN]):
        shown = HIDDEN
    else:
        shown = data[:SHOWN].hex(" ") + (" …" if len(data) > SHOWN else "")
    why = "it is nested too deep" if isinstance(error, RecursionError) else error
    return f"the {part} cannot be read ({why}); {len(data)} bytes are kept: {shown}"


def retry_fields(policy: RetryPolicy) -> RetryFields | None:
    """A policy as it is stored, delays at least a millisecond; the default one costs nothing."""
    if policy == _DEFAULT_RETRY:
        return None
    return (
        policy.strategy,
        _delay_ms(policy.initial_delay),
        _delay_ms(policy.max_delay),
        policy.jitter,
    )


def _delay_ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def retry_policy(fields: RetryFields | None) -> RetryPolicy:
    """The policy `retry_fields` stored; delays another program stored are the longest at most."""
    if fields is None:
        return _DEFAULT_RETRY
    strategy, initial_ms, max_ms, jitter = fields
    return RetryPolicy(strategy, _seconds(initial_ms), _seconds(max_ms), jitter)


def _seconds(delay_ms: int) -> float:
    return LONGEST_DELAY if delay_ms > LONGEST_DELAY * 1000 else delay_ms / 1000


def decode_progress(data: bytes) -> tuple[float, str | None]:
    """What `encode_progress` wrote: fraction and message."""
    return _decode_progress(data)


def encode_progress(progress: Progress) -> bytes:
    """The bytes of a progress report."""
    message = progress.message
    return encode((progress.fraction, None if message is None else as_utf8(message)))


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


def span(duration_ms: int | None) -> timedelta | None:
    """A duration, or the nearest one there is."""
    if duration_ms is None:
        return None
    return timedelta(milliseconds=max(-_LONGEST_MS, min(duration_ms, _LONGEST_MS)))
