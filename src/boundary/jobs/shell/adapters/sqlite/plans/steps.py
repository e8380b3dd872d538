"""What a plan is made of: steps the driver takes in one transaction.

What belongs here: the two kinds of step, and records made of rows. What does not: any plan.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any, TypeAlias, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from boundary.jobs.core.wire import Record

R = TypeVar("R")


class Ask(Struct, frozen=True, gc=False):
    """Run a statement once; answered with its rows."""

    sql: str
    values: Sequence[Any] = ()


class Do(Struct, frozen=True, gc=False):
    """Run a statement for each row of values; answered with how many rows it changed."""

    sql: str
    rows: Sequence[Sequence[Any]]


Row: TypeAlias = tuple[Any, ...]
Plan: TypeAlias = Generator[Ask | Do, Any, R]

LOWEST, HIGHEST = -(2**63), 2**63 - 1
"""No `seq` is outside of these, both included, and no instant."""


def records(rows: Iterable[Row]) -> tuple[Record, ...]:
    """The records of these rows."""
    return tuple([record(row) for row in rows])


def record(row: Row) -> Record:
    """The record of a row of `COLUMNS`."""
    record = Record(*row)
    # SQLite has no booleans.
    return replace(record, cancelling=bool(record.cancelling), parked=bool(record.parked))
