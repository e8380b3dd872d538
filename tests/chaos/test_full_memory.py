"""A Redis that has no memory left, while real clients and workers go on."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from devservers.single import Server
from tests.chaos.card import hand_in, scale
from tests.chaos.traffic import Traffic
from tests.processes.conftest import Floor
from tests.waiting import eventually

ROOM = 300_000
"""Bytes beyond those in use while all are connected and at work."""
WEIGHT = 5_000
KEPT_MS = "200"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server("maxmemory-policy noeviction") as made:
        yield made


@pytest.fixture
def floor(tmp_path: Path, server: Server) -> Iterator[Floor]:
    made = Floor(tmp_path, server.url()).short_lease()
    made.environ["BOUNDARY_JOBS_RETENTION_FINISHED"] = KEPT_MS
    made.jobs.stats()
    yield made
    made.close()


def used(server: Server) -> int:
    lines = str(server.call("INFO", "memory")).splitlines()
    return int(next(line for line in lines if line.startswith("used_memory:")).split(":")[1])


def refused(traffic: Traffic) -> int:
    return traffic.errors()["store_full"]


def accepted(traffic: Traffic) -> int:
    return sum(one.known is True for one in traffic.asked())


def leave(traffic: Traffic, number: signal.Signals) -> None:
    """No worker is left; killed ones do not give back what they held."""
    for worker in traffic.workers:
        with traffic.harm("kill" if number is signal.SIGKILL else "sigterm", str(worker.pid)):
            worker.send_signal(number)
            worker.wait(15)
    traffic.workers.clear()


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_a_full_server_refuses_jobs_drains_and_takes_them_again(
    floor: Floor, server: Server
) -> None:
    """Jobs fill what is left of the memory; workers who come then make room for more."""
    traffic = Traffic(floor)
    for _ in range(2):
        traffic.produce(0.005, WEIGHT)
        traffic.work()
    traffic.running()
    most = max(used(server) for _ in range(200))
    server.call("CONFIG", "SET", "maxmemory", most + ROOM)
    leave(traffic, signal.SIGTERM)
    recoveries: list[float] = []
    for number in range(scale(2, 60)):
        before = refused(traffic)
        eventually("jobs are refused", lambda before=before: refused(traffic) > before + 3, 30)
        stored = accepted(traffic)
        relief = time.monotonic()
        with traffic.harm("memory full"):
            for _ in range(2):
                traffic.work()
            eventually(
                f"jobs are taken again\n{floor.log()}",
                lambda stored=stored: accepted(traffic) > stored,
                patience=30,
            )
        recoveries.append(time.monotonic() - relief)
        traffic.goes_on(10)
        leave(traffic, signal.SIGKILL if number % 2 else signal.SIGTERM)
    traffic.work()
    traffic.drain()
    total = floor.jobs.stats().total_succeeded
    assert total == sum(one.known is not False for one in traffic.asked())
    note = f"{refused(traffic)} enqueues refused; finished jobs made room for new ones"
    card = traffic.card("G1", "memory full under load", "Redis", note=note, pruned=True)
    hand_in(msgspec.structs.replace(card, worst_recovery=round(max(recoveries), 2)))
