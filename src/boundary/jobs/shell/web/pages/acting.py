"""What the buttons of the dashboard do: each a form, posted, and back to where it stood.

What belongs here: each action, and the sentence that says what came of it. What does not: who may
(`guarding`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, cast
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from boundary.jobs.core.redaction import restored
from boundary.jobs.core.values import JSON
from boundary.jobs.errors import JobsError
from boundary.jobs.shell.client import Jobs
from boundary.jobs.shell.schedule_flows import ScheduleEdits, ScheduleInfo
from boundary.jobs.shell.shown import undone_words
from boundary.jobs.shell.web.api.endpoint import Ask, read_bytes
from boundary.jobs.shell.web.api.jobs import not_found
from boundary.jobs.shell.web.api.places import no_schedule
from boundary.jobs.shell.web.guarding import visitor_of
from boundary.jobs.shell.web.pages.page import Note, root_of, say
from boundary.jobs.shell.web.problems import Refusal, refusal_of

Form = dict[str, str]
FORM: Final = "application/x-www-form-urlencoded"
DIGITS: Final = 12
"""Digits a number in a form may have."""


class Done(Struct, frozen=True):
    """What came of an action, the id of the act if it can be undone, and whether it changed nothing."""

    text: str
    act: UUID | None = None
    bad: bool = False


Act = Callable[[Ask[Form, None]], Awaitable[Done]]


async def act(action: Act, request: Request, jobs: Jobs) -> Response:
    """The action is done or refused, and the visitor back where they were, who are told so."""
    back = "/"
    try:
        form = await read_form(request)
        back = local(form.get("back", "/"))
        done = await action(Ask(jobs, visitor_of(request), request.path_params, form, None))
        note = Note(done.text, done.bad, done.act)
    except (JobsError, Refusal) as error:
        refusal = refusal_of(error) if isinstance(error, JobsError) else error
        note = Note(refusal.detail, bad=True)
    response = RedirectResponse(root_of(request) + back, 303)
    say(response, note, request)
    return response


async def read_form(request: Request) -> Form:
    """The fields of a form.

    Raises:
        Refusal: It is none.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != FORM:
        raise Refusal("not_a_form", f"the body is {FORM}, not {media[:80] or 'unnamed'!r}")
    try:
        text = (await read_bytes(request)).decode()
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=50))
    except ValueError:
        raise Refusal("malformed_form", "the form cannot be read") from None


def local(path: str) -> str:
    """A path of ours; anything that would lead elsewhere is the first page."""
    if not path.isprintable() or not path.startswith("/") or path.startswith("//") or "\\" in path:
        return "/"
    parts = urlsplit(path)
    return "/" if parts.scheme or parts.netloc else path


def _count(form: Form, name: str) -> int:
    text = form.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS):
        raise Refusal("invalid_form", f"{name} is a whole number, not {text!r:.40}")
    return int(text)


def _rate(form: Form) -> float | None:
    text = form.get("rate", "").strip()
    try:
        return float(text) if text else None
    except ValueError:
        raise Refusal(
            "invalid_form", f"the rate is a number of jobs a second, not {text!r:.40}"
        ) from None


# Jobs


async def retry(ask: Ask[Form, None]) -> Done:
    """A dead letter waits again."""
    action = ask.door.new_action()
    job = await ask.jobs.retry(ask.job_id, by=ask.by, action=action)
    if job is None:
        raise not_found(ask.job_id)
    return Done(f"{job.job_type} waits in {job.queue} again.", action)


async def edit(ask: Ask[Form, None]) -> Done:
    """A job has other arguments, and waits."""
    before = await ask.jobs.find(ask.job_id)
    if before is None:
        raise not_found(ask.job_id)
    args = restored(_arguments(ask.query.get("args", "")), before.args)
    action = ask.door.new_action()
    try:
        job = await ask.jobs.edit(ask.job_id, args, by=ask.by, action=action)
    except TypeError as error:
        raise Refusal("arguments", str(error)) from None
    if job is None:
        raise not_found(ask.job_id)
    return Done(f"{job.job_type} waits in {job.queue} with the arguments you gave.", action)


def _arguments(text: str) -> dict[str, JSON]:
    try:
        return msgspec.json.decode(text, type=dict[str, JSON])
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError) as error:
        raise Refusal(
            "invalid_form", f"the arguments are no JSON object: {str(error)[:200]}"
        ) from None


async def cancel(ask: Ask[Form, None]) -> Done:
    """A job never runs, or is asked to stop."""
    action = ask.door.new_action()
    job = await ask.jobs.cancel(ask.job_id, by=ask.by, action=action)
    if job is None:
        raise not_found(ask.job_id)
    if job.status == "cancelled":
        return Done("It is cancelled and will not run.", action)
    return Done("It runs; it was asked to stop.")


async def delete(ask: Ask[Form, None]) -> Done:
    """A job is gone."""
    before = await ask.jobs.find(ask.job_id)
    action = ask.door.new_action()
    if before is None or not await ask.jobs.delete(ask.job_id, by=ask.by, action=action):
        raise not_found(ask.job_id)
    # One that runs is not kept aside: a run without its job cannot be put back.
    return Done(f"Job {ask.job_id} is gone.", None if before.status == "running" else action)


# Dead letters of one cause


async def retry_group(ask: Ask[Form, None]) -> Done:
    """They wait again: a few, or all at the rate given."""
    form = ask.query
    done = await ask.jobs.retry_failed(
        fingerprint=form.get("fingerprint", ""),
        queue=form.get("queue") or None,
        limit=_count(form, "limit") if form.get("limit") else None,
        rate=_rate(form),
        by=ask.by,
    )
    return Done(f"{_dead_letters(done.count)} again.", done.id if done.undoable else None)


def _dead_letters(count: int) -> str:
    return "1 dead letter waits" if count == 1 else f"{count:,} dead letters wait"


async def delete_group(ask: Ask[Form, None]) -> Done:
    """They are gone."""
    form = ask.query
    limit = _count(form, "confirm")
    if not limit:
        raise Refusal("invalid_form", "confirm says how many, at least 1")
    done = await ask.jobs.delete_failed(
        form.get("fingerprint", ""), queue=form.get("queue") or None, limit=limit, by=ask.by
    )
    word = "dead letter is" if done.count == 1 else "dead letters are"
    return Done(f"{done.count:,} {word} gone.", done.id if done.undoable else None)


# Queues


async def pause(ask: Ask[Form, None]) -> Done:
    """Workers pass over a queue."""
    action = ask.door.new_action()
    if await ask.jobs.pause(ask.name, by=ask.by, action=action):
        return Done(f"{ask.name} is paused; its jobs stay.", action)
    return Done(f"{ask.name} was paused already.")


async def resume(ask: Ask[Form, None]) -> Done:
    """Workers serve a queue again."""
    action = ask.door.new_action()
    if await ask.jobs.resume(ask.name, by=ask.by, action=action):
        return Done(f"{ask.name} is served again.", action)
    return Done(f"{ask.name} was not paused.")


async def purge(ask: Ask[Form, None]) -> Done:
    """The waiting jobs of a queue are gone."""
    load = await ask.jobs.queue_stats(ask.name)
    # More may have come since the page was made; fewer is what was agreed to.
    waiting, agreed = load.size + load.scheduled, _count(ask.query, "confirm")
    if waiting > agreed:
        raise Refusal(
            "confirm_count",
            f"{waiting:,} jobs wait in {ask.name} by now, not {agreed:,}; nothing was deleted",
        )
    action = ask.door.new_action()
    count = await ask.jobs.purge(ask.name, by=ask.by, action=action)
    return Done(f"{count:,} jobs are gone from {ask.name}.", action if count else None)


# Schedules


async def unschedule(ask: Ask[Form, None]) -> Done:
    """A schedule is gone."""
    if not await ask.jobs.unschedule(ask.name, by=ask.by):
        raise no_schedule(ask.name)
    return Done(f"{ask.name} ticks no more.")


async def pause_schedule(ask: Ask[Form, None]) -> Done:
    """A schedule does not tick."""
    if await ask.jobs.pause_schedule(ask.name, by=ask.by) is None:
        raise no_schedule(ask.name)
    return Done(f"{ask.name} is paused and does not tick until it is resumed.")


async def resume_schedule(ask: Ask[Form, None]) -> Done:
    """A schedule ticks again."""
    if await ask.jobs.resume_schedule(ask.name, by=ask.by) is None:
        raise no_schedule(ask.name)
    return Done(f"{ask.name} ticks again.")


async def fire_schedule(ask: Ask[Form, None]) -> Done:
    """One of a schedule's jobs waits now."""
    job = await ask.jobs.fire_schedule(ask.name, by=ask.by)
    if job is None:
        raise no_schedule(ask.name)
    return Done(f"{job.job_type} waits in {job.queue} now; {ask.name} ticks on as before.")


async def edit_schedule(ask: Ask[Form, None]) -> Done:
    """A schedule ticks otherwise, or its jobs go elsewhere."""
    one = next((one for one in await ask.jobs.schedules() if one.name == ask.name), None)
    if one is None:
        raise no_schedule(ask.name)
    edits = _changes(ask.query, one)
    if not edits:
        return Done(f"{ask.name} stays as it was.")
    if await ask.jobs.edit_schedule(ask.name, by=ask.by, **edits) is None:
        raise no_schedule(ask.name)
    return Done(f"{ask.name} is changed: {', '.join(sorted(edits))}.")


def _changes(form: Form, one: ScheduleInfo) -> ScheduleEdits:
    """What the form has otherwise than the schedule; what is empty stays."""
    before = {
        "cron": one.cron,
        "every": None if one.every is None else one.every.total_seconds(),
        **{name: getattr(one, name) for name in ("timezone", "misfire", "queue", "priority")},
    }
    given: dict[str, object] = {name: form.get(name, "").strip() for name in before}
    if given["every"]:
        given["every"] = _seconds(str(given["every"]))
    changed = {name: value for name, value in given.items() if value and value != before[name]}
    return cast("ScheduleEdits", changed)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Refusal(
            "invalid_form", f"the interval is a number of seconds, not {text!r:.40}"
        ) from None


# Workers


async def quiet(ask: Ask[Form, None]) -> Done:
    """A worker claims nothing more."""
    count = await ask.jobs.quiet_workers(ask.path["worker"], by=ask.by)
    return _told(count, "claims nothing more, and goes on with what it has")


async def unquiet(ask: Ask[Form, None]) -> Done:
    """A worker claims jobs again."""
    return _told(await ask.jobs.unquiet_workers(ask.path["worker"], by=ask.by), "claims jobs again")


async def drain(ask: Ask[Form, None]) -> Done:
    """A worker ends what it has and leaves."""
    return _told(
        await ask.jobs.drain_workers(ask.path["worker"], by=ask.by), "ends what it has, and leaves"
    )


async def restart(ask: Ask[Form, None]) -> Done:
    """A worker is replaced by a new process."""
    count = await ask.jobs.restart_workers(ask.path["worker"], by=ask.by)
    return _told(count, "is replaced by a new process")


def _told(count: int, what: str) -> Done:
    if count == 0:
        raise Refusal("worker_not_found", "this worker has left meanwhile")
    return Done(f"The worker {what}.")


# The log


async def undo(ask: Ask[Form, None]) -> Done:
    """What somebody did is undone, as far as that still may be."""
    done = await ask.jobs.undo(ask.job_id, by=ask.by)
    words = undone_words(done)
    return Done(f"{words.capitalize()}.", bad=not done.restored)


ACTIONS: Final[dict[str, Act]] = {
    "/jobs/{id}/retry": retry,
    "/jobs/{id}/edit": edit,
    "/jobs/{id}/cancel": cancel,
    "/jobs/{id}/delete": delete,
    "/dead/retry": retry_group,
    "/dead/delete": delete_group,
    "/queues/{name}/pause": pause,
    "/queues/{name}/resume": resume,
    "/queues/{name}/purge": purge,
    "/schedules/{name}/delete": unschedule,
    "/schedules/{name}/pause": pause_schedule,
    "/schedules/{name}/resume": resume_schedule,
    "/schedules/{name}/fire": fire_schedule,
    "/schedules/{name}/edit": edit_schedule,
    "/workers/{worker}/quiet": quiet,
    "/workers/{worker}/unquiet": unquiet,
    "/workers/{worker}/drain": drain,
    "/workers/{worker}/restart": restart,
    "/audit/{id}/undo": undo,
}
