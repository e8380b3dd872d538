"""A call on an event loop that its caller gives up, at whichever of its steps."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from boundary.jobs import Jobs

STEPS = 90
"""Turns of the loop after which a call waits for others, or has ended, on each kind of store."""

AT_ONCE = 10.0
"""Seconds: far less than what the calls below wait for, far more than it takes to give up."""


async def a_result(jobs: Jobs) -> None:
    job = await jobs.aio.enqueue("nobody_runs_this")
    await jobs.aio.result(job.id, timeout=60)


async def an_event(jobs: Jobs) -> None:
    async with jobs.aio.events() as events:
        await anext(aiter(events))


async def many_calls(jobs: Jobs) -> None:
    while True:
        await jobs.aio.enqueue("nobody_runs_this")
        await asyncio.sleep(0)  # in memory nothing waits


async def given_up(call: Coroutine[Any, Any, None], after: int) -> None:
    task = asyncio.create_task(call)
    for _ in range(after):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=AT_ONCE)
    assert done, f"given up after {after} turns of the loop, it goes on"
    assert task.cancelled()


@pytest.mark.parametrize("call", [a_result, an_event, many_calls])
def test_a_call_ends_at_once_whenever_it_is_given_up(call: Any, url: str) -> None:
    """Python 3.11 loses cancellations in `asyncio.wait_for` (python/cpython#86296)."""

    async def at_each_step() -> None:
        for after in range(STEPS):
            with Jobs(url) as jobs:
                async with jobs.aio:
                    await given_up(call(jobs), after)

    asyncio.run(at_each_step())
