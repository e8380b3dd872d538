"""`Jobs(inline=True)`: an enqueue runs the job, without a worker."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import re
import signal
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from boundary.jobs import Context, Jobs, Retry, Snooze, UsageError
from boundary.jobs.shell import beside
from boundary.jobs.shell.executor import START_GRACE
from tests.waiting import PATIENCE, eventually


@pytest.fixture
def jobs(url: str):
    """An inline door to a fresh store of each kind."""
    with Jobs(url, inline=True) as made:
        yield made


def test_the_job_comes_back_with_its_outcome(jobs: Jobs) -> None:
    @jobs.handler
    def add(a: int, b: int) -> int:
        return a + b

    @jobs.handler
    async def wait(a: int) -> int:
        await asyncio.sleep(0.001)
        return a

    assert [add.enqueue(1, 2).result, wait.enqueue(3).result] == [3, 3]
    many = jobs.enqueue_many(add.job(number, 1) for number in range(3))
    assert [job.result for job in many] == [1, 2, 3]
    by_name = jobs.enqueue("add", {"a": 1, "b": 1})
    assert (by_name.status, jobs.result(by_name.id)) == ("completed", 2)
    assert jobs.stats().total_succeeded == 6
    assert jobs.workers() == []


def test_awaited_too(jobs: Jobs) -> None:
    @jobs.handler
    def blocking() -> str:
        return threading.current_thread().name

    @jobs.handler
    async def on_this_loop() -> int:
        return id(asyncio.get_running_loop())

    async def scenario() -> None:
        loop = id(asyncio.get_running_loop())
        assert (await on_this_loop.aenqueue()).result == loop
        assert (await blocking.aenqueue()).result != threading.current_thread().name
        (job,) = await jobs.aio.enqueue_many([blocking.job()])
        assert job.status == "completed"
        # A blocking call on a loop blocks it, as ever, and the handler has a loop of its own.
        assert on_this_loop.enqueue().result != loop
        await jobs.aio.close()

    asyncio.run(scenario())


def test_a_blocking_handler_runs_in_the_thread_and_context_of_its_caller() -> None:
    jobs = Jobs("memory://", inline=True)
    request: contextvars.ContextVar[str] = contextvars.ContextVar("request")
    seen: list[tuple[threading.Thread, str]] = []

    @jobs.handler
    def blocking() -> None:
        seen.append((threading.current_thread(), request.get()))

    @jobs.handler
    async def awaited() -> None:
        seen.append((threading.main_thread(), request.get()))

    request.set("7")
    blocking.enqueue()
    awaited.enqueue()

    @jobs.middleware
    async def around(ctx: Context, call_next):
        return await call_next(ctx)

    blocking.enqueue()
    assert seen[:2] == [(threading.current_thread(), "7"), (threading.main_thread(), "7")]
    assert seen[2] == (threading.current_thread(), "7")


def test_what_a_handler_raises_is_the_outcome_and_logged(
    jobs: Jobs, caplog: pytest.LogCaptureFixture
) -> None:
    @jobs.handler(max_retries=1)
    def broken() -> None:
        raise ZeroDivisionError("by hand")

    with caplog.at_level(logging.ERROR, "boundary.jobs"):
        job = broken.enqueue()
    assert (job.status, job.retry_count) == ("retrying", 1)
    assert job.error is not None
    assert job.error.type == "ZeroDivisionError"
    assert "by hand" in caplog.text
    assert "test_inline.py" in caplog.text, "the handler's line is in the trace"


def test_or_raised_as_well(url: str) -> None:
    with Jobs(url, inline="raise") as jobs:

        @jobs.handler(max_retries=0)
        def broken() -> None:
            raise ZeroDivisionError("by hand")

        @jobs.handler
        async def later() -> None:
            raise Snooze(60)

        with pytest.raises(ZeroDivisionError, match="by hand"):
            broken.enqueue()
        assert [job.job_type for job in jobs.failed()] == ["broken"]
        job = later.enqueue()
        assert job.status == "pending", "an answer is no error"


def test_what_waits_for_its_instant_or_another_program_is_left_to_a_worker(jobs: Jobs) -> None:
    @jobs.handler
    def work() -> None: ...

    assert work.using(delay=60).enqueue().status == "pending"
    assert jobs.enqueue("elsewhere").status == "pending"
    done = work.enqueue()
    again = work.using(job_id=done.id).enqueue()
    assert (again.status, again.fencing_token) == ("completed", 1), "the same id runs once"


def test_a_handler_that_enqueues_has_that_run_too(jobs: Jobs) -> None:
    @jobs.handler
    def inner(depth: int) -> int:
        return 0 if depth == 0 else 1 + (inner.enqueue(depth - 1).result or 0)

    @jobs.handler
    async def outer() -> list[int]:
        first = await inner.aenqueue(1)
        second = inner.enqueue(2)
        await jobs.aio.close()
        return [first.result, second.result]

    assert outer.enqueue().result == [1, 2]


def test_context_lifespan_and_progress_are_as_with_a_worker(jobs: Jobs) -> None:
    opened: list[str] = []

    @jobs.lifespan
    @asynccontextmanager
    async def resources() -> AsyncIterator[str]:
        opened.append("open")
        yield "pool"
        opened.append("closed")

    @jobs.handler
    def work(ctx: Context) -> list[object]:
        ctx.progress(0.5, "half way")
        return [ctx.state, ctx.attempt, ctx.job.status]

    job = work.enqueue()
    assert job.result == ["pool", 1, "running"]
    assert job.progress is not None
    assert (job.progress.fraction, opened) == (0.5, ["open", "closed"])


def test_a_run_longer_than_its_timeout_fails(jobs: Jobs) -> None:
    @jobs.handler(timeout=0.05, max_retries=0)
    async def awaited() -> None:
        await asyncio.sleep(30)

    @jobs.handler(timeout=0.05, max_retries=0)
    def blocking() -> None:
        time.sleep(0.2)

    for handler in (awaited, blocking):
        job = handler.enqueue()
        assert job.error is not None
        assert (job.status, job.error.type) == ("failed", "TimeoutError")


def test_a_retry_asked_for_waits_for_a_worker(jobs: Jobs) -> None:
    @jobs.handler
    def work(ctx: Context) -> int:
        if ctx.attempt == 1:
            raise Retry(after=0)
        return ctx.attempt

    job = work.enqueue()
    assert job.status == "retrying"
    jobs.worker().run_until_empty()
    assert jobs.result(job.id, timeout=PATIENCE) == 2


def test_ctrl_c_in_a_handler_ends_the_caller(jobs: Jobs) -> None:
    @jobs.handler
    def work() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work.enqueue()
    (job,) = jobs.search().jobs
    assert (job.status, jobs.workers()) == ("retrying", [])


def press_ctrl_c(*, heard: bool = True) -> None:
    """As a terminal does: a signal, which ends what the main thread waits for.

    One that was not heard came the moment before it began to wait: as one that another thread had.
    """
    thread = threading.main_thread().ident if heard else threading.get_ident()
    assert thread is not None
    signal.pthread_kill(thread, signal.SIGINT)


@pytest.mark.parametrize("heard", [True, False])
@pytest.mark.parametrize("wrapped", [False, True])
def test_ctrl_c_while_its_caller_waits_cancels_an_async_handler(
    jobs: Jobs, wrapped: bool, heard: bool
) -> None:
    seen: list[str] = []

    @jobs.lifespan
    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        try:
            yield
        finally:
            seen.append("lifespan ended")

    @jobs.handler
    async def work() -> None:
        press_ctrl_c(heard=heard)
        try:
            await asyncio.sleep(PATIENCE)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0.01)
            seen.append("unwound")

    if wrapped:

        @jobs.middleware
        async def around(ctx: Context, call_next):
            return await call_next(ctx)

    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        work.enqueue()
    assert seen == ["cancelled", "unwound", "lifespan ended"]
    assert set(threading.enumerate()) <= before
    (job,) = jobs.search().jobs
    assert (job.status, job.retry_count, jobs.workers()) == ("pending", 0, [])


def test_so_it_does_with_one_that_waits_for_a_job_of_its_own(jobs: Jobs) -> None:
    seen: list[str] = []

    @jobs.handler
    async def inner() -> None:
        press_ctrl_c()
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            seen.append("inner unwound")

    @jobs.handler
    async def outer() -> None:
        try:
            inner.enqueue()
        finally:
            seen.append("outer unwound")

    with pytest.raises(KeyboardInterrupt):
        outer.enqueue()
    assert seen == ["inner unwound", "outer unwound"]
    assert {job.status for job in jobs.search().jobs} == {"pending"}
    assert jobs.workers() == []


def test_ctrl_c_waits_no_longer_than_a_moment_for_one_that_does_not_hear(
    jobs: Jobs, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "UNWINDING", 0.1)
    released = threading.Event()

    @jobs.handler
    async def deaf() -> None:
        press_ctrl_c()
        released.wait(PATIENCE)

    with pytest.raises(KeyboardInterrupt):
        deaf.enqueue()
    assert not released.is_set()
    assert "goes on though its caller was interrupted" in caplog.text
    assert jobs.workers() == []
    released.set()
    eventually(
        "its thread has ended",
        lambda: not any(one.name == "boundary-jobs-inline" for one in threading.enumerate()),
    )


def test_an_enqueue_that_is_cancelled_gives_its_job_back(jobs: Jobs) -> None:
    started = asyncio.Event()

    @jobs.handler
    async def work() -> None:
        started.set()
        await asyncio.sleep(30)

    async def scenario() -> None:
        task = asyncio.create_task(work.aenqueue())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await jobs.aio.close()

    asyncio.run(scenario())
    (job,) = jobs.search().jobs
    assert (job.status, jobs.workers()) == ("pending", [])


def test_the_environment_may_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOUNDARY_JOBS_INLINE", "true")
    jobs = Jobs("memory://")

    @jobs.handler
    def work() -> int:
        return 1

    assert work.enqueue().result == 1
    assert Jobs("memory://", inline=False).enqueue("work").status == "pending"
    with pytest.raises(UsageError, match='inline is True, False or "raise"'):
        Jobs("memory://", inline="always")  # type: ignore[arg-type]


@pytest.fixture
def isolated(jobs: Jobs):
    """A handler that asks for a process of its own."""
    jobs.registry.handlers.clear()
    return jobs.handler(isolation="process")(pid)


def pid() -> int:
    return os.getpid()


def test_what_asks_for_a_process_of_its_own_runs_in_that_of_its_caller(isolated) -> None:
    assert isolated.enqueue().result == os.getpid()


def test_there_its_time_begins_at_once(jobs: Jobs) -> None:
    """A process that has to start gets some time for that; here there is none."""
    slow = jobs.handler(isolation="process", timeout=0.1, max_retries=0)(wait_for_ever)
    job = slow.enqueue()
    assert job.error is not None
    said = re.match(r"wait_for_ever ran for ([\d.]+) s, its timeout is 0\.1 s", job.error.message)
    assert said is not None
    assert float(said[1]) < START_GRACE


async def wait_for_ever() -> None:
    await asyncio.Event().wait()
