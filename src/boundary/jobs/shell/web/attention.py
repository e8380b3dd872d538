"""What somebody on call should look at first.

What belongs here: from the statistics of a moment to sentences, worst first, pure. What does not:
how they are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from msgspec import Struct

from boundary.jobs.core.stats import JobStats, MinuteStats, QueueStats, WorkerInfo

RECENT: Final = 15
"""Minutes whose failures are told."""
LONG_WAIT_MS: Final = 60_000
"""From here on a wait is worth a word."""
MANY_RETRIES: Final = 0.2
"""Share of runs that are retried, from which on it is worth a word."""
FEW: Final = 10
"""Fewer runs than these have no share worth telling."""


class Notice(Struct, frozen=True):
    """A sentence, how bad it is, and the page that shows more."""

    tone: Literal["bad", "warn"]
    text: str
    link: str
    action: str


def notices(stats: JobStats, recent: Sequence[MinuteStats]) -> list[Notice]:
    """What is wrong, worst first; empty: nothing that could be told from here.

    Args:
        recent: What was counted in the last `RECENT` minutes.
    """
    found = [*_unserved(stats.queues, stats.workers), *_failures(recent), *_paused(stats.queues)]
    found += [*_slow(recent), *_retries(recent)]
    return sorted(found, key=lambda one: one.tone != "bad")


def _unserved(queues: Iterable[QueueStats], workers: Sequence[WorkerInfo]) -> list[Notice]:
    waiting = [row for row in queues if row.size and not row.paused]
    if waiting and not workers:
        count = _jobs(sum(row.size for row in waiting))
        return [Notice("bad", f"No worker is alive; {count} ready.", "/workers", "Workers")]
    return [
        Notice(
            "bad",
            f"No live worker serves {row.queue_name}; {_jobs(row.size)} ready.",
            "/workers",
            "Workers",
        )
        for row in waiting
        if not any(not one.queues or row.queue_name in one.queues for one in workers)
    ]


def _jobs(count: int) -> str:
    return f"{count:,} job is" if count == 1 else f"{count:,} jobs are"


def _failures(recent: Sequence[MinuteStats]) -> list[Notice]:
    failed = sum(row.failed for row in recent)
    if not failed:
        return []
    by_queue: dict[str, int] = {}
    for row in recent:
        by_queue[row.queue_name] = by_queue.get(row.queue_name, 0) + row.failed
    worst = max(by_queue, key=lambda name: by_queue[name])
    ended = failed + sum(row.succeeded for row in recent)
    most = f", most of them in {worst}" if by_queue[worst] < failed else f", in {worst}"
    return [
        Notice(
            "bad",
            f"{failed:,} of {ended:,} jobs failed for good in the last {RECENT} minutes{most}.",
            "/dead",
            "Dead letters",
        )
    ]


def _paused(queues: Iterable[QueueStats]) -> list[Notice]:
    return [
        Notice("warn", f"{row.queue_name} is paused; {_jobs(row.size)} ready.", "/queues", "Queues")
        for row in queues
        if row.paused and row.size
    ]


def _slow(recent: Sequence[MinuteStats]) -> list[Notice]:
    waited: dict[str, float] = {}
    for row in recent:
        waited[row.queue_name] = max(waited.get(row.queue_name, 0.0), row.avg_wait_ms)
    return [
        Notice(
            "warn",
            f"Jobs of {name} waited {_minutes(wait)} for a worker.",
            "/queues",
            "Queues",
        )
        for name, wait in sorted(waited.items())
        if wait >= LONG_WAIT_MS
    ]


def _minutes(ms: float) -> str:
    whole = round(ms / 60_000)
    return "a minute" if whole == 1 else f"{whole:,} minutes"


def _retries(recent: Sequence[MinuteStats]) -> list[Notice]:
    retried = sum(row.retried for row in recent)
    runs = retried + sum(row.succeeded + row.failed for row in recent)
    if runs < FEW or retried < MANY_RETRIES * runs:
        return []
    share = f"{retried / runs:.0%}"
    text = f"{share} of {runs:,} runs failed and will be retried (last {RECENT} minutes)."
    return [Notice("warn", text, "/jobs?status=retrying", "Retrying jobs")]
