"""What the benchmark's workers run. The store comes from BOUNDARY_JOBS_URL."""

from __future__ import annotations

import asyncio
import os
import time

from boundary.jobs import Jobs

PAYLOAD = {"to": "user@example.com", "subject": "Welcome", "body": "Hi"}

jobs = Jobs(os.environ.get("BOUNDARY_JOBS_URL", "memory://"))


@jobs.handler
async def noop(to: str, subject: str, body: str) -> None:
    """Nothing: what is left is the queue's own work."""


@jobs.handler
def noop_blocking(to: str, subject: str, body: str) -> None:
    """The same in a thread."""


@jobs.handler
async def brief(to: str, subject: str, body: str) -> None:
    """Awaits a millisecond, as an answer from nearby takes."""
    await asyncio.sleep(0.001)


@jobs.handler
async def stamp() -> int:
    """The moment the handler started; CLOCK_MONOTONIC is one clock for all processes."""
    return time.monotonic_ns()
