"""Where things are kept: partitions, their keys, and the slot of a cluster each is in.

What belongs here: names of keys as the drivers and operators need them; scripts make all others
from the prefix. What does not: what is kept there (docs/redis.md lists it).
"""

from __future__ import annotations

from binascii import crc32, crc_hqx
from typing import Final

SLOTS: Final = 16_384


def partition_of(id: bytes, partitions: int) -> int:
    """The partition a job belongs to, by its id."""
    return crc32(id) % partitions if partitions > 1 else 0


def prefix(namespace: str, partition: int) -> str:
    """What all keys of a partition begin with; the braces put them into one slot of a cluster."""
    return f"{{{namespace}:{partition}}}:"


def slot(namespace: str, partition: int) -> int:
    """The slot of a cluster all keys of a partition are in.

    Source: the Redis cluster specification, CRC16 of what is between the braces.
    """
    return crc_hqx(f"{namespace}:{partition}".encode(), 0) % SLOTS
