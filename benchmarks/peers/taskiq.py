"""taskiq with taskiq-redis: the stream broker, or the list broker (variant), results in Redis.

- `max_async_tasks=100` (the default), `max_prefetch=100`: "Taskiq CLI", Worker; uvloop is used by
  the command where it is installed. `run_receiver_task`: "Dynamic brokers".
- `RedisStreamBroker` (acks; `xread_count=100`, the default), `ListQueueBroker` (no acks),
  `RedisAsyncResultBackend`: README of taskiq-redis. Jobs due later: `ListRedisScheduleSource` and a
  scheduler ("Scheduling tasks"), here in the worker's process, its source read every second.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from taskiq import TaskiqScheduler
from taskiq.api import run_receiver_task, run_scheduler_task
from taskiq_redis import (
    ListQueueBroker,
    ListRedisScheduleSource,
    RedisAsyncResultBackend,
    RedisStreamBroker,
)

from benchmarks.peers import kit

PACKAGES = ("taskiq", "taskiq-redis", "redis", "hiredis", "uvloop")
BEST = 100
LIST = kit.VARIANT == "list"
SETTINGS = {
    "broker": "ListQueueBroker (no acks)" if LIST else "RedisStreamBroker",
    "max_async_tasks": str(BEST),
    "max_prefetch": "100",
    "results": "RedisAsyncResultBackend, 3600 s",
    "loop": "uvloop",
}
JOBS = 10_000

made = ListQueueBroker if LIST else RedisStreamBroker
broker = made(kit.URL).with_result_backend(RedisAsyncResultBackend(kit.URL, result_ex_time=3600))
source = ListRedisScheduleSource(kit.URL)


@broker.task(task_name="noop")
async def noop(to: str, subject: str, body: str) -> None:
    kit.done()


@broker.task(task_name="sleeper")
async def sleeper(to: str, subject: str, body: str) -> None:
    kit.begin()
    await asyncio.sleep(kit.SLEEP)
    kit.done()


@broker.task(task_name="stamp")
async def stamp() -> int:
    return time.monotonic_ns()


TASKS = {"noop": noop, "sleeper": sleeper}


@asynccontextmanager
async def opened():
    await broker.startup()
    yield
    await broker.shutdown()


async def aput(job):
    await TASKS[job].kiq(**kit.PAYLOAD)


async def aput_at(count, when):
    eta = datetime.fromtimestamp(when, UTC)
    left = iter(range(count))

    async def producer():
        for _ in left:
            await noop.schedule_by_time(source, eta, **kit.PAYLOAD)

    await asyncio.gather(*(producer() for _ in range(16)))


async def aask():
    task = await stamp.kiq()
    return (await task.wait_result(check_interval=0.001, timeout=20)).return_value


def work():
    async def main():
        receiver = run_receiver_task(
            broker,
            max_async_tasks=kit.concurrency(BEST),
            max_prefetch=100,
            run_startup=True,
        )
        if kit.MODE != "schedule":
            await receiver
            return
        scheduler = TaskiqScheduler(broker, sources=[source])
        ticking = run_scheduler_task(scheduler, run_startup=True, interval=timedelta(seconds=1))
        await asyncio.gather(receiver, ticking)

    kit.gate()
    kit.run(main())
