"""A value that is stored for its handler and shown to nobody.

What belongs here: the type, and what it looks like in a record. What does not: hiding (`redaction`
does it by the name in the record), and turning annotations into values (`signature`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

if TYPE_CHECKING:
    from boundary.jobs.core.values import JSON

T = TypeVar("T")

SEALED: Final = "$secret"
"""The one name in the mapping that stands for it; as every such name it hides what it holds."""


class Secret(Generic[T]):
    """A value that no dashboard, API, log, event or message shows; only its handler reads it.

    In a handler's signature, in a dataclass or in metadata, under any name. It is stored as it is:
    whoever reads the store reads it.

        @jobs.handler
        def charge(card: Secret[str]) -> None:
            bank.charge(card.reveal())

        charge.enqueue(card=Secret("4111 1111 1111 1111"))

    Args:
        value: What JSON can carry.
    """

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def reveal(self) -> T:
        """The value."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == cast("Secret[Any]", other)._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))


def sealed(secret: Secret[Any]) -> dict[str, Any]:
    """What stands for it in a record."""
    return {SEALED: secret.reveal()}


def resealed(args: dict[str, JSON], before: dict[str, JSON]) -> dict[str, JSON]:
    """Other arguments, in which those that were secrets still are: who edits them sees no type."""
    return {
        name: {SEALED: value} if _is_sealed(before.get(name)) and not _is_sealed(value) else value
        for name, value in args.items()
    }


def _is_sealed(value: JSON) -> bool:
    return isinstance(value, dict) and cast("dict[str, JSON]", value).keys() == {SEALED}


def opened(value: JSON) -> JSON:
    """What a record holds of a secret; a plain value, as another language may give it, is one too."""
    return cast("dict[str, JSON]", value)[SEALED] if _is_sealed(value) else value
