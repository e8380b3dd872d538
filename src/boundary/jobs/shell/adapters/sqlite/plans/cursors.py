"""Where a look through the rows goes on: at any `seq`, told by a cursor.

SQLite takes every whole number of 64 bits for a `seq`. Ours begin at 1, but a hand, or another
program, may have left a row anywhere; a look has to come to it, and past it. So a cursor names the
next `seq` to look at, which has to be one, and a negative one by the same 64 bits without a sign.

What belongs here: between a `seq` and a cursor. What does not: which rows are looked at.
"""

from __future__ import annotations

from boundary.jobs.core.operations import cursor_position
from boundary.jobs.shell.adapters.sqlite.plans.steps import HIGHEST, LOWEST


def going_on_at(seq: int) -> str | None:
    """The cursor of a look that goes on at this seq; None: no row can be there or beyond.

    Args:
        seq: One beside a row's own, so perhaps just outside of 64 bits.
    """
    return str(seq % 2**64) if LOWEST <= seq <= HIGHEST else None


def begins_at(cursor: str | None, start: int) -> int:
    """The first seq to look at; `start` without a cursor.

    Raises:
        UsageError: The cursor is not one of ours.
    """
    position = cursor_position(cursor)
    if position is None:
        return start
    return position if position <= HIGHEST else position - 2**64
