"""What a worker and the doors tell of, each thing once.

What belongs here: the happenings of one stream, as data. What does not: who takes note of them
(`shell.telemetry`: log lines, metrics, spans, hooks, and the events others may follow).

A happening is told after the store has taken it, of all jobs it is about at once. Instants are
the store's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from boundary.jobs.core.operations import Outcome
from boundary.jobs.core.records import Job
from boundary.jobs.core.wire import Millis, NewJob, Record


class Admitted(Struct, frozen=True):
    """These new jobs are stored."""

    at: Millis
    jobs: tuple[NewJob, ...]


class Started(Struct, frozen=True):
    """This worker holds these jobs, and runs them as its slots get free."""

    at: Millis
    worker: str
    records: tuple[Record, ...]


class Progressed(Struct, frozen=True):
    """A running job has said how far it is; told as it goes to the store, ahead of its end.

    `progress` as `wire.encode_progress` has it.
    """

    at: Millis
    worker: str
    record: Record
    progress: bytes


class Ended(Struct, frozen=True):
    """These runs ended so.

    Attributes:
        accepted: For each whether it counts; another worker has the job where it does not.
        errors: What handlers raised, by the id of the job.
    """

    at: Millis
    worker: str
    runs: tuple[tuple[Record, Outcome], ...]
    accepted: tuple[bool, ...]
    errors: Mapping[bytes, BaseException]


class TakenBack(Struct, frozen=True):
    """These jobs, as they are now, were taken from workers that were lost."""

    at: Millis
    records: tuple[Record, ...]


class Cancelled(Struct, frozen=True):
    """An operator cancelled these jobs while they waited."""

    at: Millis
    jobs: tuple[Job, ...]


class Retried(Struct, frozen=True):
    """An operator let these failed jobs run again."""

    at: Millis
    jobs: tuple[Job, ...]


class LeaseLost(Struct, frozen=True):
    """The store gave what this worker held to others."""

    worker: str
    jobs: int


class Answered(Struct, frozen=True, gc=False):
    """A store answered, or failed to.

    Attributes:
        operation: Its name, such as ``Claim``.
        seconds: How long that took.
    """

    operation: str
    seconds: float
    failed: bool


Happening: TypeAlias = (
    Admitted | Started | Progressed | Ended | TakenBack | Cancelled | Retried | LeaseLost | Answered
)
