"""What an operation is.

What belongs here: the type all of them share, and how much one may carry. What does not: any of
them; each is in the file of its topic.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from msgspec import Struct

R_co = TypeVar("R_co", covariant=True)

BATCH = 250
"""Most jobs one operation carries: a script that has written cannot be stopped half-way."""


class Operation(Struct, Generic[R_co], frozen=True):
    """A question to a store, answered with `R_co`."""
