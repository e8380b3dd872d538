"""What both drivers need to know of a store, and the bytes of a call.

What belongs here: settings of a store, commands as they go out. What does not: sending them.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from boundary.jobs.ports import Clock
from boundary.jobs.shell.adapters.redis import keys
from boundary.jobs.shell.adapters.redis.address import Address
from boundary.jobs.shell.adapters.redis.plans.calls import Call
from boundary.jobs.shell.adapters.redis.records import FORMAT
from boundary.jobs.shell.adapters.redis.scripts import script

Command: TypeAlias = tuple[bytes | str | int, ...]


class Terms(Struct, frozen=True, kw_only=True):
    """How a store is used.

    Attributes:
        timeout: Seconds any call may take.
        replicas: How many replicas must have an enqueue before it counts; 0: the server alone.
        max_total, max_idle, min_idle: Connections of one process to one server: at most, kept
            while nobody uses them, and kept however long nobody does.
        clock: A test's; None: the server's own.
    """

    address: Address
    namespace: str = "jobs"
    partitions: int = 1
    timeout: float = 2.0
    replicas: int = 0
    max_total: int = 20
    max_idle: int = 10
    min_idle: int = 2
    clock: Clock | None = None

    def key(self, partition: int, name: str) -> str:
        """The name of a key."""
        return keys.prefix(self.namespace, partition) + name

    def command(self, call: Call) -> Command:
        """The call as the server takes it."""
        clock = self.clock
        now = b"" if clock is None else str(clock.now()).encode()
        keys: Command = (1, self.key(call.partition, "job"))
        if self.address.kind == "cluster":
            # While a slot moves, a call that names a key which is not there is put off. So no
            # script runs where half of its keys have left.
            keys = (2, keys[1], self.key(call.partition, "nothing"))
        return (b"EVALSHA", script(call.script).sha, *keys, now, *call.args)

    def opening(self, partition: int) -> Command:
        """Whether the partition is ours to use."""
        return self.command(Call("open", (FORMAT, self.partitions), partition))

    def waiting(self, seconds: float) -> Command:
        """Wait for the replicas, after an enqueue."""
        return (b"WAIT", self.replicas, max(int(seconds * 1000), 1))


ENQUEUES = frozenset({"enqueue", "admit"})
"""The scripts of which a caller is told that a job is stored."""
