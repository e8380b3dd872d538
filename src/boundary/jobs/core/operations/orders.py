"""What operators ask of workers: `Instruct`.

What belongs here: an order and how it is given. What does not: how a worker hears of it
(`leases.Beat`).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from boundary.jobs.core.operations.operation import Operation

Word: TypeAlias = Literal["quiet", "unquiet", "drain", "restart"]
"""`quiet`: claim nothing; `unquiet`: claim again; `drain`: end what runs and leave; `restart`: the
same, and somebody starts in its place."""


class Order(Struct, frozen=True):
    """What an operator asks of a worker.

    Attributes:
        id: 16 bytes; another order has another.
    """

    id: bytes
    word: Word


class Instruct(Operation[tuple[str, ...]], frozen=True):
    """The latest order of these workers is this one. Those it was given to, by name.

    Only workers that beat are given orders: their lease has not ended, and they said who they are.

    Attributes:
        workers: None: all of them.
    """

    order: Order
    workers: tuple[str, ...] | None = None
