"""Requests and replies as whole frames, out of the bytes that carry them (RESP2 and RESP3).

What belongs here: where a frame ends, and what it is called. What does not: what it says.
"""

from __future__ import annotations

from collections.abc import Iterator

_LINES = b"+-:_,#("
_TEXTS = b"$!="
_GROUPS = {b"*": 1, b"~": 1, b">": 1, b"%": 2}
# Messages of RESP2 come as arrays; so does the answer to SUBSCRIBE, once for each channel.
_PUSHED = {"MESSAGE", "PMESSAGE", "SMESSAGE", "INVALIDATE"}
_SUBSCRIBING = {prefix + word for prefix in ("", "P", "S") for word in ("SUBSCRIBE", "UNSUBSCRIBE")}


class Opaque(ValueError):
    """These bytes are not RESP (TLS, perhaps)."""


class Splitter:
    """Cuts one direction of one connection into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that are whole now. After `Opaque`, `rest()` has what was not yet given."""
        self._buffer += data
        while (end := _end(self._buffer, 0)) is not None:
            frame = bytes(self._buffer[:end])
            del self._buffer[:end]
            yield frame

    def rest(self) -> bytes:
        """What is not a whole frame."""
        found = bytes(self._buffer)
        self._buffer.clear()
        return found


def name(frame: bytes) -> str:
    """The command of a request, the first word of a group: `"EVALSHA"`."""
    if frame[:1] in _GROUPS:  # *2 $3 GET ...
        _, _, word, *_rest = [*frame.split(b"\r\n", 3), b"", b""]
    else:
        word, *_rest = [*frame.split(maxsplit=1), b""]
    return word.decode(errors="replace").upper()


def is_answered(request: bytes) -> bool:
    """Whether exactly one frame comes back that is a reply."""
    return name(request) not in _SUBSCRIBING


def is_pushed(frame: bytes) -> bool:
    """Whether it is no reply to a request."""
    if frame[:1] == b">":
        return True
    return frame[:1] == b"*" and name(frame) in _PUSHED | _SUBSCRIBING


def _end(buffer: bytearray, at: int) -> int | None:
    """Where the frame that begins here ends; None if that is still to come."""
    if at >= len(buffer):
        return None
    mark = bytes(buffer[at : at + 1])
    known = mark in _GROUPS or mark in _LINES + _TEXTS + b"|"
    if not known and not mark.isalpha():
        raise Opaque(f"A frame cannot begin with {mark!r}.")
    line = buffer.find(b"\r\n", at)
    if line < 0:
        return None
    after = line + 2
    if mark in _LINES or not known:
        return after
    count = int(buffer[at + 1 : line])
    if mark in _TEXTS:
        end = after + count + 2 if count >= 0 else after
        return end if end <= len(buffer) else None
    # An attribute (|) stands before the reply that it belongs to.
    parts = 2 * count + 1 if mark == b"|" else _GROUPS[mark] * count
    for _ in range(parts):
        next_one = _end(buffer, after)
        if next_one is None:
            return None
        after = next_one
    return after
