"""What the buttons of the dashboard do: each a form, posted, and back to where it stood.

What belongs here: each action, and the sentence that says what came of it. What does not: who may
(`guarding`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from boundary.jobs.core.records import JSON
from boundary.jobs.core.redaction import restored
from boundary.jobs.errors import JobsError
from boundary.jobs.shell.client import Jobs
from boundary.jobs.shell.web.api.endpoint import Ask, read_bytes
from boundary.jobs.shell.web.api.jobs import not_found
from boundary.jobs.shell.web.guarding import visitor_of
from boundary.jobs.shell.web.pages.page import root_of, say
from boundary.jobs.shell.web.problems import Refusal, refusal_of

Form = dict[str, str]
Act = Callable[[Ask[Form, None]], Awaitable[str]]

FORM: Final = "application/x-www-form-urlencoded"


async def act(action: Act, request: Request, jobs: Jobs) -> Response:
    """The action is done or refused, and the visitor back where they were, who are told so."""
    back, bad = "/", False
    try:
        form = await read_form(request)
        back = _local(form.get("back", "/"))
        ask = Ask(jobs, visitor_of(request), request.path_params, form, None)
        text = await action(ask)
    except JobsError as error:
        text, bad = refusal_of(error).detail, True
    except Refusal as refusal:
        text, bad = refusal.detail, True
    response = RedirectResponse(root_of(request) + back, 303)
    say(response, text, request, bad=bad)
    return response


async def read_form(request: Request) -> Form:
    """The fields of a form.

    Raises:
        Refusal: It is none.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != FORM:
        raise Refusal(415, "not_a_form", f"the body is {FORM}, not {media[:80] or 'unnamed'!r}")
    try:
        text = (await read_bytes(request)).decode()
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=50))
    except ValueError:
        raise Refusal(400, "malformed_form", "the form cannot be read") from None


def _local(path: str) -> str:
    """A path of ours; anything that would lead elsewhere is the first page."""
    parts = urlsplit(path) if path.isprintable() else None
    if parts is None or parts.scheme or parts.netloc or not path.startswith("/"):
        return "/"
    return "/" if path.startswith("//") or "\\" in path else path


def _count(form: Form, name: str) -> int:
    text = form.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 12):  # noqa: PLR2004
        raise Refusal(400, "invalid_form", f"{name} is a whole number, not {text!r:.40}")
    return int(text)


async def retry(ask: Ask[Form, None]) -> str:
    """A dead letter waits again."""
    job = await ask.jobs.retry(ask.job_id)
    if job is None:
        raise not_found(ask.job_id)
    return f"{job.job_type} waits in {job.queue} again."


async def edit(ask: Ask[Form, None]) -> str:
    """A dead letter waits again, with other arguments."""
    before = await ask.jobs.find(ask.job_id)
    if before is None:
        raise not_found(ask.job_id)
    given = _arguments(ask.query.get("args", ""))
    await ask.jobs.edit(ask.job_id, restored(given, before.args))
    return f"{before.job_type} waits in {before.queue} again, with the arguments you gave."


def _arguments(text: str) -> dict[str, JSON]:
    try:
        return msgspec.json.decode(text, type=dict[str, JSON])
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError) as error:
        raise Refusal(
            422, "invalid_form", f"the arguments are no JSON object: {str(error)[:200]}"
        ) from None


async def cancel(ask: Ask[Form, None]) -> str:
    """A job never runs, or is asked to stop."""
    job = await ask.jobs.cancel(ask.job_id)
    if job is None:
        raise not_found(ask.job_id)
    return "Cancelled." if job.status == "cancelled" else "It runs; it was asked to stop."


async def delete(ask: Ask[Form, None]) -> str:
    """A job is gone."""
    if not await ask.jobs.delete(ask.job_id):
        raise not_found(ask.job_id)
    return f"Job {ask.job_id} is gone."


async def pause(ask: Ask[Form, None]) -> str:
    """Workers pass over a queue."""
    changed = await ask.jobs.pause(ask.name)
    return f"{ask.name} is paused; its jobs stay." if changed else f"{ask.name} was paused already."


async def resume(ask: Ask[Form, None]) -> str:
    """Workers serve a queue again."""
    changed = await ask.jobs.resume(ask.name)
    return f"{ask.name} is served again." if changed else f"{ask.name} was not paused."


async def purge(ask: Ask[Form, None]) -> str:
    """The waiting jobs of a queue are gone."""
    load = await ask.jobs.queue_stats(ask.name)
    # More may have come since the page was made; fewer is what was agreed to.
    waiting = load.size + load.scheduled
    agreed = _count(ask.query, "confirm")
    if waiting > agreed:
        raise Refusal(
            409,
            "confirm_count",
            f"{waiting:,} jobs wait in {ask.name} by now, not {agreed:,}; nothing was deleted",
        )
    return f"{await ask.jobs.purge(ask.name):,} jobs are gone from {ask.name}."


async def unschedule(ask: Ask[Form, None]) -> str:
    """A schedule is gone."""
    if not await ask.jobs.unschedule(ask.name):
        raise Refusal(404, "schedule_not_found", f"no schedule is called {ask.name}")
    return f"{ask.name} ticks no more."


ACTIONS: Final[dict[str, Act]] = {
    "/jobs/{id}/retry": retry,
    "/jobs/{id}/edit": edit,
    "/jobs/{id}/cancel": cancel,
    "/jobs/{id}/delete": delete,
    "/queues/{name}/pause": pause,
    "/queues/{name}/resume": resume,
    "/queues/{name}/purge": purge,
    "/schedules/{name}/delete": unschedule,
}
