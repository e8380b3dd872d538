"""Which queue gets how much of a worker: limits, weights, slots that follow the load."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from boundary.jobs import Jobs
from boundary.jobs.errors import UsageError
from tests.waiting import PATIENCE, eventually
from tests.worker.conftest import working


@pytest.fixture
def lease() -> int:
    return 30_000


@pytest.fixture(params=["memory", "sqlite", "redis"])
def jobs(request: pytest.FixtureRequest, tmp_path: Path, lease: int) -> Iterator[Jobs]:
    url = "memory://"
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/jobs.db"
    elif request.param == "redis":
        url = request.getfixturevalue("redis_url")
    # Nobody looks by himself within a test's patience: a worker that learns of work was told.
    workers = {"poll_interval": 600_000, "lease": lease}
    hearing = {"workers": workers, "scheduled_processor": {"interval": 600_000}}
    with Jobs(url, config=hearing) as made:
        yield made


def test_no_more_of_a_queue_at_once_than_it_may_have(jobs: Jobs) -> None:
    """And those beside it run meanwhile."""
    now, most = Counter[str](), Counter[str]()

    @jobs.handler(queue="reports")
    async def report() -> None:
        await part("reports")

    @jobs.handler(queue="mail")
    async def mail() -> None:
        await part("mail")

    async def part(queue: str) -> None:
        now[queue] += 1
        most[queue] = max(most[queue], now[queue])
        await asyncio.sleep(0.02)
        now[queue] -= 1

    jobs.enqueue_many(report.job() for _ in range(20))
    jobs.enqueue_many(mail.job() for _ in range(40))
    worker = jobs.worker(queues=["reports", "mail"], queue_concurrency={"reports": 2})
    worker.run_until_empty()
    assert jobs.stats().total_succeeded == 60
    assert most["reports"] == 2
    assert most["mail"] > 2


def test_a_full_queue_keeps_no_other_waiting(jobs: Jobs) -> None:
    """While its jobs wait for their turn, a job of another queue does not."""
    go_on = threading.Event()

    @jobs.handler(queue="reports")
    def report() -> None:
        go_on.wait(2 * PATIENCE)

    @jobs.handler
    async def quick() -> str:
        await asyncio.sleep(0)
        return "quick"

    first = [report.enqueue() for _ in range(6)]
    with working(jobs, queue_concurrency={"reports": 2}):
        eventually("two run", lambda: jobs.queue_stats("reports").running == 2)
        for _ in range(5):
            assert jobs.result(quick.enqueue().id, timeout=PATIENCE) == "quick"
        assert jobs.queue_stats("reports").running == 2
        go_on.set()
        for job in first:
            jobs.result(job.id, timeout=PATIENCE)


def test_another_worker_gets_what_this_one_may_not(jobs: Jobs) -> None:
    """A notice of a queue that is full here reaches one who has room for it."""
    go_on = threading.Event()

    @jobs.handler(queue="reports")
    def report() -> None:
        go_on.wait(PATIENCE)

    with working(jobs, queue_concurrency={"reports": 1}):
        report.enqueue()
        eventually("one runs", lambda: jobs.queue_stats("reports").running == 1)
        with working(jobs):
            eventually("both are there", lambda: len(jobs.workers()) == 2)
            report.enqueue()
            eventually("two run", lambda: jobs.queue_stats("reports").running == 2)
            go_on.set()


def test_the_configured_limits_are_in_force_unless_others_are_given(jobs: Jobs) -> None:
    configured = Jobs(
        "memory://", config={"workers": {"queue_concurrency": {"a": 2}, "concurrency": "auto:3-5"}}
    )
    setup = configured.worker().setup
    assert (setup.limits, setup.bounds, setup.concurrency) == ((("a", 2),), (3, 5), 5)
    setup = configured.worker(queue_concurrency={}, concurrency=7).setup
    assert (setup.limits, setup.bounds, setup.concurrency) == ((), None, 7)


@pytest.mark.parametrize("limits", [{"a": 0}, {"no queue": 1}])
def test_wrong_limits_are_refused(jobs: Jobs, limits: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="queue"):
        jobs.worker(queue_concurrency=limits)


@pytest.mark.parametrize("lease", [3_000])
def test_slots_follow_the_load(jobs: Jobs) -> None:
    """Up for jobs that wait; what its heartbeats say follows; down again when idle."""

    @jobs.handler
    async def naps() -> None:
        await asyncio.sleep(0.5)

    with working(jobs, concurrency="auto:2-64"):
        eventually("it is known", jobs.workers)
        assert jobs.workers()[0].concurrency == 10

        def many_run() -> bool:
            queue = jobs.queue_stats("default")
            if queue.size < 64:
                jobs.enqueue_many(naps.job() for _ in range(200))
            return queue.running >= 40 and jobs.workers()[0].concurrency >= 40

        eventually("many run, and it says so", many_run)
        jobs.purge("default")
        eventually("fewer again", lambda: jobs.workers()[0].concurrency < 40)


def test_slots_do_not_grow_for_jobs_that_compute(jobs: Jobs) -> None:
    lock, now, most = threading.Lock(), 0, 0

    @jobs.handler
    def spins(seconds: float) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass
        with lock:
            now -= 1

    jobs.enqueue_many(spins.job(seconds=0.02) for _ in range(150))
    with working(jobs, concurrency="auto:1-64"):
        eventually("all are done", lambda: jobs.stats().total_succeeded == 150, 60)
    # Ten to begin with; a step up at the start, before anything is measured, is forgiven.
    assert most <= 20
