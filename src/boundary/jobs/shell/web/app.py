"""The app put together: routes, the guard before them, and what happens when one fails.

What belongs here: composition. What does not: what a route does (`api`, `pages`).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from boundary.jobs.shell.client import Jobs
from boundary.jobs.shell.web import openapi
from boundary.jobs.shell.web.access import Auth, AuthFunction, TokenAuth, as_auth
from boundary.jobs.shell.web.api import jobs as about_jobs
from boundary.jobs.shell.web.api import places as about_places
from boundary.jobs.shell.web.api.endpoint import JSON_MEDIA, Endpoint
from boundary.jobs.shell.web.guarding import API, Guard, route_path
from boundary.jobs.shell.web.live import Hub
from boundary.jobs.shell.web.pages import lists
from boundary.jobs.shell.web.pages.acting import ACTIONS, Act, act
from boundary.jobs.shell.web.pages.dead import dead_page
from boundary.jobs.shell.web.pages.job import job_page
from boundary.jobs.shell.web.pages.overview import overview
from boundary.jobs.shell.web.pages.page import Page, Printer, error_view
from boundary.jobs.shell.web.pages.signing import Signing
from boundary.jobs.shell.web.problems import Refusal, problem
from boundary.jobs.shell.web.static import Files

log: logging.Logger = logging.getLogger("boundary.jobs")

ENDPOINTS = tuple(
    # A path that is written out comes before one with an id in its place.
    sorted(
        (*about_places.ENDPOINTS, *about_jobs.ENDPOINTS),
        key=lambda one: one.path.startswith("/{id}"),
    )
)


def create_app(jobs: Jobs, auth: str | Auth | AuthFunction | None = None) -> Starlette:
    """The API and the dashboard over these jobs, as an ASGI app to serve or to mount at any path.

    Args:
        jobs: The doors; they stay yours to close. Only where the app is served by itself, the end of
            its lifespan closes what it opened on its server's loop (`jobs.aio`).
        auth: Who may: a text is the operators' token; `TokenAuth`, `BasicAuth`, or a function of
            the request that answers ``"viewer"``, ``"operator"``, a `Visitor` or None. None:
            whoever sits at this machine is its operator, and nobody else is answered.

    Returns:
        The app; `app.state.hub.end()` ends its streams, for a server about to stop.

    Raises:
        UsageError: `auth` is none of these.
    """
    known = as_auth(auth)
    description = msgspec.json.encode(openapi.document(ENDPOINTS))
    hub, files = Hub(), Files()
    printer = Printer(jobs, hub, files, known)

    async def describe(_: Request) -> Response:
        return Response(description, media_type=JSON_MEDIA)

    async def events(request: Request) -> Response:
        async def look() -> bytes:
            return msgspec.json.encode(await jobs.aio.stats())

        return hub.stream((request.scope["path"],), "stats", look)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        yield
        hub.end()
        await jobs.aio.close()

    app = Starlette(
        routes=[
            Route(f"{API}/openapi.json", describe),
            Route(f"{API}/events", events),
            *api_routes(ENDPOINTS, jobs),
            Route("/static/{name}", files.serve),
            *_page_routes(pages(), printer),
            *_action_routes(jobs),
            *(_sign_routes(known, printer) if isinstance(known, TokenAuth) else ()),
        ],
        middleware=[Middleware(Guard, auth=known)],
        exception_handlers={HTTPException: _not_served(printer), Exception: _broken},
        lifespan=lifespan,
    )
    app.state.hub = hub
    return app


def pages() -> tuple[Page, ...]:
    """The pages."""
    return (
        Page("/", overview),
        Page("/jobs", lists.jobs_page),
        Page("/jobs/{id}", job_page),
        Page("/dead", dead_page),
        Page("/queues", lists.queues_page),
        Page("/schedules", lists.schedules_page),
        Page("/workers", lists.workers_page),
        Page("/audit", lists.audit_page),
    )


def _page_routes(every: Iterable[Page], printer: Printer) -> list[BaseRoute]:
    """Each page, and the stream of its changes."""

    def routes(page: Page) -> list[BaseRoute]:
        async def whole(request: Request) -> Response:
            return await printer.page(page, request)

        async def live(request: Request) -> Response:
            return printer.live(page, request)

        return [Route(page.path, whole), Route(f"/live{page.path}", live)]

    return [route for page in every for route in routes(page)]


def _action_routes(jobs: Jobs) -> list[BaseRoute]:
    def route(path: str, action: Act) -> Route:
        async def done(request: Request) -> Response:
            return await act(action, request, jobs)

        return Route(path, done, methods=["POST"])

    return [route(path, action) for path, action in ACTIONS.items()]


def _sign_routes(auth: TokenAuth, printer: Printer) -> list[BaseRoute]:
    signing = Signing(auth, printer)
    return [
        Route("/sign-in", signing.form),
        Route("/sign-in", signing.sign_in, methods=["POST"]),
        Route("/sign-out", signing.sign_out, methods=["POST"]),
    ]


def api_routes(endpoints: Iterable[Endpoint], jobs: Jobs) -> list[BaseRoute]:
    """One route a path."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for one in endpoints:
        by_path.setdefault(one.path, {})[one.method] = one
    return [Route(API + path, _Methods(methods, jobs)) for path, methods in by_path.items()]


class _Methods:
    """What answers at a path, by method; it takes every method, so that a wrong one is told so."""

    def __init__(self, methods: dict[str, Endpoint], jobs: Jobs) -> None:
        self._methods = methods
        self._jobs = jobs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        endpoint = self._methods.get("GET" if request.method == "HEAD" else request.method)
        if endpoint is None:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(self._methods))})
        response = await endpoint.respond(request, self._jobs)
        await response(scope, receive, send)


def _not_served(printer: Printer) -> Callable[[Request, Exception], Coroutine[Any, Any, Response]]:
    async def tell(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = {404: "no_such_route", 405: "method_not_allowed"}.get(error.status_code, "refused")
        path = route_path(request.scope)
        detail = f"there is no {request.method} {path:.200} here"
        refusal = Refusal(code, detail, status=error.status_code)
        if path.startswith(API):
            return problem(refusal, dict(error.headers or {}))
        return printer.whole(error_view(refusal), request)

    return tell


async def _broken(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    detail = "this is a fault of boundary-jobs; the log has the details"
    return problem(Refusal("internal", detail))
