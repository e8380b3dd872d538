"""What a caller is told whose answer a store holds in a form that nobody can read.

What belongs here: the errors that say so, and the one they become. What does not: records of jobs
that cannot be read, which are set aside one by one (`core.wire`).
"""

from __future__ import annotations

import struct
from typing import Any, Final

import msgspec

from boundary.jobs.core.operations import Operation
from boundary.jobs.errors import StoreFormatError

UNREADABLE: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    msgspec.MsgspecError,
    struct.error,
)
"""What reading raises when there is no number, no text or no list where one should be."""


def unreadable(where: str, operation: Operation[Any], error: Exception) -> StoreFormatError:
    """Something in the store is not as this library writes it; the operation changed nothing."""
    name = type(operation).__name__
    found = StoreFormatError(
        f"{where} holds something that {name} cannot read ({type(error).__name__}: "
        f"{str(error)[:200]}). Did another program, or a hand, write there? boundary-jobs doctor "
        "looks at it, and --repair mends what stands beside the records"
    )
    found.__cause__ = error
    return found
