"""The seed's doors, over every store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from boundary.jobs import IllegalTransition, Job, LeaseLost
from boundary.jobs.core import job as core
from boundary.jobs.ports import JobQueue, JobRegistry, JobStats, JobStore, JobWorker
from boundary.jobs.shell import seed
from boundary.jobs.shell.adapters.memory import create_in_memory_jobs_system
from boundary.jobs.shell.seed import JobsSystem
from boundary.jobs.testing.clock import FakeClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def new(job_type: str = "send_email", **given: Any) -> Job:
    return core.create_job({"job_type": job_type, **given}, uuid4(), NOW)


def dequeued(system: JobsSystem, queue: str = "default") -> Job:
    job = system.queue.dequeue_job(queue)
    assert job is not None
    return job


def found(system: JobsSystem, job_id: UUID) -> Job:
    job = system.store.find_job(job_id)
    assert job is not None
    return job


def test_the_in_memory_system_has_the_seeds_roles() -> None:
    """S15."""
    made = create_in_memory_jobs_system()
    queue: JobQueue = made.queue
    store: JobStore = made.store
    stats: JobStats = made.stats
    registry: JobRegistry = seed.JobRegistry()
    worker: JobWorker = seed.JobWorker(made.pool, seed.JobRegistry())
    job_id = queue.enqueue_job("default", new())
    assert store.find_job(job_id) is not None
    assert (stats.job_stats().total_processed, registry.get("x")) == (0, None)
    assert worker.process_next_job() is not None


def test_enqueue_returns_the_id_and_the_job_is_as_given(system: JobsSystem) -> None:
    """S16-S25, S60."""
    job = new(
        args={"a": [1, {"b": True}], "kind": "x"},
        priority="high",
        max_retries=5,
        metadata={"user_id": 7},
    )
    assert system.queue.enqueue_job("emails", job) == job.id
    stored = found(system, job.id)
    assert (stored.args, stored.priority, stored.max_retries) == (job.args, "high", 5)
    assert (stored.queue, stored.status, stored.retry_count) == ("emails", "pending", 0)
    assert stored.metadata == {"user_id": 7}
    assert system.queue.list_queues() == ["emails"]


def test_schedule_and_promote(system: JobsSystem, clock: FakeClock) -> None:
    """S61-S63."""
    later = system.queue.schedule_job("default", new(), NOW + timedelta(seconds=60))
    assert system.queue.dequeue_job("default") is None
    past = system.queue.schedule_job("default", new(), NOW - timedelta(seconds=60))
    assert dequeued(system).id == past
    clock.advance(61)
    assert system.queue.process_scheduled_jobs() == 1
    peeked = system.queue.peek_job("default")
    assert peeked is not None
    assert peeked.id == later
    assert system.queue.queue_size("default") == 1


def test_size_counts_all_priorities_and_delete_says_whether(system: JobsSystem) -> None:
    """S65, S67, S68."""
    ids = [
        system.queue.enqueue_job("default", new(priority=name))
        for name in ("critical", "high", "normal", "low")
    ]
    assert system.queue.queue_size("default") == 4
    assert system.queue.delete_job(ids[0])
    assert not system.queue.delete_job(ids[0])
    assert [dequeued(system).id for _ in range(3)] == ids[1:]
    assert system.queue.dequeue_job("default") is None


def test_no_two_dequeues_return_the_same_job(system: JobsSystem) -> None:
    """S66."""
    ids = {system.queue.enqueue_job("default", new()) for _ in range(40)}
    with ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(lambda _: dequeued(system).id, range(40)))
    assert set(taken) == ids
    assert system.queue.dequeue_job("default") is None


def test_each_level_is_first_in_first_out_and_levels_come_in_order(system: JobsSystem) -> None:
    """S45-S47, T8: `low` too."""
    levels = ("low", "normal", "critical", "high", "low", "normal", "critical", "high")
    made = [(name, system.queue.enqueue_job("q", new(priority=name))) for name in levels]
    peeked = system.queue.peek_job("q")
    assert peeked is not None
    order = [dequeued(system, "q").id for _ in levels]
    assert peeked.id == order[0]
    wanted = [
        id for level in ("critical", "high", "normal", "low") for name, id in made if name == level
    ]
    assert order == wanted


def test_a_deleted_job_leaves_nothing_behind(system: JobsSystem) -> None:
    """S67, T8: wherever it was, and the queue goes on."""
    later = system.queue.schedule_job("default", new(), NOW + timedelta(seconds=60))
    first, second = (system.queue.enqueue_job("default", new()) for _ in range(2))
    assert [system.queue.delete_job(one) for one in (later, first)] == [True, True]
    assert system.queue.queue_size("default") == 1
    assert system.store.find_jobs(status="pending") == [found(system, second)]
    assert dequeued(system).id == second
    assert system.queue.process_scheduled_jobs() == 0


def test_start_complete_and_the_statistics(system: JobsSystem, clock: FakeClock) -> None:
    """S69-S70, S106-S114."""
    system.queue.enqueue_job("default", new())
    job = dequeued(system)
    assert job.status == "pending"
    started = system.store.save_job(core.start_job(job, NOW))
    assert (started.status, found(system, job.id).started_at) == ("running", NOW)
    clock.advance(0.25)
    done = core.complete_job(started, {"id": "m1"}, NOW + timedelta(seconds=0.25))
    saved = system.store.save_job(done)
    assert (saved.status, saved.result) == ("completed", {"id": "m1"})
    stats = system.stats.job_stats()
    assert (stats.total_processed, stats.total_succeeded, stats.total_failed) == (1, 1, 0)
    assert (stats.queues[0].queue_name, stats.workers) == ("default", ())
    assert system.stats.queue_stats("default").avg_duration_ms == pytest.approx(250.0)
    assert [one.id for one in system.stats.job_history("send_email")] == [job.id]


def test_a_failed_job_waits_for_its_retry_and_ends_as_a_dead_letter(
    system: JobsSystem, clock: FakeClock
) -> None:
    """S72-S74, S113."""
    system.queue.enqueue_job("default", new(max_retries=1))
    error = {"message": "boom", "type": "SmtpError", "stacktrace": "trace"}
    started = system.store.save_job(core.start_job(dequeued(system), NOW))
    waiting = system.store.save_job(core.fail_job(started, error, NOW))
    assert (waiting.status, waiting.retry_count) == ("retrying", 1)
    assert system.queue.dequeue_job("default") is None
    assert system.stats.queue_stats("default").retried_total == 1
    clock.advance(5)
    again = core.start_job(dequeued(system), NOW)
    dead = system.store.save_job(core.fail_job(system.store.save_job(again), error, NOW))
    assert dead.status == "failed"
    assert dead.error is not None
    assert (dead.error.message, dead.error.stacktrace) == ("boom", "trace")
    assert [one.id for one in system.store.failed_jobs(10)] == [dead.id]
    assert system.stats.job_stats().total_failed == 1
    revived = system.store.retry_job(dead.id)
    assert revived is not None
    assert (revived.status, revived.retry_count) == ("pending", 0)
    assert system.store.failed_jobs(10) == []
    assert system.store.retry_job(dead.id) is None
    assert system.store.retry_job(uuid4()) is None


def test_prepare_retry_settles_with_its_own_delay(system: JobsSystem, clock: FakeClock) -> None:
    system.queue.enqueue_job("default", new())
    started = system.store.save_job(core.start_job(dequeued(system), NOW))
    failed = core.fail_job(started, {"message": "x", "type": "E"}, NOW)
    config = {"initial_delay_ms": 30_000, "jitter": False}
    saved = system.store.save_job(core.prepare_retry(failed, config, NOW, 0.5))
    assert (saved.status, saved.execute_at) == ("retrying", NOW + timedelta(seconds=30))
    clock.advance(29)
    assert system.queue.dequeue_job("default") is None
    clock.advance(2)
    assert dequeued(system).retry_count == 1


def test_an_outcome_after_the_lease_changes_nothing(system: JobsSystem, clock: FakeClock) -> None:
    system.queue.enqueue_job("default", new())
    mine = core.start_job(dequeued(system), NOW)
    clock.advance(31)
    assert system.queue.reclaim_abandoned_jobs() == 1
    with pytest.raises(LeaseLost, match="fencing token 1"):
        system.store.save_job(core.complete_job(mine, 1, NOW))
    theirs = dequeued(system)
    assert (theirs.id, theirs.fencing_token, theirs.crash_count) == (mine.id, 2, 1)
    with pytest.raises(LeaseLost):
        system.store.save_job(core.complete_job(mine, 1, NOW))
    with pytest.raises(LeaseLost):
        system.queue.ack_job(mine)
    system.queue.ack_job(theirs)
    assert found(system, mine.id).status == "completed"


def test_a_job_saved_first_and_enqueued_then(system: JobsSystem) -> None:
    job = new()
    system.store.save_job(job)
    assert system.queue.queue_size("default") == 0
    system.queue.enqueue_job("default", job)
    assert dequeued(system).id == job.id


def test_update_status_takes_the_steps_there_are(system: JobsSystem) -> None:
    """S71."""
    job_id = system.queue.enqueue_job("default", new())
    update = system.store.update_job_status
    with pytest.raises(IllegalTransition):
        update(job_id, "completed", 1)
    for status in ("running", "retrying", "pending", "running", "failed", "pending", "cancelled"):
        job = update(job_id, status)  # type: ignore[arg-type]
        assert job is not None
        assert job.status == status
    assert update(uuid4(), "running") is None
    other = system.queue.enqueue_job("default", new())
    update(other, "running")
    done = update(other, "completed", {"a": 1})
    assert done is not None
    assert done.result == {"a": 1}
    assert system.stats.job_stats().total_succeeded == 1


def test_find_jobs_by_condition(system: JobsSystem) -> None:
    ids = [system.queue.enqueue_job("default", new("a")) for _ in range(3)]
    system.queue.enqueue_job("other", new("b"))
    assert [one.id for one in system.store.find_jobs(job_type="a", limit=2)] == ids[:0:-1]
    assert len(system.store.find_jobs(queue="other", status="pending")) == 1


def test_the_worker_runs_registered_handlers(system: JobsSystem, clock: FakeClock) -> None:
    """S75-S81."""
    registry = seed.JobRegistry()
    registry.register("good", lambda args: {"success": True, "result": args["a"]})
    registry.register("bad", lambda args: 1 / 0)

    async def slow(args: dict[str, Any]) -> str:
        return "awaited"

    registry.register("slow", slow)
    worker = seed.JobWorker(system.pool, registry)
    for name in ("good", "bad", "slow", "unknown"):
        system.queue.enqueue_job("default", new(name, args={"a": 1}, max_retries=0))
    done = [worker.process_next_job() for _ in range(4)]
    assert [one and one.status for one in done] == ["completed", "failed", "completed", "pending"]
    assert [one and one.result for one in done][::2] == [1, "awaited"]
    assert done[1] is not None
    assert done[1].error is not None
    assert done[1].error.type == "ZeroDivisionError"
    assert worker.process_next_job() is None
    clock.advance(6)
    worker.stop()
    assert worker.process_next_job() is None
    assert found(system, done[3].id).status == "pending"  # type: ignore[union-attr]


def test_only_pending_jobs_are_enqueued(system: JobsSystem) -> None:
    with pytest.raises(IllegalTransition):
        system.queue.enqueue_job("default", replace(new(), status="running"))
