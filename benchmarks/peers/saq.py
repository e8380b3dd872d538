"""SAQ: 100 jobs at once.

- `concurrency`, `dequeue_timeout`, `timers`: docstring of `saq.worker.Worker` (docs "Worker").
- `max_concurrent_ops` (default 20) raised to 100 for 100 producers: `saq.queue.redis.RedisQueue`.
- `poll_interval` of `apply`, 1 ms: docstring of `saq.Queue.apply`; at its default of 0.5 s a result
  takes a second.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager

from saq import Queue, Worker

from benchmarks.peers import kit

PACKAGES = ("saq", "redis", "hiredis", "uvloop")
BEST = 100
SETTINGS = {
    "concurrency": str(BEST),
    "max_concurrent_ops": "100",
    "ttl": "600 s (default)",
    "loop": "uvloop",
}
JOBS = 5_000
queue = None


def _queue():
    return Queue.from_url(kit.URL, max_concurrent_ops=100)


async def noop(ctx, *, to, subject, body):
    kit.done()


async def sleeper(ctx, *, to, subject, body):
    kit.begin()
    await asyncio.sleep(kit.SLEEP)
    kit.done()


async def stamp(ctx):
    return time.monotonic_ns()


@asynccontextmanager
async def opened():
    global queue
    queue = _queue()
    await queue.connect()
    yield
    await queue.disconnect()


async def aput(job):
    await queue.enqueue(job, **kit.PAYLOAD)


async def aput_at(count, when):
    left = iter(range(count))

    async def producer():
        for _ in left:
            await queue.enqueue("noop", scheduled=int(when), **kit.PAYLOAD)

    await asyncio.gather(*(producer() for _ in range(16)))


async def aask():
    return await queue.apply("stamp", timeout=20, poll_interval=0.001)


def work():
    async def main():
        async with opened():
            worker = Worker(
                queue, functions=[noop, sleeper, stamp], concurrency=kit.concurrency(BEST)
            )
            kit.gate()
            await worker.start()

    kit.run(main())
