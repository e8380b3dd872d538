"""What this application does in the background."""

from __future__ import annotations

import asyncio
import hashlib

from boundary.jobs import Context, Jobs

jobs = Jobs()  # BOUNDARY_JOBS_URL, else sqlite:///boundary-jobs.db


@jobs.handler(queue="mails", priority="high", max_retries=5)
async def send_welcome(email: str) -> str:
    await asyncio.sleep(0.01)  # a mail server takes its time
    return f"sent to {email}"


@jobs.handler(queue="reports", timeout=60)
def build_report(rows: list[int], ctx: Context) -> dict[str, object]:
    """Blocking work: a worker runs it in a thread."""
    digest = hashlib.sha256()
    for done, row in enumerate(rows, 1):
        digest.update(str(row).encode())
        ctx.progress(done / len(rows))
    return {"rows": len(rows), "digest": digest.hexdigest()[:12]}
