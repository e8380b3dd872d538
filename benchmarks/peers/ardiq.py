"""ArdiQ (Rust core; needs Python 3.12): 100 tasks at once.

- `concurrency`: README and "Performance"; prefetch at its default; `enqueue_many`: README.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager

from ardiq import Ardiq

from benchmarks.peers import kit

PACKAGES = ("ardiq", "msgpack")
BEST = 100
SETTINGS = {"concurrency": str(BEST), "prefetch": "default", "result_ttl": "default"}
JOBS = 20_000

app = Ardiq(redis_url=kit.URL, queue_name="bench", concurrency=kit.concurrency(BEST))


@app.task()
async def noop(to: str, subject: str, body: str) -> None:
    kit.done()


@app.task()
async def sleeper(to: str, subject: str, body: str) -> None:
    kit.begin()
    await asyncio.sleep(kit.SLEEP)
    kit.done()


@app.task()
async def stamp() -> int:
    return time.monotonic_ns()


TASKS = {"noop": noop, "sleeper": sleeper}


@asynccontextmanager
async def opened():
    yield


async def aput(job):
    await TASKS[job].enqueue(**kit.PAYLOAD)


async def abulk(job, count):
    for begin in range(0, count, 1_000):
        some = range(min(1_000, count - begin))
        await app.enqueue_many([TASKS[job].prepare(**kit.PAYLOAD) for _ in some])


async def aput_at(count, when):
    due = noop.options(schedule_ms=int(when * 1000))
    for begin in range(0, count, 1_000):
        some = range(min(1_000, count - begin))
        await app.enqueue_many([due.prepare(**kit.PAYLOAD) for _ in some])


async def aask():
    job = await stamp.enqueue()
    return (await job.result(timeout=20)).value


def work():
    kit.gate()
    kit.run(app.run())
