"""Real worker processes, really killed and stopped, on one SQLite file and on a Redis server."""

from __future__ import annotations

import signal
import time
from collections import Counter

import pytest

from boundary.jobs.shell.signals import ECHO
from tests.processes.conftest import Floor
from tests.waiting import PATIENCE, Stopwatch, eventually


def started(floor: Floor, count: int = 1) -> list[str]:
    """Ids of the jobs that have begun, once there are so many."""

    def look() -> list[str]:
        jobs = [line.job for line in floor.lines() if line.phase == "start"]
        return jobs if len(jobs) >= count else []

    found: list[str] = eventually(f"{count} jobs have begun", look)
    return found


def test_a_worker_stopped_past_its_lease_decides_nothing(floor: Floor) -> None:
    """G8: SIGSTOP and SIGCONT; one accepted outcome for each job, exact counters."""
    jobs = [floor.jobs.enqueue("on_loop", {"seconds": 1.5}) for _ in range(6)]
    first = floor.short_lease().worker("--concurrency", "6")
    started(floor, 6)
    floor.pause(first)
    floor.environ["BOUNDARY_JOBS_WORKERS_LEASE"] = "60000"
    second = floor.worker("--concurrency", "6")
    eventually(
        "the other worker has taken them over",
        lambda: floor.jobs.stats().total_succeeded == len(jobs),
    )
    first.send_signal(signal.SIGCONT)
    more = floor.jobs.enqueue("on_loop", {"seconds": 0.0})
    assert floor.jobs.result(more.id, timeout=PATIENCE) == 1
    for worker in (first, second):
        worker.terminate()
        assert worker.wait(PATIENCE) == 0, floor.log()
    counted = floor.jobs.stats()
    assert (counted.total_succeeded, counted.total_failed) == (len(jobs) + 1, 0)
    for job in jobs:
        found = floor.jobs.find(job.id)
        assert found is not None
        assert (found.status, found.crash_count, found.fencing_token) == ("completed", 1, 2)


PRODUCE = """
import sys
from tests.processes.tasks import jobs, on_loop
jobs.enqueue_many(on_loop.job(seconds=0.0) for _ in range(int(sys.argv[1])))
"""


def test_two_workers_and_a_producer_share_one_store(floor: Floor) -> None:
    """G6: 20,000 jobs, none twice, and neither worker starves."""
    count = 20_000
    staff = [floor.worker() for _ in range(2)]
    eventually("both are there", lambda: len(floor.jobs.workers()) == 2)
    producer = floor.python("-c", PRODUCE, str(count))
    assert producer.wait(PATIENCE) == 0, floor.log()
    eventually("all are completed", lambda: floor.jobs.stats().total_succeeded == count)
    for worker in staff:
        worker.terminate()
        assert worker.wait(PATIENCE) == 0
    starts = [line for line in floor.lines() if line.phase == "start"]
    assert len(starts) == len({line.job for line in starts}) == count
    shares = Counter(line.pid for line in starts)
    assert min(shares.values()) >= count * 0.1, shares


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_jobs_end_and_gives_back_the_rest(floor: Floor, number: int) -> None:
    """G9: exit code 0, nothing lost, nothing twice, no crash counted."""
    jobs = [floor.jobs.enqueue("in_thread", {"seconds": 0.4}) for _ in range(6)]
    worker = floor.worker("--concurrency", "2")
    running = started(floor, 2)
    worker.send_signal(number)
    assert worker.wait(PATIENCE) == 0, floor.log()
    found = {str(job.id): floor.jobs.find(job.id) for job in jobs}
    for id, job in found.items():
        assert job is not None
        assert job.status == ("completed" if id in running else "pending")
        assert (job.crash_count, job.worker) == (0, None)
    assert floor.jobs.workers() == []


def test_a_job_that_does_not_end_is_released_within_the_timeout(floor: Floor) -> None:
    """G9: exit within the timeout and a second; released at once, not after its lease."""
    job = floor.jobs.enqueue("stubborn", {})
    worker = floor.worker(BOUNDARY_JOBS_WORKERS_SHUTDOWN_TIMEOUT="500")
    started(floor)
    asked = Stopwatch()
    worker.terminate()
    assert worker.wait(PATIENCE) == 0, floor.log()
    assert asked.took() < 1.5
    assert len(floor.lines()) == 1, "it claimed again what it had released"
    found = floor.jobs.find(job.id)
    assert found is not None
    assert (found.status, found.crash_count, found.retry_count) == ("pending", 0, 0)


def test_a_second_signal_stops_at_once(floor: Floor) -> None:
    job = floor.jobs.enqueue("stubborn", {})
    worker = floor.worker()
    started(floor)
    worker.terminate()
    eventually("the first signal was heard", lambda: "once more stops at once" in floor.log())
    time.sleep(ECHO)
    asked = Stopwatch()
    worker.terminate()
    assert worker.wait(PATIENCE) == 0, floor.log()
    assert asked.took() < 1.5
    found = floor.jobs.find(job.id)
    assert found is not None
    assert found.status == "pending"


def test_a_signal_that_is_heard_twice_within_a_moment_is_one(floor: Floor) -> None:
    """As GNU timeout sends it, to the process and to its group."""
    job = floor.jobs.enqueue("tells_its_worker", {"times": 2})
    worker = floor.worker()
    assert worker.wait(PATIENCE) == 0, floor.log()
    found = floor.jobs.find(job.id)
    assert found is not None
    assert found.status == "completed"


@pytest.mark.parametrize("killer", ["quits", pytest.param("breaks", marks=pytest.mark.long)])
def test_a_job_that_kills_its_worker_is_dead_after_three(floor: Floor, killer: str) -> None:
    """G10: `os._exit` and a segmentation fault; its neighbours complete."""
    bad = floor.jobs.enqueue(killer, {})
    good = [floor.jobs.enqueue("on_loop", {"seconds": 0.01}) for _ in range(5)]
    crashes = 0
    floor.short_lease()
    while True:
        worker = floor.worker(BOUNDARY_JOBS_WORKERS_MAX_CRASHES="3")
        eventually(
            "the worker dies, or has nothing left to run",
            lambda process=worker: process.poll() is not None or floor.jobs.failed(),
        )
        if worker.poll() is None:
            break
        crashes += 1
    assert crashes == 3
    eventually("the neighbours", lambda: floor.jobs.stats().total_succeeded == len(good))
    (dead,) = floor.jobs.failed()
    assert dead.id == bad.id
    assert dead.error is not None
    assert (dead.error.type, dead.crash_count) == ("WorkerLost", 3)


ENQUEUE = """
from tests.processes.tasks import on_loop
while True:
    print(on_loop.enqueue(seconds=0.0).id, flush=True)
"""


def test_a_killed_client_loses_nothing_it_was_told_is_stored(floor: Floor) -> None:
    """G2: and the same ids again make no second job."""
    acknowledged: list[str] = []
    for number in range(10):
        client = floor.python("-c", ENQUEUE)
        assert client.stdout is not None
        for _ in range(5 + number):
            acknowledged += [client.stdout.readline().decode().strip()]
        client.kill()
        rest = client.stdout.read().decode().splitlines(keepends=True)
        acknowledged += [line.strip() for line in rest if line.endswith("\n")]
        client.wait()
    assert len(acknowledged) >= 95
    assert all(floor.jobs.find(id) is not None for id in acknowledged)
    before = floor.jobs.queue_stats("default").size
    for id in acknowledged[:20]:
        again = floor.jobs.enqueue("on_loop", {"seconds": 0.0}, job_id=id)
        assert str(again.id) == id
    assert floor.jobs.queue_stats("default").size == before
