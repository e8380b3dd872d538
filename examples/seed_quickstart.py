"""The seed's Quick Start, translated line by line.

It shows that every call of the seed is here. New code is shorter: see `seed_handlers.py`.

    REDIS_URL=redis://localhost:6379/0 python examples/seed_quickstart.py    on your server
    REDIS_HOST=localhost python examples/seed_quickstart.py                  the same, the seed's way
    python examples/seed_quickstart.py                                       on an SQLite file
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from boundary.jobs.core import job
from boundary.jobs.ports import JobQueue, JobStore, SeedHandler
from boundary.jobs.shell.adapters import redis as redis_jobs
from boundary.jobs.shell.adapters import sqlite as sqlite_jobs


def send_email_handler(job_args: dict[str, Any]) -> dict[str, Any]:
    """Job handler for sending emails."""
    try:
        to = job_args["to"]
        print("Sending email to", to)
        return {
            "success": True,
            "result": {"sent_at": datetime.now(UTC).isoformat(), "message_id": "msg-123"},
        }
    except KeyError as error:
        return {"success": False, "error": {"message": str(error), "type": type(error).__name__}}


job_registry: dict[str, SeedHandler] = {"send_email": send_email_handler}


def enqueue_both(job_queue: JobQueue) -> None:
    """An immediate job and one for later."""
    now = datetime.now(UTC)
    job_input = {
        "job_type": "send_email",
        "args": {
            "to": "user@example.com",
            "subject": "Welcome!",
            "body": "Thanks for signing up.",
        },
        "priority": "high",
    }
    job_queue.enqueue_job("default", job.create_job(job_input, uuid4(), now))

    reminder = {"job_type": "send_reminder", "args": {"user_id": "123"}, "priority": "normal"}
    execute_at = now + timedelta(seconds=3600)
    job_queue.enqueue_job("default", job.schedule_job(reminder, uuid4(), execute_at, now))


def process_next_job(
    job_queue: JobQueue, job_store: JobStore, registry: dict[str, SeedHandler]
) -> job.Job | None:
    """Process one job from queue."""
    one = job_queue.dequeue_job("default")
    if one is None:
        return None
    handler = registry.get(one.job_type)
    if handler is None:
        print("No handler registered for", one.job_type)
        return None
    started = job_store.save_job(job.start_job(one, datetime.now(UTC)))
    result = handler(one.args)
    if result["success"]:
        return job_store.save_job(job.complete_job(started, result["result"], datetime.now(UTC)))
    return job_store.save_job(job.fail_job(started, result["error"], datetime.now(UTC)))


def process_ready(job_queue: JobQueue, job_store: JobStore) -> list[job.Job]:
    """Enqueue, process what is ready, and return it."""
    enqueue_both(job_queue)
    done: list[job.Job] = []
    while one := process_next_job(job_queue, job_store, job_registry):
        done.append(one)
    return done


def on_redis(config: Mapping[str, Any]) -> list[job.Job]:
    """As the seed has it: `config` is {"host": "localhost", "port": 6379}."""
    redis_pool = redis_jobs.create_redis_pool(config)
    job_queue = redis_jobs.create_redis_job_queue(redis_pool)
    job_store = redis_jobs.create_redis_job_store(redis_pool)
    try:
        return process_ready(job_queue, job_store)
    finally:
        redis_jobs.close_redis_pool(redis_pool)


def on_sqlite(path: Path) -> list[job.Job]:
    """The same without a server."""
    pool = sqlite_jobs.create_sqlite_pool({"path": path})
    job_queue = sqlite_jobs.create_sqlite_job_queue(pool)
    job_store = sqlite_jobs.create_sqlite_job_store(pool)
    try:
        return process_ready(job_queue, job_store)
    finally:
        sqlite_jobs.close_sqlite_pool(pool)


def redis_config(environ: Mapping[str, str]) -> dict[str, Any]:
    """The config of a pool, from the environment; empty if it names no server."""
    if url := environ.get("REDIS_URL"):
        parts = urlsplit(url)
        given = {
            "host": parts.hostname,
            "port": parts.port,
            "password": parts.password and unquote(parts.password),
            "database": int(parts.path[1:] or 0),
        }
    else:
        port = environ.get("REDIS_PORT")
        given = {
            "host": environ.get("REDIS_HOST"),
            "port": int(port) if port and environ.get("REDIS_HOST") else None,
            "password": environ.get("REDIS_HOST") and environ.get("REDIS_PASSWORD"),
        }
    return {key: value for key, value in given.items() if value}


def main() -> list[job.Job]:
    """On Redis if the environment names one, else on a file that is gone afterwards."""
    if config := redis_config(os.environ):
        return on_redis(config)
    with tempfile.TemporaryDirectory() as folder:
        return on_sqlite(Path(folder) / "jobs.db")


if __name__ == "__main__":
    for finished in main():
        print(finished.job_type, finished.status, finished.result)
