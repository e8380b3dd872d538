"""RQ: SimpleWorker, or the forking Worker (variant); each runs one job at a time.

- SimpleWorker for very short jobs: "Notes on Performance" (benchmark.md).
- `enqueue_many` with `prepare_data`: "Jobs", Bulk Job Enqueueing; scheduler: "Scheduling Jobs".
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from redis import Redis
from rq import Queue, SimpleWorker, Worker

from benchmarks.peers import kit

PACKAGES = ("rq", "redis", "hiredis")
FORK = kit.VARIANT == "fork"
SETTINGS = {"worker": "Worker (fork)" if FORK else "SimpleWorker", "result_ttl": "500 s (default)"}
JOBS = 1_000 if FORK else 2_000
ONE_AT_A_TIME = True

connection = Redis.from_url(kit.URL)
queue = Queue(connection=connection)


def noop(to, subject, body):
    kit.done()


def sleeper(to, subject, body):
    kit.begin()
    time.sleep(kit.SLEEP)
    kit.done()


def stamp():
    return time.monotonic_ns()


TASKS = {"noop": noop, "sleeper": sleeper}


def put(job):
    queue.enqueue(TASKS[job], kwargs=kit.PAYLOAD)


def bulk(job, count):
    for begin in range(0, count, 1_000):
        some = range(min(1_000, count - begin))
        queue.enqueue_many([Queue.prepare_data(TASKS[job], kwargs=kit.PAYLOAD) for _ in some])


def put_at(count, when):
    eta = datetime.fromtimestamp(when, UTC)
    for _ in range(count):
        queue.enqueue_at(eta, noop, kwargs=kit.PAYLOAD)


def ask():
    return queue.enqueue(stamp).latest_result(timeout=20).return_value


def work():
    worker = (Worker if FORK else SimpleWorker)([queue], connection=connection)
    kit.gate()
    worker.work(logging_level="ERROR", with_scheduler=kit.MODE == "schedule")
