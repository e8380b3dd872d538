"""`jobs.events` and `jobs.aio.events`: what happens to jobs, on every store."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from uuid import uuid4

import pytest

from boundary.jobs import (
    BackendError,
    Cancel,
    Context,
    Discard,
    Event,
    Jobs,
    Retry,
    Snooze,
    UsageError,
)
from boundary.jobs.shell import loops
from boundary.jobs.shell.connect import open_store
from boundary.jobs.shell.seed import Pool, jobs_system
from boundary.jobs.shell.settings import Settings

PATIENCE = 15.0


def told(following, count: int) -> list[Event]:
    """The next so many events."""
    found: list[Event] = []
    for event in following:
        found.append(event)
        if len(found) == count:
            break
    return found


def test_the_life_of_a_job_is_told(jobs: Jobs) -> None:
    @jobs.handler(queue="mail")
    def send(to: str, ctx: Context) -> str:
        ctx.progress(0.5, "half way")
        return to

    with jobs.events(timeout=PATIENCE) as following:
        job = send.enqueue(to="a@b.c")
        jobs.worker().run_until_empty()
        seen = told(following, 4)
    assert [one.type for one in seen] == ["enqueued", "started", "progress", "succeeded"]
    assert {(one.job_id, one.job_type, one.queue) for one in seen} == {(job.id, "send", "mail")}
    enqueued, started, progress, succeeded = seen
    assert enqueued.at == job.created_at
    assert (enqueued.attempt, enqueued.worker) == (0, None)
    assert started.attempt == 1
    assert started.worker is not None
    assert {one.worker for one in seen[1:]} == {started.worker}
    assert progress.progress is not None
    assert (progress.progress.fraction, progress.progress.message) == (0.5, "half way")
    assert succeeded.duration is not None
    assert succeeded.duration > timedelta(0)
    assert [one.final for one in seen] == [False, False, False, True]
    assert following.lost == 0
    assert enqueued.at <= started.at <= succeeded.at


def test_every_way_a_run_ends_has_its_event(jobs: Jobs) -> None:
    @jobs.handler(max_retries=1)
    def ends(how: str) -> None:
        raise {
            "retrying": Retry(after=3600),
            "dead": Retry(after=3600),
            "failed": Discard("of no use"),
            "released": Snooze(3600),
            "cancelled": Cancel("not wanted"),
        }[how]

    with jobs.events({"retrying", "failed", "released", "cancelled"}, timeout=PATIENCE) as seen:
        for how in ("retrying", "failed", "released", "cancelled"):
            ends.enqueue(how=how)
            jobs.worker().run_until_empty()
            (event,) = told(seen, 1)
            assert event.type == how
            if how == "retrying":
                assert event.delay == timedelta(hours=1)
            if how == "released":
                assert event.delay == timedelta(hours=1)
            if how == "cancelled":
                assert event.reason == "not wanted"
            if how == "failed":
                assert event.error is not None
                assert (event.error.type, event.error.message) == ("Discard", "of no use")


def test_a_dead_letter_is_told_with_its_error_and_its_new_life(jobs: Jobs) -> None:
    @jobs.handler(max_retries=0)
    def breaks(secret: str) -> None:
        raise ValueError("broken")

    with jobs.events({"dead", "retrying"}, timeout=PATIENCE) as following:
        job = breaks.enqueue(secret="canary-7c1f")
        jobs.worker().run_until_empty()
        (dead,) = told(following, 1)
        assert dead.type == "dead"
        assert dead.error is not None
        assert (dead.error.type, dead.error.message) == ("ValueError", "broken")
        assert dead.error.stacktrace is None
        assert "canary" not in repr(dead)
        jobs.retry(job.id)
        (again,) = told(following, 1)
        assert (again.type, again.delay, again.worker) == ("retrying", timedelta(0), None)
        jobs.worker().run_until_empty()
        told(following, 1)
        assert jobs.retry_failed().count == 1
        (again,) = told(following, 1)
        assert (again.type, again.job_id) == ("retrying", job.id)


def test_an_operators_cancel_is_told(jobs: Jobs) -> None:
    @jobs.handler
    def waits() -> None: ...

    job = waits.enqueue()
    with jobs.events(job_id=job.id, timeout=PATIENCE) as following:
        jobs.cancel(job.id)
        (event,) = told(following, 1)
        assert (event.type, event.job_id, event.attempt) == ("cancelled", job.id, 0)


def test_one_follows_a_queue_or_a_job(jobs: Jobs) -> None:
    @jobs.handler
    def work(number: int) -> None: ...

    mine = uuid4()
    with (
        jobs.events(queue="b", timeout=PATIENCE) as of_queue,
        jobs.events(job_id=str(mine), types=["succeeded"], timeout=PATIENCE) as of_job,
    ):
        jobs.enqueue_many(work.using(queue="a").job(number=n) for n in range(3))
        work.using(queue="b").enqueue(number=4)
        work.using(queue="a", job_id=mine).enqueue(number=5)
        jobs.worker().run_until_empty()
        assert [one.type for one in told(of_queue, 3)] == ["enqueued", "started", "succeeded"]
        (event,) = told(of_job, 1)
        assert (event.type, event.job_id) == ("succeeded", mine)


def test_a_job_known_already_is_not_told_again(jobs: Jobs) -> None:
    @jobs.handler
    def work() -> None: ...

    mine = uuid4()
    with jobs.events(timeout=0.3) as following:
        work.using(job_id=mine).enqueue()
        work.using(job_id=mine).enqueue()
        assert [one.type for one in following] == ["enqueued"]


def test_it_ends_when_nothing_comes_and_when_closed(jobs: Jobs) -> None:
    with jobs.events(timeout=0.05) as following:
        assert list(following) == []
    endless = jobs.events()
    timer = threading.Timer(0.1, endless.close)
    timer.start()
    assert list(endless) == []
    timer.join()


def test_wrong_wishes_are_refused(jobs: Jobs) -> None:
    with pytest.raises(UsageError, match="there is no event 'done'; there are enqueued, started"):
        jobs.events({"done"})  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        jobs.events(job_id="x")
    with pytest.raises(UsageError):
        jobs.events(queue="a b")
    with pytest.raises(UsageError):
        jobs.aio.events({"done"})  # type: ignore[arg-type]


def test_on_an_event_loop(jobs: Jobs) -> None:
    @jobs.handler
    async def work(number: int) -> None: ...

    async def follow() -> list[str]:
        async with jobs, jobs.aio.events(timeout=PATIENCE) as following:
            await work.aenqueue(number=1)
            await jobs.worker().run(burst=True)
            seen: list[str] = []
            async for event in following:
                seen.append(event.type)
                if event.final:
                    return seen
        return seen

    assert loops.run(follow()) == ["enqueued", "started", "succeeded"]


def test_a_loop_that_closes_it_ends_the_iteration(jobs: Jobs) -> None:
    async def follow() -> list[Event]:
        async with jobs:
            following = jobs.aio.events()
            asyncio.get_running_loop().call_later(
                0.1, lambda: asyncio.ensure_future(following.aclose())
            )
            return [event async for event in following]

    assert loops.run(follow()) == []


def test_of_many_each_is_told_once(jobs: Jobs) -> None:
    @jobs.handler
    async def work(number: int) -> None: ...

    with jobs.events({"succeeded"}, timeout=PATIENCE) as following:
        sent = jobs.enqueue_many(work.job(number=n) for n in range(700))
        jobs.worker().run_until_empty()
        seen = told(following, 700)
    assert sorted(one.job_id for one in seen) == sorted(one.id for one in sent)
    assert following.lost == 0


def test_whoever_does_not_keep_up_is_told_how_much_is_missing(jobs: Jobs) -> None:
    """Nobody waited: the enqueues went on, and the numbers add up."""

    @jobs.handler
    def work(number: int) -> None: ...

    sent = 40_000
    with jobs.events({"enqueued"}, timeout=1.0) as following:
        jobs.enqueue_many(work.using(queue="q" * 100).job(number=n) for n in range(sent))
        first = sum(1 for _ in following)
        # What comes after the gap tells of it.
        work.enqueue(number=-1)
        last = next(following)
        assert first + 1 + following.lost == sent + 1
        if following.lost:
            assert last.lost <= following.lost


def test_the_seeds_calls_are_told_too(jobs: Jobs, url: str) -> None:
    if url == "memory://":
        pytest.skip("a store in memory is its opener's own")
    pool = Pool(open_store(Settings(url=url), None))
    system = jobs_system(pool)
    with jobs.events(timeout=PATIENCE) as following:
        job = jobs.find(jobs.enqueue("seeds").id)
        assert job is not None
        system.queue.enqueue_job("other", job.__class__(**{**as_fields(job), "id": uuid4()}))
        held = system.queue.dequeue_job("other")
        assert held is not None
        system.queue.ack_job(held)
        assert [one.type for one in told(following, 4)] == [
            "enqueued",
            "enqueued",
            "started",
            "succeeded",
        ]
    pool.close()


def as_fields(job) -> dict[str, object]:
    return {name: getattr(job, name) for name in job.__struct_fields__}


def test_a_store_that_is_gone_is_said_and_found_again(jobs: Jobs, url: str, redis_server) -> None:
    if not url.startswith("redis"):
        pytest.skip("only a server can be gone")
    following = jobs.events({"enqueued"}, timeout=0.5)
    redis_server.call("CLIENT", "KILL", "TYPE", "pubsub")
    seen: list[Event] = []
    for _ in range(50):
        jobs.enqueue("work")
        try:
            seen.append(next(following))
            break
        except (BackendError, StopIteration):
            continue
    assert seen
    following.close()
