"""Pages that list: jobs, queues, schedules, workers.

What belongs here: what each shows. What does not: one job (`job`), what buttons do (`acting`).
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args
from urllib.parse import urlencode
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from boundary.jobs.core.records import Priority, Status
from boundary.jobs.errors import UsageError
from boundary.jobs.shell.shown import shown, shown_schedule
from boundary.jobs.shell.web.api.endpoint import Ask
from boundary.jobs.shell.web.api.questions import Cursor, Nothing, Query
from boundary.jobs.shell.web.pages import charts
from boundary.jobs.shell.web.pages.overview import by_load
from boundary.jobs.shell.web.pages.page import Elsewhere, View

Word: TypeAlias = Annotated[str, Meta(max_length=200)]
Within: TypeAlias = Literal["1h", "24h", "7d", "30d"]

SPANS: Final[dict[str, timedelta]] = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
PAGE: Final = 50


class Sought(Query, frozen=True, kw_only=True):
    """Conditions of a search; `q` is a text or the id of a job."""

    q: Word | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    job_type: Word | UnsetType = UNSET
    queue: Word | UnsetType = UNSET
    within: Within | UnsetType = UNSET
    cursor: Cursor | UnsetType = UNSET


async def jobs_page(ask: Ask[Sought, None]) -> View:
    """Jobs that match, newest first."""
    given = ask.query.given()
    if "q" in given and (job_id := _as_id(given["q"])):
        raise Elsewhere(f"/jobs/{job_id}")
    conditions: dict[str, Any] = {
        name: given[name] for name in ("status", "job_type", "queue", "cursor") if name in given
    }
    if "q" in given:
        conditions["text"] = given["q"]
    if "within" in given:
        conditions["since"] = datetime.now(UTC) - SPANS[given["within"]]
    problem = ""
    try:
        page, stats = await asyncio.gather(
            ask.jobs.search(limit=PAGE, **conditions), ask.jobs.stats()
        )
        found, cursor = [shown(job) for job in page.jobs], page.cursor
    except UsageError as error:
        found, cursor, problem, stats = [], None, error.message, await ask.jobs.stats()
    kept = {name: value for name, value in given.items() if name != "cursor"}
    return View(
        "jobs.html",
        "Jobs",
        "/jobs",
        {
            "found": found,
            "given": given,
            "problem": problem,
            "older": f"?{urlencode({**kept, 'cursor': cursor})}" if cursor else "",
            "newest": f"?{urlencode(kept)}" if "cursor" in given else "",
            "statuses": get_args(Status),
            "withins": list(SPANS),
            "queue_names": [row.queue_name for row in stats.queues],
            "job_types": sorted(
                {
                    *ask.door.registry.handlers,
                    *(kind for one in stats.workers for kind in one.job_types or ()),
                }
            ),
        },
        400 if problem else 200,
    )


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except ValueError:
        return None


async def queues_page(ask: Ask[Nothing, None]) -> View:
    """Every queue: depth, pace, and its last hour."""
    stats, rows = await asyncio.gather(ask.jobs.stats(), ask.jobs.series(60))
    now = datetime.now(UTC)
    pictures = {
        row.queue_name: charts.throughput(
            charts.buckets([one for one in rows if one.queue_name == row.queue_name], SPARK, now)
        )
        for row in stats.queues
    }
    served = {
        row.queue_name: sum(not one.queues or row.queue_name in one.queues for one in stats.workers)
        for row in stats.queues
    }
    data = {"rows": by_load(stats.queues), "pictures": pictures, "served": served}
    return View("queues.html", "Queues", "/queues", data)


SPARK: Final = charts.Range("spark", "", timedelta(hours=1), timedelta(minutes=2))


async def schedules_page(ask: Ask[Nothing, None]) -> View:
    """Schedules, the next to tick first."""
    found = [shown_schedule(one) for one in await ask.jobs.schedules()]
    last = datetime.max.replace(tzinfo=UTC)
    data: dict[str, Any] = {
        "found": sorted(found, key=lambda one: (one.next_at or last, one.name)),
        "upcoming": {one.name: one.upcoming(FIRES) for one in found},
        "misfires": MISFIRES,
        "priorities": get_args(Priority),
    }
    return View("schedules.html", "Schedules", "/schedules", data)


FIRES: Final = 5
"""Fire times of a schedule that are told ahead."""
MISFIRES: Final = (("once", "fire once"), ("skip", "are skipped"), ("all", "each fire"))
"""What becomes of missed ticks, for people."""


async def workers_page(ask: Ask[Nothing, None]) -> View:
    """The workers that are alive, and what each runs."""
    found = await ask.jobs.workers()
    ids = [job_id for one in found for job_id in one.running[:SHOWN_JOBS]][:MOST_JOBS]
    jobs = await asyncio.gather(*[ask.jobs.find(job_id) for job_id in ids])
    running = {job.id: job for job in jobs if job is not None}
    data = {"found": sorted(found, key=lambda one: (one.host, one.pid)), "running": running}
    return View("workers.html", "Workers", "/workers", data)


class Leafed(Query, frozen=True, kw_only=True):
    """A page of the log."""

    cursor: UUID | UnsetType = UNSET


async def audit_page(ask: Ask[Leafed, None]) -> View:
    """What operators did, the latest first."""
    cursor = None if ask.query.cursor is UNSET else str(ask.query.cursor)
    page = await ask.jobs.audit(PAGE, cursor)
    now = datetime.now(UTC)
    open_ids = {
        one.id
        for one in page.entries
        if one.undo_until is not None and one.undo_until > now and one.undone_at is None
    }
    data = {
        "entries": page.entries,
        "undoable": open_ids,
        "jobs_meant": {one.id for one in page.entries if _as_id(one.target)},
        "older": f"?cursor={page.cursor}" if page.cursor else "",
        "newest": cursor is not None,
    }
    return View("audit.html", "Audit", "/audit", data)


SHOWN_JOBS: Final = 5
"""Jobs of a worker that are named."""
MOST_JOBS: Final = 100
"""Jobs of all workers that are looked up."""
