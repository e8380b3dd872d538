"""What of the driver's connections is used, with types; the driver's own have few.

What belongs here: two Protocols, and how to write to an open connection. What does not: making a
connection (`blocking`, `asynchronous`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol, cast

import hiredis
from redis._parsers.hiredis import NOT_ENOUGH_DATA

UNFINISHED: Final[object] = NOT_ENOUGH_DATA


class Wire(Protocol):
    """A connection of `redis.connection`."""

    socket_timeout: float | None

    @property
    def is_connected(self) -> bool:
        """Whether it is open, as far as this side knows."""
        ...

    def connect(self) -> None:
        """Open it, let the server know who we are."""
        ...

    def disconnect(self) -> None:
        """Close it."""
        ...

    def can_read(self, timeout: float = 0) -> bool:
        """Whether something came in, or the other side has closed it."""
        ...

    def send_command(self, *args: bytes | str | int, check_health: bool = True) -> None:
        """Send a command; open the connection if need be."""
        ...

    def send_packed_command(self, command: Iterable[bytes], check_health: bool = True) -> None:
        """Send commands that are packed."""
        ...

    def read_response(self, disable_decoding: bool = False, *, timeout: float = ...) -> Any:
        """The next reply."""
        ...


class AsyncWire(Protocol):
    """A connection of `redis.asyncio.connection`."""

    socket_timeout: float | None

    async def connect(self) -> None:
        """As `Wire.connect`."""
        ...

    async def disconnect(self, nowait: bool = False) -> None:
        """As `Wire.disconnect`."""
        ...

    async def send_command(self, *args: bytes | str | int, check_health: bool = True) -> None:
        """As `Wire.send_command`."""
        ...

    async def send_packed_command(
        self, command: Iterable[bytes], check_health: bool = True
    ) -> None:
        """As `Wire.send_packed_command`."""
        ...

    async def read_response(
        self, disable_decoding: bool = False, timeout: float | None = None
    ) -> Any:
        """As `Wire.read_response`."""
        ...


def writer(made: AsyncWire) -> asyncio.StreamWriter | None:
    """Where an open connection is written to; None: it is closed.

    The driver's own way closes the connection under all who share it when one of them is cancelled
    while it writes, and cannot give up what it has not written yet.
    """
    return cast("asyncio.StreamWriter | None", cast("Any", made)._writer)  # noqa: SLF001


_pack: Final = cast(
    "Callable[[tuple[bytes | str | int, ...]], bytes]", cast("Any", hiredis).pack_command
)


def packed(commands: Iterable[tuple[bytes | str | int, ...]]) -> bytes:
    """Commands as they go out, one behind the other.

    The driver's own way looks at each argument in Python, on a loop it packs there too: a tenth of
    what an enqueue costs.
    """
    return b"".join([_pack(one) for one in commands])


class Parser(Protocol):
    """`hiredis.Reader`, as the driver sets it up."""

    def feed(self, data: bytes) -> None:
        """More bytes have come in."""
        ...

    def gets(self, decode: bool) -> Any:
        """The next reply, `UNFINISHED` until all of it is there; an error reply is an exception."""
        ...


def replies(made: AsyncWire) -> Parser:
    """What an open connection's replies are read by, with the driver's own errors for errors."""
    return cast("Parser", cast("Any", made)._parser._reader)  # noqa: SLF001


def abort(made: AsyncWire) -> None:
    """It is closed at once, whatever there still was to be written."""
    out = writer(made)
    if out is not None:
        out.transport.abort()
