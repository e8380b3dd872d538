"""The connections of a proxy, and the network that they share.

What belongs here: what happens to a connection and its bytes. What does not: telling the network
what to be like (`proxy`), what the bytes mean (`frames`).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from devservers import frames

Direction = Literal["up", "down"]
# What happens at the k-th request: it never arrives, or its reply does not.
Fate = Literal["request", "reply"]
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST, not FIN


@dataclass
class Network:
    """What the network is like, and who is on it. Of the loop's thread only."""

    target: tuple[str, int]
    latency: float = 0.0
    holes: set[Direction] = field(default_factory=set[Direction])
    fate: Fate = "reply"
    countdown: int = 0
    dropped: int = 0
    requests: deque[str] = field(default_factory=lambda: deque(maxlen=10_000))
    pairs: set[Pair] = field(default_factory=set["Pair"])

    def met(self, request: bytes) -> Fate | None:
        """What is to happen to this request."""
        self.requests.append(frames.name(request))
        if self.countdown:
            self.countdown -= 1
            if not self.countdown:
                return self.fate
        return None


class Side(asyncio.Protocol):
    """One end of a connection, and the way to it."""

    def __init__(self, pair: Pair, heading: Direction) -> None:
        self.pair = pair
        self.heading: Direction = heading  # where what comes from here goes
        self.transport: asyncio.Transport | None = None
        self.splitter: frames.Splitter | None = frames.Splitter()
        self._way: deque[bytes | None] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.pair.connected(self)

    def data_received(self, data: bytes) -> None:
        self.pair.arrived(self, data)

    def eof_received(self) -> bool:
        self.pair.ended(self)
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self.transport = None
        self.pair.ended(self)

    def cut(self, data: bytes) -> list[bytes]:
        """Whole frames; the bytes as they are from where they are no frames."""
        if self.splitter is None:
            return [data]
        found: list[bytes] = []
        try:
            found.extend(self.splitter.feed(data))
        except ValueError:
            found.append(self.splitter.rest())
            self.splitter = None
        return found

    def send(self, data: bytes | None) -> None:
        """The data arrives here after the latency, in order; None is the end."""
        delay = self.pair.network.latency / 2
        self._way.append(data)
        if delay == 0 and len(self._way) == 1:
            self._deliver()
        else:
            asyncio.get_running_loop().call_later(delay, self._deliver)

    def _deliver(self) -> None:
        data = self._way.popleft()
        if self.transport is None or self.transport.is_closing():
            return
        if data is None:
            self.transport.close()
        else:
            self.transport.write(data)

    def reset(self) -> None:
        """It ends with RST."""
        if self.transport is not None:
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()


class Pair:
    """One connection: the client's side and the server's."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.client, self.server = Side(self, "up"), Side(self, "down")
        self.lossy = False
        self._owed = 0  # replies that the server owes
        self._fate: Fate | None = None
        self._before_doom = 0  # replies that pass before it
        self._task: asyncio.Task[None] | None = None

    def connected(self, side: Side) -> None:
        """This side is there."""
        assert side.transport is not None
        if side is self.client:
            self.network.pairs.add(self)
            side.transport.pause_reading()
            self._task = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: self.server, *self.network.target
            )
        except OSError:
            self.reset()
            return
        if self.client.transport is None:  # gone meanwhile
            self.reset()
        else:
            self.client.transport.resume_reading()

    def arrived(self, side: Side, data: bytes) -> None:
        """Bytes came from this side."""
        if side.heading in self.network.holes:
            self.lossy = True
            return
        for frame in side.cut(data):
            passes = self._up(frame) if side is self.client else self._down(frame)
            if not passes:
                return

    def ended(self, side: Side) -> None:
        """This side will say no more."""
        if side.heading in self.network.holes:
            self.lossy = True
            if self.client.transport is None and self.server.transport is None:
                self.network.pairs.discard(self)
            return
        self._other(side).send(None)
        if side.transport is not None:
            side.transport.close()
        elif self._other(side).transport is None:  # else the end is on its way to it
            self.network.pairs.discard(self)

    def reset(self) -> None:
        """It ends with RST."""
        self.client.reset()
        self.server.reset()
        self.network.pairs.discard(self)

    def _other(self, side: Side) -> Side:
        return self.server if side is self.client else self.client

    def _up(self, frame: bytes) -> bool:
        if self.client.splitter is not None:
            if self._fate is not None:
                return False
            self._fate = self.network.met(frame)
            if self._fate is not None:
                self._before_doom = self._owed
            if self._fate == "request":
                self._drop_if_due()
                return False
            self._owed += frames.is_answered(frame)
        self.server.send(frame)
        return True

    def _down(self, frame: bytes) -> bool:
        if self.server.splitter is None or frames.is_pushed(frame):
            self.client.send(frame)
            return True
        if self._fate == "reply" and self._drop_if_due():
            return False
        self.client.send(frame)
        self._owed -= 1
        self._before_doom -= 1
        return not (self._fate == "request" and self._drop_if_due())

    def _drop_if_due(self) -> bool:
        if self._before_doom > 0:
            return False
        self.network.dropped += 1
        self.reset()
        return True
