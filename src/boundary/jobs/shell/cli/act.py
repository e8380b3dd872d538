"""Commands that change something. Those that destroy ask first, unless told --yes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast
from uuid import UUID

import msgspec
import typer
from msgspec import Struct

from boundary.jobs import Jobs
from boundary.jobs.core.operations import ASIDE
from boundary.jobs.core.records import Priority
from boundary.jobs.core.redaction import restored
from boundary.jobs.errors import UsageError
from boundary.jobs.shell.cli.codes import USAGE
from boundary.jobs.shell.cli.done import Done, operator, tell
from boundary.jobs.shell.cli.look import JobId, Json
from boundary.jobs.shell.cli.progress import bar
from boundary.jobs.shell.cli.terminal import Terminal
from boundary.jobs.shell.options import EnqueueOptions
from boundary.jobs.shell.shown import shown, undone_words

if TYPE_CHECKING:
    from boundary.jobs.core.records import Job
    from boundary.jobs.shell.hands import Action

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
MOST_CAUSES = 200
"""Causes that are counted before a question."""

Queue = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue's name.")]


def enqueue(
    context: typer.Context,
    job_type: Annotated[str, typer.Argument(metavar="TYPE", help="The handler's name.")],
    args: Annotated[str, typer.Argument(metavar="JSON", help="Arguments, a JSON object.")] = "{}",
    queue: Annotated[str | None, typer.Option(help="The queue; default: default.")] = None,
    priority: Annotated[str | None, typer.Option(help="critical, high, normal or low.")] = None,
    delay: Annotated[float | None, typer.Option(help="Seconds until it may run.")] = None,
    job_id: Annotated[str | None, typer.Option(help="A UUID; repeating it adds no job.")] = None,
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
        f"enqueued {job.id} in {job.queue}", soft_wrap=True
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
        int | None, typer.Option(min=0, help="This many at once, before --rate.")
    ] = None,
    rate: Annotated[str | None, typer.Option(help="Jobs per time: 10/s, 600/min.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many.")] = None,
    queue: Annotated[
        str | None, typer.Option(help="With --all or --group: only this queue.")
    ] = None,
    job_type: Annotated[
        str | None, typer.Option("--type", help="With --all: only this type.")
    ] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Retry a dead letter, with all its retries; or a group, or all of them."""
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
            done = _about(terminal.found(job, job_id), "retry", action)
            words = f"{done.target} waits in {done.job.queue} again" if done.job else ""
        else:
            found = _dead_letters(jobs, group, queue, job_type)
            asked = f"Retry {found.words}"
            asked += "?" if limit is None else f", at most {limit:,} of them?"
            terminal.confirm(asked, yes=yes)
            if not yes:
                limit = found.agreed(limit)
            with bar(terminal, "retrying", found.at_most(limit), quiet=as_json) as progress:
                many = jobs.retry_failed(
                    fingerprint=group,
                    queue=queue,
                    job_type=job_type,
                    limit=limit,
                    first=first or 0,
                    rate=pace,
                    by=operator(),
                    action=action,
                    progress=progress,
                )
            done = _of_many(terminal, many, group)
            words = f"{done.count:,} dead letters wait in their queues again"
    tell(terminal, done, words, as_json=as_json)


def _about(job: Job, what: str, action: UUID | None) -> Done:
    """What was done to one job."""
    return Done(what=what, target=str(job.id), count=1, action=action, job=job)


def _of_many(terminal: Terminal, many: Action, group: str | None) -> Done:
    """What was done to dead letters; without one of the cause that was named, the command ends."""
    if group is not None and not many.count:
        terminal.fail(
            f"no dead letter that matches has the cause {group}; boundary-jobs failed --by-cause "
            "lists those there are"
        )
    action = many.id if many.undoable else None
    return Done(what=many.what, target=many.target, count=many.count, action=action)


def _nothing_of(terminal: Terminal, options: Mapping[str, object], belong: str) -> None:
    """The command ends if one of these is given, instead of passing over it."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        terminal.fail(f"{', '.join(given)}: for {belong}", USAGE)


class Found(Struct, frozen=True):
    """Those an order is about, for whoever has to say yes to it.

    Attributes:
        count: How many were found.
        complete: Whether there are no more.
        words: The same as a part of a question.
    """

    count: int
    complete: bool
    words: str

    def at_most(self, limit: int | None) -> int | None:
        """How many an act on so many changes; None: nobody knows."""
        if limit is not None and limit <= self.count:
            return limit
        return self.count if self.complete else None

    def agreed(self, limit: int | None) -> int | None:
        """On how many an act acts once somebody agreed to these: not on later ones."""
        return self.at_most(limit) if self.complete else limit


def _dead_letters(
    jobs: Jobs, group: str | None, queue: str | None = None, job_type: str | None = None
) -> Found:
    groups = jobs.failure_groups(
        fingerprint=group, queue=queue, job_type=job_type, limit=MOST_CAUSES
    )
    count, complete = sum([one.count for one in groups]), len(groups) < MOST_CAUSES
    which = "that match" if group is None else f"of cause {group}"
    more = "" if complete else " or more"
    return Found(count, complete, f"the dead letters {which} ({count:,}{more})")


def _per_second(text: str) -> float:
    """A rate such as ``10/s``, ``600/min`` or ``10``, in jobs a second."""
    number, _, unit = text.partition("/")
    try:
        return float(number) / _UNITS[unit.strip()]
    except (ValueError, KeyError):
        raise UsageError(f"{text!r} is no rate; write it like 10/s, 600/min or 1000/h") from None


_UNITS = {"": 1.0, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}


def cancel(context: typer.Context, job_id: JobId, yes: Yes = False, as_json: Json = False) -> None:
    """Cancel a waiting job, or ask a running one to stop, which cannot be undone."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        action = jobs.new_action()
        before = terminal.found(jobs.find(job_id), job_id)
        if before.status == "running":  # one that begins this moment is stopped unasked
            asked = f"Job {before.id} runs. Ask it to stop? That cannot be undone."
            terminal.confirm(asked, yes=yes)
        job = terminal.found(jobs.cancel(job_id, by=operator(), action=action), job_id)
    stopped = job.status == "cancelled"
    words = f"{job.id} is cancelled" if stopped else f"{job.id} runs; it was asked to stop"
    tell(terminal, _about(job, "cancel", action if stopped else None), words, as_json=as_json)


def delete(
    context: typer.Context,
    job_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="The job's id.")] = None,
    group: Group = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete a job, whatever its status; or a group of dead letters."""
    terminal: Terminal = context.obj
    if (job_id is None) is (group is None):
        terminal.fail("name one job, or say --group CAUSE", USAGE)
    with terminal.jobs() as jobs:
        action = jobs.new_action()
        if job_id is not None:
            job = terminal.found(jobs.find(job_id), job_id)
            terminal.confirm(f"Delete job {job_id}?", yes=yes)
            if not jobs.delete(job_id, by=operator(), action=action):
                terminal.no_job(job_id)
            # One that runs is not kept aside: a run without its job cannot be put back.
            done = _about(job, "delete", None if job.status == "running" else action)
            words = f"{job_id} is gone"
        else:
            cause = cast("str", group)
            found = _dead_letters(jobs, cause)
            terminal.confirm(f"Delete {found.words}?", yes=yes)
            limit = None if yes else found.agreed(None)
            with bar(terminal, "deleting", found.at_most(limit), quiet=as_json) as progress:
                many = jobs.delete_failed(
                    cause, limit=limit, by=operator(), action=action, progress=progress
                )
            done = _of_many(terminal, many, cause)
            words = f"{done.count:,} dead letters are gone"
    tell(terminal, done, words, as_json=as_json)


def edit(
    context: typer.Context,
    job_id: JobId,
    args: Annotated[str, typer.Argument(metavar="JSON", help="Arguments, a JSON object.")],
    as_json: Json = False,
) -> None:
    """Change the arguments of a waiting job or a dead letter, which then waits again.

    Secrets that are left as [redacted] keep their stored values.
    """
    terminal: Terminal = context.obj
    given = json_object(args)
    with terminal.jobs() as jobs:
        action = jobs.new_action()
        before = terminal.found(jobs.find(job_id), job_id)
        whole = cast("dict[str, Any]", restored(given, before.args))
        changed = jobs.edit(job_id, whole, by=operator(), action=action)
        job = terminal.found(changed, job_id)
    words = f"{job.id} has these arguments and is {job.status} in {job.queue}"
    tell(terminal, _about(job, "edit", action), words, as_json=as_json)


def undo(
    context: typer.Context,
    action: Annotated[str, typer.Argument(metavar="ACTION", help="Its id: audit lists them.")],
    as_json: Json = False,
) -> None:
    """Undo an action of the last minute, as far as still possible."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        undone = jobs.undo(action, by=operator())
    words, count = undone_words(undone), undone.restored
    if not count:
        terminal.fail(words)
    done = Done(what="undo", target=action, count=count, action=None, skipped=undone.skipped)
    tell(terminal, done, words, as_json=as_json)


def pause(context: typer.Context, queue: Queue, as_json: Json = False) -> None:
    """Stop workers from taking jobs of a queue; its jobs stay."""
    said = (f"{queue} is paused", f"{queue} was paused already")
    _set_paused(context.obj, "pause", queue, said, as_json=as_json)


def resume(context: typer.Context, queue: Queue, as_json: Json = False) -> None:
    """Let workers serve a paused queue again."""
    said = (f"{queue} is served again", f"{queue} was not paused")
    _set_paused(context.obj, "resume", queue, said, as_json=as_json)


def _set_paused(
    terminal: Terminal,
    word: Literal["pause", "resume"],
    queue: str,
    said: tuple[str, str],
    *,
    as_json: bool,
) -> None:
    with terminal.jobs() as jobs:
        _tell_unknown(terminal, jobs, queue)
        action = jobs.new_action()
        act = jobs.pause if word == "pause" else jobs.resume
        changed = act(queue, by=operator(), action=action)
    done = Done(what=word, target=queue, count=int(changed), action=action if changed else None)
    tell(terminal, done, said[0] if changed else said[1], as_json=as_json)


def _tell_unknown(terminal: Terminal, jobs: Jobs, queue: str) -> None:
    """A name nobody used may be meant; it may be another one, mistyped."""
    known = [row.queue_name for row in jobs.queues()]
    if queue not in known:
        some = ", ".join(known[:NAMED]) + (" …" if len(known) > NAMED else "")
        terminal.note(f"no job has been in queue {queue}; there are: {some or 'none'}")


NAMED = 20
"""So many queues a note names."""


def purge(context: typer.Context, queue: Queue, yes: Yes = False, as_json: Json = False) -> None:
    """Delete every waiting job of a queue; running and finished ones stay."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        _tell_unknown(terminal, jobs, queue)
        load = jobs.queue_stats(queue)
        waiting = load.size + load.scheduled
        terminal.confirm(f"Delete the {waiting:,} jobs that wait in {queue}?", yes=yes)
        action = jobs.new_action()
        with bar(terminal, "deleting", waiting, quiet=as_json) as progress:
            count = jobs.purge(queue, by=operator(), action=action, progress=progress)
    undoable = action if 0 < count <= ASIDE else None
    done = Done(what="purge", target=queue, count=count, action=undoable)
    tell(terminal, done, f"{count:,} jobs are gone from {queue}", as_json=as_json)
