"""The page of one job: what it is, why it is where it is, and each of its runs."""

from __future__ import annotations

import asyncio
import re
from uuid import UUID

from boundary.jobs.core.records import Job
from boundary.jobs.shell.shown import shown, shown_why
from boundary.jobs.shell.web.api.endpoint import Ask
from boundary.jobs.shell.web.api.jobs import not_found
from boundary.jobs.shell.web.api.questions import Nothing
from boundary.jobs.shell.web.pages.page import View


async def job_page(ask: Ask[Nothing, None]) -> View:
    """One job."""
    job_id = ask.job_id
    job, why = await asyncio.gather(ask.jobs.find(job_id), ask.jobs.why(job_id))
    if job is None:
        raise not_found(job_id)
    return View(
        "job.html",
        job.job_type,
        "/jobs",
        {
            "job": shown(job),
            "why": None if why is None else shown_why(why, job),
            "runs": list(reversed(shown(job).attempts)),
            "can": can(job),
            "short_id": short_id(job.id),
            "trace": trace_id(job),
        },
    )


def can(job: Job) -> frozenset[str]:
    """What an operator may do with it now."""
    found = {"delete"}
    if job.status == "failed":
        found.add("retry")
    if job.status in {"pending", "retrying", "failed"}:
        found.add("edit")
    if job.status in {"pending", "retrying", "running"} and not job.cancel_requested:
        found.add("cancel")
    return frozenset(found)


_TRACEPARENT = re.compile(
    r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.*", re.ASCII
)


def trace_id(job: Job) -> str | None:
    """By which a tracing tool finds what the job is part of; None: its metadata carries none.

    Source: W3C Trace Context, `traceparent`.
    """
    found = _TRACEPARENT.fullmatch(str(job.metadata.get("traceparent", "")))
    return None if found is None else found[1]


def short_id(job_id: UUID) -> str:
    """The end of an id, which tells jobs of the same moment apart."""
    return str(job_id)[-12:]
