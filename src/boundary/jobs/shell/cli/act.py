"""Commands that change something. Those that destroy ask first, unless told --yes."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from typing import Annotated, Any, cast
from uuid import UUID

import msgspec
import typer

from boundary.jobs import Jobs
from boundary.jobs.core.operations import Word
from boundary.jobs.core.records import Priority
from boundary.jobs.core.redaction import restored
from boundary.jobs.errors import UsageError
from boundary.jobs.shell.cli.codes import USAGE
from boundary.jobs.shell.cli.look import JobId, Json
from boundary.jobs.shell.cli.terminal import Terminal
from boundary.jobs.shell.options import EnqueueOptions
from boundary.jobs.shell.shown import shown

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
MOST_CAUSES = 200
"""Causes that are counted before a question."""

Queue = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue's name.")]


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
    terminal.json(shown(job)) if as_json else terminal.out.print(
        f"enqueued {job.id} in {job.queue}"
    )


def json_object(text: str) -> dict[str, Any]:
    """The arguments a JSON text holds.

    Raises:
        UsageError: It is not an object.
    """
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UsageError(
            f"the arguments are not a JSON object ({error}): {text[:80]}; "
            """write them like '{"to": "ada@example.com"}'"""
        ) from error


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a UUID") from None


Group = Annotated[
    str | None, typer.Option("--group", help="The cause of a group: failed --by-cause lists them.")
]


def retry(
    context: typer.Context,
    job_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="A dead letter.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every dead letter.")] = False,
    group: Group = None,
    first: Annotated[
        int | None, typer.Option(min=0, help="So many at once, before --rate.")
    ] = None,
    rate: Annotated[str | None, typer.Option(help="So many in a time: 10/s, 600/min.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    queue: Annotated[str | None, typer.Option(help="With --all or --group: of this queue.")] = None,
    job_type: Annotated[
        str | None, typer.Option("--type", help="With --all: of this type.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Run a dead letter again, with a full budget of retries; or a group, or all of them."""
    terminal: Terminal = context.obj
    if [job_id is not None, everything, group is not None].count(True) != 1:
        terminal.fail("name one job, or say --group CAUSE, or --all", USAGE)
    given = {"--rate": rate, "--first": first, "--limit": limit, "--queue": queue}
    if job_id is not None:
        _nothing_of(terminal, given | {"--type": job_type}, "--all and --group, not for one job")
    if group is not None:
        _nothing_of(terminal, {"--type": job_type}, "--all; the jobs of a cause are of one type")
    if rate is None:
        _nothing_of(terminal, {"--first": first}, "--rate, which is not there")
    pace = None if rate is None else _per_second(rate)
    with terminal.jobs() as jobs:
        action = jobs.new_action()
        if job_id is not None:
            job = jobs.retry(job_id, by=operator(), action=action)
            job = terminal.found(job, job_id)
            terminal.out.print(f"{job.id} waits in {job.queue} again")
        else:
            asked = f"Retry {_dead_letters(jobs, group, queue, job_type)}"
            asked += "?" if limit is None else f", at most {limit:,} of them?"
            terminal.confirm(asked, yes=yes)
            with terminal.err.status("retrying …"):
                done = jobs.retry_failed(
                    fingerprint=group,
                    queue=queue,
                    job_type=job_type,
                    limit=limit,
                    first=first or 0,
                    rate=pace,
                    by=operator(),
                    action=action,
                )
            _group_found(terminal, group, done.count)
            terminal.out.print(f"{done.count:,} dead letters wait in their queues again")
            if not done.undoable:
                return
    _say_how_to_undo(terminal, action)


def _nothing_of(terminal: Terminal, options: Mapping[str, object], belong: str) -> None:
    """The command ends if one of these is given, instead of passing over it."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        terminal.fail(f"{', '.join(given)}: for {belong}", USAGE)


def _dead_letters(
    jobs: Jobs, group: str | None, queue: str | None = None, job_type: str | None = None
) -> str:
    """Those an order is about, for whoever has to say yes to it."""
    groups = jobs.failure_groups(queue=queue, job_type=job_type, limit=MOST_CAUSES)
    count = sum([one.count for one in groups if group in {None, one.fingerprint}])
    more = " or more" if len(groups) == MOST_CAUSES else ""
    which = "that match" if group is None else f"of cause {group}"
    return f"the dead letters {which} ({count:,}{more})"


def _group_found(terminal: Terminal, group: str | None, count: int) -> None:
    """Without a dead letter of the cause that was named, the command ends."""
    if group is not None and not count:
        terminal.fail(
            f"no dead letter that matches has the cause {group}; boundary-jobs failed --by-cause "
            "lists those there are"
        )


def _per_second(text: str) -> float:
    """A rate such as ``10/s``, ``600/min`` or ``10``, in jobs a second."""
    number, _, unit = text.partition("/")
    try:
        return float(number) / _UNITS[unit.strip()]
    except (ValueError, KeyError):
        raise UsageError(f"{text!r} is no rate; write it like 10/s, 600/min or 1000/h") from None


_UNITS = {"": 1.0, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}


def operator() -> str:
    """Who acts at this prompt, for the log."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):
        name = ""
    printable = "".join(letter for letter in name if letter.isprintable())
    return printable[:128] or "unknown"


def _say_how_to_undo(terminal: Terminal, action: UUID) -> None:
    terminal.out.print(f"[dim]within a minute: boundary-jobs undo {action}[/dim]")


def cancel(context: typer.Context, job_id: JobId) -> None:
    """A waiting job never runs; a running one is asked to stop."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        action = jobs.new_action()
        job = terminal.found(jobs.cancel(job_id, by=operator(), action=action), job_id)
    if job.status == "cancelled":
        terminal.out.print(f"{job.id} is cancelled")
        _say_how_to_undo(terminal, action)
    else:
        terminal.out.print(f"{job.id} runs; it was asked to stop")


def delete(
    context: typer.Context,
    job_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="The job's id.")] = None,
    group: Group = None,
    yes: Yes = False,
) -> None:
    """A job is gone, wherever it stood; or a group of dead letters."""
    terminal: Terminal = context.obj
    if (job_id is None) is (group is None):
        terminal.fail("name one job, or say --group CAUSE", USAGE)
    with terminal.jobs() as jobs:
        action = jobs.new_action()
        if group is not None:
            terminal.confirm(f"Delete {_dead_letters(jobs, group)}?", yes=yes)
            with terminal.err.status("deleting …"):
                done = jobs.delete_failed(group, by=operator(), action=action)
            _group_found(terminal, group, done.count)
            terminal.out.print(f"{done.count:,} dead letters are gone")
            if not done.undoable:
                return
        elif job_id is not None:
            terminal.found(jobs.find(job_id), job_id)
            terminal.confirm(f"Delete job {job_id}?", yes=yes)
            jobs.delete(job_id, by=operator(), action=action)
            terminal.out.print(f"{job_id} is gone")
    _say_how_to_undo(terminal, action)


def edit(
    context: typer.Context,
    job_id: JobId,
    args: Annotated[str, typer.Argument(metavar="JSON", help="Arguments, a JSON object.")],
) -> None:
    """A job that waits, or is dead, has other arguments; a dead one waits again.

    What reads [redacted] under the name of a secret stays as it is stored.
    """
    terminal: Terminal = context.obj
    given = json_object(args)
    with terminal.jobs() as jobs:
        action = jobs.new_action()
        before = terminal.found(jobs.find(job_id), job_id)
        whole = cast("dict[str, Any]", restored(given, before.args))
        changed = jobs.edit(job_id, whole, by=operator(), action=action)
        job = terminal.found(changed, job_id)
    terminal.out.print(f"{job.id} has these arguments and is {job.status} in {job.queue}")
    _say_how_to_undo(terminal, action)


def undo(
    context: typer.Context,
    action: Annotated[str, typer.Argument(metavar="ACTION", help="Its id: audit lists them.")],
) -> None:
    """Undo what was done within the last minute, as far as nobody has gone on with it."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        done = jobs.undo(action, by=operator())
    gone_on = f"{done.skipped:,} {'has' if done.skipped == 1 else 'have'} gone on meanwhile"
    if not done.restored:
        why = gone_on if done.skipped else "what runs and was asked to stop is not told to go on"
        terminal.fail(f"nothing is undone: {why}")
    restored = "1 is as it was" if done.restored == 1 else f"{done.restored:,} are as they were"
    terminal.out.print(f"undone: {restored}" + (f"; {gone_on}" if done.skipped else ""))


def pause(context: typer.Context, queue: Queue) -> None:
    """Workers pass over a queue; its jobs stay."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        _tell_unknown(terminal, jobs, queue)
        changed = jobs.pause(queue, by=operator())
    terminal.out.print(f"{queue} is paused" if changed else f"{queue} was paused already")


def _tell_unknown(terminal: Terminal, jobs: Jobs, queue: str) -> None:
    """A name nobody used may be meant; it may be another one, mistyped."""
    known = [row.queue_name for row in jobs.queues()]
    if queue not in known:
        some = ", ".join(known[:NAMED]) + (" …" if len(known) > NAMED else "")
        note = f"note: no job has been in queue {queue}; there are: {some or 'none'}"
        terminal.err.print(note, style="yellow", markup=False, soft_wrap=True)


NAMED = 20
"""So many queues a note names."""


def resume(context: typer.Context, queue: Queue) -> None:
    """Workers serve a paused queue again."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        _tell_unknown(terminal, jobs, queue)
        changed = jobs.resume(queue, by=operator())
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
        told: int = getattr(jobs, f"{word}_workers")(worker, by=operator())
        if told == 0:
            alive = ", ".join(f"{row.host}:{row.pid}" for row in jobs.workers()) or "none"
            whom = "no worker" if worker is None else f"no worker {worker}"
            terminal.fail(f"{whom} is alive, so nobody was told; those that are: {alive}")
    terminal.out.print(f"1 worker {one}" if told == 1 else f"{told} workers {many}")


def purge(context: typer.Context, queue: Queue, yes: Yes = False) -> None:
    """Every job that waits in a queue is gone; running and finished ones stay."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        _tell_unknown(terminal, jobs, queue)
        load = jobs.queue_stats(queue)
        waiting = load.size + load.scheduled
        terminal.confirm(f"Delete the {waiting:,} jobs that wait in {queue}?", yes=yes)
        action = jobs.new_action()
        with terminal.err.status("deleting …"):
            count = jobs.purge(queue, by=operator(), action=action)
    terminal.out.print(f"{count:,} jobs are gone from {queue}")
    if count:
        _say_how_to_undo(terminal, action)
