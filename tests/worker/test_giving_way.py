"""What a worker has of jobs that were deleted while it had them, and enqueued anew under their ids."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from boundary.jobs import Jobs
from boundary.jobs.core.operations import Claim
from boundary.jobs.core.outcome import Keep
from boundary.jobs.core.wire import Record
from boundary.jobs.shell.clock import SystemClock
from boundary.jobs.shell.executor import Executor

HOUR = 3_600_000


def executor_of(jobs: Jobs, collected: Callable[[], None]) -> Executor:
    """One slot for the handlers that `jobs` knows."""
    return Executor(
        jobs.registry,
        concurrency=1,
        addresses=None,
        streams=None,
        keep=Keep(HOUR, HOUR),
        max_unhandled_ms=HOUR,
        max_crashes=3,
        result_limit=10_000,
        clock=SystemClock(),
        state=None,
        report=lambda _record, _progress: None,
        collected=collected,
        store_now=lambda: round(time.time() * 1000),
    )


def claimed(jobs: Jobs, number: int) -> tuple[Record, ...]:
    """As a worker takes them."""
    backend = jobs.store.blocking()
    try:
        return backend.execute(Claim("w1", None, number, HOUR, join=True)).jobs
    finally:
        backend.close()


def test_what_had_ended_and_what_had_not_begun_gives_way_too(jobs: Jobs) -> None:
    """An outcome that was not handed in, and a job that waits for a slot: neither is the new job's."""
    ran: list[str] = []

    @jobs.handler
    async def work(name: str) -> None:
        ran.append(name)
        if name == "busy":
            await asyncio.sleep(60)

    ended, busy, waits, other = (
        jobs.enqueue("work", {"name": name}) for name in ("ended", "busy", "waits", "other")
    )

    async def day() -> None:
        collected = asyncio.Event()
        executor = executor_of(jobs, collected.set)
        try:
            executor.add(claimed(jobs, 4))
            await collected.wait()
            await asyncio.sleep(0)
            assert (executor.waiting, ran) == (1, ["ended", "busy"])
            time.sleep(0.002)
            for job in (ended, waits):
                assert jobs.delete(job.id)
                jobs.enqueue("work", {"name": "anew"}, job_id=job.id)
            new = claimed(jobs, 4)
            assert [(one.id, one.token) for one in new] == [
                (ended.id.bytes, 1),
                (waits.id.bytes, 1),
            ]
            assert [one.id for one in executor.give_way(new)] == [waits.id.bytes]
            assert executor.waiting == 0
            assert [one.id for one in executor.held] == [busy.id.bytes, other.id.bytes]
            assert executor.give_way(new) == ()
        finally:
            executor.abandon()
            await executor.close()

    asyncio.run(day())
