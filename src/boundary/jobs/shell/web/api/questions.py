"""What may be asked of the API.

What belongs here: queries and bodies as msgspec records, with the bounds of each field. What does
not: what is done with them, and what comes back (`answers`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from boundary.jobs.core.operations import Misfire
from boundary.jobs.core.records import Priority, Status
from boundary.jobs.core.retry import LONGEST_DELAY, BackoffStrategy, RetryPolicy
from boundary.jobs.core.values import JSON
from boundary.jobs.shell.statistics_flows import By

Name: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")]
Limit: TypeAlias = Annotated[int, Meta(ge=1, le=200)]
Instant: TypeAlias = Annotated[datetime, Meta(tz=True)]
Cursor: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9]{1,20}(\.[0-9]{1,20}){0,63}$")]
Sought: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]
Seconds: TypeAlias = Annotated[float, Meta(ge=0.001, le=3_000_000_000)]
SecondsOrZero: TypeAlias = Annotated[float, Meta(ge=0, le=3_000_000_000)]
Backoff: TypeAlias = Annotated[float, Meta(ge=0, le=LONGEST_DELAY)]
Cron: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]
Zone: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
Fingerprint: TypeAlias = Annotated[str, Meta(min_length=1, max_length=300)]
Most: TypeAlias = Annotated[int, Meta(ge=1, le=100_000)]
Confirmation: TypeAlias = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Retries: TypeAlias = Annotated[int, Meta(ge=0, le=1000)]

LONGEST_WAIT: Final = 30
"""Seconds a request may wait: less than proxies and clients commonly give one."""


class Query(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may stand in a query; anything else is refused.

    What may be left out is unset, not None: the text ``null`` stands for itself.
    """

    def given(self) -> dict[str, Any]:
        """What was not left out, by name."""
        return set_fields(self)


class Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may stand in a body; anything else is refused."""


def set_fields(record: Struct) -> dict[str, Any]:
    """The fields of a record that are not unset, by name."""
    members = msgspec.structs.asdict(record)
    return {name: value for name, value in members.items() if value is not UNSET}


class Nothing(Query, frozen=True, kw_only=True):
    """No parameters."""


class Latest(Query, frozen=True, kw_only=True):
    """How many of the newest."""

    limit: Limit = 20


class ResultOf(Query, frozen=True, kw_only=True):
    """How long to wait for a job's end: so many seconds; 0 only looks."""

    timeout: Annotated[int, Meta(ge=0, le=LONGEST_WAIT)] = LONGEST_WAIT


class HistoryOf(Query, frozen=True, kw_only=True):
    """Of which job type, and how many of the newest."""

    job_type: Name
    limit: Limit = 20


class JobSearch(Query, frozen=True, kw_only=True):
    """Conditions of a search; all must hold.

    Attributes:
        since: Created at or after this instant, and before
        until: this one.
        text: The arguments, metadata, result or errors mention it: in a text, or as a number, true, false or
            null of that value.
        cursor: From the page before, with the same conditions.
    """

    status: Status | UnsetType = UNSET
    job_type: Name | UnsetType = UNSET
    queue: Name | UnsetType = UNSET
    since: Instant | UnsetType = UNSET
    until: Instant | UnsetType = UNSET
    text: Sought | UnsetType = UNSET
    limit: Limit = 50
    cursor: Cursor | UnsetType = UNSET


class SeriesOf(Query, frozen=True, kw_only=True):
    """Of which stretch of time, and of what.

    Attributes:
        minutes: The last so many, this one included; 60 unless said. Or
        hours: the last so many.
        by: Whether a row is about a queue or a job type.
    """

    minutes: Annotated[int, Meta(ge=1, le=1440)] | UnsetType = UNSET
    hours: Annotated[int, Meta(ge=1, le=720)] | UnsetType = UNSET
    queue: Name | UnsetType = UNSET
    job_type: Name | UnsetType = UNSET
    by: By = "queue"


class GroupsOf(Query, frozen=True, kw_only=True):
    """Which dead letters are grouped by their cause.

    Attributes:
        since: Only those that ended at or after this instant.
        limit: At most so many groups.
    """

    queue: Name | UnsetType = UNSET
    job_type: Name | UnsetType = UNSET
    since: Instant | UnsetType = UNSET
    limit: Limit = 50


class Retry(Body, frozen=True, kw_only=True):
    """How long retries wait, in seconds.

    Attributes:
        initial_delay: Before the first; before the n-th 2^(n-1) times (exponential) or n times (linear)
            that, or the same (constant).
        max_delay: What no delay exceeds.
        jitter: Each delay is multiplied by a factor drawn evenly from [0.9, 1.1).
    """

    strategy: BackoffStrategy = RetryPolicy().strategy
    initial_delay: Backoff = RetryPolicy().initial_delay
    max_delay: Backoff = RetryPolicy().max_delay
    jitter: bool = RetryPolicy().jitter

    @property
    def policy(self) -> RetryPolicy:
        """The same, as the library has it."""
        return RetryPolicy(self.strategy, self.initial_delay, self.max_delay, self.jitter)


class WantedJob(Body, frozen=True, kw_only=True):
    """A job, and what is said of it over the options of its handler."""

    job_type: Name
    args: dict[str, JSON] = {}
    queue: Name | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    max_retries: Retries | UnsetType = UNSET
    retry: Retry | UnsetType = UNSET
    timeout: Seconds | UnsetType | None = UNSET
    expires: SecondsOrZero | UnsetType | None = UNSET
    keep_result: SecondsOrZero | bool | UnsetType | None = UNSET
    metadata: dict[str, JSON] | UnsetType = UNSET

    def given(self) -> dict[str, Any]:
        """What was not left out, by name, as `Jobs.enqueue` and `Jobs.schedule` take it."""
        members = set_fields(self)
        if self.retry is not UNSET:
            members["retry"] = self.retry.policy
        return members


class NewJobBody(WantedJob, frozen=True, kw_only=True):
    """A job to enqueue. What is left out is as its handler has it, if that is known here.

    Attributes:
        timeout: Longest a run may take, in seconds; null: no limit.
        expires: So many seconds after the enqueue it is not started any more, but cancelled; null: never.
        keep_result: So many seconds its record stays once finished. false: not at all; null or true: as
            configured.
        delay: Seconds until it may run.
        run_at: Or the instant from which it may.
        job_id: The same again makes no second job.
    """

    delay: Seconds | UnsetType = UNSET
    run_at: Instant | UnsetType = UNSET
    job_id: UUID | UnsetType = UNSET


class RetryMany(Body, frozen=True, kw_only=True):
    """Which dead letters to retry, and how fast.

    Attributes:
        fingerprint: Only those of this cause, as `/failures` tells it.
        limit: At most so many.
        confirm: How many that is. Without it, or if it is another number by now, nothing is done
            and the answer (409) says how many it would be.
        first: So many of them wait for no rate.
        rate: So many a second of the others become ready; null: all at once.
    """

    fingerprint: Fingerprint | None = None
    queue: Name | None = None
    job_type: Name | None = None
    limit: Most = 100
    confirm: Confirmation | None = None
    first: Annotated[int, Meta(ge=0, le=100_000)] = 0
    rate: Annotated[float, Meta(ge=0.001, le=100_000)] | None = None


class DeleteMany(Body, frozen=True, kw_only=True):
    """Which dead letters to delete: those of one cause; the rest as in `RetryMany`."""

    fingerprint: Fingerprint
    limit: Most = 100
    confirm: Confirmation | None = None

    @property
    def queue(self) -> None:
        """Of any queue."""

    @property
    def job_type(self) -> None:
        """Of any type."""


class Arguments(Body, frozen=True, kw_only=True):
    """New arguments; what reads ``[redacted]`` where a secret is stays as it is stored."""

    args: dict[str, JSON]


class Confirmed(Body, frozen=True, kw_only=True):
    """How many jobs the request acts on. Without it, or if there are more, nothing is done."""

    confirm: Confirmation | None = None


class AuditOf(Query, frozen=True, kw_only=True):
    """A page of the log."""

    limit: Limit = 50
    cursor: UUID | UnsetType = UNSET


class ScheduleChange(Body, frozen=True, kw_only=True):
    """What is to change of a schedule; what is left out stays."""

    cron: Cron | UnsetType = UNSET
    every: Seconds | UnsetType = UNSET
    timezone: Zone | UnsetType = UNSET
    misfire: Misfire | UnsetType = UNSET
    misfire_cap: Annotated[int, Meta(ge=1, le=1000)] | UnsetType = UNSET
    queue: Name | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET


class FiresOf(Query, frozen=True, kw_only=True):
    """How many fire times."""

    count: Limit = 10


class NewSchedule(WantedJob, frozen=True, kw_only=True):
    """A schedule to come: exactly one of `cron` and `every` (seconds) says when it ticks.

    What is said of each job is as in `NewJobBody`.
    """

    cron: Cron | None = None
    every: Seconds | None = None
    timezone: Zone = "UTC"
    misfire: Misfire | UnsetType = UNSET
    misfire_cap: Annotated[int, Meta(ge=1, le=1000)] | UnsetType = UNSET
    paused: bool | UnsetType = UNSET
