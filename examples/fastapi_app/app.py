"""The web application."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from tasks import build_report, jobs, send_welcome


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with jobs:  # closes its connections, those of this loop too
        yield


app = FastAPI(lifespan=lifespan)


class Signup(BaseModel):
    email: str


class Report(BaseModel):
    rows: list[int]


@app.post("/signup", status_code=202)
async def signup(form: Signup) -> dict[str, str]:
    """An async route awaits."""
    job = await send_welcome.aenqueue(email=form.email)
    return {"job": str(job.id)}


@app.post("/reports", status_code=202)
def report(form: Report) -> dict[str, str]:
    """A blocking route, which FastAPI runs in a thread, does not."""
    job = build_report.enqueue(rows=form.rows)
    return {"job": str(job.id)}


@app.get("/jobs/{job_id}")
async def look(job_id: UUID) -> dict[str, object]:
    job = await jobs.aio.find(job_id)
    if job is None:
        raise HTTPException(404, f"there is no job {job_id}")
    return {
        "status": job.status,
        "progress": None if job.progress is None else job.progress.fraction,
        "result": job.result,
        "error": None if job.error is None else job.error.message,
    }


try:
    from boundary.jobs.web import create_app
except ModuleNotFoundError:  # pip install 'boundary-jobs[web]'
    pass
else:
    # Without a token it answers this machine only.
    app.mount("/ops", create_app(jobs, auth=os.environ.get("DASHBOARD_TOKEN")))
