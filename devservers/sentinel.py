"""A master, its replicas, and the sentinels that watch them.

What belongs here: starting them quickly, and changing the master. What does not: the life of each
(`single`).
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from devservers import binaries, wire
from devservers.binaries import Binary
from devservers.single import Server
from devservers.waiting import until

# Their defaults are 10 s and 1 s. Not quicker than this: a replica is fit to be promoted if it was seen
# in the last three info-periods, or in the last five ping-periods once the master is down, and from then
# on it is looked at once a second. Not slower: whoever misses a ping or two is held for dead.
_QUICK = {"info-period": 500, "ping-period": 250, "ask-period": 100}
# Quick only until they know each other. A sentinel that has heard of no promotion for four such
# periods makes the promoted a replica again, and whoever promoted it looks once a second.
_GREETING, _QUICK_MS, _USUAL_MS = "publish-period", 100, 500


class Sentinel(Server):
    """The same binary, watching instead of storing."""

    def _defaults(self) -> list[str]:
        return []

    def _command(self) -> list[str | Path]:
        return [*super()._command(), "--sentinel"]


class Sentinels:
    """1 master, 2 replicas and 3 sentinels (quorum 2), from `start()` (or `with`) to `close()`.

    Args:
        config: lines of redis.conf for the master and the replicas.
        binary: which server; the preferred one of this machine if none is named.
        down_after_ms: how long a master is silent before it is held for dead.
        failover_timeout_ms: after twice this a failed failover is tried again.
    """

    master_name = "mymaster"

    def __init__(
        self,
        *config: str,
        binary: Binary | None = None,
        down_after_ms: int = 1_000,
        failover_timeout_ms: int = 3_000,
    ) -> None:
        self.binary = binary or binaries.any_server()
        self.config = config
        self.down_after_ms = down_after_ms
        self.failover_timeout_ms = failover_timeout_ms
        self.servers: list[Server] = []
        self.watchers: list[Sentinel] = []
        self._stack = ExitStack()

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
    def sentinels(self) -> list[tuple[str, int]]:
        """Where the sentinels are."""
        return [(each.host, each.port) for each in self.watchers]

    @property
    def master(self) -> Server:
        """The master that all living sentinels agree on."""
        until(lambda: len(self._said()) == 1, "the sentinels agree on a master", 10)
        (where, _), *_others = self._said()
        return next(each for each in self.servers if (each.host, each.port) == where)

    @property
    def replicas(self) -> list[Server]:
        """The others."""
        master = self.master
        return [each for each in self.servers if each is not master]

    def start(self) -> Self:
        """Every sentinel knows the master, both replicas and both other sentinels."""
        try:
            master = self._server()
            for _ in range(2):
                self._server(f"replicaof {master.host} {master.port}")
            for each in self.servers[1:]:
                _follows(each, master, 10)
            for _ in range(3):
                self._watch(master)
            until(lambda: all(map(self._complete, self.watchers)), "sentinels know all", 10)
            for sentinel in self.watchers:
                _tune(sentinel, {_GREETING: _USUAL_MS})
        except BaseException:
            self.close()
            raise
        return self

    def failover(self, *, kill: bool = False, seconds: float = 20.0) -> tuple[str, int]:
        """Another server is the master, every living sentinel is done with it; where it is.

        By SENTINEL FAILOVER: then the old master takes writes for some 2 s more, as in earnest, until
        a sentinel makes it a replica. Or by its death: then it stays dead until its `restart()`.
        """
        old = self.master
        if kill:
            old.kill()

        def changed() -> bool:
            (found, state), *others = self._said()
            if others or state != "master":
                return False
            if found[1] == old.port and not kill:  # nothing is under way, or it was given up
                words = ("SENTINEL", "FAILOVER", self.master_name)
                wire.call(self.watchers[0].socket, *words)
            return found[1] != old.port

        until(changed, "the sentinels agree on a new master", seconds)
        new = self.master
        for each in self.replicas:
            if each is not old and each.process.poll() is None:
                _follows(each, new, seconds)
        return new.host, new.port

    def close(self) -> None:
        """All are gone, and their folders."""
        self._stack.close()

    def _server(self, *config: str) -> Server:
        # Without the delay a first synchronisation waits 5 s for other replicas to share it.
        quick = ("repl-diskless-sync-delay 0", "repl-ping-replica-period 1")
        server = Server(*quick, *self.config, *config, binary=self.binary)
        self._stack.enter_context(server)
        self.servers.append(server)
        return server

    def _watch(self, master: Server) -> None:
        name = self.master_name
        sentinel = Sentinel(
            f"sentinel monitor {name} {master.host} {master.port} 2",
            f"sentinel down-after-milliseconds {name} {self.down_after_ms}",
            f"sentinel failover-timeout {name} {self.failover_timeout_ms}",
            f"sentinel parallel-syncs {name} 2",
            binary=self.binary,
        )
        self._stack.enter_context(sentinel)
        self.watchers.append(sentinel)
        _tune(sentinel, {**_QUICK, _GREETING: _QUICK_MS})

    def _complete(self, sentinel: Sentinel) -> bool:
        seen = self._seen(sentinel)
        known = seen["num-slaves"], seen["num-other-sentinels"], seen["flags"]
        return known == ("2", "2", "master")

    def _seen(self, sentinel: Sentinel) -> dict[str, str]:
        said = wire.call(sentinel.socket, "SENTINEL", "MASTER", self.master_name)
        return dict(zip(said[::2], said[1::2], strict=True))

    def _said(self) -> set[tuple[tuple[str, int], str]]:
        """Where the living sentinels hold the master to be, and in what state."""
        living = [each for each in self.watchers if each.process.poll() is None]
        found = map(self._seen, living)
        return {((seen["ip"], int(seen["port"])), seen["flags"]) for seen in found}


def _follows(replica: Server, master: Server, seconds: float) -> None:
    linked = ["slave", master.host, master.port, "connected"]
    until(
        lambda: bool(wire.call(replica.socket, "ROLE")[:4] == linked), "a replica follows", seconds
    )


def _tune(sentinel: Sentinel, periods: dict[str, int]) -> None:
    sentinel.call("SENTINEL", "DEBUG", *(word for pair in periods.items() for word in pair))
