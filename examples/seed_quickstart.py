"""The seed's Quick Start, translated line by line.

It shows that every call of the seed is here. New code is shorter: see `seed_handlers.py`.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from boundary.jobs.core import job
from boundary.jobs.ports import JobQueue, JobStore, SeedHandler
from boundary.jobs.shell.adapters.sqlite import seed as sqlite_jobs


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


def main(path: Path) -> list[job.Job]:
    """Enqueue, process what is ready, and return it."""
    pool = sqlite_jobs.create_sqlite_pool({"path": path})
    job_queue = sqlite_jobs.create_sqlite_job_queue(pool)
    job_store = sqlite_jobs.create_sqlite_job_store(pool)
    try:
        enqueue_both(job_queue)
        done: list[job.Job] = []
        while one := process_next_job(job_queue, job_store, job_registry):
            done.append(one)
        return done
    finally:
        sqlite_jobs.close_sqlite_pool(pool)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for finished in main(Path(folder) / "jobs.db"):
            print(finished.job_type, finished.status, finished.result)
