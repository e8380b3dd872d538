"""What a caller is told of an enqueue that may or may not last, on every store.

What belongs here: that error. What does not: when there is a doubt (each adapter's own).
"""

from __future__ import annotations

from uuid import UUID

from boundary.jobs.core.wire import NewJob
from boundary.jobs.errors import EnqueueUncertain


def uncertain(jobs: tuple[NewJob, ...], why: str) -> EnqueueUncertain:
    """An enqueue of which nobody knows whether it happened."""
    ids = tuple([str(UUID(bytes=job.id)) for job in jobs])
    shown = ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")  # noqa: PLR2004
    return EnqueueUncertain(
        f"{why} Enqueue again with the same job_id ({shown}): that makes no second job",
        job_ids=ids,
    )
