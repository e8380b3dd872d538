"""What a worker and its cells say to each other: MessagePack in frames, over a socket pair.

What belongs here: the words, and cutting a stream into them. What does not: what follows from a
word. Nothing that is said can be executed, and whatever a cell says is checked: its handler may
be broken, or may mean ill.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from boundary.jobs.core.wire import Record

HEAD = 4
"""Bytes of a frame's length."""

ROOM = 1 << 20
"""Bytes a frame may have beside a result."""

SHORT = 16_384
"""Characters of a message, a trace or a line for the log that are said."""

UNHEARD = 75
"""Exit code of a cell that cannot speak to its worker any more."""


class Boot(Struct, frozen=True, tag_field="word", tag="boot"):
    """The first word: import these modules, be heard from this log level on."""

    modules: tuple[str, ...]
    level: int


class Begin(Struct, frozen=True, tag_field="word", tag="begin"):
    """Run this job with the function `name` of `module`.

    Attributes:
        number: Tells this run's words from those of earlier ones.
        memory: Most bytes of memory the process may have, or None.
        most: Most bytes of a result.
    """

    number: int
    module: str
    name: str
    job_type: str
    record: Record
    most: int
    memory: int | None = None


class Stop(Struct, frozen=True, tag_field="word", tag="stop"):
    """The run should end."""

    number: int


ToCell: TypeAlias = Boot | Begin | Stop


class Ready(Struct, frozen=True, tag_field="word", tag="ready"):
    """The modules are imported; what went wrong with which, as text."""

    troubles: tuple[tuple[str, str], ...] = ()


class Begun(Struct, frozen=True, tag_field="word", tag="begun"):
    """The handler is about to be called."""

    number: int


class Progressed(Struct, frozen=True, tag_field="word", tag="progress"):
    """As `Context.progress`."""

    number: int
    fraction: float
    message: str | None


class Extended(Struct, frozen=True, tag_field="word", tag="extend"):
    """As `Context.extend`."""

    number: int
    seconds: float


class Said(Struct, frozen=True, tag_field="word", tag="log"):
    """A line for the log."""

    logger: str
    level: int
    text: str
    labels: dict[str, str | int]


class Returned(Struct, frozen=True, tag_field="word", tag="returned"):
    """The handler's result, a JSON value.

    Attributes:
        spoiled: The process is not as it was (its streams are closed …): take another.
    """

    number: int
    result: Any
    spoiled: bool = False


class Failed(Struct, frozen=True, tag_field="word", tag="failed"):
    """The handler raised, or answered with a failure."""

    number: int
    message: str
    type: str
    stacktrace: str | None
    spoiled: bool = False


class Steered(Struct, frozen=True, tag_field="word", tag="steered"):
    """The handler raised `Retry`, `Snooze`, `Cancel` or `Discard`."""

    number: int
    how: Literal["retry", "snooze", "cancel", "discard"]
    wait: float | None = None
    reason: str = ""
    spoiled: bool = False


End: TypeAlias = Returned | Failed | Steered
OfRun: TypeAlias = Begun | Progressed | Extended | Returned | Failed | Steered
FromCell: TypeAlias = Ready | Said | OfRun

_encode = msgspec.msgpack.Encoder().encode
_to_cell: msgspec.msgpack.Decoder[ToCell] = msgspec.msgpack.Decoder(ToCell)
_from_cell: msgspec.msgpack.Decoder[FromCell] = msgspec.msgpack.Decoder(FromCell)


class Gibberish(Exception):
    """What came is none of the words."""


def short(text: str, most: int = SHORT) -> str:
    """The text's beginning, in a form that can be said; messages of others may hold anything."""
    return text[:most].encode(errors="backslashreplace").decode()


def frame(word: ToCell | FromCell) -> bytes:
    """The word as it goes over the wire."""
    body = _encode(word)
    return len(body).to_bytes(HEAD, "big") + body


class Frames:
    """Cuts what arrives, in pieces of any size, into bodies of frames."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The bodies that are complete now.

        Raises:
            Gibberish: One says it is longer than `most`.
        """
        self._pending += data
        while len(self._pending) >= HEAD:
            end = HEAD + int.from_bytes(self._pending[:HEAD], "big")
            if self._most is not None and end > self._most:
                raise Gibberish(f"a frame of {end:,} bytes")
            if len(self._pending) < end:
                return
            body = bytes(self._pending[HEAD:end])
            del self._pending[:end]
            yield body


def for_cell(body: bytes) -> ToCell:
    """What a worker said."""
    return _to_cell.decode(body)


def for_worker(body: bytes) -> FromCell:
    """What a cell said.

    Raises:
        Gibberish: It is none of the words.
    """
    try:
        return _from_cell.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Gibberish(str(error)) from error
