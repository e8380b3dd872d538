"""Whether a job mentions what somebody looks for.

What belongs here: the rule, once for every store, and the bytes by which a store can tell at once that a
job does not. What does not: the other conditions of a search (`operations.Search`), and how a store
goes through its jobs.

A text is found where it occurs in a text: a name or value, however deep, of arguments, metadata and result,
or an error's type, message or stack trace. A number is found by its value too (``20`` finds 20 and 20.0, not
2,024), and ``true``, ``false`` and ``null`` find what they stand for. What is hidden from whoever looks
(`redaction`) is not found either: else a search would say, letter by letter, what it is.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Final, cast

from msgspec import Struct, msgpack

from boundary.jobs.core import trails, wire
from boundary.jobs.core.redaction import (
    is_secret,
    named,
    names_a_secret,
    redacted_text,
    secrets_in,
)
from boundary.jobs.core.trails import Trail
from boundary.jobs.core.wire import Payload, Record
from boundary.jobs.errors import RecordError

_NUMBER: Final = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?")
_WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
_SMALLEST, _BEYOND = -(2**63), 2**64
"""Integers MessagePack can carry: from the first to below the second."""


class Sought(Struct, frozen=True):
    """A text somebody looks for.

    Attributes:
        needles: A record in whose payload and trail none of these occurs does not mention it; one in
            which one does may not either.
        number: What it is the number of; None: of none.
    """

    text: str
    needles: tuple[bytes, ...]
    number: int | float | None = None


@lru_cache(maxsize=64)
def sought(text: str) -> Sought:
    """What to look for. Lone surrogates, which no stored text has, are looked for in vain."""
    literal = text.encode(errors="surrogatepass")
    if text in _WORDS:
        return Sought(text, (literal, msgpack.encode(_WORDS[text])))
    number = _number(text)
    if number is None:
        return Sought(text, (literal,))
    return Sought(text, (literal, *_forms(number)), number)


def _number(text: str) -> int | float | None:
    if not _NUMBER.fullmatch(text):
        return None
    if text.lstrip("-").isdigit():
        return int(text)
    number = float(text)
    return number if math.isfinite(number) else None


def _forms(number: float) -> list[bytes]:
    """The bytes in which a number of this value may be stored."""
    forms: list[bytes] = []
    if number == math.floor(number) and _SMALLEST <= number < _BEYOND:
        forms.append(msgpack.encode(math.floor(number)))
    if abs(number) < _BEYOND or isinstance(number, float):
        forms.append(msgpack.encode(float(number)))
    return forms


def mentions(record: Record, text: str) -> bool:
    """Whether the job's arguments, metadata, result or errors hold what this text stands for.

    Of a record that cannot be read it is asked whether the text occurs in its bytes, unless these may
    hold a secret.
    """
    what = sought(text)
    if not any(one in record.payload or one in record.trail for one in what.needles):
        return False
    try:
        payload, trail = wire.decode_payload(record.payload), trails.decode_trail(record.trail)
    except RecordError:
        parts = (record.payload, record.trail)
        return any(what.needles[0] in one for one in parts) and not any(map(names_a_secret, parts))
    result = () if trail.result is None else (trail.result,)
    values = (payload.args, payload.metadata or {}, result)
    return any(_holds(one, what) for one in values) or _tells(payload, trail, what)


def _holds(value: object, what: Sought) -> bool:
    ahead = [value]
    while ahead:
        one = ahead.pop()
        if isinstance(one, dict):
            members = named(cast("dict[str, object]", one))
            if any(what.text in name for name, _ in members):
                return True
            ahead += [each for name, each in members if not is_secret(name)]
        elif isinstance(one, list | tuple):
            ahead += cast("list[object]", one)
        elif _is(one, what):
            return True
    return False


def _is(value: object, what: Sought) -> bool:
    """Whether a value that holds no others is what somebody looks for."""
    if isinstance(value, str):
        return what.text in value
    if value is None or isinstance(value, bool):
        return what.text in _WORDS and _WORDS[what.text] is value
    return what.number is not None and value == what.number


def _tells(payload: Payload, trail: Trail, what: Sought) -> bool:
    """Whether an error, or the reason somebody gave, has the text in it."""
    errors = [row[2:] for row in trail.errors]
    if trail.error is not None:
        errors.append(trail.error)
    told = [part for error in errors for part in error if part is not None]
    if trail.reason is not None:
        told.append(trail.reason)
    found = [one for one in told if what.text in one]
    secrets = secrets_in([payload.args, payload.metadata]) if found else frozenset[str]()
    return any(what.text in redacted_text(one, secrets) for one in found)
