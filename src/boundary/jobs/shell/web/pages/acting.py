"""What the buttons of the dashboard do: each a form, posted, and back to where it stood.

What belongs here: each action, and the sentence that says what came of it. What does not: who may
(`guarding`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

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


async def quiet(ask: Ask[Form, None]) -> str:
    """A worker claims nothing more."""
    return _told(
        await ask.jobs.quiet_workers(ask.path["worker"]), "claims nothing more, and goes on"
    )


async def unquiet(ask: Ask[Form, None]) -> str:
    """A worker claims jobs again."""
    return _told(await ask.jobs.unquiet_workers(ask.path["worker"]), "claims jobs again")


async def drain(ask: Ask[Form, None]) -> str:
    """A worker ends what it has and leaves."""
    return _told(await ask.jobs.drain_workers(ask.path["worker"]), "ends what it has, and leaves")


async def restart(ask: Ask[Form, None]) -> str:
    """A worker is replaced by a new process."""
    return _told(await ask.jobs.restart_workers(ask.path["worker"]), "is replaced by a new process")


def _told(count: int, what: str) -> str:
    if count == 0:
        raise Refusal(404, "worker_not_found", "this worker has left meanwhile")
    return f"The worker {what}."


ACTIONS: Final[dict[str, Act]] = {
    "/jobs/{id}/retry": retry,
    "/jobs/{id}/cancel": cancel,
    "/jobs/{id}/delete": delete,
    "/queues/{name}/pause": pause,
    "/queues/{name}/resume": resume,
    "/queues/{name}/purge": purge,
    "/schedules/{name}/delete": unschedule,
    "/workers/{worker}/quiet": quiet,
    "/workers/{worker}/unquiet": unquiet,
    "/workers/{worker}/drain": drain,
    "/workers/{worker}/restart": restart,
}
