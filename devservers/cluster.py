"""A cluster of masters and replicas, and slots that move between masters.

What belongs here: making a cluster of nodes, moving slots as an operator would, and a master's
death. What does not: the life of a node (`single`).
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Self

from devservers import binaries, ports, wire
from devservers.binaries import Binary
from devservers.single import Server
from devservers.waiting import until

SLOTS = 16_384


class Node(Server):
    """One server of a cluster."""

    def _listening(self, port: int) -> list[str]:
        return [f"port {port}", f"cluster-port {ports.free()}"]

    def _defaults(self) -> list[str]:
        return [
            *super()._defaults(),
            # As for replicas of a sentinel's master: the default waits 5 s for others to come.
            "repl-diskless-sync-delay 0",
            "cluster-enabled yes",
            "cluster-config-file nodes.conf",
            "cluster-node-timeout 2000",
        ]

    @property
    def id(self) -> str:
        """Its name in the cluster."""
        return str(self.call("CLUSTER", "MYID"))

    @property
    def is_master(self) -> bool:
        """Whether it is there, and holds itself for one."""
        if self.process.poll() is not None:
            return False
        return bool(wire.call(self.socket, "ROLE")[0] == "master")


class Cluster:
    """3 masters, without replicas unless asked for, from `start()` (or `with`) to `close()`.

    Args:
        config: lines of redis.conf for every node.
        binary: which server; the preferred one of this machine if none is named.
        size: how many masters.
        replicas: how many of each.
    """

    def __init__(
        self, *config: str, binary: Binary | None = None, size: int = 3, replicas: int = 0
    ) -> None:
        self.binary = binary or binaries.any_server()
        if self.binary.release < (7,):
            raise binaries.Missing(f"{self.binary} cannot be told its cluster-port; 7.0 can.")
        self.config = config
        self.size = size
        self.replicas = replicas
        self.servers: list[Node] = []
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
    def nodes(self) -> list[tuple[str, int]]:
        """Where the nodes are."""
        return [(each.host, each.port) for each in self.servers]

    @property
    def masters(self) -> list[Node]:
        """Those that live and hold themselves for masters."""
        return [each for each in self.servers if each.is_master]

    def start(self) -> Self:
        """All slots are served, every node knows by whom, and replicas follow."""
        try:
            for index in range(self.size):
                node = self._node(index + 1)
                first, last = SLOTS * index // self.size, SLOTS * (index + 1) // self.size - 1
                node.call("CLUSTER", "ADDSLOTSRANGE", first, last)
            followers = [self._node() for _ in range(self.size * self.replicas)]
            for node in self.servers[1:]:
                self._meet(self.servers[0], node)
            self._settled(15)
            for index, node in enumerate(followers):
                node.call("CLUSTER", "REPLICATE", self.servers[index % self.size].id)
            until(lambda: all(map(_follows, followers)), "replicas follow", 15)
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """All are gone, and their folders."""
        self._stack.close()

    def failover(self, slot: int, seconds: float = 20.0) -> Node:
        """The master of this slot is dead, and stays so until its `restart()`; who took its place."""
        old = self.owner(slot)
        old.kill()
        until(lambda: self._owned(slot) not in {None, old}, "a replica is promoted", seconds)
        self._settled(seconds)
        return self.owner(slot)

    def rejoin(self, node: Node, seconds: float = 20.0) -> None:
        """A dead master is back, as a replica of whoever took its place."""
        node.restart()
        until(lambda: _follows(node), "it follows", seconds)

    def slot_of(self, key: str) -> int:
        """The slot of a key."""
        slot: int = wire.call(self._living[0].socket, "CLUSTER", "KEYSLOT", key)
        return slot

    def owner(self, slot: int) -> Node:
        """The node that serves a slot."""
        if found := self._owned(slot):
            return found
        raise LookupError(f"Nobody serves slot {slot}.")

    def _owned(self, slot: int) -> Node | None:
        """Whom all living nodes hold for its owner; None if they do not agree."""
        said = {self._said(each, slot) for each in self._living}
        if len(said) != 1:
            return None
        (port,) = said
        return next((each for each in self.servers if each.port == port), None)

    def _said(self, node: Node, slot: int) -> int | None:
        for first, last, (_, port, *_rest), *_replicas in self._slots(node):
            if first <= slot <= last:
                return int(port)
        return None

    def move_slot(self, slot: int, target: Node) -> None:
        """The slot and its keys are the target's, and all nodes know: MOVED from then on."""
        with self.migrating(slot, target):
            pass

    @contextmanager
    def migrating(self, slot: int, target: Node) -> Generator[Node, None, None]:
        """The slot is on its way: its owner answers ASK for keys it has not. Moved at the end."""
        source = self.owner(slot)
        if source is target:
            raise ValueError(f"Slot {slot} is already served by {target.port}.")
        target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)
        yield source
        self.move_keys(slot, source, target)
        # The target first: were it last, for a moment nobody would own the slot.
        others = [each for each in self.masters if each not in {source, target}]
        for node in (target, source, *others):
            node.call("CLUSTER", "SETSLOT", slot, "NODE", target.id)
        until(lambda: self._owned(slot) is target, f"slot {slot} is served by its target", 10)

    def move_keys(self, slot: int, source: Node, target: Node) -> None:
        """The slot's keys are in the target; the slot itself is not touched."""
        where = (target.host, target.port, "", 0, 5_000)
        while keys := wire.call(source.socket, "CLUSTER", "GETKEYSINSLOT", slot, 100):
            raw = [key.encode(errors="surrogateescape") for key in keys]
            source.call("MIGRATE", *where, "KEYS", *raw)

    def _node(self, epoch: int = 0) -> Node:
        node = self._stack.enter_context(Node(*self.config, binary=self.binary))
        self.servers.append(node)
        if epoch:
            node.call("CLUSTER", "SET-CONFIG-EPOCH", epoch)
        return node

    def _settled(self, seconds: float) -> None:
        until(lambda: all(map(self._whole, self._living)), "cluster_state:ok on all nodes", seconds)

    @property
    def _living(self) -> list[Node]:
        return [each for each in self.servers if each.process.poll() is None]

    def _meet(self, first: Node, other: Node) -> None:
        bus = wire.call(other.socket, "CONFIG", "GET", "cluster-port")[1]
        first.call("CLUSTER", "MEET", other.host, other.port, bus)

    def _slots(self, node: Node) -> list[Any]:
        found: list[Any] = wire.call(node.socket, "CLUSTER", "SLOTS")
        return found

    def _whole(self, node: Node) -> bool:
        state = str(node.call("CLUSTER", "INFO"))
        known = f"cluster_known_nodes:{len(self.servers)}\r"
        covered = sum(last - first + 1 for first, last, *_ in self._slots(node))
        return "cluster_state:ok" in state and known in state and covered == SLOTS


def _follows(node: Node) -> bool:
    said = wire.call(node.socket, "ROLE")
    return bool(said[0] == "slave" and said[3] == "connected")
