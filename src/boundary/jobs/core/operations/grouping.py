"""Dead letters by cause: `Groups` and `Members`.

What belongs here: a group, and how it is put together of what a store finds. What does not: what
makes two causes one (`core.causes`).
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from boundary.jobs.core.operations.operation import BATCH, Operation
from boundary.jobs.core.wire import Millis

GROUPS = 1_000
"""Causes, each in a queue, that one answer looks at: those seen last."""


class Group(Struct, frozen=True):
    """Dead letters with one cause.

    Attributes:
        cause: Their fingerprint, as `core.causes` makes it.
        job_type: Of all of them.
        queues: In which they are, by name.
        first, last: When the first and the last of them ended.
        sample: The id of the last.
    """

    cause: str
    job_type: str
    queues: tuple[str, ...]
    count: int
    first: Millis
    last: Millis
    sample: bytes


class GroupRow(Struct, frozen=True):
    """The part of a group that is in one queue; `seq` is that of the last."""

    cause: str
    job_type: str
    queue: str
    count: int
    first: Millis
    last: Millis
    seq: int
    sample: bytes


class Groups(Operation[tuple[Group, ...]], frozen=True):
    """Dead letters by cause, that seen last first, then by cause.

    Attributes:
        queue, job_type: Only dead letters of these.
        since: Only those that ended at or after it are counted.
        limit: 1 to 200.
        cause: Only this one, however many were seen later.
    """

    queue: str | None = None
    job_type: str | None = None
    since: Millis | None = None
    limit: int = 50
    cause: str | None = None

    def fold(self, rows: Iterable[GroupRow]) -> tuple[Group, ...]:
        """The groups of which these are parts."""
        parts: dict[str, list[GroupRow]] = {}
        for row in rows:
            parts.setdefault(row.cause, []).append(row)
        groups = [_group(many) for many in parts.values()]
        return tuple(sorted(groups, key=lambda one: (-one.last, one.cause))[: self.limit])


def _group(rows: list[GroupRow]) -> Group:
    latest = max(rows, key=lambda row: (row.last, row.seq))
    return Group(
        latest.cause,
        latest.job_type,
        tuple(sorted({row.queue for row in rows})),
        sum(row.count for row in rows),
        min(row.first for row in rows),
        latest.last,
        latest.sample,
    )


class Members(Operation[tuple[bytes, ...]], frozen=True):
    """Ids of dead letters with this cause, that which ended first first.

    Attributes:
        queue: Only those in it.
        until: Only those that ended at or before it.
    """

    cause: str
    queue: str | None = None
    until: Millis | None = None
    limit: int = BATCH
