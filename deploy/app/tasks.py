"""Stands for your application's jobs."""

from __future__ import annotations

import socket
import time

from boundary.jobs import Context, Jobs

jobs = Jobs()  # where the store is, the environment says


@jobs.handler(queue="emails", priority="high", max_retries=5)
async def send_email(to: str, subject: str) -> dict[str, str]:
    return {"to": to, "subject": subject, "from": socket.gethostname()}


@jobs.handler(timeout=60)
def crunch(seconds: float, ctx: Context) -> float:
    ctx.progress(0.0, "begun")
    time.sleep(seconds)
    return seconds
