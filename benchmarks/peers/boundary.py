"""boundary-jobs through its public API, results, statistics, history, leases at their defaults.

Jobs at once by default, 10, where a queue is drained; 100 for jobs that sleep, as for everybody.
A drain is over when `run_until_empty` returns, that is when the last result is stored; for every
peer it is over when its last handler ends. Idle, it is the command: `boundary-jobs worker MODULE`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from datetime import UTC, datetime

from benchmarks.peers import kit
from boundary.jobs import Jobs

PACKAGES = ("boundary-jobs", "redis", "hiredis", "msgspec", "uvloop")
BEST = 10
SETTINGS = {"concurrency": str(BEST), "everything else": "defaults"}
JOBS = 100_000

jobs = Jobs(kit.URL)


@jobs.handler
async def noop(to: str, subject: str, body: str) -> None:
    kit.done()


@jobs.handler
async def sleeper(to: str, subject: str, body: str) -> None:
    kit.begin()
    await asyncio.sleep(kit.SLEEP)
    kit.done()


@jobs.handler
async def stamp() -> int:
    return time.monotonic_ns()


HANDLERS = {"noop": noop, "sleeper": sleeper}


def put(job: str) -> None:
    HANDLERS[job].enqueue(**kit.PAYLOAD)


async def aput(job: str) -> None:
    await HANDLERS[job].aenqueue(**kit.PAYLOAD)


def bulk(job: str, count: int) -> None:
    handler = HANDLERS[job]
    jobs.enqueue_many(handler.job(**kit.PAYLOAD) for _ in range(count))


def put_at(count: int, when: float) -> None:
    handler = noop.using(run_at=datetime.fromtimestamp(when, UTC))
    jobs.enqueue_many(handler.job(**kit.PAYLOAD) for _ in range(count))


def ask() -> int:
    return int(jobs.result(stamp.enqueue().id, timeout=20))


def succeeded() -> int:
    return jobs.stats().total_succeeded


def work() -> None:
    at_once = kit.concurrency(BEST)
    if kit.MODE == "drain":
        worker = jobs.worker(concurrency=at_once)
        kit.gate()
        worker.run_until_empty()
        kit.settled()
        sys.stdin.readline()  # its memory is read before it ends
        return
    kit.gate()
    command = ["-m", "boundary.jobs", "worker", "benchmarks.peers.boundary"]
    os.execv(sys.executable, [sys.executable, *command, "--concurrency", str(at_once)])
