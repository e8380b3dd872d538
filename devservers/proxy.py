"""A network between a client and a server that breaks when told to, at every point.

What belongs here: telling it to. What does not: what then happens to connections (`pairs`), and
speed: it holds what nobody reads in memory.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self, TypeVar

from devservers import ports
from devservers.pairs import Fate, Network, Pair

T = TypeVar("T")
_HOST = "127.0.0.1"


class Proxy:
    """Listens on `port` from `start()` (or `with`) to `close()`, and passes on to the target.

    Every method has taken effect when it returns.

    Args:
        target_port: where the server is.
        host: the server's address.
    """

    host = _HOST

    def __init__(self, target_port: int, host: str = _HOST) -> None:
        self.port = 0
        self._network = Network((host, target_port))
        self._listener: asyncio.Server | None = None
        self._unheard: socket.socket | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def requests(self) -> list[str]:
        """The commands that came, of all connections, since the start or the last `drop_...`."""
        return self._do(lambda: list(self._network.requests))

    @property
    def dropped(self) -> int:
        """How often a `drop_...` came true."""
        return self._do(lambda: self._network.dropped)

    @property
    def connections(self) -> int:
        """How many there are."""
        return self._do(lambda: len(self._network.pairs))

    def start(self) -> Self:
        """It listens."""
        self._thread.start()
        try:
            self._do(self._bind)
            self.refuse(False)
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """All connections are reset, the port and the thread are gone."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(5)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)
        if not self._loop.is_closed():
            self._loop.close()

    def cut(self) -> None:
        """Every connection is reset (RST) on both sides; new ones pass."""
        self._do(self._cut)

    def blackhole(self, direction: Literal["up", "down", "both"] = "both") -> None:
        """Bytes to the server ("up"), to the client ("down") or both vanish; so does an end.

        Connecting works as ever: nobody accepts at the other end of a black hole, but a kernel does.
        """
        self._do(
            lambda: self._network.holes.update(
                ("up", "down") if direction == "both" else (direction,)
            )
        )

    def latency(self, seconds: float) -> None:
        """A round trip takes so much longer, half of it each way."""
        self._do(lambda: setattr(self._network, "latency", seconds))

    def drop_request(self, k: int = 1) -> None:
        """The k-th request from now on does not arrive, its connection is reset; once.

        Every request of every connection counts, also what a client sends on connecting.
        """
        self._do(lambda: self._doom("request", k))

    def drop_reply(self, k: int = 1) -> None:
        """The k-th request from now on is carried out, its reply swallowed, its connection reset.

        Once. Replies to earlier requests of a pipeline pass, later requests do not arrive. Every
        request of every connection counts, also what a client sends on connecting.
        """
        self._do(lambda: self._doom("reply", k))

    def refuse(self, on: bool = True) -> None:
        """New connections are refused (ECONNREFUSED), or no longer; existing ones stay."""
        asyncio.run_coroutine_threadsafe(self._refuse(on), self._loop).result(5)

    def heal(self) -> None:
        """All is well. Connections that lost bytes in a black hole are reset: they are no use."""
        self._do(self._heal)
        self.refuse(False)

    def _do(self, what: Callable[[], T]) -> T:
        async def inside() -> T:
            await _settled()
            return what()

        return asyncio.run_coroutine_threadsafe(inside(), self._loop).result(5)

    def _bind(self) -> None:
        """The port is ours, and refuses: it is bound, and nobody listens."""
        self._unheard = socket.socket()
        self._unheard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        while True:
            port = self.port or ports.free()
            try:
                self._unheard.bind((self.host, port))
            except OSError:
                if self.port:
                    raise
                continue
            self.port = port
            return

    async def _refuse(self, on: bool) -> None:
        await _settled()
        if on and self._listener is not None:
            self._listener.close()
            self._listener = None
            await asyncio.sleep(0)  # the loop lets go of the socket
            self._bind()
        elif not on and self._unheard is not None:
            sock, self._unheard = self._unheard, None
            self._listener = await self._loop.create_server(
                lambda: Pair(self._network).client, sock=sock
            )

    def _cut(self) -> None:
        for pair in list(self._network.pairs):
            pair.reset()

    def _doom(self, fate: Fate, k: int) -> None:
        if k < 1:
            raise ValueError(f"k is {k}; the next request is 1.")
        self._network.fate, self._network.countdown = fate, k
        self._network.requests.clear()

    def _heal(self) -> None:
        self._network.latency, self._network.countdown = 0.0, 0
        self._network.holes.clear()
        for pair in [each for each in self._network.pairs if each.lossy]:
            pair.reset()

    async def _end(self) -> None:
        if self._listener is not None:
            self._listener.close()
        if self._unheard is not None:
            self._unheard.close()
        self._cut()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.01)  # transports close in the loop's next rounds


async def _settled() -> None:
    """Whoever connected before is accepted: the loop had a round for each step of that."""
    for _ in range(5):
        await asyncio.sleep(0)
