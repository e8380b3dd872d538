"""A running job is cancelled from another process, within a second."""

from __future__ import annotations

import statistics
import subprocess

import pytest

from boundary.jobs import Job
from tests.processes.conftest import Floor
from tests.waiting import PATIENCE, Pressure, eventually

ASKS = """
import sys, time
from boundary.jobs import Jobs
with Jobs(sys.argv[1]) as jobs:
    print(time.time(), jobs.cancel(sys.argv[2]).status, flush=True)
"""

LONGEST = 1.0


def cancel_elsewhere(floor: Floor, job: Job) -> float:
    """The seconds from when another process began to ask for it until it was cancelled.

    The workers' heartbeats are minutes apart, so it is told of it.
    """
    pressure = Pressure()
    asking = floor.python("-c", ASKS, floor.url, str(job.id))
    said, _ = asking.communicate(timeout=PATIENCE)
    pressure.note()
    at, status = said.decode().split()
    assert status in {"running", "cancelled"}  # it may have stopped already

    def ended() -> float:
        found = floor.jobs.find(job.id)
        assert found is not None
        if found.status != "cancelled" or found.completed_at is None:
            return 0.0
        return found.completed_at.timestamp()

    until: float = eventually("it is cancelled", ended)
    pressure.note()
    return pressure.took(float(at), until)


@pytest.mark.parametrize("name", ["waits_on_loop", "waits_in_thread", "waits_isolated"])
def test_a_running_job_hears_of_its_cancel_within_a_second(floor: Floor, name: str) -> None:
    """From a process of its own; on the loop, in a thread, and in a process of its own."""
    worker = floor.python("-m", "boundary.jobs", "worker", "tests.processes.cancelled")
    took: list[float] = []
    for count in range(1, 6):
        job = floor.jobs.enqueue(name, {})
        eventually(
            "it runs",
            lambda count=count: sum(line.phase == "start" for line in floor.lines()) >= count,
        )
        took.append(cancel_elsewhere(floor, job))
    print(f"{floor.url.partition(':')[0]} {name}: median {statistics.median(took):.3f} s", took)
    # The asking process opens the store first, and the machine may be busy with others.
    assert statistics.median(took) < LONGEST, took
    assert max(took) < 2 * LONGEST, took
    stop(worker)


@pytest.mark.parametrize("name", ["spins_isolated", "holds_isolated"])
def test_an_isolated_job_that_hears_nothing_is_ended_after_its_grace(
    floor: Floor, name: str
) -> None:
    """SIGTERM at once, for it has no way to hear; SIGKILL half a second later."""
    worker = floor.python("-m", "boundary.jobs", "worker", "tests.processes.cancelled")
    job = floor.jobs.enqueue(name, {})
    eventually("it runs", floor.lines)
    took = cancel_elsewhere(floor, job)
    print(f"{floor.url.partition(':')[0]} {name}: {took:.3f} s")
    assert took < 2 * LONGEST
    stop(worker)


def stop(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    assert worker.wait(PATIENCE) == 0
