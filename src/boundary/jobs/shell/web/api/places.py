"""Endpoints about queues, workers, schedules and the store as a whole.

What belongs here: each as a function from question to answer, and their list. What does not: how
a request becomes a question (`endpoint`).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from boundary.jobs.core.stats import JobStats, QueueStats
from boundary.jobs.shell.web.api.endpoint import Ask, Endpoint
from boundary.jobs.shell.web.api.jobs import confirmed
from boundary.jobs.shell.web.api.records import (
    Changed,
    Confirmed,
    Count,
    FailureGroups,
    GroupsOf,
    Health,
    NewSchedule,
    Nothing,
    OneSchedule,
    QueueList,
    ScheduleList,
    SeriesAnswer,
    SeriesOf,
    WorkerList,
    set_fields,
)
from boundary.jobs.shell.web.problems import Refusal
from boundary.jobs.shell.web.shown import shown_group, shown_schedule

EVERY: Final = "all"
"""Stands for every worker."""


async def job_stats(ask: Ask[Nothing, None]) -> JobStats:
    """Totals, queues and workers at one moment."""
    return await ask.jobs.stats()


async def series(ask: Ask[SeriesOf, None]) -> SeriesAnswer:
    """What was counted in each of the last minutes or hours, by queue or by job type."""
    found = await ask.jobs.series(**ask.query.given())
    return SeriesAnswer(series=tuple(found))


async def failure_groups(ask: Ask[GroupsOf, None]) -> FailureGroups:
    """Dead letters by cause, that seen last first."""
    found = await ask.jobs.failure_groups(**ask.query.given())
    return FailureGroups(groups=tuple(map(shown_group, found)))


async def health(ask: Ask[Nothing, None]) -> Health:
    """The store answers; 503 if it does not."""
    began = time.perf_counter()
    workers = await ask.jobs.workers()
    took = round((time.perf_counter() - began) * 1000, 2)
    return Health(status="ok", store=ask.door.store.url, workers=len(workers), latency_ms=took)


# Queues


async def queues(ask: Ask[Nothing, None]) -> QueueList:
    """Every queue: what is ready, waits, runs, and was done."""
    return QueueList(queues=tuple(await ask.jobs.queues()))


async def queue_stats(ask: Ask[Nothing, None]) -> QueueStats:
    """One queue; zeros for one nobody used."""
    return await ask.jobs.queue_stats(ask.name)


async def pause_queue(ask: Ask[Nothing, None]) -> Changed:
    """Workers pass over the queue; its jobs stay."""
    return Changed(changed=await ask.jobs.pause(ask.name))


async def resume_queue(ask: Ask[Nothing, None]) -> Changed:
    """Workers serve the queue again."""
    return Changed(changed=await ask.jobs.resume(ask.name))


async def purge_queue(ask: Ask[Nothing, Confirmed]) -> Count:
    """Every job of the queue that waits is gone; running and finished ones stay."""
    load = await ask.jobs.queue_stats(ask.name)
    confirmed(ask.body.confirm, load.size + load.scheduled, "be deleted")
    return Count(count=await ask.jobs.purge(ask.name))


# Workers


async def workers(ask: Ask[Nothing, None]) -> WorkerList:
    """Every worker that is alive, and what it runs."""
    return WorkerList(workers=tuple(await ask.jobs.workers()))


async def quiet_worker(ask: Ask[Nothing, None]) -> Count:
    """The worker claims nothing more, and goes on with what it has; ``all`` stands for every one."""
    return await _told(ask, ask.jobs.quiet_workers)


async def unquiet_worker(ask: Ask[Nothing, None]) -> Count:
    """The worker claims jobs again."""
    return await _told(ask, ask.jobs.unquiet_workers)


async def drain_worker(ask: Ask[Nothing, None]) -> Count:
    """The worker ends what it has and leaves; nobody starts in its place."""
    return await _told(ask, ask.jobs.drain_workers)


async def restart_worker(ask: Ask[Nothing, None]) -> Count:
    """The worker is replaced by a new process, without a gap in service."""
    return await _told(ask, ask.jobs.restart_workers)


async def _told(ask: Ask[Any, None], order: Callable[[str | None], Awaitable[int]]) -> Count:
    worker = ask.path["worker"]
    count = await order(None if worker == EVERY else worker)
    if count == 0 and worker != EVERY:
        raise Refusal(404, "worker_not_found", f"no live worker is called {worker!r:.160}")
    return Count(count=count)


# Schedules


async def schedules(ask: Ask[Nothing, None]) -> ScheduleList:
    """Standing orders, by name."""
    return ScheduleList(schedules=tuple(map(shown_schedule, await ask.jobs.schedules())))


async def put_schedule(ask: Ask[Nothing, NewSchedule]) -> OneSchedule:
    """Such a job is enqueued at each tick, once, however many workers there are."""
    given = set_fields(ask.body)
    try:
        made = await ask.jobs.schedule(ask.name, handler=given.pop("job_type"), **given)
    except TypeError as error:
        raise Refusal(422, "arguments", str(error)) from None
    return OneSchedule(schedule=shown_schedule(made))


async def delete_schedule(ask: Ask[Nothing, None]) -> None:
    """No schedule has this name."""
    if not await ask.jobs.unschedule(ask.name):
        raise Refusal(404, "schedule_not_found", f"no schedule is called {ask.name!r:.160}")


ENDPOINTS = (
    Endpoint("GET", "/stats", job_stats),
    Endpoint("GET", "/series", series),
    Endpoint("GET", "/failures", failure_groups),
    Endpoint("GET", "/health", health),
    Endpoint("GET", "/queues", queues),
    Endpoint("GET", "/queues/{name}", queue_stats),
    Endpoint("POST", "/queues/{name}/pause", pause_queue),
    Endpoint("POST", "/queues/{name}/resume", resume_queue),
    Endpoint("POST", "/queues/{name}/purge", purge_queue, 409),
    Endpoint("GET", "/workers", workers),
    Endpoint("POST", "/workers/{worker}/quiet", quiet_worker, 404),
    Endpoint("POST", "/workers/{worker}/unquiet", unquiet_worker, 404),
    Endpoint("POST", "/workers/{worker}/drain", drain_worker, 404),
    Endpoint("POST", "/workers/{worker}/restart", restart_worker, 404),
    Endpoint("GET", "/schedules", schedules),
    Endpoint("PUT", "/schedules/{name}", put_schedule, 413, 422),
    Endpoint("DELETE", "/schedules/{name}", delete_schedule, 404, success=204),
)
