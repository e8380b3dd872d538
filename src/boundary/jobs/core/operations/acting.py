"""Whose act an operation is, and the log of them: `Act`, `Audit`.

What belongs here: what is told of an act, and what is kept of it. What does not: what is done
(`operating`), taking it back (`undoing`).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from boundary.jobs.core.operations.operation import Operation
from boundary.jobs.core.wire import Millis

What: TypeAlias = Literal["cancel", "retry", "delete", "purge", "edit", "pause", "resume", "undo"]
"""What an operator may do."""

AUDIT = 10_000
"""Entries the log keeps: the newest."""

ASIDE = 10_000
"""Most jobs of one act that callers ask to be kept aside for its undoing."""


class Act(Struct, frozen=True):
    """That an operation is somebody's act, for the log. Several operations may be one act.

    Attributes:
        id: 16 bytes, unique; ids made later are larger (UUID version 7).
        by: Who.
        target: What it is done to, in words; of `pause` and `resume` the queue.
        undo_ms: How long it can be undone; 0: not at all. One operation of an act with 0 makes the
            whole act one that cannot be undone.
    """

    id: bytes
    by: str
    what: What
    target: str
    undo_ms: int = 0


class Entry(Struct, frozen=True):
    """An act in the log.

    Attributes:
        at: When its first operation took place.
        count: Jobs it changed (or asked to stop); of `pause` and `resume` 1.
        undo_until: Until when it can be undone; None: it cannot.
        undone: When it was undone.
    """

    id: bytes
    at: Millis
    by: str
    what: What
    target: str
    count: int
    undo_until: Millis | None = None
    undone: Millis | None = None


class Audit(Operation[tuple[Entry, ...]], frozen=True):
    """What operators did, the latest act first.

    Attributes:
        before: Only acts with smaller ids than this one.
        limit: 1 to 200.
    """

    limit: int = 50
    before: bytes | None = None
