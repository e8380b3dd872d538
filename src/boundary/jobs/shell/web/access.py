"""Who asks: the ways to say so, and what each may do.

What belongs here: roles, and telling a visitor from a request. What does not: refusing one
(`guarding`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal, Protocol, TypeAlias, cast, get_args

from msgspec import Struct
from starlette.requests import Request

from boundary.jobs.errors import UsageError

Role: TypeAlias = Literal["viewer", "operator"]
"""A `viewer` looks; an `operator` acts, too."""

COOKIE: Final = "boundary-jobs"
STAY: Final = 12 * 3600
"""Seconds a browser stays signed in."""


class Visitor(Struct, frozen=True):
    """Who asks, and as what. The name is what the audit log says."""

    role: Role
    name: str = ""


Answer: TypeAlias = Visitor | Role | None
AuthFunction: TypeAlias = Callable[[Request], Answer | Awaitable[Answer]]
"""Says who a request is from; None: nobody we know."""


class Auth(Protocol):
    """A way to tell who asks.

    Attributes:
        challenge: What `WWW-Authenticate` says to somebody unknown; empty: nothing.
    """

    challenge: str

    async def visitor(self, request: Request) -> Visitor | None:
        """Who asks; None: nobody we know."""
        ...


def same(left: str, right: str) -> bool:
    """Whether two texts are equal, told in a time that says nothing of them."""
    return hmac.compare_digest(left.encode(errors="replace"), right.encode(errors="replace"))


class TokenAuth:
    """One secret for operators, and one for viewers if there is one.

    Programs send it as ``Authorization: Bearer …``; people sign in with it at ``/sign-in``.

    Raises:
        UsageError: A token is empty, or both are the same.
    """

    challenge = "Bearer"

    def __init__(self, operator: str, viewer: str | None = None) -> None:
        tokens = [operator] if viewer is None else [operator, viewer]
        if not all(token.strip() for token in tokens) or len(set(tokens)) < len(tokens):
            raise UsageError(
                "a token is a text that is not empty, and each role has its own; make one with "
                "python -c 'import secrets; print(secrets.token_urlsafe())'"
            )
        self._roles: dict[str, Role] = {operator: "operator"}
        if viewer is not None:
            self._roles[viewer] = "viewer"

    async def visitor(self, request: Request) -> Visitor | None:
        """As `Auth.visitor`."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.by_token(given.strip())
        return self._by_cookie(request.cookies.get(COOKIE, ""))

    def by_token(self, given: str) -> Visitor | None:
        """Who has this token."""
        for token, role in self._roles.items():
            if same(token, given):
                return Visitor(role, f"{role} token")
        return None

    def cookie(self, given: str) -> str | None:
        """What a browser that signs in with this token keeps; None: it is none of ours."""
        if self.by_token(given) is None:
            return None
        until = str(int(time.time()) + STAY)
        return f"{until}.{_mark(given, until)}"

    def _by_cookie(self, given: str) -> Visitor | None:
        until, _, mark = given.partition(".")
        if not (until.isascii() and until.isdigit() and int(until[:18]) > time.time()):
            return None
        for token, role in self._roles.items():
            if same(_mark(token, until), mark):
                return Visitor(role, f"{role} token")
        return None


def _mark(token: str, until: str) -> str:
    return hmac.new(token.encode(), b"boundary-jobs " + until.encode(), hashlib.sha256).hexdigest()


class BasicAuth:
    """Names and passwords, as a browser asks for them. Serve it over TLS.

    Args:
        users: Name → (password, role).

    Raises:
        UsageError: There is nobody, or somebody has no password or another role.
    """

    challenge = 'Basic realm="boundary-jobs", charset="UTF-8"'

    def __init__(self, users: Mapping[str, tuple[str, Role]]) -> None:
        self._users = dict(users)
        for name, (password, role) in self._users.items():
            if not (name and password and ":" not in name and role in get_args(Role)):
                raise UsageError(
                    f"user {name!r} needs a name without a colon, a password, and the role viewer "
                    "or operator"
                )
        if not self._users:
            raise UsageError("BasicAuth needs at least one user: {'ada': (password, 'operator')}")

    async def visitor(self, request: Request) -> Visitor | None:
        """As `Auth.visitor`."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, _, password = base64.b64decode(given, validate=True).decode().partition(":")
        except ValueError:  # no base64, or no text in it
            return None
        known, role = self._users.get(name, ("", "viewer"))
        return Visitor(role, name) if same(known, password) and known else None


class FunctionAuth:
    """A function of the application says who asks, by its session or however it likes."""

    challenge = ""

    def __init__(self, function: AuthFunction) -> None:
        self._function = function

    async def visitor(self, request: Request) -> Visitor | None:
        """As `Auth.visitor`."""
        said = self._function(request)
        answer = cast("object", await said if inspect.isawaitable(said) else said)
        if answer is None or isinstance(answer, Visitor):
            return answer
        if answer in get_args(Role):
            return Visitor(cast("Role", answer))
        raise UsageError(
            f"auth answered {answer!r:.80}; it answers 'viewer', 'operator', a Visitor or None"
        )


class LocalAuth:
    """Nobody says who they are: whoever sits at this machine is its operator (see `guarding`)."""

    challenge = ""

    async def visitor(self, request: Request) -> Visitor | None:
        """As `Auth.visitor`."""
        del request
        return Visitor("operator", "local")


def as_auth(given: str | Auth | AuthFunction | None) -> Auth:
    """The way to tell who asks that this stands for; a text is the operators' token.

    Raises:
        UsageError: It is none of these.
    """
    if given is None:
        return LocalAuth()
    if isinstance(given, str):
        return TokenAuth(given)
    if hasattr(given, "visitor") and hasattr(given, "challenge"):
        return cast("Auth", given)
    if callable(given):
        return FunctionAuth(given)
    raise UsageError(
        f"auth is a token, TokenAuth(…), BasicAuth(…), or a function of a request, not {given!r:.80}"
    )
