"""What operators ask and do, over every store: why, attempts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import msgpack
from msgspec.structs import astuple

from boundary.jobs import (
    IllegalTransition,
    Job,
    Jobs,
    PayloadTooLarge,
    RetryPolicy,
    Snooze,
    UsageError,
)
from boundary.jobs.core import wire
from boundary.jobs.core.operations import Cancel, Find
from boundary.jobs.shell import flows
from boundary.jobs.shell.flows import Flow, ask
from boundary.jobs.testing.clock import FakeClock
from tests.waiting import PATIENCE, eventually
from tests.worker.conftest import working

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
        assert jobs.result(job.id, timeout=PATIENCE) == "done"
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


def dead(jobs: Jobs, count: int) -> str:
    """So many dead letters of one cause; its fingerprint."""

    @jobs.handler(max_retries=0)
    def breaks(number: int) -> None:
        raise ValueError(f"no {number}")

    jobs.enqueue_many(breaks.job(number=number) for number in range(count))
    jobs.worker().run_until_empty()
    (group,) = jobs.failure_groups()
    assert group.count == count
    return group.fingerprint


def test_a_group_is_retried_some_first_and_the_rest_at_a_rate(jobs: Jobs, clock: FakeClock) -> None:
    cause = dead(jobs, 300)
    done = jobs.retry_failed(fingerprint=cause, first=3, rate=10, by="ada")
    assert (done.count, done.what, done.undoable) == (300, "retry", True)
    assert jobs.failure_groups() == []
    stats = jobs.queue_stats("default")
    assert (stats.size, stats.scheduled) == (3, 297)
    last = max(one.execute_at for one in all_jobs(jobs) if one.execute_at)
    assert last == datetime.fromtimestamp(clock.now() / 1000, UTC) + timedelta(seconds=29.7)
    (entry,) = jobs.audit().entries
    assert (entry.id, entry.by, entry.what, entry.count) == (done.id, "ada", "retry", 300)
    assert cause in entry.target


def all_jobs(jobs: Jobs) -> Iterator[Job]:
    cursor = None
    while True:
        page = jobs.search(limit=200, cursor=cursor)
        yield from page
        cursor = page.cursor
        if cursor is None:
            return


def test_a_retry_of_a_group_is_undone_for_those_that_have_not_begun(jobs: Jobs) -> None:
    cause = dead(jobs, 5)
    done = jobs.retry_failed(fingerprint=cause, first=2, rate=1, by="ada")
    jobs.worker().run_until_empty()  # two run, and die anew
    assert done.id is not None
    back = jobs.undo(done.id, by="bob")
    assert (back.restored, back.skipped) == (3, 2)
    (group,) = jobs.failure_groups()
    assert (group.fingerprint, group.count) == (cause, 5)
    latest, first = jobs.audit().entries
    assert (latest.what, latest.by, latest.count) == ("undo", "bob", 3)
    assert first.undone_at is not None
    with pytest.raises(IllegalTransition, match="has been undone"):
        jobs.undo(done.id, by="bob")


def test_a_group_is_deleted_and_comes_back(jobs: Jobs) -> None:
    cause = dead(jobs, 260)
    done = jobs.delete_failed(cause, by="ada")
    assert (done.count, jobs.failed()) == (260, [])
    assert done.id is not None
    assert jobs.undo(done.id, by="ada").restored == 260
    (group,) = jobs.failure_groups()
    assert (group.fingerprint, group.count) == (cause, 260)
    assert len(jobs.history("breaks", limit=300)) == 260


def test_an_act_on_many_tells_how_far_it_is(jobs: Jobs) -> None:
    cause, told = dead(jobs, 260), list[int]()
    jobs.retry_failed(fingerprint=cause, progress=told.append)
    assert (told[0], told[-1]) == (250, 260)
    told.clear()
    assert jobs.purge("default", progress=told.append) == told[-1] == 260
    assert told == sorted(told)
    told.clear()
    jobs.enqueue("breaks", {"number": 1})
    jobs.worker().run_until_empty()

    async def awaited() -> None:
        async with jobs:
            await jobs.aio.delete_failed(cause, progress=told.append)

    asyncio.run(awaited())
    assert told[-1] == 1


def test_each_act_is_logged_and_undone(jobs: Jobs) -> None:
    job = jobs.enqueue("works", {"n": 1})
    acts = [jobs.new_action() for _ in range(4)]
    jobs.cancel(job.id, by="ada", action=acts[0])
    jobs.undo(acts[0], by="ada")
    jobs.delete(job.id, by="ada", action=acts[1])
    assert jobs.find(job.id) is None
    jobs.undo(acts[1], by="ada")
    jobs.purge("default", by="ada", action=acts[2])
    assert jobs.queue_stats("default").size == 0
    jobs.undo(acts[2], by="ada")
    jobs.pause("default", by="ada", action=acts[3])
    jobs.undo(acts[3], by="ada")
    assert not jobs.queue_stats("default").paused
    found = jobs.find(job.id)
    assert found is not None
    assert (found.status, found.args, jobs.queue_stats("default").size) == ("pending", {"n": 1}, 1)
    told = [one.what for one in jobs.audit()]
    assert sorted(told) == ["cancel", "delete", "pause", "purge", *["undo"] * 4]


def test_what_is_done_with_schedules_and_workers_is_logged(living: Jobs) -> None:
    jobs = living
    jobs.schedule("nightly", cron="0 3 * * *", handler="report", by="ada")
    jobs.edit_schedule("nightly", cron="0 4 * * *", by="ada")
    jobs.pause_schedule("nightly", by="ada")
    jobs.pause_schedule("nightly", by="ada")  # it was paused already
    jobs.resume_schedule("nightly", by="ada")
    job = jobs.fire_schedule("nightly", by="ada")
    assert job is not None
    jobs.delete(job.id)
    jobs.unschedule("nightly", by="ada")
    jobs.unschedule("nightly", by="ada")
    with working(jobs):
        eventually("the worker is known", jobs.workers)
        me = jobs.workers()[0]
        assert jobs.quiet_workers(me.id, by="bob") == 1
        assert jobs.unquiet_workers(by="bob") == 1
        assert jobs.quiet_workers("nobody", by="bob") == 0
    told = [(one.by, one.what, one.target, one.count) for one in jobs.audit()]
    assert told[::-1] == [
        ("ada", "schedule", "nightly", 1),
        ("ada", "edit_schedule", "nightly", 1),
        ("ada", "pause_schedule", "nightly", 1),
        ("ada", "resume_schedule", "nightly", 1),
        ("ada", "fire_schedule", "nightly", 1),
        ("ada", "unschedule", "nightly", 1),
        ("bob", "quiet", me.id, 1),
        ("bob", "unquiet", "every worker", 1),
    ]
    with pytest.raises(IllegalTransition, match="cannot be undone"):
        jobs.undo(jobs.audit().entries[0].id, by="ada")


def test_what_nobody_is_named_for_is_not_logged(jobs: Jobs) -> None:
    jobs.pause("default")
    jobs.resume("default")
    assert len(jobs.audit()) == 0
    with pytest.raises(UsageError, match="needs by="):
        jobs.pause("default", action=jobs.new_action())
    for name in ("", "a\nb", "x" * 129):
        with pytest.raises(UsageError, match="printable"):
            jobs.pause("default", by=name)


def test_an_act_can_be_undone_for_a_minute(jobs: Jobs, clock: FakeClock) -> None:
    id = jobs.new_action()
    jobs.pause("default", by="ada", action=id)
    clock.advance(61)
    with pytest.raises(IllegalTransition, match="for a minute"):
        jobs.undo(id, by="ada")
    with pytest.raises(IllegalTransition, match="no such act"):
        jobs.undo(jobs.new_action(), by="ada")


def test_the_log_is_read_page_by_page(jobs: Jobs) -> None:
    for number in range(5):
        jobs.pause(f"q{number}", by="ada")
    first = jobs.audit(limit=3)
    rest = jobs.audit(limit=3, cursor=first.cursor)
    assert [one.target for one in (*first, *rest)] == ["q4", "q3", "q2", "q1", "q0"]
    assert rest.cursor is None


def test_arguments_are_edited_and_a_dead_letter_waits_again(jobs: Jobs) -> None:
    dead(jobs, 1)
    (job,) = jobs.failed()
    id = jobs.new_action()
    changed = jobs.edit(job.id, {"number": 7}, by="ada", action=id)
    assert changed is not None
    assert (changed.status, changed.args, changed.retry_count) == ("pending", {"number": 7}, 0)
    with pytest.raises(TypeError):
        jobs.edit(job.id, {"nonsense": 7})
    jobs.undo(id, by="ada")
    found = jobs.find(job.id)
    assert found is not None
    assert (found.status, found.args) == ("failed", {"number": 0})
    assert jobs.edit(jobs.new_action(), {}) is None


def test_an_edit_leaves_what_a_newer_version_stored(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def newer(payload: wire.Payload) -> bytes:
        return msgpack.encode([*astuple(payload), "group"])

    def fields(job: Job) -> list[Any]:
        (record,) = jobs._run(ask(Find((job.id.bytes,))))
        return msgpack.decode(record.payload)

    with monkeypatch.context() as patch:
        patch.setattr(wire, "encode_payload", newer)
        job = jobs.enqueue("works", {"n": 1})
    assert jobs.edit(job.id, {"n": 2})
    assert fields(job)[1] == {"n": 2}
    assert fields(job)[-1] == "group"


def test_a_waiting_job_keeps_its_place_when_it_is_edited(jobs: Jobs) -> None:
    first, second = jobs.enqueue("works", {"n": 1}), jobs.enqueue("works", {"n": 2})
    assert jobs.edit(first.id, {"n": 3})
    found = jobs.why(second.id)
    assert found is not None
    assert found.ahead == 1
    jobs.cancel(second.id)
    with pytest.raises(IllegalTransition, match="waits or is dead"):
        jobs.edit(second.id, {})
    with pytest.raises(PayloadTooLarge):
        jobs.edit(first.id, {"n": "x" * 300_000})


def test_operators_act_on_the_asyncio_door_too(jobs: Jobs) -> None:
    cause = dead(jobs, 3)

    async def acting() -> None:
        async with jobs:
            (group,) = await jobs.aio.failure_groups()
            assert group.fingerprint == cause
            done = await jobs.aio.retry_failed(fingerprint=cause, limit=1, by="ada")
            assert (done.count, done.id is not None) == (1, True)
            assert done.id is not None
            assert (await jobs.aio.undo(done.id, by="ada")).restored == 1
            gone = await jobs.aio.delete_failed(cause, by="ada")
            assert gone.count == 3
            assert len(await jobs.aio.audit()) == 3
            assert await jobs.aio.edit(jobs.new_action(), {}) is None

    asyncio.run(acting())


def test_how_long_the_oldest_waits_and_how_fast_a_queue_is(jobs: Jobs, clock: FakeClock) -> None:
    @jobs.handler
    def works() -> None:
        return None

    for _ in range(2):
        jobs.enqueue_many(works.job() for _ in range(5))
        jobs.worker().run_until_empty()
        clock.advance(60)
    waiting = works.enqueue()
    clock.advance(5)
    found = jobs.queue_stats("default")
    assert (found.oldest_ready_at, found.per_minute) == (waiting.created_at, 2.0)
    assert jobs.queues() == [found]
    assert jobs.queue_stats("none").oldest_ready_at is None


def test_a_series_by_the_hour_and_by_type(jobs: Jobs) -> None:
    @jobs.handler
    def works() -> None:
        return None

    works.enqueue()
    jobs.worker().run_until_empty()
    (row,) = jobs.series(hours=24, by="job_type")
    assert (row.job_type, row.queue_name, row.succeeded) == ("works", "", 1)
    assert jobs.series(job_type="other") == []
    (row,) = jobs.series(minutes=5, queue="default")
    assert (row.job_type, row.queue_name, row.succeeded) == (None, "default", 1)
    with pytest.raises(UsageError, match="one of the two"):
        jobs.series(minutes=5, hours=5)
    with pytest.raises(UsageError, match="hours is a whole number from 1 to 720"):
        jobs.series(hours=721)
    with pytest.raises(UsageError, match="queue or job_type"):
        jobs.series(by="colour")  # type: ignore[arg-type]


def test_a_cancel_answers_what_it_did_though_the_job_has_stopped_since(living: Jobs) -> None:
    jobs, begun = living, threading.Event()

    @jobs.handler
    async def hold() -> None:
        begun.set()
        await asyncio.sleep(60)

    job = jobs.enqueue("hold", {})

    def slowly(flow: Flow[Job | None]) -> Flow[Job | None]:
        step = next(flow)
        while True:
            reply = yield step
            if isinstance(step, Cancel):
                eventually(
                    "it stopped", lambda: (j := jobs.find(job.id)) and j.status == "cancelled"
                )
            try:
                step = flow.send(reply)
            except StopIteration as end:
                return end.value

    with working(jobs):
        assert begun.wait(PATIENCE)
        told = jobs._run(slowly(flows.cancel(job.id, 60_000, None)))
    assert told is not None
    assert (told.status, told.cancel_requested) == ("running", True)
