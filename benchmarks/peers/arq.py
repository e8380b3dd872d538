"""arq: 100 jobs at once, a poll of 10 ms, results kept.

- `max_jobs`, `poll_delay`, `queue_read_limit`: "Reference", arq.worker.Worker. Its default poll is
  0.5 s; a shorter one costs commands.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from arq import Worker, create_pool
from arq.connections import RedisSettings

from benchmarks.peers import kit

PACKAGES = ("arq", "redis", "hiredis", "uvloop")
BEST = 100
SETTINGS = {
    "max_jobs": str(BEST),
    "poll_delay": "0.01 s",
    "keep_result": "3600 s (default)",
    "loop": "uvloop",
}
JOBS = 5_000
SERVER = RedisSettings.from_dsn(kit.URL)
pool = None


async def noop(ctx, to, subject, body):
    kit.done()


async def sleeper(ctx, to, subject, body):
    kit.begin()
    await asyncio.sleep(kit.SLEEP)
    kit.done()


async def stamp(ctx):
    return time.monotonic_ns()


@asynccontextmanager
async def opened():
    global pool
    pool = await create_pool(SERVER)
    yield
    await pool.aclose()


async def aput(job):
    await pool.enqueue_job(job, **kit.PAYLOAD)


async def aput_at(count, when):
    eta = datetime.fromtimestamp(when, UTC)
    left = iter(range(count))

    async def producer():
        for _ in left:
            await pool.enqueue_job("noop", _defer_until=eta, **kit.PAYLOAD)

    await asyncio.gather(*(producer() for _ in range(16)))


async def aask():
    job = await pool.enqueue_job("stamp")
    return await job.result(timeout=20, poll_delay=0.002)


def work():
    import uvloop

    asyncio.set_event_loop(uvloop.new_event_loop())
    worker = Worker(
        functions=[noop, sleeper, stamp],
        redis_settings=SERVER,
        max_jobs=kit.concurrency(BEST),
        poll_delay=0.01,
        log_results=False,
    )
    kit.gate()
    worker.run()
