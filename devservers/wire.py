"""Commands to a server, without the client library that the tests are about.

What belongs here: one connection, one command, one reply (RESP2). What does not: anything quick or
clever.
"""

from __future__ import annotations

import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Address = Path | tuple[str, int]


class Refused(RuntimeError):
    """The server answered with an error."""


class Wire:
    """A connection to a server's port or unix socket."""

    def __init__(self, address: Address, timeout: float = 5.0) -> None:
        if isinstance(address, Path):
            self._socket = socket.socket(socket.AF_UNIX)
        else:
            self._socket = socket.socket()
        try:
            self._socket.settimeout(timeout)
            self._socket.connect(str(address) if isinstance(address, Path) else address)
        except OSError:
            self._socket.close()
            raise
        self._replies = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._replies.close()
        self._socket.close()

    def call(self, *words: str | int | bytes) -> Any:
        """The reply: text, a number, None, or a list of these. Keys of any bytes survive."""
        coded = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        frames = [b"$%d\r\n%b\r\n" % (len(word), word) for word in coded]
        self._socket.sendall(b"*%d\r\n" % len(frames) + b"".join(frames))
        return self._reply()

    def _reply(self) -> Any:
        line = self._replies.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("The server closed the connection instead of an answer.")
        mark, rest = line[:1], line[1:-2].decode()
        if mark == b"-":
            raise Refused(rest)
        if mark == b"+":
            return rest
        if mark == b":":
            return int(rest)
        if rest == "-1":
            return None
        if mark == b"$":
            return self._replies.read(int(rest) + 2)[:-2].decode(errors="surrogateescape")
        return [self._reply() for _ in range(int(rest))]


def call(address: Address, *words: str | int | bytes, timeout: float = 5.0) -> Any:
    """One command on a connection of its own."""
    with Wire(address, timeout) as wire:
        return wire.call(*words)
