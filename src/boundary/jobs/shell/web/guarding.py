"""What every request passes before it is looked at.

What belongs here: headers of every answer, where a request may come from, and who may do what.
What does not: how somebody says who they are (`access`).

Two rules, for every route there is or will be: to look one needs a role, to change anything the
operator's; and a change comes from a page of ours or from no browser at all. Only signing in and
out and the files under `/static/` are open.
"""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from boundary.jobs.errors import JobsError
from boundary.jobs.shell.web.access import Auth, LocalAuth, TokenAuth, Visitor
from boundary.jobs.shell.web.problems import Refusal, problem, refusal_of

API: Final = "/api/admin/jobs"
LOOKING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN: Final = ("/static/", "/sign-in", "/sign-out")
BODY_LIMIT: Final = 1_048_576
"""Bytes of a request's body; arguments of a job have a lower limit of their own."""

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


def route_path(scope: Scope) -> str:
    """The path below where the app is mounted."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if path == root or path.startswith(root + "/") else path


class Guard:
    """The app behind it is only asked what may be asked.

    Attributes:
        auth: How to tell who asks. The visitor is put into the request's state.
    """

    def __init__(self, app: ASGIApp, auth: Auth) -> None:
        self._app = app
        self._auth = auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        request = Request(scope, receive)
        try:
            answer = await self._refused(request)
        except JobsError as error:
            answer = problem(refusal_of(error))
        except Refusal as refusal:
            answer = problem(refusal)
        await (answer or self._app)(scope, receive, send_with_headers)

    async def _refused(self, request: Request) -> Response | None:
        """What the visitor is told instead; None: nothing, go on."""
        if isinstance(self._auth, LocalAuth):
            _check_local(request)
        looking = request.method in LOOKING
        if not looking:
            _check_origin(request.headers)
            _check_size(request.headers)
        if route_path(request.scope).startswith(OPEN):
            return None
        visitor = await self._auth.visitor(request)
        if visitor is None:
            return self._unknown(request)
        if not looking and visitor.role != "operator":
            raise Refusal("not_operator", "you may look here, but only an operator may act")
        request.scope.setdefault("state", {})["visitor"] = visitor
        return None

    def _unknown(self, request: Request) -> Response:
        path = route_path(request.scope)
        # A stream follows no redirect to a page: whoever watches is told the status.
        if isinstance(self._auth, TokenAuth) and not path.startswith((API, "/live/")):
            root = request.scope.get("root_path", "")
            return RedirectResponse(f"{root}/sign-in{_coming_back(request)}", 303)
        headers = {"WWW-Authenticate": self._auth.challenge} if self._auth.challenge else None
        detail = "say who you are: the request has no credentials, or none that are known here"
        return problem(Refusal("unauthenticated", detail), headers)


def _coming_back(request: Request) -> str:
    """The query by which signing in leads to where somebody wanted to be, and says what was not done."""
    if request.method in LOOKING:
        path, query = route_path(request.scope), request.url.query
        asked = {}
    else:
        page = urlsplit(request.headers.get("referer", ""))
        root = str(request.scope.get("root_path", ""))
        path, query = page.path.removeprefix(root), page.query
        asked = {"refused": "yes"}
    wanted = f"{path}?{query}" if query else path
    given = ({"next": wanted} if wanted not in {"", "/"} else {}) | asked
    return f"?{urlencode(given)}" if given else ""


def visitor_of(request: Request) -> Visitor:
    """Who asks, as the guard found out."""
    visitor = request.scope["state"]["visitor"]
    assert isinstance(visitor, Visitor)
    return visitor


def _check_local(request: Request) -> None:
    """Without a way to tell who asks, only this machine is answered, under a name of its own.

    A page elsewhere whose name was made to lead to this machine would be of our origin (DNS
    rebinding); so a public name is refused, too.
    """
    client = request.client.host if request.client else ""
    if _is_address(client) and not _is_loopback(client):
        raise Refusal(
            "no_auth", f"{client} is another machine and this app has no auth; give it some"
        )
    host = _host(request.headers.get("host", ""))
    if host is None:
        raise Refusal("no_auth", "the request's Host header is no name and no address")
    local = _is_loopback(host) if _is_address(host) else "." not in host.removesuffix(".localhost")
    if not local:
        raise Refusal(
            "no_auth",
            f"{host[:100]} is a public name and this app has no auth; give it some, or use "
            "127.0.0.1 or localhost",
        )


def _host(header: str) -> str | None:
    """The name or address in a Host header; None: there is none in it."""
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_loopback(text: str) -> bool:
    return ipaddress.ip_address(text).is_loopback


def _check_origin(headers: Headers) -> None:
    """A change comes from a page of ours, has a bearer token, or comes from no browser.

    Every browser says where a change comes from, in `Sec-Fetch-Site` or `Origin`; a request with
    neither was made by a program, which has no cookies of a person to abuse. A bearer token is no
    such cookie: a page has to know it.
    """
    if headers.get("authorization", "").lower().startswith("bearer "):
        return
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        ours = site in {"same-origin", "none"}
    else:
        ours = origin is None or _netloc(origin) == headers.get("host", "").lower()
    if not ours:
        raise Refusal(
            "cross_origin",
            f"this change was asked for by a page of another origin ({origin or site:.100})",
        )


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _check_size(headers: Headers) -> None:
    told = headers.get("content-length", "0")
    if not (told.isascii() and told.isdigit()) or int(told[:18]) > BODY_LIMIT:
        raise too_large()


def too_large() -> Refusal:
    """The refusal of a body that is too large."""
    return Refusal("body_too_large", f"a body has at most {BODY_LIMIT:,} bytes here")
