"""Handlers in processes of their own, in real workers that are really stopped and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.isolation.test_cells import is_gone
from tests.processes.conftest import Floor
from tests.processes.test_processes import started
from tests.waiting import PATIENCE, Stopwatch, eventually


def worker(floor: Floor, *options: str, **environ: str) -> subprocess.Popen[bytes]:
    return floor.python(
        "-m", "boundary.jobs", "worker", "tests.processes.isolated", *options, **environ
    )


@pytest.mark.parametrize("name", ["naps", "holds_the_interpreter"])
def test_processes_end_with_a_worker_that_is_killed(floor: Floor, name: str) -> None:
    """Also while native code keeps them from hearing of it; the job runs again elsewhere."""
    job = floor.jobs.enqueue(name, {"seconds": 60.0} if name == "naps" else {})
    first = worker(floor.short_lease())
    started(floor)
    (line,) = floor.lines()
    assert line.pid != first.pid
    first.kill()
    first.wait()
    eventually("its process is gone", lambda: is_gone(line.pid))
    worker(floor)
    started(floor, 2)
    found = floor.jobs.find(job.id)
    assert found is not None
    assert found.crash_count == 1


def test_ctrl_c_is_for_the_worker(floor: Floor) -> None:
    """The terminal sends it to the whole group; running jobs end as they would."""
    job = floor.jobs.enqueue("naps", {"seconds": 1.0})
    with (floor.folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "boundary.jobs", "worker", "tests.processes.isolated"],
            env=floor.environ,
            cwd=floor.folder,
            stderr=log,
            start_new_session=True,
        )
    try:
        started(floor)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE) == 0, floor.log()
    finally:
        process.kill()
    found = floor.jobs.find(job.id)
    assert found is not None
    assert (found.status, found.crash_count) == ("completed", 0)


def test_a_run_that_does_not_end_is_released_within_the_timeout(floor: Floor) -> None:
    """G9, as for threads: exit within the timeout and a second, nothing counted."""
    job = floor.jobs.enqueue("holds_the_interpreter", {})
    process = worker(floor, BOUNDARY_JOBS_WORKERS_SHUTDOWN_TIMEOUT="500")
    started(floor)
    (line,) = floor.lines()
    asked = Stopwatch()
    process.terminate()
    assert process.wait(PATIENCE) == 0, floor.log()
    assert asked.took() < 1.5
    assert is_gone(line.pid)
    assert floor.lines() == [line], "it claimed again what it had released"
    found = floor.jobs.find(job.id)
    assert found is not None
    assert (found.status, found.crash_count, found.retry_count) == ("pending", 0, 0)


def test_its_handler_may_enqueue(floor: Floor) -> None:
    job = floor.jobs.enqueue("chains", {})
    worker(floor)
    other = floor.jobs.result(job.id, timeout=PATIENCE)
    assert floor.jobs.result(other, timeout=PATIENCE) is None


def test_an_idle_worker_stops_at_once(floor: Floor) -> None:
    process = worker(floor)
    job = floor.jobs.enqueue("naps", {"seconds": 0.0})
    floor.jobs.result(job.id, timeout=PATIENCE)
    asked = Stopwatch()
    process.terminate()
    assert process.wait(PATIENCE) == 0, floor.log()
    assert asked.took() < 1.0
