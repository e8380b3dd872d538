"""What the live view looks at: the store at one moment, as rows one can stand on.

What belongs here: asking the doors, and which rows there are. What does not: how they look
(`drawing`), which one is selected (`brain`). Arguments and errors come redacted.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from boundary.jobs import Jobs
from boundary.jobs.core.records import Job
from boundary.jobs.core.stats import JobStats, QueueStats, WorkerInfo
from boundary.jobs.core.why import Why
from boundary.jobs.shell.settings import shown_url
from boundary.jobs.shell.shown import shown, shown_why

Kind: TypeAlias = Literal["queue", "worker", "running", "dead"]

KINDS: Final[tuple[Kind, ...]] = ("queue", "worker", "running", "dead")
"""The kinds of rows, as they stand below each other."""

RUNNING: Final = 100
"""Running jobs one look brings: the newest enqueued."""
DEAD: Final = 100
"""Dead letters it brings: the latest."""


class Row(Struct, frozen=True):
    """One line of the view.

    Attributes:
        key: Its name among those of its kind; with the kind it tells one row from all others.
        text: What a filter looks into.
    """

    kind: Kind
    key: str
    about: QueueStats | WorkerInfo | Job
    text: str

    @property
    def place(self) -> tuple[Kind, str]:
        """What the row is called."""
        return self.kind, self.key


class Opened(Struct, frozen=True):
    """One job that is looked at by itself; None if it has gone meanwhile."""

    job: Job | None
    why: Why | None


class Glimpse(Struct, frozen=True):
    """A store at one moment.

    Attributes:
        at: When it was looked at, by this machine's clock.
        running: Of the jobs that run, the newest `RUNNING`.
        dead: Of the dead letters the latest `DEAD`.
    """

    at: datetime
    stats: JobStats
    running: tuple[Job, ...] = ()
    dead: tuple[Job, ...] = ()
    opened: Opened | None = None


def name_of(jobs: Jobs) -> str:
    """The store's address, without credentials."""
    return shown_url(jobs.settings.url)


def look(jobs: Jobs, opened: str | None = None) -> Glimpse:
    """The store as it is now, and the job with this id."""
    stats = jobs.stats()
    running = jobs.search(status="running", limit=RUNNING).jobs
    dead = jobs.failed(DEAD)
    return Glimpse(
        datetime.now(UTC),
        stats,
        tuple(map(shown, running)),
        tuple(map(shown, dead)),
        None if opened is None else _open(jobs, opened),
    )


def _open(jobs: Jobs, job_id: str) -> Opened:
    job, why = jobs.find(job_id), jobs.why(job_id)
    return Opened(None if job is None else shown(job), None if why is None else shown_why(why, job))


def rows(glimpse: Glimpse, sought: str = "") -> tuple[Row, ...]:
    """The rows in which this text occurs, by kind; fuller queues and older runs first."""
    text = sought.casefold()
    return tuple([row for row in _all(glimpse) if text in row.text.casefold()])


def _all(glimpse: Glimpse) -> Iterable[Row]:
    for queue in sorted(glimpse.stats.queues, key=_fullest_first):
        yield Row("queue", queue.queue_name, queue, queue.queue_name)
    for worker in glimpse.stats.workers:
        text = f"{worker.host}:{worker.pid} {' '.join(worker.queues)}"
        yield Row("worker", worker.id, worker, text)
    for job in sorted(glimpse.running, key=lambda one: one.started_at or one.updated_at):
        yield Row("running", str(job.id), job, _job_text(job))
    for job in glimpse.dead:
        yield Row("dead", str(job.id), job, _job_text(job))


def _fullest_first(row: QueueStats) -> tuple[int, str]:
    return -(row.size + row.running), row.queue_name


def _job_text(job: Job) -> str:
    error = "" if job.error is None else f"{job.error.type}: {job.error.message}"
    return f"{job.id} {job.job_type} {job.queue} {job.worker or ''} {error}"
