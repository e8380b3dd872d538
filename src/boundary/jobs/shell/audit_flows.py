"""The log of what operators did, and taking an act back, each written once as steps.

What belongs here: reading the log, and undoing. What does not: the acts (`operator_flows`, `flows`),
and who acts (`hands`).
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from msgspec import Struct

from boundary.jobs.core import wire
from boundary.jobs.core.names import shown_id
from boundary.jobs.core.operations import Audit, Entry, Undo
from boundary.jobs.errors import IllegalTransition
from boundary.jobs.shell.flows import PAGE, Flow, JobId, ask, checked_limit
from boundary.jobs.shell.hands import AuditEntry, Hand
from boundary.jobs.shell.options import as_id


class AuditPage(Struct, frozen=True):
    """Some entries of the log; `cursor`: where the next page begins, None: this was the last."""

    entries: tuple[AuditEntry, ...]
    cursor: str | None = None

    def __iter__(self) -> Iterator[AuditEntry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


class UndoResult(Struct, frozen=True, kw_only=True):
    """What became of undoing an act.

    Attributes:
        restored: Jobs that are as they were; of a pause 1.
        skipped: Jobs that have begun, ended or been changed since.
        id: Of the act of undoing.
    """

    id: UUID
    restored: int
    skipped: int


def audit(limit: int, cursor: str | None) -> Flow[AuditPage]:
    """What operators did, the latest act first, a page of it."""
    checked_limit(limit, PAGE)
    before = None if cursor is None else as_id(cursor, "act")
    entries = yield from ask(Audit(limit, before))
    told = tuple([_entry(one) for one in entries])
    return AuditPage(told, str(told[-1].id) if len(told) == limit else None)


def _entry(one: Entry) -> AuditEntry:
    return AuditEntry(
        id=shown_id(one.id),
        at=wire.at(one.at),
        by=one.by,
        what=one.what,
        target=one.target,
        count=one.count,
        undo_until=wire.instant(one.undo_until),
        undone_at=wire.instant(one.undone),
    )


_WHY_NOT = {
    "missing": "no such act is in the log",
    "refused": "it cannot be undone",
    "late": "an act can be undone for a minute",
    "already": "it has been undone",
}


def undo(action: JobId, hand: Hand) -> Flow[UndoResult]:
    """What the act did is undone, as far as it still may be."""
    id = as_id(action, "act")
    act = hand.act("undo", str(UUID(bytes=id)), undoable=False)
    restored = skipped = 0
    while True:
        reply = yield from ask(Undo(id, act))
        if reply.verdict != "done":
            if restored or skipped:
                break
            raise IllegalTransition(
                f"act {action} is not undone: {_WHY_NOT[reply.verdict]}",
                status=reply.verdict,
                event="undo",
            )
        restored, skipped = restored + reply.restored, skipped + reply.skipped
        if not reply.left:
            break
    return UndoResult(id=UUID(bytes=act.id), restored=restored, skipped=skipped)
