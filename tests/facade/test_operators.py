"""What operators ask and do, over every store: why, attempts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest

from boundary.jobs import Jobs, RetryPolicy, Snooze, UsageError
from tests.worker.conftest import eventually, working

AT_ONCE = RetryPolicy("constant", 0.001, 0.001)


@pytest.fixture
def living(url: str) -> Iterator[Jobs]:
    """Jobs under a clock that runs, for workers."""
    with Jobs(url) as made:
        yield made


def test_why_on_both_doors(jobs: Jobs) -> None:
    job = jobs.enqueue("works", {})
    found = jobs.why(job.id)
    assert found is not None
    assert (found.reason, found.job_id, found.ahead) == ("no_worker", job.id, 0)
    assert jobs.why("01932c5e-7a3c-7b3e-9a6e-0d5ff2f0a001") is None


def test_why_awaited(jobs: Jobs) -> None:
    async def asking() -> None:
        async with jobs:
            job = await jobs.aio.enqueue("works", {}, delay=60)
            found = await jobs.aio.why(job.id)
            assert found is not None
            assert (found.reason, found.until) == ("due_later", job.execute_at)

    asyncio.run(asking())


def test_a_worker_says_which_types_it_knows(living: Jobs) -> None:
    jobs = living

    @jobs.handler
    def works() -> None:
        return None

    with working(jobs, queues=["default"]):
        (worker,) = eventually("a worker that said what it is", jobs.workers)
        assert worker.job_types == ("works",)


def test_each_run_is_told(living: Jobs) -> None:
    jobs, runs = living, list[int]()

    @jobs.handler(max_retries=1, retry=AT_ONCE)
    def at_last() -> str:
        runs.append(1)
        if len(runs) == 1:
            raise ValueError("not yet")
        if len(runs) == 2:
            raise Snooze(0.001)
        return "done"

    job = at_last.enqueue()
    with working(jobs):
        assert jobs.result(job.id, timeout=10) == "done"
    found = jobs.find(job.id)
    assert found is not None
    assert [(one.number, one.outcome) for one in found.attempts] == [
        (1, "fail"),
        (2, "snooze"),
        (2, "succeed"),
    ]
    first, _, last = found.attempts
    assert first.error is not None
    assert (first.error.message, last.error) == ("not yet", None)
    assert "raise ValueError" in (first.error.stacktrace or "")
    assert len({one.worker for one in found.attempts}) == 1
    assert last.ended_at == found.completed_at
    assert all(one.started_at and one.started_at <= one.ended_at for one in found.attempts)


def test_failures_with_one_cause_are_one_group(living: Jobs) -> None:
    @living.handler(max_retries=0)
    def breaks(number: int) -> None:
        raise ValueError(f"no {number}")

    @living.handler(max_retries=0)
    def falls() -> None:
        raise KeyError("k")

    jobs = living.enqueue_many(breaks.job(number=number) for number in range(5))
    falls.enqueue()
    living.worker().run_until_empty()
    groups = {one.job_type: one for one in living.failure_groups()}
    broken = groups["breaks"]
    assert (broken.count, broken.queues) == (5, ("default",))
    assert broken.error is not None
    assert broken.error.type == "ValueError"
    assert broken.sample is not None
    assert broken.sample.fingerprint == broken.fingerprint != groups["falls"].fingerprint
    assert broken.sample.id in {one.id for one in jobs}
    assert broken.first_seen <= broken.last_seen
    assert [one.count for one in living.failure_groups(job_type="falls")] == [1]
    assert living.failure_groups(since=broken.last_seen + timedelta(days=1)) == []
    with pytest.raises(UsageError, match="limit"):
        living.failure_groups(limit=201)
