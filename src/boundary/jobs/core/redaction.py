"""What looks like a secret, hidden before anybody is shown it.

What belongs here: the rule by which a name gives a secret away, and values with what it names
hidden. What does not: who is shown what (the doors for people call this).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, cast

from boundary.jobs.core.nesting import NESTING_LIMIT

if TYPE_CHECKING:
    from boundary.jobs.core.values import JSON

HIDDEN: Final = "[redacted]"
"""What stands for a hidden value."""

TOO_DEEP: Final = "[too deep]"
"""What stands for a list or mapping in more others than anybody is shown."""

_PARTS: Final = (
    "password", "passwd", "passphrase", "secret", "apikey", "accesskey", "privatekey", "signingkey",
    "authorization", "credential", "cookie", "sessionid", "cardnumber", "cvv",
)  # fmt: skip
_LAST: Final = ("token", "pwd")
"""Words that give a secret away at the end of a name; `tokens_used` and `token_count` are none."""

# Read in one pass, whatever comes: what leads up to a name or to `://` is not matched, for it would be
# read again from each of its characters. A worker redacts what a handler raised while its jobs wait.
_WORDS: Final = r"(?:passw(?:or)?d|passphrase|secret|api_?-?key|access_?-?key|private_?-?key|credential|token|pwd)"
_ASSIGNED: Final = re.compile(
    rf"""(?ix) ({_WORDS}) (["']? \s* [=:] \s*) (?: \[redacted\] | "[^"]*" | '[^']*' | [^\s,;&)}}\]]+ )"""
)
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic) [A-Za-z0-9+/._~=-]{16,}")
_URL: Final = re.compile(r"(://[^\s:/@]*:)[^\s/@]+@")


def is_secret(name: str) -> bool:
    """Whether a value of this name is not shown: ``password``, ``api_key``, ``refreshToken``."""
    plain = "".join(letter for letter in name.lower() if letter.isalnum())
    return plain.endswith(_LAST) or any(part in plain for part in _PARTS)


_NAME: Final = re.compile(rb"[A-Za-z0-9_.-]+")


def names_a_secret(data: bytes) -> bool:
    """Whether the name of a secret may be among bytes that cannot be read any better."""
    return any(is_secret(word.decode()) for word in _NAME.findall(data))


def named(members: dict[str, JSON]) -> list[tuple[str, JSON]]:
    """What a mapping holds, by names that are texts: another program may store other ones."""
    return [(name if type(name) is str else str(name), each) for name, each in members.items()]


def redacted(value: JSON, levels: int = NESTING_LIMIT + 1) -> JSON:
    """The value, with `HIDDEN` for whatever a mapping in it holds under the name of a secret.

    Args:
        levels: What stands in more lists and mappings than that is `TOO_DEEP`; a mapping of values
            that are stored has none.
    """
    if isinstance(value, dict | list | tuple) and not levels:
        return TOO_DEEP
    if isinstance(value, dict):
        return {
            name: HIDDEN if is_secret(name) and each is not None else redacted(each, levels - 1)
            for name, each in named(cast("dict[str, JSON]", value))
        }
    if isinstance(value, list | tuple):
        return [redacted(each, levels - 1) for each in cast("list[JSON]", value)]
    return value


SHORTEST: Final = 4
"""Characters of a value from which on it is looked for in texts: shorter ones are in any text."""


def secrets_in(value: JSON) -> frozenset[str]:
    """The texts (of some length) that a mapping in the value holds under the name of a secret.

    However deep: what another program stored may be nested without a limit.
    """
    found: set[str] = set()
    ahead: list[tuple[JSON, bool]] = [(value, False)]
    while ahead:
        one, hidden = ahead.pop()
        if isinstance(one, dict):
            members = named(cast("dict[str, JSON]", one))
            ahead += [(each, hidden or is_secret(name)) for name, each in members]
        elif isinstance(one, list | tuple):
            ahead += [(each, hidden) for each in cast("list[JSON]", one)]
        elif hidden and one is not None and not isinstance(one, bool):
            found.add(str(one))
    return frozenset(text for text in found if len(text) >= SHORTEST)


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


def restored(value: JSON, before: JSON, levels: int = NESTING_LIMIT + 1) -> JSON:
    """The value, with what stood in `before` for each `HIDDEN` or `TOO_DEEP` at the same place.

    So that what was shown redacted can be edited and handed back.

    Args:
        levels: As `redacted` had it; what is deeper stays as it is.
    """
    if not levels:
        left_out = value == TOO_DEEP and isinstance(before, dict | list)
        return cast("JSON", before if left_out else value)
    if isinstance(value, dict) and isinstance(before, dict):
        old = dict(named(cast("dict[str, JSON]", before)))
        return {
            name: old[name]
            if each == HIDDEN and name in old and is_secret(name)
            else restored(each, old.get(name), levels - 1)
            for name, each in cast("dict[str, JSON]", value).items()
        }
    if isinstance(value, list) and isinstance(before, list):
        olds = cast("list[JSON]", before)
        return [
            restored(each, olds[place] if place < len(olds) else None, levels - 1)
            for place, each in enumerate(cast("list[JSON]", value))
        ]
    return cast("JSON", value)
