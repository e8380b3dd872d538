"""A job that is not stored yet.

What belongs here: from arguments and options to what a store takes, and from its reply to a `Job`,
without a second look. What does not: checking either (`options`, `signature`), sending it
(`flows`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from boundary.jobs.core import priority, wire
from boundary.jobs.core.nesting import NESTING_LIMIT
from boundary.jobs.core.records import Job
from boundary.jobs.core.redaction import redacted
from boundary.jobs.core.values import JSON
from boundary.jobs.core.wire import Millis, NewJob, Payload
from boundary.jobs.errors import PayloadTooLarge, SerializationError
from boundary.jobs.shell.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_MILLISECOND = timedelta(milliseconds=1)


class Draft(Struct, frozen=True, gc=False):
    """A job on its way in: what `handler.job(...)` makes and `enqueue_many` takes."""

    new: NewJob
    args: dict[str, JSON]
    options: Options

    def __repr__(self) -> str:
        """As a job's, without what looks like a secret."""
        return (
            f"Draft(job_type={self.new.job_type!r}, queue={self.new.queue!r}, "
            f"args={redacted(self.args)!r})"
        )


class Drafting:
    """Makes drafts of one job type and one set of options; what they share is made once.

    Args:
        carried: Called with the job's type, queue and id: what its metadata carries of the trace it
            is made in; None: nothing.
    """

    __slots__ = ("_carried", "_limit", "_new_id", "_payload", "job_type", "options")

    def __init__(
        self,
        job_type: str,
        options: Options,
        new_id: Callable[[], bytes],
        limit: int,
        carried: Callable[[str, str, bytes], Mapping[str, str] | None],
    ) -> None:
        self.job_type: str = job_type
        self.options: Options = options
        self._carried = carried
        self._new_id = new_id
        self._limit = limit
        self._payload = (
            options.max_retries,
            wire.retry_fields(options.retry),
            options.timeout,
            options.expires,
            options.keep_result,
            options.metadata,
        )

    def draft(self, given: Mapping[str, Any], id: bytes | None = None) -> Draft:
        """The job with these arguments.

        Raises:
            SerializationError: JSON cannot carry one; the message names it.
            PayloadTooLarge: Arguments and metadata are larger than the limit.
        """
        options = self.options
        args = json_args(given)
        id = id or options.job_id or self._new_id()
        made = Payload(wire.VERSION, args, *self._payload)
        if (context := self._carried(self.job_type, options.queue, id)) is not None:
            options = replace(options, metadata={**context, **(options.metadata or {})})
            made = replace(made, metadata=options.metadata)
        payload = wire.encode_payload(made)
        if len(payload) > self._limit:
            raise self._too_large(args, len(payload))
        return Draft(
            NewJob(
                id,
                self.job_type,
                options.queue,
                options.priority,
                payload,
                options.delay,
                options.run_at,
            ),
            args,
            options,
        )

    def _too_large(self, args: dict[str, JSON], size: int) -> PayloadTooLarge:
        largest = max(args, key=lambda name: len(repr(args[name])), default="metadata")
        return PayloadTooLarge(
            f"a {self.job_type} job takes {size:,} bytes, more than {self._limit:,}, most of it "
            f"in {largest!r}; store the data elsewhere and pass where it is, or raise "
            "payload_limit",
            size=size,
            limit=self._limit,
        )


def json_args(given: Mapping[str, Any]) -> dict[str, JSON]:
    """New arguments of JSON values; converted together, and one by one only to find a culprit."""
    try:
        return cast(
            "dict[str, JSON]",
            wire.json_value(given, "args", whole=True, levels=NESTING_LIMIT + 1),
        )
    except SerializationError:
        for name, value in given.items():
            wire.json_value(value, f"argument {name!r}", whole=True)
        raise


def jobs_of(drafts: Sequence[Draft], now: Millis) -> list[Job]:
    """The jobs as they stand in a store that took them at `now`, its time.

    Drafts of one kind differ in id and arguments only, so each job is made from the first.
    """
    moment = wire.at(now)
    kinds: dict[tuple[str, int], Job] = {}
    jobs: list[Job] = []
    for draft in drafts:
        kind = (draft.new.job_type, id(draft.options))
        pattern = kinds.get(kind)
        name = UUID(int=int.from_bytes(draft.new.id, "big"))
        metadata: dict[str, JSON] = dict(draft.options.metadata or ())
        if pattern is None:
            job = kinds[kind] = _job_of(draft, name, metadata, now, moment)
        else:
            job = replace(pattern, id=name, args=draft.args, metadata=metadata)
        jobs.append(job)
    return jobs


def _job_of(
    draft: Draft, name: UUID, metadata: dict[str, JSON], now: Millis, moment: datetime
) -> Job:
    new, options = draft.new, draft.options
    expires = options.expires
    return Job(
        id=name,
        job_type=new.job_type,
        queue=new.queue,
        args=draft.args,
        priority=priority.name(new.priority),
        max_retries=options.max_retries,
        retry=options.retry,
        execute_at=_execute_at(new, now),
        created_at=moment,
        updated_at=moment,
        timeout=_span(options.timeout),
        expires_at=None if expires is None else moment + expires * _MILLISECOND,
        keep_result=_span(options.keep_result),
        metadata=metadata,
    )


def _execute_at(new: NewJob, now: Millis) -> datetime | None:
    if new.run_at is not None:
        return wire.at(new.run_at)
    return wire.at(now + new.delay_ms) if new.delay_ms else None


def _span(duration_ms: int | None) -> timedelta | None:
    return None if duration_ms is None else duration_ms * _MILLISECOND
