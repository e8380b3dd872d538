"""What one can look at: `Time`, `Find`, `Peek`, `Search`, `DeadLetters`, `History`.

What belongs here: jobs found by what they are; nothing here changes anything. What does not:
numbers (`statistics`), dead letters by cause (`grouping`), why one does not run (`explaining`).
"""

from __future__ import annotations

from msgspec import Struct

from boundary.jobs.core import searching
from boundary.jobs.core.operations.operation import Operation
from boundary.jobs.core.records import Status
from boundary.jobs.core.wire import Millis, Record
from boundary.jobs.errors import UsageError

MAX_CURSOR = 2**64 - 1
"""What fits 64 bits."""


class Time(Operation[Millis], frozen=True):
    """The store's clock."""


class Find(Operation[tuple[Record | None, ...]], frozen=True):
    """The records of these ids, None for each that is not stored."""

    ids: tuple[bytes, ...]


class Peek(Operation[tuple[Record, ...]], frozen=True):
    """The next ready jobs of the queue in the order they would be claimed, none claimed."""

    queue: str
    limit: int = 1


class Page(Struct, frozen=True):
    """Some records, and where to go on; no cursor: that was all."""

    records: tuple[Record, ...]
    cursor: str | None = None


class Search(Operation[Page], frozen=True):
    """Jobs that match every condition given, newest enqueued first.

    Looks at no more than `scan` jobs, so a page may hold fewer than `limit` (even none) and
    still have a cursor.

    Attributes:
        status: Only these.
        since, until: Created in [since, until).
        text: The arguments, metadata, result or errors mention it: in a text, as a number, as true, false
            or null (`searching` has the rule).
        limit: 1 to 200.
        scan: 1 or more.
        cursor: From an earlier page with the same conditions.

    Raises:
        UsageError: The cursor is not one of ours.
    """

    status: Status | None = None
    job_type: str | None = None
    queue: str | None = None
    since: Millis | None = None
    until: Millis | None = None
    text: str | None = None
    limit: int = 50
    cursor: str | None = None
    scan: int = 3_000

    def matches(self, record: Record) -> bool:
        """Whether the record fulfils every condition but the cursor."""
        return (
            self.status in {None, record.status}
            and self.job_type in {None, record.job_type}
            and self.queue in {None, record.queue}
            and (self.since is None or record.created >= self.since)
            and (self.until is None or record.created < self.until)
            and self.mentioned_by(record)
        )

    def mentioned_by(self, record: Record) -> bool:
        """Whether the record holds what `text` stands for, if anything is looked for."""
        return self.text is None or searching.mentions(record, self.text)

    @property
    def needles(self) -> tuple[bytes, ...]:
        """Bytes of which a record that fulfils the condition on its text has one, in payload or trail.

        For a store to pass over most jobs by; what is left it asks `mentioned_by`.
        """
        return () if self.text is None else searching.sought(self.text).needles


def cursor_position(cursor: str | None) -> int | None:
    """Where in its store a look goes on, 0 to `MAX_CURSOR`; None: from the beginning.

    Raises:
        UsageError: The cursor is not one of ours.
    """
    if cursor is None:
        return None
    is_number = cursor.isascii() and cursor.isdigit() and len(cursor) <= len(str(MAX_CURSOR))
    if not is_number or int(cursor) > MAX_CURSOR:
        raise UsageError(
            f"the cursor {cursor[:40]!r} is not one a search returned; leave it out to start anew"
        )
    return int(cursor)


class DeadLetters(Operation[tuple[Record, ...]], frozen=True):
    """The latest dead letters (`exhaust`, `crash`, `quarantine`), newest first."""

    limit: int = 20
    queue: str | None = None
    job_type: str | None = None


class History(Operation[tuple[Record, ...]], frozen=True):
    """The latest finished jobs of a type, newest first."""

    job_type: str
    limit: int = 20
