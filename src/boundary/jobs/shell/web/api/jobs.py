"""Endpoints about jobs.

What belongs here: each as a function from question to answer, and their list. What does not: how
a request becomes a question (`endpoint`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from boundary.jobs.core.records import Job
from boundary.jobs.core.redaction import redacted, restored
from boundary.jobs.errors import JobCancelled, JobFailed, JobNotFound, ResultTimeout
from boundary.jobs.shell.flows import PAGE
from boundary.jobs.shell.hands import Action
from boundary.jobs.shell.shown import shown, shown_text, shown_why
from boundary.jobs.shell.web.api.answers import (
    Explained,
    FoundJobs,
    JobList,
    NoResultYet,
    NotFound,
    OneJob,
    Result,
    Retried,
)
from boundary.jobs.shell.web.api.endpoint import Ask, Endpoint
from boundary.jobs.shell.web.api.questions import (
    Arguments,
    DeleteMany,
    HistoryOf,
    JobSearch,
    Latest,
    NewJobBody,
    Nothing,
    ResultOf,
    RetryMany,
)
from boundary.jobs.shell.web.problems import Refusal, refusal_of, status_of

if TYPE_CHECKING:
    from boundary.jobs.shell.aio import AsyncJobs


async def search_jobs(ask: Ask[JobSearch, None]) -> FoundJobs:
    """Jobs that match every condition given, newest first, a page of them."""
    page = await ask.jobs.search(**ask.query.given())
    return FoundJobs(jobs=tuple(map(shown, page.jobs)), cursor=page.cursor)


async def failed_jobs(ask: Ask[Latest, None]) -> JobList:
    """The newest dead letters."""
    return JobList(jobs=tuple(map(shown, await ask.jobs.failed(ask.query.limit))))


async def job_history(ask: Ask[HistoryOf, None]) -> JobList:
    """The newest finished jobs of a type."""
    found = await ask.jobs.history(ask.query.job_type, ask.query.limit)
    return JobList(jobs=tuple(map(shown, found)))


async def get_job(ask: Ask[Nothing, None]) -> Explained:
    """One job, each of its runs, and why it is where it is."""
    job = _found(await ask.jobs.find(ask.job_id), ask.job_id)
    why = await ask.jobs.why(ask.job_id)
    if why is None:
        raise not_found(ask.job_id)
    return Explained(job=shown(job), why=shown_why(why, job))


async def job_result(ask: Ask[ResultOf, None]) -> Result | NoResultYet:
    """What the job's handler returned, once it has; 202 if it has not ended within the time."""
    job = _found(await ask.jobs.find(ask.job_id), ask.job_id)
    try:
        value = await ask.jobs.result(job.id, ask.query.timeout)
    except ResultTimeout:
        job = _found(await ask.jobs.find(job.id), job.id)
        return NoResultYet(id=job.id, status=job.status)
    except (JobFailed, JobCancelled) as error:
        job = await ask.jobs.find(job.id) or job
        told = shown_text(error.message, job)
        raise Refusal(error.code, told, status=status_of(error)) from None
    return Result(id=job.id, status="completed", result=redacted(value))


async def enqueue_job(ask: Ask[Nothing, NewJobBody]) -> OneJob:
    """A job by name, as stored."""
    options = ask.body.given()
    job_type, args = options.pop("job_type"), options.pop("args")
    try:
        draft = ask.door.draft(job_type, args, options)
    except TypeError as error:
        raise Refusal("arguments", str(error)) from None
    return OneJob(job=shown(await ask.jobs.send(draft)))


async def retry_job(ask: Ask[Nothing, None]) -> Retried | NotFound:
    """The failed job waits in its queue with a full budget of retries."""
    job = await ask.jobs.retry(ask.job_id, by=ask.by)
    if job is None:
        return NotFound(error="Job not found")
    return Retried(message="Job queued for retry", job=shown(job))


async def edit_job(ask: Ask[Nothing, Arguments]) -> OneJob:
    """A job that waits, or is dead, has these arguments instead; a dead one waits again."""
    before = _found(await ask.jobs.find(ask.job_id), ask.job_id)
    args = restored(ask.body.args, before.args)
    try:
        job = await ask.jobs.edit(ask.job_id, args, by=ask.by)
    except TypeError as error:
        raise Refusal("arguments", str(error)) from None
    return OneJob(job=shown(_found(job, ask.job_id)))


async def retry_jobs(ask: Ask[Nothing, RetryMany]) -> Action:
    """Dead letters that match wait in their queues again."""
    given = ask.body
    count = await dead_letters(ask.jobs, given)
    confirmed(given.confirm, count, "be retried")
    # Of more causes than are counted, or if more died meanwhile, only as many as were agreed to.
    return await ask.jobs.retry_failed(
        fingerprint=given.fingerprint,
        queue=given.queue,
        job_type=given.job_type,
        limit=count,
        first=given.first,
        rate=given.rate,
        by=ask.by,
    )


async def delete_jobs(ask: Ask[Nothing, DeleteMany]) -> Action:
    """Dead letters of one cause are gone; for a minute that can be undone."""
    given = ask.body
    count = await dead_letters(ask.jobs, given)
    confirmed(given.confirm, count, "be deleted")
    return await ask.jobs.delete_failed(given.fingerprint, limit=count, by=ask.by)


async def dead_letters(jobs: AsyncJobs, given: RetryMany | DeleteMany) -> int:
    """How many dead letters match, counted up to the limit and in the causes seen last."""
    groups = await jobs.failure_groups(
        fingerprint=given.fingerprint, queue=given.queue, job_type=given.job_type, limit=PAGE
    )
    return min(sum(group.count for group in groups), given.limit)


def confirmed(given: int | None, count: int, what: str) -> None:
    """Go on only if the visitor knows on how many jobs the request acts.

    Raises:
        Refusal: They do not.
    """
    if given != count:
        said = "confirm is missing" if given is None else f"confirm says {given:,}"
        raise Refusal(
            "confirm_count",
            f"{count:,} jobs would {what} and {said}; send confirm={count} to go on",
            count=count,
        )


async def cancel_job(ask: Ask[Nothing, None]) -> OneJob:
    """A job that waits never runs; one that runs is asked to stop."""
    return OneJob(job=shown(_found(await ask.jobs.cancel(ask.job_id, by=ask.by), ask.job_id)))


async def delete_job(ask: Ask[Nothing, None]) -> None:
    """The job is gone, wherever it was."""
    if not await ask.jobs.delete(ask.job_id, by=ask.by):
        raise not_found(ask.job_id)


def _found(job: Job | None, job_id: UUID) -> Job:
    if job is None:
        raise not_found(job_id)
    return job


def not_found(job_id: UUID) -> Refusal:
    """The refusal for a job that is not there."""
    return refusal_of(
        JobNotFound(f"no job {job_id} is stored: never enqueued, deleted, or not kept")
    )


ENDPOINTS = (
    Endpoint("GET", "", search_jobs),
    Endpoint("POST", "", enqueue_job, 413, 422),
    Endpoint("GET", "/failed", failed_jobs),
    Endpoint("GET", "/history", job_history),
    Endpoint("POST", "/retry", retry_jobs, 409),
    Endpoint("POST", "/delete", delete_jobs, 409),
    Endpoint("GET", "/{id}", get_job, 404),
    Endpoint("GET", "/{id}/result", job_result, 404, 409, waits=True),
    Endpoint("DELETE", "/{id}", delete_job, 404, success=204),
    Endpoint("PUT", "/{id}/args", edit_job, 404, 409),
    Endpoint("POST", "/{id}/retry", retry_job, 404, 409),
    Endpoint("POST", "/{id}/cancel", cancel_job, 404, 409),
)
