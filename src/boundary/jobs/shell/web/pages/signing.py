"""Signing in with a token, and out again.

What belongs here: the form, and the cookie it leads to. What does not: what a token is (`access`).
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from boundary.jobs.shell.web.access import COOKIE, STAY, TokenAuth
from boundary.jobs.shell.web.pages.acting import local, read_form
from boundary.jobs.shell.web.pages.page import Printer, View, root_of
from boundary.jobs.shell.web.problems import Refusal, problem


class Signing:
    """The doors in and out for people who have a token."""

    def __init__(self, auth: TokenAuth, printer: Printer) -> None:
        self._auth = auth
        self._printer = printer

    async def form(self, request: Request) -> Response:
        """The form, empty; it remembers where somebody wanted to be."""
        asked = request.query_params
        refused = asked.get("refused") == "yes"
        return self._form(request, local(asked.get("next", "/")), refused=refused)

    async def sign_in(self, request: Request) -> Response:
        """The browser keeps a cookie, if the token is one of ours."""
        try:
            form = await read_form(request)
        except Refusal as refusal:
            return problem(refusal)
        cookie, wanted = (
            self._auth.cookie(form.get("token", "").strip()),
            local(form.get("next", "/")),
        )
        if cookie is None:
            return self._form(request, wanted, wrong=True)
        root = root_of(request)
        response = RedirectResponse(f"{root}{wanted}", 303)
        response.set_cookie(
            COOKIE,
            cookie,
            max_age=STAY,
            path=root or "/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return response

    async def sign_out(self, request: Request) -> Response:
        """The browser keeps nothing."""
        root = root_of(request)
        response = RedirectResponse(f"{root}/sign-in", 303)
        response.delete_cookie(COOKIE, path=root or "/")
        return response

    def _form(
        self, request: Request, wanted: str, *, wrong: bool = False, refused: bool = False
    ) -> Response:
        status = 401 if wrong else 200
        data = {"wrong": wrong, "refused": refused, "next": wanted}
        view = View("sign-in.html", "Sign in", "", data, status)
        return self._printer.whole(view, request)
