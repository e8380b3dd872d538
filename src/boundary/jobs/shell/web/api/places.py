"""Endpoints about queues, workers, schedules and the store as a whole.

What belongs here: each as a function from question to answer, and their list. What does not: how
a request becomes a question (`endpoint`).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from msgspec import UNSET

from boundary.jobs.core.stats import JobStats, QueueStats
from boundary.jobs.shell.audit_flows import UndoResult
from boundary.jobs.shell.schedule_flows import ScheduleInfo
from boundary.jobs.shell.shown import shown, shown_group, shown_schedule
from boundary.jobs.shell.web.api.answers import (
    AuditLog,
    Changed,
    Count,
    FailureGroups,
    Fires,
    Health,
    OneJob,
    OneSchedule,
    QueueList,
    ScheduleList,
    SeriesAnswer,
    WorkerList,
)
from boundary.jobs.shell.web.api.endpoint import Ask, Endpoint
from boundary.jobs.shell.web.api.jobs import confirmed
from boundary.jobs.shell.web.api.questions import (
    AuditOf,
    Confirmed,
    FiresOf,
    GroupsOf,
    NewSchedule,
    Nothing,
    ScheduleChange,
    SeriesOf,
    set_fields,
)
from boundary.jobs.shell.web.problems import Refusal

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
    return Changed(changed=await ask.jobs.pause(ask.name, by=ask.by))


async def resume_queue(ask: Ask[Nothing, None]) -> Changed:
    """Workers serve the queue again."""
    return Changed(changed=await ask.jobs.resume(ask.name, by=ask.by))


async def purge_queue(ask: Ask[Nothing, Confirmed]) -> Count:
    """Every job of the queue that waits is gone; running and finished ones stay."""
    load = await ask.jobs.queue_stats(ask.name)
    confirmed(ask.body.confirm, load.size + load.scheduled, "be deleted")
    return Count(count=await ask.jobs.purge(ask.name, by=ask.by))


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


async def _told(ask: Ask[Any, None], order: Callable[..., Awaitable[int]]) -> Count:
    worker = ask.path["worker"]
    count = await order(None if worker == EVERY else worker, by=ask.by)
    if count == 0 and worker != EVERY:
        raise Refusal("worker_not_found", f"no live worker is called {worker!r:.160}")
    return Count(count=count)


# Schedules


async def schedules(ask: Ask[Nothing, None]) -> ScheduleList:
    """Schedules, by name."""
    return ScheduleList(schedules=tuple(map(shown_schedule, await ask.jobs.schedules())))


async def fires(ask: Ask[FiresOf, None]) -> Fires:
    """When the schedule fires next; never while it is paused."""
    one = next((one for one in await ask.jobs.schedules() if one.name == ask.name), None)
    if one is None:
        raise no_schedule(ask.name)
    return Fires(name=one.name, fires=tuple(one.upcoming(ask.query.count)))


async def put_schedule(ask: Ask[Nothing, NewSchedule]) -> OneSchedule:
    """Such a job is enqueued at each tick, once, however many workers there are."""
    given = ask.body.given()
    try:
        made = await ask.jobs.schedule(ask.name, handler=given.pop("job_type"), by=ask.by, **given)
    except TypeError as error:
        raise Refusal("arguments", str(error)) from None
    return OneSchedule(schedule=shown_schedule(made))


async def edit_schedule(ask: Ask[Nothing, ScheduleChange]) -> OneSchedule:
    """The schedule ticks, or its jobs go, as given; what is not named stays."""
    return _one(ask.name, await ask.jobs.edit_schedule(ask.name, by=ask.by, **set_fields(ask.body)))


async def pause_schedule(ask: Ask[Nothing, None]) -> OneSchedule:
    """The schedule does not tick until it is resumed."""
    return _one(ask.name, await ask.jobs.pause_schedule(ask.name, by=ask.by))


async def resume_schedule(ask: Ask[Nothing, None]) -> OneSchedule:
    """The schedule ticks again, from now on."""
    return _one(ask.name, await ask.jobs.resume_schedule(ask.name, by=ask.by))


async def fire_schedule(ask: Ask[Nothing, None]) -> OneJob:
    """One of the schedule's jobs waits now; its ticks stay as they are."""
    job = await ask.jobs.fire_schedule(ask.name, by=ask.by)
    if job is None:
        raise no_schedule(ask.name)
    return OneJob(job=shown(job))


def _one(name: str, found: ScheduleInfo | None) -> OneSchedule:
    if found is None:
        raise no_schedule(name)
    return OneSchedule(schedule=shown_schedule(found))


def no_schedule(name: str) -> Refusal:
    """The refusal for a schedule that is not there."""
    return Refusal("schedule_not_found", f"no schedule is called {name!r:.160}")


async def delete_schedule(ask: Ask[Nothing, None]) -> None:
    """No schedule has this name."""
    if not await ask.jobs.unschedule(ask.name, by=ask.by):
        raise no_schedule(ask.name)


# The log


async def audit(ask: Ask[AuditOf, None]) -> AuditLog:
    """What operators did: who, when, what, on how many jobs; the latest first."""
    given = ask.query
    cursor = None if given.cursor is UNSET else str(given.cursor)
    page = await ask.jobs.audit(given.limit, cursor)
    return AuditLog(entries=page.entries, cursor=page.cursor)


async def undo(ask: Ask[Nothing, None]) -> UndoResult:
    """What an act of the last minute did is undone, where that still may be."""
    return await ask.jobs.undo(ask.job_id, by=ask.by)


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
    Endpoint("GET", "/schedules/{name}/fires", fires, 404),
    Endpoint("PUT", "/schedules/{name}", put_schedule, 413, 422),
    Endpoint("PATCH", "/schedules/{name}", edit_schedule, 404),
    Endpoint("POST", "/schedules/{name}/pause", pause_schedule, 404),
    Endpoint("POST", "/schedules/{name}/resume", resume_schedule, 404),
    Endpoint("POST", "/schedules/{name}/fire", fire_schedule, 404),
    Endpoint("GET", "/audit", audit),
    Endpoint("POST", "/audit/{id}/undo", undo, 409),
    Endpoint("DELETE", "/schedules/{name}", delete_schedule, 404, success=204),
)
