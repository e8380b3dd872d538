"""What a plan is made of: calls of scripts, each in one partition.

What belongs here: a call, the partitions, and what plans share in asking and in reading replies. What
does not: any plan.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from boundary.jobs.core.wire import Record
from boundary.jobs.shell.adapters.redis import records
from boundary.jobs.shell.adapters.redis.keys import partition_of

R = TypeVar("R")


class Call(NamedTuple):
    """Run a script in a partition; answered with what it returns."""

    script: str
    args: tuple[bytes | str | int, ...] = ()
    partition: int = 0


Plan: TypeAlias = Generator[Sequence[Call], Any, R]
"""Yields calls to be made together, one a partition; is sent their replies in that order."""


class Partitions(Struct, frozen=True):
    """How many there are, and whose turn it is to be looked into first."""

    count: int = 1
    turn: int = 0

    def of(self, id: bytes) -> int:
        """The partition of a job."""
        return partition_of(id, self.count)

    def all(self) -> range:
        """Every partition."""
        return range(self.count)

    def in_turn(self) -> list[int]:
        """Every partition, another one first each time."""
        return [(self.turn + number) % self.count for number in self.all()]


LONGEST: Final = 2**53
"""Whole numbers from here on are not exact in a script."""

SCANNED: Final = 5_000
"""Jobs (or dead letters) one call that only compares looks at, so that it holds up no other for long."""

ONE: Final = ord("1")
"""Yes, in a text of flags."""

encode: Callable[[object], bytes] = msgspec.msgpack.Encoder().encode


def question(**fields: Any) -> bytes:
    """What a script is asked, by name; what is None is left out.

    No bytes: the MessagePack of Redis 7.0 does not know them. They are arguments of their own.
    """
    return encode({name: value for name, value in fields.items() if value is not None})


def everywhere(partitions: Partitions, script: str, *args: bytes | str | int) -> list[Call]:
    """The same call in every partition."""
    return [Call(script, args, number) for number in partitions.all()]


def grouped(ids: Iterable[bytes], partitions: Partitions) -> dict[int, list[int]]:
    """The places of the ids, by partition."""
    places: dict[int, list[int]] = {}
    for place, id in enumerate(ids):
        places.setdefault(partitions.of(id), []).append(place)
    return places


def by_id(
    script: str,
    ids: Sequence[bytes],
    partitions: Partitions,
    *args: bytes | str | int,
) -> Plan[list[Any]]:
    """What the script says of each id; scripts take ids as one text and answer one by one."""
    if not ids:
        return []
    places = grouped(ids, partitions)
    replies = yield [
        Call(script, (b"".join([ids[place] for place in mine]), *args), number)
        for number, mine in places.items()
    ]
    answers: list[Any] = [None] * len(ids)
    for mine, reply in zip(places.values(), replies, strict=True):
        for place, answer in zip(mine, reply, strict=True):
            answers[place] = answer
    return answers


def decoded(ids: bytes, found: Sequence[bytes]) -> list[Record]:
    """The records a script returned with their ids in one text."""
    decode = records.decode
    return [decode(ids[16 * at : 16 * at + 16], data) for at, data in enumerate(found)]


def split_ids(ids: bytes) -> tuple[bytes, ...]:
    """The ids in one text."""
    return tuple([ids[at : at + 16] for at in range(0, len(ids), 16)])
