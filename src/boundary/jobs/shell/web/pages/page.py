"""What a page is: a path, and a function from a question to a view.

What belongs here: views, and sending one whole or as events. What does not: any page.
"""

from __future__ import annotations

import http
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any, Final, cast, get_args, get_type_hints
from urllib.parse import quote, unquote
from uuid import UUID

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from msgspec import Struct
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from boundary.jobs.errors import JobsError
from boundary.jobs.shell.client import Jobs
from boundary.jobs.shell.web.access import Auth, LocalAuth, TokenAuth, Visitor
from boundary.jobs.shell.web.api.endpoint import Ask, read_query
from boundary.jobs.shell.web.guarding import visitor_of
from boundary.jobs.shell.web.live import Hub
from boundary.jobs.shell.web.pages.writing import FILTERS, between
from boundary.jobs.shell.web.problems import Refusal, refusal_of
from boundary.jobs.shell.web.static import Files

NOTE: Final = "boundary-jobs-note"
"""The cookie that carries a sentence over to the next page."""

SECTIONS: Final = (
    ("/", "Overview"),
    ("/jobs", "Jobs"),
    ("/dead", "Dead letters"),
    ("/queues", "Queues"),
    ("/schedules", "Schedules"),
    ("/workers", "Workers"),
    ("/audit", "Audit"),
)


class View(Struct, frozen=True):
    """What a page shows.

    Attributes:
        template: Of what stands in the middle of the page.
        section: Which part of the dashboard is marked as the one we are in.
        data: What the template is given.
    """

    template: str
    title: str
    section: str
    data: dict[str, Any]
    status: int = 200


class Note(Struct, frozen=True):
    """A sentence for the next page.

    Attributes:
        bad: It says that something was not done.
        undo: The act that can be undone for a minute.
    """

    text: str
    bad: bool = False
    undo: UUID | None = None


class Elsewhere(Exception):
    """The page is at another path."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


Call = Callable[[Ask[Any, None]], Awaitable[View]]


class Page:
    """One page."""

    def __init__(self, path: str, call: Call) -> None:
        self.path = path
        self.call = call

    @cached_property
    def query(self) -> type[Struct]:
        """What the query holds."""
        return cast("type[Struct]", get_args(get_type_hints(self.call)["ask"])[0])


class Printer:
    """Makes responses of views.

    Args:
        jobs: The doors.
        auth: If visitors can be told apart, the page says as whom it knows them.
    """

    def __init__(self, jobs: Jobs, hub: Hub, files: Files, auth: Auth) -> None:
        self._jobs = jobs
        self._hub = hub
        self._templates = Environment(
            loader=PackageLoader("boundary.jobs.shell.web"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=StrictUndefined,
        )
        cast("dict[str, Any]", self._templates.filters).update(FILTERS)
        cast("dict[str, Any]", self._templates.globals).update(
            between=between,
            sections=SECTIONS,
            file=files.address,
            jobs=jobs,
            signed=not isinstance(auth, LocalAuth),
            signs_out=isinstance(auth, TokenAuth),
        )

    async def page(self, page: Page, request: Request) -> Response:
        """The page as a whole."""
        try:
            view = await self._view(page, request)
        except Elsewhere as elsewhere:
            return RedirectResponse(f"{root_of(request)}{elsewhere.path}", 303)
        except (JobsError, Refusal) as error:
            view = error_view(error)
        return self.whole(view, request, live=True)

    def whole(self, view: View, request: Request, *, live: bool = False) -> Response:
        """A view with all that stands around it; the sentence carried over is said once."""
        root = root_of(request)
        path = request.scope["path"].removeprefix(root) or "/"
        query = f"?{request.url.query}" if request.url.query else ""
        note = _carried(request)
        text = self._templates.get_template("shell.html").render(
            self._given(view, request),
            live=f"{root}/live{path}{query}" if live else "",
            note=note,
        )
        response = HTMLResponse(text, view.status)
        if NOTE in request.cookies:
            response.delete_cookie(NOTE, path=root or "/")
        return response

    def _given(self, view: View, request: Request) -> dict[str, Any]:
        visitor: Visitor | None = request.scope.get("state", {}).get("visitor")
        return {
            "root": root_of(request),
            "view": view,
            "visitor": visitor,
            "acts": visitor is not None and visitor.role == "operator",
            "back": here(request),
            **view.data,
        }

    async def _view(self, page: Page, request: Request) -> View:
        query = read_query(_filled(request.query_params), page.query)
        ask = Ask(self._jobs, visitor_of(request), request.path_params, query, None)
        return await page.call(ask)

    def live(self, page: Page, request: Request) -> StreamingResponse:
        """The middle of the page whenever it has changed, as events."""

        async def look() -> bytes:
            try:
                view = await self._view(page, request)
            except (Elsewhere, Refusal) as error:
                view = error_view(error if isinstance(error, Refusal) else not_here())
            template = self._templates.get_template(view.template)
            return template.render(self._given(view, request)).encode()

        key = (request.scope["path"], request.url.query, visitor_of(request).role, root_of(request))
        return self._hub.stream(key, "page", look)


def root_of(request: Request) -> str:
    """Where the app is mounted."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def here(request: Request) -> str:
    """The path of this page below where the app is mounted, with its query."""
    path = str(request.scope["path"]).removeprefix(root_of(request)).removeprefix("/live") or "/"
    return f"{path}?{request.url.query}" if request.url.query else path


def _filled(given: QueryParams) -> QueryParams:
    """A form sends its empty fields too; on a page they stand for nothing."""
    return QueryParams([(name, value) for name, value in given.multi_items() if value])


def error_view(error: JobsError | Refusal) -> View:
    """A page that says what went wrong."""
    refusal = refusal_of(error) if isinstance(error, JobsError) else error
    title = http.HTTPStatus(refusal.status).phrase
    data = {"detail": refusal.detail, "status": refusal.status}
    return View("error.html", title, "", data, refusal.status)


def not_here() -> Refusal:
    """The refusal of what has moved while somebody watched it."""
    return Refusal("no_such_route", "this is not here any more; load the page again")


def say(response: Response, note: Note, request: Request) -> None:
    """The next page of this visitor says the note."""
    short = Note(note.text[:400], note.bad, note.undo)
    response.set_cookie(
        NOTE,
        quote(msgspec.json.encode(short), safe=""),
        max_age=30,
        path=root_of(request) or "/",
        httponly=True,
        samesite="strict",
    )


def _carried(request: Request) -> Note | None:
    """The note of the page before; what is none of ours is passed over."""
    try:
        return msgspec.json.decode(unquote(request.cookies.get(NOTE, "")), type=Note)
    except (msgspec.MsgspecError, UnicodeEncodeError):
        return None
