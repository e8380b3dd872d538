"""streaQ: 100 tasks at once, prefetch at its default (as many again), uvloop.

- `concurrency`, `prefetch`, `anyio_kwargs={"use_uvloop": True}`: "Workers" and the docstring of
  `streaq.Worker`; `enqueue_many`: "Tasks".
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from streaq import Worker

from benchmarks.peers import kit

PACKAGES = ("streaq", "coredis", "hiredis", "uvloop", "anyio")
BEST = 100
SETTINGS = {
    "concurrency": str(BEST),
    "prefetch": "default (concurrency)",
    "ttl": "300 s (default)",
    "loop": "uvloop",
}
JOBS = 5_000

worker = Worker(
    redis_url=kit.URL, concurrency=kit.concurrency(BEST), anyio_kwargs={"use_uvloop": True}
)


@worker.task(name="noop")
async def noop(to: str, subject: str, body: str) -> None:
    kit.done()


@worker.task(name="sleeper")
async def sleeper(to: str, subject: str, body: str) -> None:
    kit.begin()
    await asyncio.sleep(kit.SLEEP)
    kit.done()


@worker.task(name="stamp")
async def stamp() -> int:
    return time.monotonic_ns()


TASKS = {"noop": noop, "sleeper": sleeper}


@asynccontextmanager
async def opened():
    async with worker:
        yield


async def aput(job):
    await TASKS[job].enqueue(**kit.PAYLOAD)


async def abulk(job, count):
    for begin in range(0, count, 1_000):
        some = range(min(1_000, count - begin))
        await worker.enqueue_many([TASKS[job].enqueue(**kit.PAYLOAD) for _ in some])


async def aput_at(count, when):
    eta = datetime.fromtimestamp(when, UTC)
    for begin in range(0, count, 1_000):
        some = range(min(1_000, count - begin))
        await worker.enqueue_many([noop.enqueue(**kit.PAYLOAD).start(schedule=eta) for _ in some])


async def aask():
    task = await stamp.enqueue()
    return (await task.result(20)).result


def work():
    kit.gate()
    worker.run_sync()
