"""Commands that show and change nothing. Each has --json, for programs.

Jobs are shown as on the dashboard, without what looks like a secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, cast

import typer
from msgspec.structs import replace
from rich.console import Group

from boundary.jobs.core.records import Status
from boundary.jobs.shell.cli import tables
from boundary.jobs.shell.cli.terminal import Terminal
from boundary.jobs.shell.flows import PAGE
from boundary.jobs.shell.operator_flows import FailureGroup
from boundary.jobs.shell.shown import shown, shown_group, shown_why

Json = Annotated[bool, typer.Option("--json", help="One JSON document, for programs.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="At most this many.")]
JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id, a UUID.")]


def stats(context: typer.Context, as_json: Json = False) -> None:
    """Totals, queues and workers."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        found = jobs.stats()
    if as_json:
        terminal.json(found)
        return
    terminal.out.print(
        f"processed {found.total_processed:,}: {found.total_succeeded:,} succeeded, "
        f"{found.total_failed:,} failed; {found.total_retried:,} retries"
    )
    terminal.out.print(Group(tables.queues(found.queues), tables.workers(found.workers)))


def queues(context: typer.Context, as_json: Json = False) -> None:
    """Every queue: jobs ready, scheduled, running and finished."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        found = jobs.queues()
    terminal.json(found) if as_json else terminal.out.print(tables.queues(found))


def workers(context: typer.Context, as_json: Json = False) -> None:
    """Every live worker, and what it is running."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        found = jobs.workers()
    terminal.json(found) if as_json else terminal.out.print(tables.workers(found))


def failed(
    context: typer.Context,
    by_cause: Annotated[bool, typer.Option("--by-cause", help="Group them by cause.")] = False,
    limit: Limit = 20,
    as_json: Json = False,
) -> None:
    """Dead letters: jobs that failed for good, newest first."""
    terminal: Terminal = context.obj
    if by_cause:
        with terminal.jobs() as jobs:
            every = [shown_group(one) for one in jobs.failure_groups(limit=PAGE)]
        groups = every[:limit]
        if as_json:
            terminal.json(groups)
            return
        terminal.out.print(tables.groups(groups))
        _tell_left_out(terminal, every, limit)
        return
    with terminal.jobs() as jobs:
        found = [shown(job) for job in jobs.failed(limit + 1)]
    more, found = len(found) > limit, found[:limit]
    if as_json:
        terminal.json(found)
        return
    terminal.out.print(tables.jobs(found, "Dead letters"))
    if more:
        terminal.out.print(
            f"[dim]the newest {limit}; all by cause: boundary-jobs failed --by-cause[/dim]"
        )
    if found:
        terminal.out.print("[dim]more: boundary-jobs show ID · again: boundary-jobs retry ID[/dim]")


def _tell_left_out(terminal: Terminal, every: Sequence[FailureGroup], limit: int) -> None:
    """The causes that are not shown are told to be there: the largest may be among them."""
    left_out = every[limit:]
    if left_out:
        count = sum([one.count for one in left_out])
        causes = f"{len(left_out)} more cause" + ("s" if len(left_out) > 1 else "")
        which = f"{causes}, of {count:,} dead letters: --limit {len(every)}"
        terminal.out.print(which, style="yellow", soft_wrap=True)
    if len(every) == PAGE:
        which = f"causes seen before these {PAGE} are not counted"
        terminal.out.print(which, style="yellow", soft_wrap=True)


def search(
    context: typer.Context,
    status: Annotated[str | None, typer.Option(help="pending, running, completed …")] = None,
    job_type: Annotated[str | None, typer.Option("--type", help="Of this job type.")] = None,
    queue: Annotated[str | None, typer.Option(help="In this queue.")] = None,
    text: Annotated[
        str | None, typer.Option(help="In arguments, result or errors; a number too.")
    ] = None,
    limit: Limit = 20,
    cursor: Annotated[str | None, typer.Option(help="From the previous page.")] = None,
    as_json: Json = False,
) -> None:
    """One page of the jobs that match every condition given, newest first."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        page = jobs.search(
            status=cast("Status | None", status),
            job_type=job_type,
            queue=queue,
            text=text,
            limit=limit,
            cursor=cursor,
        )
    page = replace(page, jobs=tuple([shown(job) for job in page.jobs]))
    if as_json:
        terminal.json(page)
        return
    terminal.out.print(tables.jobs(page.jobs))
    if page.cursor is not None:
        terminal.out.print(f"[dim]there may be more: --cursor {page.cursor}[/dim]", soft_wrap=True)


def show(
    context: typer.Context,
    job_id: JobId,
    secrets: Annotated[
        bool, typer.Option("--secrets", help="Show everything, secrets too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Everything about one job: arguments, times, result, each failed run."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        found = terminal.found(jobs.find(job_id), job_id)
    found = found if secrets else shown(found)
    terminal.json(found) if as_json else terminal.out.print(tables.job(found))


def why(context: typer.Context, job_id: JobId, as_json: Json = False) -> None:
    """Why a job is not running, and what to do about it."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        found = jobs.why(job_id)
        if found is None:
            terminal.no_job(job_id)
        found = shown_why(found, jobs.find(job_id))
    terminal.json(found) if as_json else terminal.out.print(tables.why(found))


def audit(
    context: typer.Context,
    limit: Limit = 20,
    cursor: Annotated[str | None, typer.Option(help="From the previous page.")] = None,
    as_json: Json = False,
) -> None:
    """What operators did: who, when, what, to how many jobs."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        page = jobs.audit(limit, cursor)
    if as_json:
        terminal.json(page)
        return
    terminal.out.print(tables.audit(page.entries))
    if page.cursor is not None:
        terminal.out.print(f"[dim]there may be more: --cursor {page.cursor}[/dim]", soft_wrap=True)
