"""What workers say to a Redis server, and how they live through its end."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from boundary.jobs import Jobs
from devservers.single import Server
from tests.processes.conftest import Floor
from tests.waiting import PATIENCE, eventually

pytestmark = pytest.mark.long

MOST = 6
"""Commands an idle worker sends in a second."""


class Monitor:
    """What clients send, as MONITOR tells it; what scripts do in the server is left out."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(b"MONITOR\r\n")
        self.socket.settimeout(0.2)
        self.heard = b""

    def commands(self, seconds: float) -> list[str]:
        """The names of the commands of so many seconds."""
        end = time.monotonic() + seconds
        self.heard = b""
        while time.monotonic() < end:
            try:
                self.heard += self.socket.recv(1 << 20)
            except TimeoutError:
                continue
        lines = self.heard.decode(errors="replace").splitlines()
        said = [line for line in lines if '] "' in line and " lua]" not in line]
        return [line.split('] "', 1)[1].split('"', 1)[0].upper() for line in said]


@contextmanager
def monitor(port: int) -> Iterator[Monitor]:
    made = Monitor(port)
    try:
        yield made
    finally:
        made.socket.close()


def test_an_idle_worker_sends_few_commands(redis_floor: Floor, server: Server) -> None:
    """At most six a second, at the defaults: it is woken, it does not poll."""
    redis_floor.environ["BOUNDARY_JOBS_WORKERS_LEASE"] = "30000"  # the default
    worker = redis_floor.worker()
    eventually("the worker is there", redis_floor.jobs.workers)
    idle = redis_floor.jobs.enqueue("on_loop", {"seconds": 0.0})
    redis_floor.jobs.result(idle.id, timeout=PATIENCE)
    with monitor(server.port) as ears:
        said = ears.commands(5.0)
    assert "BZPOPMIN" in said
    assert len(said) <= MOST * 5, said
    worker.terminate()
    assert worker.wait(PATIENCE) == 0


def test_a_cycle_of_a_hundred_jobs_is_one_round_trip(server: Server) -> None:
    """Outcomes go out with the next claim: one EVALSHA for a hundred jobs or more."""
    server.call("FLUSHALL")
    with Jobs(server.url()) as jobs:

        @jobs.handler
        async def nothing(number: int) -> None: ...

        jobs.enqueue_many(nothing.job(number=number) for number in range(10_000))
        with monitor(server.port) as ears:
            jobs.worker(concurrency=100).run_until_empty()
            said = ears.commands(0.5)
        assert jobs.stats().total_succeeded == 10_000
    # A few of them are the first claims, before a pace is known, and the last.
    assert said.count("EVALSHA") <= 10_000 / 100 + 20


def test_jobs_outlive_a_server_that_is_killed(tmp_path: Path) -> None:
    """G3, everysec: what was acknowledged before the last second is there; workers come back."""
    with Server("appendonly yes", "appendfsync always") as server:
        floor = Floor(tmp_path, server.url())
        try:
            worker = floor.worker("--concurrency", "2")
            jobs = [floor.jobs.enqueue("on_loop", {"seconds": 0.2}) for _ in range(12)]
            eventually("some are done", lambda: floor.jobs.stats().total_succeeded >= 2)
            server.kill()
            time.sleep(0.5)
            server.restart()
            eventually("all are completed", lambda: _succeeded(floor) == len(jobs))
            worker.terminate()
            assert worker.wait(PATIENCE) == 0, floor.log()
            assert all(_status(floor, str(job.id)) == "completed" for job in jobs)
        finally:
            floor.close()


def test_a_worker_told_to_be_quiet_while_the_server_is_away_waits_for_it(tmp_path: Path) -> None:
    with Server() as server:
        server.kill()
        floor = Floor(tmp_path, server.url())
        try:
            worker = floor.worker()
            eventually("it waits", lambda: "waiting for the store" in floor.log())
            worker.send_signal(signal.SIGTSTP)
            eventually("it was told", lambda: "claiming no more jobs" in floor.log())
            server.restart()
            eventually(
                "it is quiet", lambda: [one.status for one in floor.jobs.workers()] == ["quiet"]
            )
            worker.terminate()
            assert worker.wait(PATIENCE) == 0, floor.log()
        finally:
            floor.close()


def _succeeded(floor: Floor) -> int:
    return floor.jobs.stats().total_succeeded


def _status(floor: Floor, job: str) -> str | None:
    found = floor.jobs.find(job)
    return None if found is None else found.status


def test_a_claim_whose_answer_is_lost_leaves_nothing_behind(tmp_path: Path) -> None:
    """A worker whose server does not answer for a while goes on as its heir; all jobs run once."""
    with Server() as server:
        floor = Floor(tmp_path, server.url())
        try:
            floor.environ["BOUNDARY_JOBS_WORKERS_LEASE"] = "20000"
            worker = floor.worker("--concurrency", "4")
            count = 0
            for _ in range(3):
                count += 200
                floor.jobs.enqueue_many(
                    floor.jobs.draft("on_loop", {"seconds": 0.01}, {}) for _ in range(200)
                )
                time.sleep(0.2)
                server.pause()
                time.sleep(2.6)
                server.resume()
                time.sleep(0.5)
            eventually("all are completed", lambda: _succeeded(floor) == count)
            worker.terminate()
            assert worker.wait(PATIENCE) == 0, floor.log()
            assert floor.jobs.stats().total_failed == 0
        finally:
            floor.close()
