"""Values of classes that are made of a plain one: a template's safe text, a NumPy float, a Pendulum instant.

What belongs here: the plain value in one of them. What does not: all that is no plain value below
(`wire` says what becomes of it).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any


def plain_base(value: object) -> Any:
    """The value as the plain type its class is made of; None: it is made of none.

    By the plain type's own method, not by what the class has put in its place.

    Raises:
        TypeError: The class holds something in the place of it that is no such value.
        ValueError: The same.
    """
    for base in type(value).__mro__:
        if (plain := _PLAIN.get(base)) is not None:
            return plain(base, value)
    return None


def _instant(base: Any, value: Any) -> Any:
    day = value.year, value.month, value.day
    clock = value.hour, value.minute, value.second, value.microsecond
    return base(*day, *clock, value.tzinfo, fold=value.fold)


def _time(base: Any, value: Any) -> Any:
    clock = value.hour, value.minute, value.second, value.microsecond
    return base(*clock, value.tzinfo, fold=value.fold)


# The base is handed in: what freezes the time in tests puts other classes under these names.
_PLAIN: dict[type, Callable[[Any, Any], Any]] = {
    str: lambda _, value: str.__str__(value),
    int: lambda _, value: int.__index__(value),
    float: lambda _, value: float.__float__(value),
    bytes: lambda _, value: bytes.__bytes__(value),
    datetime: _instant,
    date: lambda base, value: base(value.year, value.month, value.day),
    time: _time,
    timedelta: lambda base, value: base.__pos__(value),
    Decimal: lambda base, value: base(value),
}
