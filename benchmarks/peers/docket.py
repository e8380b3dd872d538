"""pydocket: 100 tasks at once.

- `concurrency`, `message_batch` (1,000, the default): docstring of `docket.Worker` ("Production");
  `add_many`: docstring of `docket.Docket`. Intervals at their defaults: reads block, and the
  resolution of what is due later is 250 ms.
- `max_connections`: the pool of redis-py 8 holds 100 by default, which 100 tasks and the worker
  itself exceed; it then says MaxConnectionsError and leaves tasks pending.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from docket import Docket, Worker

from benchmarks.peers import kit

PACKAGES = ("pydocket", "redis", "hiredis", "uvloop")
BEST = 100
SETTINGS = {
    "concurrency": str(BEST),
    "message_batch": "1000 (default)",
    "execution_ttl": "15 min (default)",
    "max_connections": "300",
    "loop": "uvloop",
}
JOBS = 5_000

docket = Docket(name="bench", url=f"{kit.URL}?max_connections=300")


async def noop(to: str, subject: str, body: str) -> None:
    kit.done()


async def sleeper(to: str, subject: str, body: str) -> None:
    kit.begin()
    await asyncio.sleep(kit.SLEEP)
    kit.done()


async def stamp() -> int:
    return time.monotonic_ns()


TASKS = {"noop": noop, "sleeper": sleeper, "stamp": stamp}


@asynccontextmanager
async def opened():
    async with docket:
        for task in TASKS.values():
            docket.register(task)
        yield


async def aput(job):
    await docket.add(TASKS[job])(**kit.PAYLOAD)


async def abulk(job, count):
    await docket.add_many(docket.call(TASKS[job])(**kit.PAYLOAD) for _ in range(count))


async def aput_at(count, when):
    eta = datetime.fromtimestamp(when, UTC)
    await docket.add_many(docket.call(noop, when=eta)(**kit.PAYLOAD) for _ in range(count))


async def aask():
    execution = await docket.add(stamp)()
    return await execution.get_result(timeout=timedelta(seconds=20))


def work():
    async def main():
        async with opened(), Worker(docket, concurrency=kit.concurrency(BEST)) as worker:
            kit.gate()
            await worker.run_forever()

    kit.run(main())
