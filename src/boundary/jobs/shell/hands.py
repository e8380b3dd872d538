"""Who acts: the name and the id under which the log of operators' acts keeps what is done.

What belongs here: checking and making them. What does not: the log (`core.operations.Act`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import cast
from uuid import UUID

from msgspec import Struct

from boundary.jobs.core.operations import Act, What
from boundary.jobs.errors import UsageError
from boundary.jobs.shell.options import as_id

UNDO_MS = 60_000
"""How long an act can be undone."""

LONGEST_NAME = 128


class Hand(Struct, frozen=True):
    """Somebody who acts, and the id of the act."""

    by: str
    id: bytes

    def act(self, what: What, target: str, *, undoable: bool = True) -> Act:
        """What is done to what, for the log."""
        return Act(self.id, self.by, what, target, UNDO_MS if undoable else 0)


class Action(Struct, frozen=True, kw_only=True):
    """What was done.

    Attributes:
        id: What `undo` takes; None: nobody was named as `by`, so it is not in the log.
        count: Jobs it changed.
        undoable: It can be undone, for a minute.
    """

    id: UUID | None
    what: What
    target: str
    count: int
    undoable: bool = False


class AuditEntry(Struct, frozen=True, kw_only=True):
    """What an operator did.

    Attributes:
        at: When, by the store's clock.
        by: Who, as the caller named him.
        target: A job's id, a queue, a worker, a schedule, an act's id, or what the jobs had in common.
        count: Jobs it changed, or workers it told; of one queue or schedule 1.
        undo_until: Until when `undo` takes it; None: never.
        undone_at: When it was undone.
    """

    id: UUID
    at: datetime
    by: str
    what: What
    target: str
    count: int
    undo_until: datetime | None = None
    undone_at: datetime | None = None


def hand(by: str | None, action: UUID | str | None, new_id: Callable[[], bytes]) -> Hand | None:
    """Who acts; None: nobody is named, and nothing is logged.

    Raises:
        UsageError: The name is empty, too long or not printable, or the id is none.
    """
    if by is None:
        if action is not None:
            raise UsageError("an act with an id needs by=, the name of who acts")
        return None
    return named(by, new_id() if action is None else as_id(action, "act"))


def named(by: str, id: bytes) -> Hand:
    """Somebody of this name.

    Raises:
        UsageError: It is empty, too long or not printable.
    """
    text = cast("object", by)
    if isinstance(text, str) and 1 <= len(text) <= LONGEST_NAME and text.isprintable():
        return Hand(text, id)
    raise UsageError(
        f"by is the name of who acts, 1 to {LONGEST_NAME} printable characters, not {by!r:.160}"
    )
