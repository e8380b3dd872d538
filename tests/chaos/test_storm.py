"""A Redis that takes few connections, all of them taken by others, and all of ours cut."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest
from redis import Redis

from devservers.single import Server
from tests.chaos.card import hand_in, scale, seed
from tests.chaos.traffic import CANCELS, Traffic
from tests.chaos.witness import PATIENCE
from tests.processes.conftest import Floor
from tests.waiting import eventually

pytestmark = pytest.mark.long

ROOM = 40
"""Connections the server takes: twice what workers and producers need."""
STORM = 60


class Gate:
    """A server of few connections, and one that its operator has kept from the beginning."""

    def __init__(self, server: Server, folder: Path, stack: ExitStack) -> None:
        self.server = server
        self.operator = Redis(unix_socket_path=str(server.socket), single_connection_client=True)
        stack.callback(self.operator.close)
        self.floor = Floor(folder, server.url()).short_lease()
        stack.callback(self.floor.close)
        self.traffic = Traffic(self.floor, cancels=CANCELS)
        self.refused = 0

    def wave(self) -> int:
        """Every connection is cut but the operator's; how many that were."""
        return sum(
            int(self.operator.execute_command("CLIENT", "KILL", "TYPE", kind))
            for kind in ("normal", "pubsub")
        )

    def turned_away(self) -> int:
        """Connections that the server has refused."""
        return int(self.operator.info("stats")["rejected_connections"])

    def errors(self) -> int:
        """How often producers were told of one."""
        return sum(self.traffic.errors().values())

    @contextmanager
    def storm(self) -> Generator[None, None, None]:
        """The server is full, over and over, of connections that nobody needs."""
        before = self.turned_away()
        words = (self.server.host, str(self.server.port), str(STORM))
        raging = self.floor.python("-m", "tests.chaos.storm", *words)
        eventually("it is full", lambda: self.turned_away() > before + STORM, PATIENCE)
        yield
        raging.terminate()
        self.refused += _last(raging).get("refused", 0)


def _last(storm: subprocess.Popen[bytes]) -> dict[str, int]:
    """What it counted, now that it is over."""
    said, _ = storm.communicate(timeout=PATIENCE)
    assert storm.returncode == 0
    counted: dict[str, int] = json.loads(said.splitlines()[-1])
    return counted


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    with Server(f"maxclients {ROOM}") as server, ExitStack() as stack:
        yield Gate(server, tmp_path, stack)


@pytest.mark.timeout(7_200)
def test_a_storm_of_connections_keeps_nobody_out_for_good(gate: Gate) -> None:
    """G2: ours are cut while others wait for their places; then all are cut, without a storm.

    A producer is told of each enqueue that it is stored, or in an error of ours that it is not or
    may be; any other error would end it. The lease is 2 s: workers come back by themselves, some
    after it has ended.
    """
    chance, traffic = random.Random(seed()), gate.traffic
    for _ in range(2):
        traffic.work()
        traffic.produce()
    traffic.running()
    cut, recoveries = 0, list[float]()
    for _ in range(scale(4, 200)):
        told, end = gate.errors(), time.monotonic() + chance.uniform(0.0, 3.0)
        with traffic.harm("connection storm"), gate.storm():

            def is_out(told: int = told, end: float = end) -> bool:
                nonlocal cut
                cut += gate.wave()
                time.sleep(chance.uniform(0.05, 0.3))
                return gate.errors() > told and time.monotonic() > end

            eventually("ours are kept out", is_out, PATIENCE)
        recoveries.append(_all_go_on(traffic))
        with traffic.harm("all connections cut"):
            for _ in range(chance.randint(1, 5)):
                cut += gate.wave()
                time.sleep(chance.uniform(0.0, 0.2))
        recoveries.append(_all_go_on(traffic))
    refused = gate.turned_away()
    traffic.drain()
    assert refused > gate.refused, "some of those that were refused were ours"
    note = (
        f"{cut} connections cut, {refused} refused, {refused - gate.refused} of them ours; "
        f"producers were told {dict(traffic.errors())}"
    )
    card = traffic.card("G2", "connection storms, few places", "Redis", note=note)
    hand_in(msgspec.structs.replace(card, worst_recovery=round(max(recoveries), 2)))


def _all_go_on(traffic: Traffic) -> float:
    """Every worker has begun a job since, and a producer's was stored; seconds until then."""
    began = time.monotonic()
    stored = sum(one.known is True for one in traffic.asked())
    for worker in traffic.workers:
        traffic.goes_on(PATIENCE, worker.pid)
    eventually(
        "enqueues go on",
        lambda: sum(one.known is True for one in traffic.asked()) > stored,
        PATIENCE,
    )
    return time.monotonic() - began
