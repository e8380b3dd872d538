"""Enums whose values are neither all texts nor all whole numbers: floats, tuples, a mixture.

What belongs here: finding them in an annotation, and a member by its stored value. What does not: enums
msgspec reads by itself, and all other types (`signature`).
"""

from __future__ import annotations

from enum import Enum
from types import UnionType
from typing import Annotated, Any, Generic, Literal, TypeVar, Union, cast, get_args, get_origin

import msgspec

from boundary.jobs.core import wire
from boundary.jobs.errors import SerializationError

E = TypeVar("E")


class _Meant(type):
    """So that msgspec takes the member for what it was told to make."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Enum)


class ByValue(Generic[E], metaclass=_Meant):
    """Stands in an annotation for an enum that msgspec refuses; its hook is asked for a member."""


def by_value(annotation: Any) -> Any:
    """The annotation, with `ByValue` around such enums; the same one if it has none.

    Those in the fields of a class are not reached.
    """
    if _is_unread(annotation):
        return ByValue[annotation]
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is None or origin is Literal:
        return annotation
    if origin is Annotated:
        inner, *rest = parts
        made = (by_value(inner), *rest)
    else:
        made = tuple([by_value(one) for one in parts])
    if made == parts:
        return annotation
    return (Union if origin is UnionType else origin)[made]


def _is_unread(kind: Any) -> bool:
    """Whether it is an enum that msgspec refuses."""
    if not (isinstance(kind, type) and issubclass(kind, Enum)):
        return False
    kinds = {type(cast("object", one.value)) for one in kind}
    return not (kinds <= {int} or kinds <= {str})


def member(kind: type[Enum], value: Any) -> Enum:
    """The member of this stored value.

    Raises:
        ValueError: There is none.
    """
    for one in kind:
        try:
            stored = wire.encode(wire.json_value(one.value, "value"))
        except SerializationError:  # what cannot be stored was not
            continue
        if msgspec.msgpack.decode(stored) == value:
            return one
    return kind(value)


def refused_by_msgspec(kind: Any) -> str | None:
    """Why msgspec converts nothing to the type because of an enum in it; None: it does."""
    try:
        msgspec.convert(None, kind, strict=True, str_keys=True, dec_hook=lambda _, value: value)
    except TypeError as error:
        return str(error) if "Enum" in str(error) or _has_ours(kind) else None
    except Exception:  # noqa: BLE001 - whatever looking at somebody's types raises; `convert` says it
        return None
    return None


def _has_ours(annotation: Any) -> bool:
    return get_origin(annotation) is ByValue or any(map(_has_ours, get_args(annotation)))
