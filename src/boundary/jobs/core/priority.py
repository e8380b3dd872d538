"""The four priorities and their ranks. What does not belong here: the order of queues."""

from __future__ import annotations

from typing import Final, get_args

from boundary.jobs.core.records import Priority
from boundary.jobs.errors import UsageError

PRIORITIES: Final[tuple[Priority, ...]] = get_args(Priority)
"""First to last; a priority's rank is its place here."""

RANKS: Final[dict[str, int]] = {name: rank for rank, name in enumerate(PRIORITIES)}


def rank(priority: str) -> int:
    """0 for critical to 3 for low.

    Raises:
        UsageError: There is no such priority.
    """
    try:
        return RANKS[priority]
    except (KeyError, TypeError):
        raise UsageError(
            f"there is no priority {priority!r}; it is one of {', '.join(PRIORITIES)}"
        ) from None


def name(rank: int) -> Priority:
    """The priority of a rank; one outside 0 to 3 (a damaged record) counts as normal."""
    return PRIORITIES[rank] if 0 <= rank < len(PRIORITIES) else "normal"
