"""Celery: threads, or prefork (variant).

- `worker_prefetch_multiplier=128`: "Optimizing", Prefetch Limits: for many short tasks "64 or 128".
- `--without-gossip --without-mingle --without-heartbeat`: "Command Line Interface", celery worker.
- threads with 8, prefork with 2 (one a core): "Concurrency"; acks and result backend at defaults.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from celery import Celery

from benchmarks.peers import kit

PACKAGES = ("celery", "kombu", "redis", "hiredis", "billiard")
PREFORK = kit.VARIANT == "prefork"
BEST = 2 if PREFORK else 8
SETTINGS = {
    "pool": "prefork" if PREFORK else "threads",
    "concurrency": str(BEST),
    "worker_prefetch_multiplier": "128",
    "result_backend": "redis",
    "flags": "--without-gossip --without-mingle --without-heartbeat",
}
JOBS = 5_000

app = Celery("bench", broker=kit.URL, backend=kit.URL)
app.conf.update(
    worker_prefetch_multiplier=128,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)


@app.task(name="noop")
def noop(to, subject, body):
    kit.done()


@app.task(name="sleeper")
def sleeper(to, subject, body):
    kit.begin()
    time.sleep(kit.SLEEP)
    kit.done()


@app.task(name="stamp")
def stamp():
    return time.monotonic_ns()


TASKS = {"noop": noop, "sleeper": sleeper}


def put(job):
    TASKS[job].delay(**kit.PAYLOAD)


def put_at(count, when):
    eta = datetime.fromtimestamp(when, UTC)
    for _ in range(count):
        noop.apply_async(kwargs=kit.PAYLOAD, eta=eta)


def ask():
    return stamp.delay().get(timeout=20)


def work():
    kit.gate()
    pool = "prefork" if PREFORK else "threads"
    app.worker_main(
        [
            "worker",
            f"--pool={pool}",
            f"--concurrency={kit.concurrency(BEST)}",
            "--loglevel=ERROR",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
        ]
    )
