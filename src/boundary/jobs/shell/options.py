"""What a caller may say about a job besides its arguments.

What belongs here: the options of `handler`, `using` and `enqueue`, checked and turned into what a
store keeps. What does not: arguments (`signature`), and making the job (`draft`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict, cast
from uuid import UUID

from msgspec import Struct

from boundary.jobs.core import priority, retry, wire
from boundary.jobs.core.names import checked_name
from boundary.jobs.core.records import DEFAULT_MAX_RETRIES, DEFAULT_QUEUE, Priority
from boundary.jobs.core.retry import RetryPolicy
from boundary.jobs.core.values import JSON
from boundary.jobs.core.wire import Millis
from boundary.jobs.errors import UsageError
from boundary.jobs.shell.sizes import size

LEAST_MEMORY = 64 << 20
"""Bytes below which no interpreter with this library starts a handler."""

_LONGEST_MS = 100 * 366 * 86_400_000
"""A hundred years; what lies beyond is a mistake of units."""


class JobOptions(TypedDict, total=False):
    """Options of jobs, set by a handler for all its jobs or by an enqueue for one.

    Attributes:
        queue: The queue to wait in.
        priority: Order within the queue.
        max_retries: Retries after the first run, 0 to 1000.
        retry: How long retries wait.
        timeout: Longest a run may take: seconds above 0, or a timedelta. None: no limit.
        expires: Latest start, counted from the enqueue; after that it is cancelled instead.
        metadata: For people and tools; JSON values by name.
        keep_result: How long the record is kept once finished. False: not at all; None or True:
            as configured.
    """

    queue: str
    priority: Priority
    max_retries: int
    retry: RetryPolicy
    timeout: float | timedelta | None
    expires: float | timedelta | None
    metadata: Mapping[str, Any] | None
    keep_result: float | timedelta | bool | None


class HandlerOptions(JobOptions, total=False):
    """Options of a handler: those of its jobs, and how it is run.

    Attributes:
        isolation: ``"process"``: each run gets a child process of the worker to itself, which can
            be killed, and can crash, without harming other jobs. None: run on the worker's event
            loop or in one of its threads.
        memory_limit: With isolation: the most memory the process may use, in bytes or as text
            such as ``"512 MiB"``. Allocating more raises `MemoryError`.
        recycle_after: With isolation: replace the process after this many jobs.
    """

    isolation: Literal["process"] | None
    memory_limit: int | str | None
    recycle_after: int | None


class Isolation(Struct, frozen=True, gc=False):
    """How a handler runs in a separate process; memory in bytes."""

    memory_limit: int | None = None
    recycle_after: int | None = None


class EnqueueOptions(JobOptions, total=False):
    """Options of one enqueue, overriding those of the handler.

    Attributes:
        delay: Earliest start, counted from when the store accepts it: seconds, or a timedelta.
        run_at: Earliest start as an aware datetime, instead of `delay`.
        job_id: The job's id; enqueuing the same id again creates no second job.
    """

    delay: float | timedelta | None
    run_at: datetime | None
    job_id: UUID | str | None


class Options(Struct, frozen=True):
    """The options in force for a job, checked, as the store keeps them."""

    queue: str = DEFAULT_QUEUE
    priority: int = priority.RANKS["normal"]
    max_retries: int = DEFAULT_MAX_RETRIES
    retry: RetryPolicy = RetryPolicy()
    timeout: int | None = None
    expires: int | None = None
    metadata: dict[str, JSON] | None = None
    keep_result: int | None = None
    delay: int = 0
    run_at: Millis | None = None
    job_id: bytes | None = None


def over(before: Options, given: Mapping[str, Any]) -> Options:
    """The options, those given now over those from before. Metadata is merged key by key.

    Raises:
        UsageError: An option is unknown or its value is not what it may be.
    """
    if not given:
        return before
    if given.get("delay") is not None and given.get("run_at") is not None:
        raise UsageError("give delay (from now) or run_at (an instant), not both")
    values = {name: getattr(before, name) for name in Options.__struct_fields__}
    if "delay" in given or "run_at" in given:
        values.update(delay=0, run_at=None)
    for name, value in given.items():
        check = _CHECKS.get(name)
        if check is None:
            raise no_option(name, _CHECKS)
        values[name] = check(value)
    if before.metadata and values["metadata"]:
        values["metadata"] = {**before.metadata, **values["metadata"]}
    return Options(**values)


def no_option(name: str, known: Iterable[str]) -> UsageError:
    """What to say of an option that is none, where these are known."""
    import difflib  # here: only a mistake needs it

    names = list(known)
    meant = _ELSEWHERE.get(name) or next(iter(difflib.get_close_matches(name, names, n=1)), None)
    remedy = f"did you mean {meant}? There" if meant in names else "there"
    return UsageError(f"there is no option {name!r}; {remedy} are {', '.join(names)}")


def of_many(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """What was given for all jobs of a handler or a schedule.

    Raises:
        UsageError: It can be said of one job only: a second one of this id would be the first.
    """
    for name in ("delay", "run_at", "job_id"):
        if name in given:
            raise UsageError(
                f"{name} is said of one job, when it is enqueued: handler.using({name}=…).enqueue(…)"
            )
    return given


def isolation(given: Mapping[str, Any]) -> tuple[Isolation | None, dict[str, Any]]:
    """How a handler is run, and what else was given.

    Raises:
        UsageError: One of the options is unknown or not what it may be, or does nothing without
            isolation.
    """
    rest = dict(given)
    for name in rest:
        if name not in NAMES and name not in _OF_HANDLERS:
            raise no_option(name, _OF_HANDLERS)
    kind = rest.pop("isolation", None)
    memory, runs = rest.pop("memory_limit", None), rest.pop("recycle_after", None)
    if kind is None:
        for name, value in (("memory_limit", memory), ("recycle_after", runs)):
            if value is not None:
                raise UsageError(f'{name} needs isolation="process": a process of its own')
        return None, rest
    if kind != "process":
        raise UsageError(f'isolation is "process" or None, not {kind!r:.80}')
    if runs is not None and (isinstance(runs, bool) or not isinstance(runs, int) or runs < 1):
        raise UsageError(f"recycle_after is a number of jobs from 1 on, not {runs!r:.80}")
    return Isolation(None if memory is None else _bytes(memory), runs), rest


def _bytes(given: object) -> int:
    """A number of bytes, given as such or with a unit."""
    number = size(given)
    if number is None:
        raise UsageError(
            f'memory_limit is a number of bytes or a text such as "512 MiB", not {given!r:.80}'
        )
    if not LEAST_MEMORY <= number < 1 << 62:
        raise UsageError(
            f"memory_limit is at least {LEAST_MEMORY:,} bytes (64 MiB: the interpreter's own part), "
            f"not {given!r:.80}"
        )
    return number


def as_id(job_id: object, of: str = "job") -> bytes:
    """The 16 bytes of an id of a job, or what else it is `of`.

    Raises:
        UsageError: It is no UUID, nor the text of one.
    """
    try:
        return (job_id if isinstance(job_id, UUID) else UUID(cast("str", job_id))).bytes
    except (ValueError, TypeError, AttributeError):
        own = getattr(job_id, "id", None)
        what = f"{job_id!r:.80} is no {of} id; "
        if isinstance(own, UUID):
            raise UsageError(f"{what}pass its id: {of}.id") from None
        raise UsageError(
            f"{what}it is a UUID or its text, such as '01932c5e-7a3c-7b3e-9a6e-0d5ff2f0a001'"
        ) from None


def as_instant(what: str, moment: object) -> Millis:
    """The instant of an aware datetime.

    Raises:
        UsageError: It is naive, so it is no instant, or no datetime at all.
    """
    if not isinstance(moment, datetime):
        raise UsageError(f"{what} is an aware datetime, not {moment!r:.80}")
    if moment.utcoffset() is None:
        raise UsageError(
            f"{what} ({moment.isoformat()}) has no time zone, so it is no instant; "
            "give it one, as in datetime.now(UTC) or moment.replace(tzinfo=ZoneInfo(…))"
        )
    return wire.millis(moment)


def as_span(what: str, span: object, least_ms: int = 0) -> int:
    """A duration in milliseconds.

    Raises:
        UsageError: It is no number of seconds and no timedelta, or is too small or too large.
    """
    if isinstance(span, timedelta):
        seconds: float = span.total_seconds()
    elif isinstance(span, int | float) and not isinstance(span, bool):
        seconds = span
    else:
        raise UsageError(f"{what} is a number of seconds or a timedelta, not {span!r:.80}")
    if not 0 <= seconds * 1000 <= _LONGEST_MS or (least_ms and seconds == 0):
        least = "above 0" if least_ms else "from 0"
        raise UsageError(f"{what} is a time {least} up to a hundred years, not {span!r:.80}")
    return max(least_ms, round(seconds * 1000))


def named(what: str, values: Mapping[Any, Any]) -> dict[str, Any]:
    """A mapping with text for its keys, as a new one.

    Raises:
        UsageError: It is none.
    """
    if not isinstance(cast("object", values), Mapping):
        raise UsageError(f"{what} is a mapping of names to values, not {values!r:.80}")
    given = dict(values)
    for name in given:
        if not isinstance(name, str):
            raise UsageError(f"{what} has texts for its keys, not {name!r:.80}")
    return given


def _delay(value: object) -> int:
    return 0 if value is None else as_span("delay", value)


def _expires(value: object) -> int | None:
    return None if value is None else as_span("expires", value)


def _timeout(value: object) -> int | None:
    return None if value is None else as_span("timeout", value, 1)


def _run_at(value: object) -> Millis | None:
    return None if value is None else as_instant("run_at", value)


def _keep_result(value: object) -> int | None:
    if value is None or value is True:
        return None
    return 0 if value is False else as_span("keep_result", value)


def _metadata(value: Mapping[str, Any] | None) -> dict[str, JSON] | None:
    if value is None:
        return None
    given = named("metadata", value)
    return {name: wire.json_value(each, f"metadata {name!r}") for name, each in given.items()}


def _retry(value: object) -> RetryPolicy:
    if not isinstance(value, RetryPolicy):
        raise UsageError(f"retry is a RetryPolicy, not {value!r:.80}")
    return value


def _job_id(given: object) -> bytes | None:
    try:
        return None if given is None else as_id(given)
    except UsageError as error:
        raise UsageError(
            f"{error}; of a text of your own make one by uuid.uuid5(uuid.NAMESPACE_URL, text)"
        ) from None


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "queue": lambda name: checked_name("queue", name),
    "priority": priority.rank,
    "max_retries": retry.checked_retries,
    "retry": _retry,
    "timeout": _timeout,
    "expires": _expires,
    "metadata": _metadata,
    "keep_result": _keep_result,
    "delay": _delay,
    "run_at": _run_at,
    "job_id": _job_id,
}
"""How each option is checked; the names are those of `EnqueueOptions`."""

NAMES: frozenset[str] = frozenset(_CHECKS)
"""The options of an enqueue."""

_OF_HANDLERS = tuple(HandlerOptions.__annotations__)
"""The options of a handler."""

_ELSEWHERE = {
    "countdown": "delay",
    "eta": "run_at",
    **dict.fromkeys(("task_id", "_job_id", "message_id"), "job_id"),
    **dict.fromkeys(("time_limit", "soft_time_limit", "job_timeout"), "timeout"),
    **dict.fromkeys(("max_tries", "retries"), "max_retries"),
    **dict.fromkeys(("retry_policy", "retry_backoff"), "retry"),
    **dict.fromkeys(("ignore_result", "result_ttl"), "keep_result"),
    **dict.fromkeys(("ttl", "age_limit"), "expires"),
}
"""What other queues call an option, and its name here."""
