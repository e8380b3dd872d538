"""dramatiq: one process of 8 threads, Redis broker, results in Redis.

- `worker_threads=8`: the command's default a process ("User Guide", Workers).
- `dramatiq_queue_prefetch=128`: environment variable of "Changelog" 1.6 and `dramatiq.worker`;
  its default is twice the threads.
- `Results(backend=RedisBackend)`, `store_results=True`: "User Guide", Message Results.
"""

from __future__ import annotations

import os

os.environ.setdefault("dramatiq_queue_prefetch", "128")

import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from dramatiq.worker import Worker

from benchmarks.peers import kit

PACKAGES = ("dramatiq", "redis", "hiredis")
BEST = 8
SETTINGS = {
    "worker_threads": str(BEST),
    "dramatiq_queue_prefetch": "128",
    "results": "RedisBackend, store_results=True",
}
JOBS = 10_000

broker = RedisBroker(url=kit.URL)
broker.add_middleware(Results(backend=RedisBackend(url=kit.URL)))
dramatiq.set_broker(broker)


@dramatiq.actor(store_results=True)
def noop(to, subject, body):
    kit.done()


@dramatiq.actor(store_results=True)
def sleeper(to, subject, body):
    kit.begin()
    time.sleep(kit.SLEEP)
    kit.done()


@dramatiq.actor(store_results=True)
def stamp():
    return time.monotonic_ns()


TASKS = {"noop": noop, "sleeper": sleeper}


def put(job):
    TASKS[job].send(**kit.PAYLOAD)


def put_at(count, when):
    for _ in range(count):
        delay = max(int((when - time.time()) * 1000), 0)
        noop.send_with_options(kwargs=kit.PAYLOAD, delay=delay)


def ask():
    return stamp.send().get_result(block=True, timeout=20_000)


def work():
    worker = Worker(broker, worker_threads=kit.concurrency(BEST))
    kit.gate()
    worker.start()
    while True:
        time.sleep(3600)
