"""`boundary-jobs doctor`: examines the configuration and the store, and says what to do.

What belongs here: findings, each with its remedy, and asking for a repair. What does not: what a
repair does (each store's).
"""

from __future__ import annotations

import contextlib
import platform
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from boundary.jobs.core.causes import unnamed
from boundary.jobs.core.operations import Amiss, DeadLetters, Repair, Repaired, Stats, Time
from boundary.jobs.core.wire import at
from boundary.jobs.errors import JobsError
from boundary.jobs.ports import Backend, Finding
from boundary.jobs.shell.cli import writing
from boundary.jobs.shell.cli.codes import REFUSED, UNREACHABLE, USAGE
from boundary.jobs.shell.cli.look import Json
from boundary.jobs.shell.cli.terminal import Terminal

if TYPE_CHECKING:
    from boundary.jobs import FailureGroup, Jobs
    from boundary.jobs.core.operations import Snapshot

CLOCK_LIMIT = 2.0
"""Seconds a store's time may differ from this machine's."""


LATE = timedelta(minutes=1)
"""Any worker that is alive fires a tick within seconds."""


STEP = 250
"""Jobs a step of a repair looks at: short enough that workers do not wait."""

AMISS: Final[dict[Amiss, str]] = {
    "ready": "ready and in no queue",
    "due": "waiting and on no calendar",
    "running": "running and held by nobody",
    "stopping": "to be stopped, and nobody told",
    "status": "not found by status",
    "dead letter": "dead and not among the dead letters",
    "history": "missing from the history",
    "retention": "finished and never pruned",
    "log": "not found by a search",
    "lane": "queues not listed",
    "entry without a job": "entries without a job",
    "count": "wrong counts",
}
"""What each kind is called, after a number."""

Mend = Annotated[
    bool,
    typer.Option(
        "--repair",
        help="Fix what contradicts the jobs' records; workers may keep running.",
    ),
]


def doctor(context: typer.Context, repair: Mend = False, as_json: Json = False) -> None:
    """Examine configuration, store, clock, workers and jobs; exit 1 if something needs fixing.

    As always, 2 means an invalid configuration and 3 a store that cannot be reached.
    """
    terminal: Terminal = context.obj
    findings = list(_examine(terminal, mend=repair))
    if as_json:
        terminal.json([one._asdict() for one in findings])
    else:
        marks = {"ok": ("ok", "green"), "note": ("note", "yellow"), "problem": ("!!", "bold red")}
        for one in findings:
            word, style = marks[one.state]
            line = Text.assemble((f"{word:>5} ", style), (f"{one.what}: ", "bold"), one.text)
            terminal.out.print(line, soft_wrap=True)
    if any(one.what == "configuration" and one.state == "problem" for one in findings):
        raise typer.Exit(USAGE)
    if any(one.what == "store" and one.state == "problem" for one in findings):
        raise typer.Exit(UNREACHABLE)
    if any(one.state == "problem" for one in findings):
        raise typer.Exit(REFUSED)


def _examine(terminal: Terminal, *, mend: bool) -> Iterator[Finding]:
    yield Finding(
        "versions",
        "ok",
        f"boundary-jobs {version('boundary-jobs')}, Python {platform.python_version()}, "
        f"{sys.platform}",
    )
    try:
        jobs = terminal.any_jobs()
    except JobsError as error:
        yield Finding("configuration", "problem", error.message)
        return
    with jobs:
        yield Finding("configuration", "ok", f"{jobs!r}, lease {_seconds(jobs)}")
        try:
            yield from _store(jobs, terminal, mend=mend)
        except JobsError as error:
            yield Finding("store", "problem", error.message)
            # The place itself may tell why.
            yield from jobs.store.examine()


def _seconds(jobs: Jobs) -> str:
    return writing.span(jobs.settings.workers.lease / 1000)


def _store(jobs: Jobs, terminal: Terminal, *, mend: bool) -> Iterator[Finding]:
    backend = jobs.store.blocking()
    try:
        backend.execute(Time())  # opens it, which may take its while
        began = datetime.now(UTC)
        now = at(backend.execute(Time()))
        here = began + (datetime.now(UTC) - began) / 2
        snapshot = backend.execute(Stats())
    finally:
        backend.close()
    yield Finding("store", "ok", f"{jobs.store.url} answers")
    yield clock((now - here).total_seconds())
    yield from jobs.store.examine()
    # What follows counts what is mended now.
    yield _records(jobs, terminal, mend=mend)
    yield from lost(snapshot)
    yield from _jobs(jobs)
    yield from _schedules(jobs, now)


def _records(jobs: Jobs, terminal: Terminal, *, mend: bool) -> Finding:
    """Whether all that the store keeps beside the records agrees with them."""
    amiss: Counter[Amiss] = Counter()
    looked = 0
    backend = jobs.store.blocking()
    shown = terminal.err.is_terminal
    try:
        with terminal.err.status("looking at jobs") if shown else nullcontext() as status:
            for step in _steps(backend, mend=mend):
                looked += step.looked
                amiss.update(dict(step.amiss))
                if status is not None:
                    status.update(f"looked at {looked:,} jobs, {amiss.total():,} faults")
    finally:
        backend.close()
    if not amiss:
        return Finding("records", "ok", f"{looked:,} jobs, each where it should be")
    told = ", ".join(f"{number:,} {AMISS[kind]}" for kind, number in amiss.most_common())
    if mend:
        return Finding("records", "note", f"put right: {told}; {looked:,} jobs looked at")
    return Finding(
        "records",
        "problem",
        f"{told}, of {looked:,} jobs; mend with boundary-jobs doctor --repair, workers may go on",
    )


def _steps(backend: Backend, *, mend: bool) -> Iterator[Repaired]:
    step = backend.execute(Repair(None, STEP, mend))
    yield step
    while step.cursor is not None:
        step = backend.execute(Repair(step.cursor, STEP, mend))
        yield step


def clock(ahead: float) -> Finding:
    """Whether the store's time, so many seconds ahead of this machine's, is near enough."""
    if abs(ahead) <= CLOCK_LIMIT:
        return Finding("clock", "ok", "the store and this machine agree")
    return Finding(
        "clock",
        "problem",
        f"the store is {ahead:+.1f} s from this machine's clock; was one of them set? Due jobs "
        "follow the store. Keep the clocks in step (chrony, ntp)",
    )


def lost(snapshot: Snapshot) -> Iterator[Finding]:
    """Workers whose lease has ended, and what they left."""
    gone = [row for row in snapshot.workers if row.info and row.expires <= snapshot.now]
    if gone:
        yield Finding(
            "workers",
            "note",
            f"{len(gone)} lost their lease and left {sum(len(row.held) for row in gone)} jobs; any "
            "live worker takes these back within seconds: start one",
        )


def _jobs(jobs: Jobs) -> Iterator[Finding]:
    found = jobs.stats()
    waiting = sum(row.size for row in found.queues)
    if waiting and not found.workers:
        yield Finding(
            "workers",
            "problem",
            f"{waiting:,} {'job is' if waiting == 1 else 'jobs are'} ready and no worker is alive; "
            "start one: boundary-jobs worker MODULE",
        )
    elif found.workers:
        yield Finding("workers", "ok", f"{len(found.workers)} alive, {waiting:,} jobs ready")
    else:
        yield Finding("workers", "ok", "none alive, nothing waits")
    paused = [row.queue_name for row in found.queues if row.paused and row.size]
    if paused:
        names = ", ".join(paused)
        yield Finding("paused", "note", f"jobs wait in {names}; boundary-jobs resume QUEUE")
    groups = jobs.failure_groups(limit=CAUSES)
    yield from _unreadable(jobs, groups)
    if groups:
        dead = f"{sum(one.count for one in groups):,}"
        causes = "1 cause" if len(groups) == 1 else f"{len(groups)} causes"
        more = " or more" if len(groups) == CAUSES else ""
        said = f"{dead}{more}, of {causes}{more}; see them with boundary-jobs failed --by-cause"
        yield Finding("dead letters", "note", said)


CAUSES = 200
"""Groups of dead letters that are counted."""

ASIDE = 200
"""Records that a store has set aside, up to which they are counted."""


def _unreadable(jobs: Jobs, groups: list[FailureGroup]) -> Iterator[Finding]:
    """Records that a worker could not read, and those that a store could not, which are in no group."""
    cause = unnamed("quarantine", "")
    count = sum(one.count for one in groups if one.fingerprint.startswith(cause))
    with contextlib.closing(jobs.store.blocking()) as backend:
        dead = backend.execute(DeadLetters(ASIDE))
    aside = sum(one.ending == "quarantine" and one.completed is None for one in dead)
    if count + aside:
        more = " or more" if aside == ASIDE or len(groups) == CAUSES else ""
        what = "record cannot be read, and is a dead letter with its bytes"
        if count + aside > 1 or more:
            what = "records cannot be read, and are dead letters with their bytes"
        yield Finding(
            "unreadable",
            "problem",
            f"{count + aside:,}{more} {what}: boundary-jobs failed lists them. Did a newer version write "
            "there? Then update the workers and retry them, else delete them (boundary-jobs retry ID, "
            "delete ID)",
        )


def _schedules(jobs: Jobs, now: datetime) -> Iterator[Finding]:
    found = jobs.schedules()
    orphaned = [one.name for one in found if one.orphaned]
    if orphaned:
        yield Finding(
            "schedules",
            "note",
            f"no live worker's code declares {', '.join(orphaned)} any more, and they go on; "
            "end them with boundary-jobs unschedule NAME",
        )
    late = [one.name for one in found if one.next_at and one.next_at < now - LATE]
    if late:
        yield Finding(
            "schedules",
            "problem",
            f"{', '.join(late)} should have ticked more than a minute ago; start a worker, or look "
            "into the workers' logs",
        )
