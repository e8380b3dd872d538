"""How deep lists and mappings may stand in one another.

What belongs here: the limit, and whether a value exceeds it. What does not: who refuses it (`wire`
what is stored, `outcome` what runs), and what is shown of it (`redaction`).

A kilobyte can hold hundreds of lists in one another, and whoever goes through them by calling
himself, as most programs do, runs out of stack.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterable

    from boundary.jobs.core.values import JSON

NESTING_LIMIT: Final = 64
"""Levels of lists and mappings in an argument, a value of the metadata or a result; ``[]`` has one."""

_HEADS: Final = bytes([*range(0x80, 0xA0), *range(0xDC, 0xE0)])
"""The bytes with which a list or mapping begins in MessagePack; others may look the same."""

_OTHERS: Final = bytes(set(range(256)) - set(_HEADS))


_CONTAINERS: Final = frozenset({list, tuple, dict})


def is_too_deep(value: JSON, data: bytes, levels: int = NESTING_LIMIT) -> bool:
    """Whether lists and mappings stand in one another in more than so many levels.

    Args:
        data: The value as MessagePack, or more: what cannot hold as many of them costs no look.
    """
    if len(data) <= levels or len(data.translate(None, _OTHERS)) <= levels:
        return False
    level: list[JSON] = [value]
    # Of many numbers and texts it is known that none is a container without a look at each.
    while not _CONTAINERS.isdisjoint(map(type, level)):
        if not levels:
            return True
        levels -= 1
        level = list(
            chain.from_iterable([_members(one) for one in level if type(one) in _CONTAINERS])
        )
    return False


def _members(container: JSON) -> Iterable[JSON]:
    return cast("Iterable[JSON]", container.values() if type(container) is dict else container)
