"""The first page: is anything wrong, and how does it go.

What belongs here: what it shows. What does not: how that is drawn (`charts`), what is worth a
word (`attention`).
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from boundary.jobs.core.stats import JobStats, MinuteStats, QueueStats
from boundary.jobs.shell.shown import shown
from boundary.jobs.shell.web import attention
from boundary.jobs.shell.web.api.endpoint import Ask
from boundary.jobs.shell.web.api.questions import Query
from boundary.jobs.shell.web.pages import charts
from boundary.jobs.shell.web.pages.page import View

DAY_MINUTES = 1_440
MONTH_HOURS = 720


class Stretch(Query, frozen=True, kw_only=True):
    """Which stretch of time the charts show."""

    range: Literal["1h", "24h", "30d"] = "1h"


async def overview(ask: Ask[Stretch, None]) -> View:
    """Totals, charts, queues, and the latest dead letters."""
    stretch = next(one for one in charts.RANGES if one.key == ask.query.range)
    stats, rows, failed = await asyncio.gather(
        ask.jobs.stats(), counted(ask, stretch), ask.jobs.failed(6)
    )
    recent = rows if stretch.key == "1h" else await ask.jobs.series(attention.RECENT)
    now = datetime.now(UTC)
    found = charts.buckets(rows, stretch, now)
    return View(
        "overview.html",
        "Overview",
        "/",
        {
            "totals": totals(stats, recent, now),
            "notices": attention.notices(stats, _latest(recent, now)),
            "stretch": stretch,
            "ranges": charts.RANGES,
            "throughput": charts.throughput(found),
            "waits": charts.waits(found),
            "depth": charts.depth(rows, waiting(stats), stretch, now),
            "ended": sum(one.succeeded + one.failed for one in found),
            "failed_count": sum(one.failed for one in found),
            "retried_count": sum(one.retried for one in found),
            "axis": [found[0].begin, found[len(found) // 2].begin, found[-1].begin],
            "rows": by_load(stats.queues),
            "failed": [shown(job) for job in failed],
        },
    )


def waiting(stats: JobStats) -> list[charts.Waiting]:
    """What is ready now, by queue."""
    return [
        charts.Waiting(row.size, row.oldest_ready_at)
        for row in stats.queues
        if row.oldest_ready_at is not None
    ]


async def counted(ask: Ask[Any, None], stretch: charts.Range) -> list[MinuteStats]:
    """What was counted in this stretch of time."""
    if stretch.span > timedelta(minutes=DAY_MINUTES):
        return await ask.jobs.series(hours=MONTH_HOURS)
    return await ask.jobs.series(stretch.span // timedelta(minutes=1))


def _latest(rows: list[MinuteStats], now: datetime) -> list[MinuteStats]:
    since = now - timedelta(minutes=attention.RECENT)
    return [row for row in rows if row.minute >= since]


def totals(stats: JobStats, recent: list[MinuteStats], now: datetime) -> dict[str, Any]:
    """The figures at the top."""
    latest = [row for row in recent if row.minute >= now - timedelta(minutes=5)]
    runs = [row.succeeded + row.failed + row.retried for row in latest]
    waited = sum(row.avg_wait_ms * count for row, count in zip(latest, runs, strict=True))
    return {
        "ready": sum(row.size for row in stats.queues),
        "scheduled": sum(row.scheduled for row in stats.queues),
        "running": sum(row.running for row in stats.queues),
        "slots": sum(one.concurrency for one in stats.workers),
        "workers": len(stats.workers),
        "processed": stats.total_processed,
        "failed": stats.total_failed,
        "rate": sum(row.succeeded + row.failed for row in latest) / 5,
        "wait_ms": waited / sum(runs) if sum(runs) else None,
    }


def by_load(queues: tuple[QueueStats, ...]) -> list[QueueStats]:
    """Queues with something to do first, the fullest at the top."""
    return sorted(queues, key=lambda row: (-(row.size + row.running), row.queue_name))
