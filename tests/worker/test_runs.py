"""One run of one job: whatever a handler does, it ends in one outcome and the worker goes on."""

from __future__ import annotations

import asyncio
import functools
import itertools
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from boundary.jobs import (
    Cancel,
    Context,
    Discard,
    Job,
    JobCancelled,
    JobFailed,
    JobResult,
    Jobs,
    Retry,
    RetryPolicy,
    Snooze,
)
from boundary.jobs.core.operations import Enqueue
from boundary.jobs.core.wire import NewJob
from tests.waiting import PATIENCE, Stopwatch, eventually
from tests.worker.conftest import working

QUICK = RetryPolicy(strategy="constant", initial_delay=0.02, jitter=False)


def ended(jobs: Jobs, job: Job) -> Job:
    """The job once it has reached its end."""

    def look() -> Job | None:
        found = jobs.find(job.id)
        done = found is not None and found.status in {"completed", "failed", "cancelled"}
        return found if done else None

    found: Job = eventually(f"{job.job_type} reaches its end", look)
    return found


def test_async_and_blocking_handlers_return_their_results(jobs: Jobs) -> None:
    """S8: the same on every store."""

    @jobs.handler
    async def on_the_loop(a: int) -> dict[str, int]:
        return {"twice": a * 2}

    @jobs.handler
    def in_a_thread(a: int) -> list[object]:
        return [a, threading.current_thread() is threading.main_thread()]

    first, second = on_the_loop.enqueue(a=4), in_a_thread.enqueue(a=5)
    jobs.worker().run_until_empty()
    assert jobs.result(first.id, timeout=PATIENCE) == {"twice": 8}
    assert jobs.result(second.id, timeout=PATIENCE) == [5, False]


def test_the_run_is_visible_while_it_goes_on(jobs: Jobs) -> None:
    """S84: `started_at` is in the store while the job runs; so is its progress."""
    go_on = threading.Event()

    @jobs.handler
    def slow(ctx: Context) -> None:
        ctx.progress(0.5, "half way")
        go_on.wait(PATIENCE)
        ctx.progress(1.0, "done")

    with working(jobs):
        job = jobs.enqueue("slow", {})
        seen: Job = eventually(
            "progress", lambda: (found := jobs.find(job.id)) and found.progress and found
        )
        assert seen.status == "running"
        assert seen.started_at is not None
        assert seen.progress is not None
        assert (seen.progress.fraction, seen.progress.message) == (0.5, "half way")
        go_on.set()
        done = ended(jobs, job)
    assert done.progress is not None
    assert done.progress.message == "done"


def test_a_failed_job_runs_again_by_itself_when_its_delay_is_over(jobs: Jobs) -> None:
    """S4, S57, T2: with nobody's help, and not before the delay."""
    runs: list[float] = []

    @jobs.handler(retry=RetryPolicy(strategy="constant", initial_delay=0.15, jitter=False))
    async def shaky() -> str:
        runs.append(time.monotonic())
        if len(runs) < 3:
            raise ValueError("not yet")
        return "at last"

    with working(jobs):
        job = shaky.enqueue()
        assert jobs.result(job.id, timeout=PATIENCE) == "at last"
    assert [late - early >= 0.149 for early, late in itertools.pairwise(runs)] == [True] * 2
    found = jobs.find(job.id)
    assert found is not None
    assert (found.retry_count, found.error, len(found.errors)) == (2, None, 2)
    assert found.errors[0].error.message == "not yet"


def test_after_its_last_retry_it_is_a_dead_letter_once(jobs: Jobs) -> None:
    """S5, S58, T1: three retries are four runs; then the dead letter queue, with the error kept."""
    runs: list[int] = []

    @jobs.handler(max_retries=3, retry=QUICK)
    def broken(ctx: Context) -> None:
        runs.append(ctx.attempt)
        raise RuntimeError(f"attempt {ctx.attempt}")

    with working(jobs):
        job = jobs.enqueue("broken", {}, max_retries=3, retry=QUICK)
        done = ended(jobs, job)
    assert runs == [1, 2, 3, 4]
    assert done.status == "failed"
    assert done.error is not None
    assert (done.error.type, done.error.message) == ("RuntimeError", "attempt 4")
    assert done.error.stacktrace is not None
    assert "raise RuntimeError" in done.error.stacktrace
    assert [one.id for one in jobs.failed()] == [job.id]
    assert jobs.stats().total_failed == 1
    assert jobs.queue_stats("default").retried_total == 3


def test_max_retries_zero_is_never_again(jobs: Jobs) -> None:
    """S59."""

    @jobs.handler(max_retries=0)
    def once() -> None:
        raise ValueError("no")

    job = once.enqueue()
    jobs.worker().run_until_empty()
    assert ended(jobs, job).status == "failed"
    assert ended(jobs, job).retry_count == 0


def test_retry_with_a_delay_of_its_own(jobs: Jobs) -> None:
    runs: list[float] = []

    @jobs.handler(retry=RetryPolicy(initial_delay=600, max_delay=600))
    def again() -> str:
        runs.append(time.monotonic())
        if len(runs) == 1:
            raise Retry(after=0.1)
        return "ok"

    with working(jobs):
        assert jobs.result(again.enqueue().id, timeout=PATIENCE) == "ok"
    assert runs[1] - runs[0] >= 0.09


def test_a_snooze_is_no_attempt(jobs: Jobs) -> None:
    attempts: list[int] = []

    @jobs.handler(max_retries=0)
    async def later(ctx: Context) -> str:
        attempts.append(ctx.attempt)
        if len(attempts) < 4:
            raise Snooze(0.01)
        return "awake"

    with working(jobs):
        job = jobs.enqueue("later", {}, max_retries=0)
        assert jobs.result(job.id, timeout=PATIENCE) == "awake"
    assert attempts == [1, 1, 1, 1]
    assert jobs.queue_stats("default").retried_total == 0


def test_cancel_and_discard_by_the_handler(jobs: Jobs) -> None:
    """S112: a cancelled job is not counted as processed; a discarded one failed."""

    @jobs.handler
    def gone() -> None:
        raise Cancel("the order was withdrawn")

    @jobs.handler
    def junk() -> None:
        raise Discard("not worth it")

    first, second = gone.enqueue(), junk.enqueue()
    jobs.worker().run_until_empty()
    one, two = ended(jobs, first), ended(jobs, second)
    assert (one.status, one.reason) == ("cancelled", "the order was withdrawn")
    assert (two.status, two.reason) == ("failed", "not worth it")
    assert jobs.failed() == []
    stats = jobs.stats()
    assert (stats.total_processed, stats.total_failed) == (1, 1)
    with pytest.raises(JobCancelled, match="withdrawn"):
        jobs.result(first.id)


@pytest.mark.parametrize(
    "answer",
    [
        JobResult.failure("card declined", "PaymentFailed", "trace"),
        {"success": False, "error": {"message": "card declined", "type": "PaymentFailed"}},
    ],
)
def test_a_failure_answered_in_the_seeds_form_is_a_failed_run(jobs: Jobs, answer: Any) -> None:
    """S77-S79."""

    @jobs.handler(max_retries=0)
    def pay() -> object:
        return answer

    job = pay.enqueue()
    jobs.worker().run_until_empty()
    done = ended(jobs, job)
    assert done.error is not None
    assert (done.error.message, done.error.type) == ("card declined", "PaymentFailed")


@pytest.mark.parametrize(
    "answer", [JobResult.success({"id": 7}), {"success": True, "result": {"id": 7}}]
)
def test_a_success_in_the_seeds_form_stores_its_result(jobs: Jobs, answer: Any) -> None:
    """S76."""

    @jobs.handler
    async def send() -> object:
        return answer

    job = send.enqueue()
    jobs.worker().run_until_empty()
    assert jobs.result(job.id) == {"id": 7}


class Rude(Exception):
    def __str__(self) -> str:
        raise KeyError("even this")


class Opaque:
    pass


def _exit() -> None:
    sys.exit(3)


def _rude() -> None:
    raise Rude


class Ruder(Exception):
    def __str__(self) -> str:
        raise SystemExit(4)


def _ruder() -> None:
    raise Ruder


class Markup(str):
    """As Django's SafeString: its text is itself, and no plain one."""

    __slots__ = ()

    def __str__(self) -> str:
        return self


def _marked() -> None:
    raise ValueError(Markup("<b>no</b>"))


class Terse(Snooze):
    def __init__(self) -> None:
        pass


def _terse() -> None:
    raise Terse


def _ages() -> None:
    raise Retry(after=1e18)


def _retry() -> object:
    return Retry(after=30)


def _opaque() -> object:
    return Opaque()


def _huge() -> str:
    return "x" * 300_000


def _deep() -> None:
    _deep()


def _nested() -> object:
    value: list[Any] = []
    for _ in range(5_000):
        value = [value]
    return value


@pytest.mark.parametrize("blocking", [True, False], ids=["thread", "loop"])
@pytest.mark.parametrize(
    ("does", "kind", "says"),
    [
        (_exit, "SystemExit", "3"),
        (_rude, "Rude", "__str__ raised KeyError"),
        (_ruder, "Ruder", "__str__ raised SystemExit"),
        (_marked, "ValueError", "<b>no</b>"),
        (_retry, "UsageError", "returned a Retry; raise it"),
        (_terse, "UsageError", "call super().__init__(seconds)"),
        (_ages, "UsageError", "up to a hundred years"),
        (_opaque, "SerializationError", "Opaque"),
        (_huge, "PayloadTooLarge", "store it elsewhere"),
        (_deep, "RecursionError", "recursion"),
        (_nested, "SerializationError", "result"),
    ],
)
def test_a_hostile_handler_costs_its_own_job_only(
    jobs: Jobs, does: Callable[[], object], kind: str, says: str, *, blocking: bool
) -> None:
    """S85: the job fails with a useful error, the next one runs."""
    if blocking:

        @jobs.handler(max_retries=0)
        def hostile() -> object:
            return does()

    else:

        @jobs.handler(max_retries=0)
        async def hostile() -> object:
            return does()

    @jobs.handler
    def fine() -> str:
        return "fine"

    bad = jobs.enqueue("hostile", {}, max_retries=0)
    good = fine.enqueue()
    jobs.worker(concurrency=1).run_until_empty()
    done = ended(jobs, bad)
    assert done.error is not None
    assert done.error.type == kind
    assert says in done.error.message
    assert jobs.result(good.id) == "fine"


class Gone(Discard):
    def __init__(self, order: int) -> None:
        self.order = order


class Moot(Cancel):
    def __init__(self, order: int) -> None:
        self.order = order


class Busy(Retry):
    def __init__(self) -> None:
        pass


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        (Gone(7), "failed", "discarded by its handler"),
        (Moot(7), "cancelled", "cancelled by its handler"),
        (Busy(), "retrying", None),
    ],
)
def test_an_answer_of_ones_own_may_forget_the_class_below(
    jobs: Jobs, answer: Exception, status: str, reason: str | None
) -> None:
    """As other exceptions may; a run that came to no outcome held its job for ever."""

    @jobs.handler(retry=RetryPolicy(initial_delay=60))
    def work() -> None:
        raise answer

    job = work.enqueue()
    jobs.worker(concurrency=1).run_until_empty()
    found = jobs.find(job.id)
    assert found is not None
    assert (found.status, found.reason) == (status, reason)


def test_a_handler_that_cancels_its_own_task_costs_its_own_job_only(jobs: Jobs) -> None:
    """The slot is gone with it: the job has an outcome, and others have slots."""

    @jobs.handler(max_retries=0)
    async def giving_up() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    @jobs.handler
    async def fine() -> str:
        return "fine"

    bad, good = giving_up.enqueue(), fine.enqueue()
    jobs.worker(concurrency=1).run_until_empty()
    done = ended(jobs, bad)
    assert done.error is not None
    assert (done.status, done.error.type) == ("failed", "CancelledError")
    assert "not by its worker" in done.error.message
    assert jobs.result(good.id) == "fine"


def test_a_handlers_task_cancelled_after_its_job_costs_none(jobs: Jobs) -> None:
    @jobs.handler(max_retries=0)
    async def careless() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(0.05, task.cancel)

    @jobs.handler
    async def fine() -> str:
        return "fine"

    with working(jobs, concurrency=1):
        jobs.result(careless.enqueue().id, timeout=PATIENCE)
        time.sleep(0.2)
        assert jobs.result(fine.enqueue().id, timeout=PATIENCE) == "fine"


def test_an_async_function_hidden_by_its_decorator_is_told_so(jobs: Jobs) -> None:
    def decorated(function: Callable[[], Awaitable[int]]) -> Callable[[], Any]:
        @functools.wraps(function)
        def around() -> Any:
            return function()

        return around

    @jobs.handler(max_retries=0)
    @decorated
    async def hidden() -> int:
        return 1

    job = hidden.enqueue()
    with pytest.warns(RuntimeWarning, match="never awaited"):
        jobs.worker().run_until_empty()
    done = ended(jobs, job)
    assert done.error is not None
    assert "await it: what is around an async function" in done.error.message


@pytest.mark.parametrize("message", [b"half", 5])
def test_a_progress_message_is_text(jobs: Jobs, message: Any) -> None:
    """Bytes in its record made the whole job one that cannot be read."""

    @jobs.handler(max_retries=0)
    def tells(ctx: Context) -> None:
        ctx.progress(0.5, message)

    job = tells.enqueue()
    jobs.worker().run_until_empty()
    done = ended(jobs, job)
    assert done.error is not None
    assert "a progress message is text" in done.error.message


def test_an_async_handler_past_its_timeout_is_cancelled(jobs: Jobs) -> None:
    unwound = threading.Event()

    @jobs.handler(timeout=0.1, max_retries=0)
    async def stuck() -> None:
        try:
            await asyncio.sleep(600)
        finally:
            unwound.set()

    job = stuck.enqueue()
    jobs.worker().run_until_empty()
    done = ended(jobs, job)
    assert done.error is not None
    assert done.error.type == "TimeoutError"
    assert "its timeout is 0.1 s" in done.error.message
    assert unwound.is_set()


def test_a_blocking_handler_past_its_timeout_loses_its_slot(jobs: Jobs) -> None:
    """It cannot be stopped, but its job fails and the slot goes on with others."""
    let_go = threading.Event()

    @jobs.handler(timeout=0.1, max_retries=0)
    def stuck() -> None:
        let_go.wait(2 * PATIENCE)

    @jobs.handler
    def fine() -> str:
        return "fine"

    bad, good = stuck.enqueue(), fine.enqueue()
    with working(jobs, concurrency=1):
        assert jobs.result(good.id, timeout=PATIENCE) == "fine"
        done = ended(jobs, bad)
        let_go.set()
        assert jobs.result(fine.enqueue().id, timeout=PATIENCE) == "fine"
    assert done.error is not None
    assert done.error.type == "TimeoutError"


def test_a_blocking_handler_can_heed_its_timeout(jobs: Jobs) -> None:
    heeded = threading.Event()

    @jobs.handler(timeout=timedelta(seconds=0.1), max_retries=0)
    def polite(ctx: Context) -> None:
        if ctx.cancelled.wait(10):
            heeded.set()

    job = jobs.enqueue("polite", {}, timeout=0.1, max_retries=0)
    jobs.worker().run_until_empty()
    assert heeded.is_set()
    done = ended(jobs, job)
    assert done.error is not None
    assert done.error.type == "TimeoutError"


def test_a_handler_that_swallows_its_cancellation_fails_with_that(jobs: Jobs) -> None:
    @jobs.handler(timeout=0.05, max_retries=0)
    async def deaf() -> str:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            return "as if nothing had happened"
        return "never"

    @jobs.handler
    async def fine() -> str:
        await asyncio.sleep(0)
        return "fine"

    bad, good = deaf.enqueue(), fine.enqueue()
    jobs.worker(concurrency=1).run_until_empty()
    done = ended(jobs, bad)
    assert done.error is not None
    assert "went on after it was asked to stop" in done.error.message
    assert jobs.result(good.id) == "fine"


def test_a_handler_that_will_not_stop_is_left_behind(jobs: Jobs) -> None:
    let_go = threading.Event()

    @jobs.handler(timeout=0.05, max_retries=0)
    async def stubborn() -> None:
        while not let_go.is_set():
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                continue

    @jobs.handler
    async def fine() -> str:
        return "fine"

    bad, good = stubborn.enqueue(), fine.enqueue()
    with working(jobs, concurrency=1):
        assert jobs.result(good.id, timeout=PATIENCE) == "fine"
        assert ended(jobs, bad).status == "failed"
        let_go.set()


def test_more_time_on_request(jobs: Jobs) -> None:
    @jobs.handler(timeout=1.0, max_retries=0)
    async def patient(ctx: Context) -> str:
        for _ in range(4):
            ctx.extend(1.0)
            await asyncio.sleep(0.3)
        return "made it"

    job = jobs.enqueue("patient", {}, timeout=1.0, max_retries=0)
    jobs.worker().run_until_empty()
    assert jobs.result(job.id) == "made it"


def test_cancel_of_a_pending_job_and_it_never_runs(jobs: Jobs) -> None:
    """S40."""
    ran: list[int] = []

    @jobs.handler
    def never() -> None:
        ran.append(1)

    job = never.enqueue()
    jobs.cancel(job.id)
    jobs.worker().run_until_empty()
    assert not ran
    assert ended(jobs, job).status == "cancelled"


@pytest.mark.parametrize("kind", ["loop", "thread"])
def test_cancel_of_a_running_job_within_a_second(jobs: Jobs, kind: str) -> None:
    begun = threading.Event()

    @jobs.handler
    async def on_loop(ctx: Context) -> None:
        begun.set()
        await ctx.cancelled

    @jobs.handler
    def in_thread(ctx: Context) -> None:
        begun.set()
        ctx.cancelled.wait(2 * PATIENCE)

    with working(jobs):
        job = jobs.enqueue("on_loop" if kind == "loop" else "in_thread", {})
        assert begun.wait(PATIENCE)
        asked = Stopwatch()
        jobs.cancel(job.id)
        with pytest.raises(JobCancelled):
            jobs.result(job.id, timeout=PATIENCE)
        assert asked.took() < 1.0


def test_a_job_without_a_handler_is_handed_on_and_then_dead(jobs: Jobs) -> None:
    """S81: the worker goes on, reports the type, and the job is not lost."""

    @jobs.handler
    def known() -> str:
        return "ran"

    with working(jobs):
        began = time.monotonic()
        lost = jobs.enqueue("unheard_of", {})
        assert jobs.result(known.enqueue().id, timeout=PATIENCE) == "ran"
        waiting = jobs.find(lost.id)
        assert waiting is not None
        assert waiting.status in {"pending", "running"} or time.monotonic() - began > 0.4
        with pytest.raises(JobFailed, match="unheard_of") as caught:
            jobs.result(lost.id, timeout=PATIENCE)
    assert caught.value.error_type == "NoHandlerError"
    assert [one.id for one in jobs.failed()] == [lost.id]


def test_a_job_past_its_expiry_is_cancelled_not_run(jobs: Jobs) -> None:
    ran: list[int] = []

    @jobs.handler(expires=0.02)
    def stale() -> None:
        ran.append(1)

    job = stale.enqueue()
    time.sleep(0.06)
    jobs.worker().run_until_empty()
    done = ended(jobs, job)
    assert (done.status, ran) == ("cancelled", [])
    assert "expired" in (done.reason or "")


def test_a_record_of_garbage_goes_to_quarantine_with_its_bytes(jobs: Jobs) -> None:
    """Bad input: kept, shown, and the worker alive."""

    @jobs.handler
    def fine() -> str:
        return "fine"

    backend = jobs.store.blocking()
    id = b"\x01" * 16
    backend.execute(Enqueue((NewJob(id, "fine", "default", 1, b"\xc1garbage"),)))
    good = fine.enqueue()
    jobs.worker().run_until_empty()
    backend.close()
    assert jobs.result(good.id) == "fine"
    (dead,) = jobs.failed()
    assert dead.error is not None
    assert dead.error.type == "RecordError"
    assert "c1 67 61 72" in dead.error.message


def test_wrong_argument_types_fail_the_job_and_name_the_argument(jobs: Jobs) -> None:
    @jobs.handler(max_retries=0)
    def add(a: int, b: int) -> int:
        return a + b

    job = jobs.enqueue("add", {"a": 1, "b": "two"}, max_retries=0)
    jobs.worker().run_until_empty()
    done = ended(jobs, job)
    assert done.error is not None
    assert "'b'" in done.error.message or "`b`" in done.error.message


def test_middleware_wraps_every_run_the_first_outermost(jobs: Jobs) -> None:
    said: list[str] = []

    @jobs.middleware
    async def outer(ctx: Context, call_next: Callable[[Context], Awaitable[Any]]) -> Any:
        said.append(f"outer before {ctx.job.job_type}")
        value = await call_next(ctx)
        said.append("outer after")
        return value

    @jobs.middleware
    async def inner(ctx: Context, call_next: Callable[[Context], Awaitable[Any]]) -> Any:
        said.append("inner before")
        return {"wrapped": await call_next(ctx)}

    @jobs.handler
    def blocking() -> int:
        said.append("handler")
        return 1

    @jobs.handler(max_retries=0)
    async def failing() -> int:
        raise ValueError("seen by middleware")

    job, bad = blocking.enqueue(), failing.enqueue()
    jobs.worker(concurrency=1).run_until_empty()
    assert said[:4] == ["outer before blocking", "inner before", "handler", "outer after"]
    assert jobs.result(job.id) == {"wrapped": 1}
    with pytest.raises(JobFailed, match="seen by middleware"):
        jobs.result(bad.id)


def test_the_lifespan_opens_and_closes_what_handlers_use(jobs: Jobs) -> None:
    said: list[str] = []

    @jobs.lifespan
    @asynccontextmanager
    async def resources() -> AsyncIterator[dict[str, str]]:
        said.append("open")
        yield {"pool": "a pool"}
        said.append("close")

    @jobs.handler
    async def uses(ctx: Context) -> Any:
        return ctx.state["pool"]

    job = jobs.enqueue("uses", {})
    jobs.worker().run_until_empty()
    assert jobs.result(job.id) == "a pool"
    assert said == ["open", "close"]


def test_the_context_knows_its_job(jobs: Jobs) -> None:
    @jobs.handler
    async def who(a: int, ctx: Context) -> list[Any]:
        return [a, str(ctx.job.id), ctx.attempt, ctx.fencing_token, bool(ctx.cancelled)]

    job = jobs.enqueue("who", {"a": 3})
    jobs.worker().run_until_empty()
    assert jobs.result(job.id) == [3, str(job.id), 1, 1, False]


@pytest.mark.parametrize("kind", ["loop", "thread"])
def test_a_job_deleted_while_it_runs_and_enqueued_anew_is_another(jobs: Jobs, kind: str) -> None:
    """What comes of the old run is not taken for the new one's: it runs, and can be cancelled."""
    begun: list[str] = []
    old, new = threading.Event(), threading.Event()

    @jobs.handler
    async def on_loop(ctx: Context, what: str) -> str:
        begun.append(what)
        await ctx.cancelled if what == "old" else await asyncio.to_thread(new.wait, PATIENCE)
        return what

    @jobs.handler
    def in_thread(what: str) -> str:
        begun.append(what)
        (old if what == "old" else new).wait(PATIENCE)
        return what

    name = "on_loop" if kind == "loop" else "in_thread"
    with working(jobs, concurrency=2):
        job = jobs.enqueue(name, {"what": "old"})
        eventually("it runs", lambda: begun == ["old"])
        assert jobs.delete(job.id)
        jobs.enqueue(name, {"what": "new"}, job_id=job.id)
        eventually("the new one runs", lambda: begun == ["old", "new"])
        old.set()
        time.sleep(0.1)
        found = jobs.find(job.id)
        assert found is not None
        assert found.status == "running"
        new.set()
        assert jobs.result(job.id, timeout=PATIENCE) == "new"
        for _ in range(4):  # both slots are free, and are known to be
            jobs.enqueue(name, {"what": "new"})
        eventually("all have run", lambda: len(begun) == 6)


def test_the_job_enqueued_anew_hears_that_it_is_cancelled(jobs: Jobs) -> None:
    begun: list[int] = []

    @jobs.handler
    async def waits(ctx: Context) -> None:
        begun.append(1)
        await ctx.cancelled

    with working(jobs, concurrency=2):
        job = waits.enqueue()
        eventually("it runs", lambda: len(begun) == 1)
        jobs.delete(job.id)
        jobs.enqueue("waits", {}, job_id=job.id)
        eventually("the new one runs", lambda: len(begun) == 2)
        jobs.cancel(job.id)
        with pytest.raises(JobCancelled):
            jobs.result(job.id, timeout=PATIENCE)
