"""huey: RedisHuey, one consumer of threads, no periodic tasks.

- thread workers, `periodic=False`, `check_worker_health=False`, blocking pops: "Consuming Tasks".
- results on; of a task that returns None it stores nothing, its default (`store_none=False`).
- `notify_result=True` (3.0, results without polling) where latency is measured, off where it would
  only cost: "Huey 3.0" and "RedisHuey".
"""

from __future__ import annotations

import time

from huey import RedisHuey

from benchmarks.peers import kit

PACKAGES = ("huey", "redis", "hiredis")
BEST = 4
SETTINGS = {
    "workers": f"{BEST} threads",
    "periodic, check_worker_health": "off",
    "results": "on (None is not stored: default)",
    "notify_result": "on for latency only",
}
JOBS = 10_000

queue = RedisHuey("bench", url=kit.URL, results=True, notify_result=kit.MODE == "serve")


@queue.task(name="noop")
def noop(to, subject, body):
    kit.done()


@queue.task(name="sleeper")
def sleeper(to, subject, body):
    kit.begin()
    time.sleep(kit.SLEEP)
    kit.done()


@queue.task(name="stamp")
def stamp():
    return time.monotonic_ns()


TASKS = {"noop": noop, "sleeper": sleeper}


def put(job):
    TASKS[job](**kit.PAYLOAD)


def put_at(count, when):
    for _ in range(count):
        noop.schedule(kwargs=kit.PAYLOAD, delay=when - time.time())


def ask():
    return stamp().get(blocking=True, timeout=20, backoff=1, max_delay=0.002)


def work():
    consumer = queue.create_consumer(
        workers=kit.concurrency(BEST),
        worker_type="thread",
        periodic=False,
        check_worker_health=False,
        initial_delay=0.001,
        backoff=1.0,
        max_delay=0.001,
    )
    kit.gate()
    consumer.run()
