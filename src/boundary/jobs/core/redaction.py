"""What looks like a secret, hidden before anybody is shown it.

What belongs here: the rule by which a name gives a secret away, and values with what it names
hidden. What does not: who is shown what (the doors for people call this).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from boundary.jobs.core.records import JSON

HIDDEN: Final = "[redacted]"
"""What stands for a hidden value."""

_PARTS: Final = (
    "password", "passwd", "passphrase", "secret", "apikey", "accesskey", "privatekey", "signingkey",
    "authorization", "credential", "cookie", "sessionid", "cardnumber", "cvv",
)  # fmt: skip
_LAST: Final = ("token", "pwd")
"""Words that give a secret away at the end of a name; `tokens_used` and `token_count` are none."""

_WORDS: Final = r"[\w.-]*(?:passw(?:or)?d|passphrase|secret|api_?-?key|access_?-?key|private_?-?key|credential|token|pwd)"
_ASSIGNED: Final = re.compile(
    rf"""(?ix) \b ({_WORDS}) (["']? \s* [=:] \s*) (?: \[redacted\] | "[^"]*" | '[^']*' | [^\s,;&)}}\]]+ )"""
)
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic) [A-Za-z0-9+/._~=-]{16,}")
_URL: Final = re.compile(r"(\w[\w+.-]*://[^\s:/@]*:)[^\s/@]+@")


def is_secret(name: str) -> bool:
    """Whether a value of this name is not shown: ``password``, ``api_key``, ``refreshToken``."""
    plain = "".join(letter for letter in name.lower() if letter.isalnum())
    return plain.endswith(_LAST) or any(part in plain for part in _PARTS)


def redacted(value: JSON) -> JSON:
    """The value, with `HIDDEN` for whatever a mapping in it holds under the name of a secret."""
    if isinstance(value, dict):
        members = cast("dict[str, JSON]", value)
        return {
            name: HIDDEN if is_secret(name) and each is not None else redacted(each)
            for name, each in members.items()
        }
    if isinstance(value, list | tuple):
        return [redacted(each) for each in cast("list[JSON]", value)]
    return value


SHORTEST: Final = 4
"""Characters of a value from which on it is looked for in texts: shorter ones are in any text."""


def secrets_in(value: JSON) -> frozenset[str]:
    """The texts (of some length) that a mapping in the value holds under the name of a secret."""
    if isinstance(value, dict):
        found: set[str] = set()
        for name, each in cast("dict[str, JSON]", value).items():
            found |= _texts(each) if is_secret(name) else secrets_in(each)
        return frozenset(found)
    if isinstance(value, list | tuple):
        return frozenset[str]().union(*map(secrets_in, cast("list[JSON]", value)))
    return frozenset[str]()


def _texts(value: JSON) -> frozenset[str]:
    if isinstance(value, dict):
        return _texts(list(cast("dict[str, JSON]", value).values()))
    if isinstance(value, list | tuple):
        return frozenset[str]().union(*map(_texts, cast("list[JSON]", value)))
    if value is None or isinstance(value, bool):
        return frozenset[str]()
    text = str(value)
    return frozenset({text}) if len(text) >= SHORTEST else frozenset()


def redacted_text(text: str, secrets: frozenset[str] = frozenset()) -> str:
    """The text, with `HIDDEN` for what is assigned to the name of a secret or follows ``Bearer``.

    Args:
        secrets: Values that are hidden wherever they occur, from `secrets_in` what the text is about.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = _ASSIGNED.sub(rf"\1\2{HIDDEN}", text)
    text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    return _URL.sub(rf"\1{HIDDEN}@", text)


def restored(value: JSON, before: JSON) -> JSON:
    """The value, with what stood in `before` for each `HIDDEN` at the same place.

    So that what was shown redacted can be edited and handed back.
    """
    if isinstance(value, dict) and isinstance(before, dict):
        old = cast("dict[str, JSON]", before)
        return {
            name: old[name]
            if each == HIDDEN and name in old and is_secret(name)
            else restored(each, old.get(name))
            for name, each in cast("dict[str, JSON]", value).items()
        }
    if isinstance(value, list) and isinstance(before, list):
        olds = cast("list[JSON]", before)
        return [
            restored(each, olds[place] if place < len(olds) else None)
            for place, each in enumerate(cast("list[JSON]", value))
        ]
    return cast("JSON", value)
