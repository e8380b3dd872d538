"""The app put together: routes, the guard before them, and what happens when one fails.

What belongs here: composition. What does not: what a route does (`api`, `pages`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from boundary.jobs.shell.client import Jobs
from boundary.jobs.shell.web import openapi
from boundary.jobs.shell.web.access import Auth, AuthFunction, as_auth
from boundary.jobs.shell.web.api import jobs as about_jobs
from boundary.jobs.shell.web.api import places as about_places
from boundary.jobs.shell.web.api.endpoint import JSON_MEDIA, Endpoint
from boundary.jobs.shell.web.guarding import API, Guard, route_path
from boundary.jobs.shell.web.problems import Refusal, problem

log = logging.getLogger("boundary.jobs")

ENDPOINTS = tuple(
    # A path that is written out comes before one with an id in its place.
    sorted((*about_places.ENDPOINTS, *about_jobs.ENDPOINTS), key=lambda one: "{id}" in one.path)
)


def create_app(jobs: Jobs, auth: str | Auth | AuthFunction | None = None) -> ASGIApp:
    """The API and the dashboard over these jobs, as an ASGI app to serve or to mount at any path.

    Args:
        jobs: The doors; they stay yours to close.
        auth: Who may: a text is the operators' token; `TokenAuth`, `BasicAuth`, or a function of
            the request that answers ``"viewer"``, ``"operator"``, a `Visitor` or None. None:
            whoever sits at this machine is its operator, and nobody else is answered.

    Raises:
        UsageError: `auth` is none of these.
    """
    description = msgspec.json.encode(openapi.document(ENDPOINTS))

    async def describe(_: Request) -> Response:
        return Response(description, media_type=JSON_MEDIA)

    return Starlette(
        routes=[Route(f"{API}/openapi.json", describe), *api_routes(ENDPOINTS, jobs)],
        middleware=[Middleware(Guard, auth=as_auth(auth))],
        exception_handlers={HTTPException: _not_served, Exception: _broken},
    )


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


async def _not_served(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "no_such_route", 405: "method_not_allowed"}.get(error.status_code, "refused")
    path = route_path(request.scope)
    detail = f"there is no {request.method} {path:.200} here"
    return problem(Refusal(error.status_code, code, detail), dict(error.headers or {}))


async def _broken(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    detail = "this is a fault of boundary-jobs; the log has the details"
    return problem(Refusal(500, "internal", detail))
