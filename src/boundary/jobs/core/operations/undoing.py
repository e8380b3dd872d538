"""Taking an act back: `Undo`.

What belongs here: when a job still is as the act left it, and what became of an undoing. What does
not: the log of acts (`acting`).
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from boundary.jobs.core.operations.acting import Act
from boundary.jobs.core.operations.operation import BATCH, Operation

LEFT_BY: dict[str, frozenset[str]] = {
    "cancel": frozenset({"cancelled"}),
    "retry": frozenset({"pending"}),
    "edit": frozenset({"pending", "retrying"}),
}
"""How a job stands that nobody has touched since such an act; others leave none."""


class Undone(Struct, frozen=True):
    """What became of an undoing.

    Attributes:
        verdict: `done`; `missing` (no such act is known), `refused` (it cannot be undone), `late`,
            or `already`.
        restored: Jobs that are as they were; of a pause 1.
        skipped: Jobs that have begun, ended or been changed by somebody else meanwhile.
        left: Jobs still to do: ask again.
    """

    verdict: Literal["done", "missing", "refused", "late", "already"]
    restored: int = 0
    skipped: int = 0
    left: int = 0


class Undo(Operation[Undone], frozen=True):
    """Up to `limit` jobs of an act are as they were before it, as far as they still may be.

    A job that comes back waits at the tail of its queue, or for the instant it waited for, or is
    the dead letter it was; to a search it is the newest. What a pause changed is changed back.
    """

    id: bytes
    act: Act
    limit: int = BATCH
