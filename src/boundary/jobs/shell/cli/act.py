"""Commands that change something. Those that destroy ask first, unless told --yes."""

from __future__ import annotations

from typing import Annotated, Any, cast
from uuid import UUID

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from boundary.jobs.core.operations import Word
from boundary.jobs.core.records import Priority
from boundary.jobs.errors import UsageError
from boundary.jobs.shell.cli.look import JobId, Json
from boundary.jobs.shell.cli.terminal import Terminal
from boundary.jobs.shell.options import EnqueueOptions

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Queue = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue's name.")]

STEP = 200
"""Jobs a bounded step of a long work takes."""


def enqueue(
    context: typer.Context,
    job_type: Annotated[str, typer.Argument(metavar="TYPE", help="The handler's name.")],
    args: Annotated[str, typer.Argument(metavar="JSON", help="Arguments, a JSON object.")] = "{}",
    queue: Annotated[str | None, typer.Option(help="Another queue than default.")] = None,
    priority: Annotated[str | None, typer.Option(help="critical, high, normal or low.")] = None,
    delay: Annotated[float | None, typer.Option(help="Seconds until it may run.")] = None,
    job_id: Annotated[str | None, typer.Option(help="A UUID; the same again makes none.")] = None,
    as_json: Json = False,
) -> None:
    """Enqueue a job by name; a worker that knows the type will run it."""
    terminal: Terminal = context.obj
    options: dict[str, Any] = {
        "queue": queue,
        "priority": cast("Priority | None", priority),
        "delay": delay,
        "job_id": None if job_id is None else _uuid(job_id),
    }
    given = {name: value for name, value in options.items() if value is not None}
    with terminal.jobs() as jobs:
        job = jobs.enqueue(job_type, json_object(args), **cast("EnqueueOptions", given))
    terminal.json(job) if as_json else terminal.out.print(f"enqueued {job.id} in {job.queue}")


def json_object(text: str) -> dict[str, Any]:
    """The arguments a JSON text holds.

    Raises:
        UsageError: It is not an object.
    """
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise UsageError(
            f"the arguments are not a JSON object ({error}): {text[:80]}; "
            """write them like '{"to": "ada@example.com"}'"""
        ) from error


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a UUID") from None


def retry(
    context: typer.Context,
    job_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="A dead letter.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every dead letter.")] = False,
    queue: Annotated[str | None, typer.Option(help="With --all: of this queue.")] = None,
    job_type: Annotated[
        str | None, typer.Option("--type", help="With --all: of this type.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Run a dead letter again, with a full budget of retries; or all of them."""
    terminal: Terminal = context.obj
    if (job_id is None) is not everything:
        terminal.fail("name one job, or say --all", 2)
    with terminal.jobs() as jobs:
        if job_id is not None:
            job = terminal.found(jobs.retry(job_id), job_id)
            terminal.out.print(f"{job.id} waits in {job.queue} again")
            return
        terminal.confirm("Retry every dead letter that matches?", yes=yes)
        count = 0
        with _progress(terminal, "retried") as progress:
            task = progress.add_task("", total=None)
            while step := jobs.retry_failed(queue=queue, job_type=job_type, limit=STEP):
                count += step
                progress.update(task, completed=count)
        terminal.out.print(f"{count:,} dead letters wait in their queues again")


def _progress(terminal: Terminal, word: str) -> Progress:
    return Progress(
        TextColumn(word), BarColumn(), MofNCompleteColumn(), console=terminal.err, transient=True
    )


def cancel(context: typer.Context, job_id: JobId) -> None:
    """A waiting job never runs; a running one is asked to stop."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        job = terminal.found(jobs.cancel(job_id), job_id)
    said = "is cancelled" if job.status == "cancelled" else "runs; it was asked to stop"
    terminal.out.print(f"{job.id} {said}")


def delete(context: typer.Context, job_id: JobId, yes: Yes = False) -> None:
    """A job is gone, wherever it stood."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        terminal.found(jobs.find(job_id), job_id)
        terminal.confirm(f"Delete job {job_id} for good?", yes=yes)
        jobs.delete(job_id)
    terminal.out.print(f"{job_id} is gone")


def pause(context: typer.Context, queue: Queue) -> None:
    """Workers pass over a queue; its jobs stay."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        changed = jobs.pause(queue)
    terminal.out.print(f"{queue} is paused" if changed else f"{queue} was paused already")


def resume(context: typer.Context, queue: Queue) -> None:
    """Workers serve a paused queue again."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        changed = jobs.resume(queue)
    terminal.out.print(f"{queue} is served again" if changed else f"{queue} was not paused")


Worker = Annotated[
    str | None,
    typer.Argument(metavar="[WORKER]", help="Its id, host:pid or process id; else every worker."),
]


def quiet(context: typer.Context, worker: Worker = None) -> None:
    """Workers claim nothing more, and go on with what they have."""
    _instruct(context.obj, "quiet", worker, "claims nothing more", "claim nothing more")


def unquiet(context: typer.Context, worker: Worker = None) -> None:
    """Workers that were told to be quiet claim jobs again."""
    _instruct(context.obj, "unquiet", worker, "claims jobs again", "claim jobs again")


def drain(context: typer.Context, worker: Worker = None, yes: Yes = False) -> None:
    """Workers end what they have and leave; nobody starts in their place."""
    terminal: Terminal = context.obj
    if worker is None:
        terminal.confirm("Let every worker leave?", yes=yes)
    _instruct(terminal, "drain", worker, "ends its jobs and leaves", "end their jobs and leave")


def restart(context: typer.Context, worker: Worker = None) -> None:
    """Workers are replaced by new processes, one after another, without a gap."""
    _instruct(context.obj, "restart", worker, "is replaced", "are replaced")


def _instruct(terminal: Terminal, word: Word, worker: str | None, one: str, many: str) -> None:
    with terminal.jobs() as jobs:
        told: int = getattr(jobs, f"{word}_workers")(worker)
        if told == 0:
            alive = ", ".join(f"{row.host}:{row.pid}" for row in jobs.workers()) or "none"
            whom = "no worker" if worker is None else f"no worker {worker}"
            terminal.fail(f"{whom} is alive, so nobody was told; those that are: {alive}")
    terminal.out.print(f"1 worker {one}" if told == 1 else f"{told} workers {many}")


def purge(context: typer.Context, queue: Queue, yes: Yes = False) -> None:
    """Every job that waits in a queue is gone; running and finished ones stay."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        load = jobs.queue_stats(queue)
        waiting = load.size + load.scheduled
        terminal.confirm(f"Delete the {waiting:,} jobs that wait in {queue}?", yes=yes)
        with terminal.err.status("deleting …"):
            count = jobs.purge(queue)
    terminal.out.print(f"{count:,} jobs are gone from {queue}")
