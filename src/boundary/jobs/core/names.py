"""What queues, job types and schedules may be called, and what the id of a stored job is shown as."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

from boundary.jobs.errors import InvalidName

PATTERN: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
SHOWN: Final = 60
"""Characters of a wrong name that its error shows."""


def checked_name(kind: str, name: object) -> str:
    """The name, if it is one.

    Names end up in keys, logs, URLs and file names; so they hold nothing that any of these would
    have to escape.

    Args:
        kind: What it names, for the error: ``queue``, ``job type``.

    Raises:
        InvalidName: It holds other characters than ``A-Z a-z 0-9 _ . : -``, or is empty or longer
            than 128.
    """
    if isinstance(name, str) and PATTERN.fullmatch(name):
        return name
    shown = repr(name)
    if len(shown) > SHOWN:
        shown = shown[:SHOWN] + "…"
    raise InvalidName(
        f"{shown} cannot be the name of a {kind}: use 1 to 128 of the characters "
        "A-Z a-z 0-9 _ . : -"
    )


def shown_id(id: bytes) -> UUID:
    """The id, for people and programs.

    Bytes that are none, which a hand left in a store, have one made of them: always the same, so
    that one damaged row is shown among the others, and does not hide them.
    """
    if len(id) == 16:  # noqa: PLR2004
        return UUID(bytes=id)
    from hashlib import blake2b  # here: hardly any store is damaged, and it takes 2 ms

    return UUID(bytes=blake2b(id, digest_size=16).digest())
