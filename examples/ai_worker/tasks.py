"""Calls to a paid, slow, rate-limited API."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

from boundary.jobs import Context, Discard, Jobs, Retry, RetryPolicy

jobs = Jobs()

TOO_MANY = 429
LONGEST = timedelta(minutes=10)


@jobs.lifespan
@asynccontextmanager
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """One pool of connections for each worker; handlers find it as `ctx.state`."""
    key = os.environ.get("AI_API_KEY", "none")
    async with httpx.AsyncClient(
        base_url=os.environ.get("AI_API_URL", "http://127.0.0.1:8001"),
        headers={"authorization": f"Bearer {key}"},
        timeout=60,
    ) as made:
        yield made


@jobs.handler(
    queue="ai",
    max_retries=20,  # a 429 is no fault of the job, and each counts
    retry=RetryPolicy(initial_delay=2.0, max_delay=300.0),
    timeout=120,
)
async def summarise(text: str, ctx: Context) -> str:
    answer = await ctx.state.post(
        "/v1/summaries",
        json={"text": text},
        # The same in every run of this job: an answer that got lost is not paid for again.
        headers={"idempotency-key": str(ctx.job.id)},
    )
    if answer.status_code == TOO_MANY:
        raise Retry(after=pause(answer.headers.get("retry-after"), datetime.now(UTC)))
    if answer.is_client_error:
        raise Discard(f"the API refuses this text ({answer.status_code}): {answer.text[:200]}")
    answer.raise_for_status()  # 5xx: a failed run, tried again by the policy above
    return str(answer.json()["summary"])


def pause(retry_after: str | None, now: datetime) -> timedelta | None:
    """How long the API asks to be left alone; None: it does not say, so the policy does."""
    if retry_after is None:
        return None
    try:
        wait = timedelta(seconds=float(retry_after))
    except ValueError:
        try:
            wait = parsedate_to_datetime(retry_after) - now
        except ValueError:
            return None
    return min(max(wait, timedelta(0)), LONGEST)
