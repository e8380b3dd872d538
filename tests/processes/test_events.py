"""Events of worker processes, followed from another process."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.processes.conftest import Floor
from tests.waiting import PATIENCE, Stopwatch, eventually


def test_another_process_is_followed(floor: Floor) -> None:
    floor.worker("--concurrency", "2")
    eventually("the worker is there", floor.jobs.workers)
    with floor.jobs.events(timeout=PATIENCE) as following:
        job = floor.jobs.enqueue("on_loop", {"seconds": 0.05})
        seen = [next(following) for _ in range(3)]
        # Each process tells of its own: a quick worker may be heard before who enqueued.
        started, succeeded = (one for one in seen if one.type != "enqueued")
        assert (started.type, succeeded.type) == ("started", "succeeded")
        assert {one.type for one in seen} == {"enqueued", "started", "succeeded"}
        assert {one.job_id for one in seen} == {job.id}
        (worker,) = floor.jobs.workers()
        assert started.worker == succeeded.worker == worker.id
        assert succeeded.duration is not None
        assert succeeded.duration.total_seconds() >= 0.05


def test_a_worker_whose_slots_are_all_taken_learns_within_a_second(floor: Floor) -> None:
    """It asks the store for nothing, and its next heartbeat is far away."""
    floor.worker("--concurrency", "1")
    job = floor.jobs.enqueue("tells", {"seconds": 600})
    eventually("it runs", floor.lines)
    began = Stopwatch()
    with floor.jobs.events({"progress"}, job_id=job.id, timeout=PATIENCE) as following:
        event = next(following)
        assert began.took() < 1.5
        assert event.progress is not None
        assert abs((datetime.now(UTC) - event.at).total_seconds()) < PATIENCE


def test_a_lost_workers_jobs_are_told(floor: Floor) -> None:
    floor.short_lease().environ["BOUNDARY_JOBS_WORKERS_MAX_CRASHES"] = "1"
    floor.worker("--concurrency", "1")
    eventually("the worker is there", floor.jobs.workers)
    with floor.jobs.events({"dead"}, timeout=PATIENCE) as following:
        job = floor.jobs.enqueue("quits")
        eventually("it ran", floor.lines)
        floor.worker("--concurrency", "1")
        event = next(following)
        assert event.job_id == job.id
        assert event.error is not None
        assert event.error.type == "WorkerLost"
