"""What of the driver's connections is used, with types; the driver's own have few.

What belongs here: two Protocols, and how to write to an open connection. What does not: making a
connection (`blocking`, `asynchronous`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Protocol, cast


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

    def pack_command(self, *args: bytes | str | int) -> list[bytes]:
        """A command as it goes out."""
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

    def pack_command(self, *args: bytes | str | int) -> list[bytes]:
        """As `Wire.pack_command`."""
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


def abort(made: AsyncWire) -> None:
    """It is closed at once, whatever there still was to be written."""
    out = writer(made)
    if out is not None:
        out.transport.abort()
