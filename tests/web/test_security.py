"""Who may do what, from where, and what nobody gets to see."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from boundary.jobs import Jobs, UsageError
from boundary.jobs.shell.web.app import ENDPOINTS
from boundary.jobs.web import BasicAuth, TokenAuth, Visitor, create_app
from tests.waiting import PATIENCE
from tests.web.browsing import served
from tests.web.conftest import API, Client

OPERATOR, VIEWER = "operators-token", "viewers-token"
MISSING = "01932c5e-7a3c-7b3e-9a6e-0d5ff2f0a001"
BODIES: dict[str, dict[str, Any]] = {
    "enqueue_job": {"job_type": "add", "args": {"left": 1, "right": 2}},
    "retry_jobs": {"confirm": 0},
    "delete_jobs": {"fingerprint": "x", "confirm": 0},
    "edit_job": {"args": {}},
    "purge_queue": {"confirm": 0},
    "put_schedule": {"job_type": "add", "args": {"left": 1, "right": 2}, "every": 60},
}
QUERIES = {"job_history": "?job_type=add"}


def routes() -> list[tuple[str, str, str, dict[str, Any]]]:
    return [
        (
            one.name,
            one.method,
            API
            + one.path.format(id=MISSING, name="sums", worker="w:1", number=1)
            + QUERIES.get(one.name, ""),
            {"json": BODIES.get(one.name, {})} if one.body else {},
        )
        for one in ENDPOINTS
    ] + [("openapi", "GET", f"{API}/openapi.json", {})]


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
def guarded(small: Jobs) -> Client:
    """An app with a token for each role."""
    return Client(create_app(small, TokenAuth(OPERATOR, VIEWER)), small)


@pytest.mark.parametrize(
    ("name", "method", "path", "given"), routes(), ids=lambda one: str(one)[:40]
)
def test_each_route_for_each_role(
    guarded: Client, name: str, method: str, path: str, given: dict[str, Any]
) -> None:
    nobody = guarded(method, path, **given)
    assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, "Bearer")
    assert guarded(method, path, headers=bearer("guess"), **given).status_code == 401
    viewer = guarded(method, path, headers=bearer(VIEWER), **given)
    operator = guarded(method, path, headers=bearer(OPERATOR), **given)
    if method == "GET":
        assert viewer.status_code == operator.status_code
    else:
        assert (viewer.status_code, viewer.json()["code"]) == (403, "not_operator")
    assert operator.status_code not in {400, 401, 403, 405, 415, 422, 500}


def test_the_stream_of_totals_for_each_role(small: Jobs) -> None:
    with served(create_app(small, TokenAuth(OPERATOR, VIEWER))) as address:
        for headers, status in (
            ({}, 401),
            (bearer("guess"), 401),
            (bearer(VIEWER), 200),
            (bearer(OPERATOR), 200),
        ):
            where = f"{address}{API}/events"
            with httpx.stream("GET", where, headers=headers, timeout=PATIENCE) as told:
                assert told.status_code == status
                if status == 200:
                    assert next(told.iter_lines()) == "event: stats"


def test_no_route_of_the_api_is_left_out(small: Jobs) -> None:
    served_here = {
        one.path for one in create_app(small).routes if isinstance(one, Route) and API in one.path
    }
    tried = {API + one.path for one in ENDPOINTS} | {f"{API}/openapi.json", f"{API}/events"}
    assert served_here == tried


def test_names_and_passwords(small: Jobs) -> None:
    users = {"ada": ("lovelace", "operator"), "bob": ("builder", "viewer")}
    ask = Client(create_app(small, BasicAuth(users)), small)  # type: ignore[arg-type]

    def status(method: str, path: str, who: str) -> int:
        coded = base64.b64encode(who.encode()).decode()
        return ask.api(method, path, headers={"authorization": f"Basic {coded}"}).status_code

    assert ask.api("GET", "/stats").headers["www-authenticate"].startswith("Basic ")
    assert status("GET", "/stats", "ada:lovelace") == 200
    assert status("POST", f"/{MISSING}/retry", "ada:lovelace") == 404
    assert status("POST", f"/{MISSING}/retry", "bob:builder") == 403
    for wrong in ("ada:", ":", "ada:Lovelace", "eve:lovelace", "ada", ":lovelace"):
        assert status("GET", "/stats", wrong) == 401
    for header in (b"Basic", b"Basic !!!", b"Basic /w==", b"Basic \xc3\xa4", b"Digest x"):
        assert ask.api("GET", "/stats", headers={b"authorization": header}).status_code == 401


@pytest.mark.parametrize("awaited", [False, True])
def test_a_function_says_who_asks(small: Jobs, awaited: bool) -> None:
    def known(request: Any) -> Any:
        return {"a": "viewer", "b": Visitor("operator", "bea")}.get(request.headers.get("x-user"))

    async def later(request: Any) -> Any:
        return known(request)

    ask = Client(create_app(small, later if awaited else known), small)
    for user, look, act in (("a", 200, 403), ("b", 200, 404), ("c", 401, 401)):
        given = {"headers": {"x-user": user}}
        assert ask.api("GET", "/stats", **given).status_code == look
        assert ask.api("POST", f"/{MISSING}/retry", **given).status_code == act


def test_a_function_that_answers_anything_else_lets_nobody_in(small: Jobs) -> None:
    ask = Client(create_app(small, lambda _: True), small)  # type: ignore[arg-type,return-value]
    assert ask.api("GET", "/stats").status_code == 400


@pytest.mark.parametrize(
    "wrong", [lambda: create_app(Jobs("memory://"), 7), lambda: TokenAuth(""),
              lambda: TokenAuth("a", "a"), lambda: BasicAuth({}), lambda: BasicAuth({"a": ("", "viewer")}),
              lambda: create_app(Jobs("memory://"), " ")],
)  # fmt: skip
def test_auth_that_is_none(wrong: Any) -> None:
    with pytest.raises(UsageError):
        wrong()


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:8210"}, False),
        ({"origin": "http://127.0.0.1:8210"}, True),
        ({"origin": "http://127.0.0.1:8211"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://[evil"}, False),
        ({"sec-fetch-site": "cross-site", "authorization": "Bearer x"}, True),
    ],
)
def test_changes_come_from_our_own_pages(
    peek: Client, headers: dict[str, str], allowed: bool
) -> None:
    job_id = peek.jobs.enqueue("add", {"left": 1, "right": 2}).id
    for method, path in (("POST", f"/{job_id}/cancel"), ("DELETE", f"/{job_id}")):
        told = peek.api(method, path, headers=headers)
        assert told.status_code in ({200, 204} if allowed else {403})
        if not allowed:
            assert told.json()["code"] == "cross_origin"


def test_without_auth_only_this_machine_is_answered(peek: Client) -> None:
    def status(client: str, base: str) -> int:
        return peek.api("GET", "/stats", client=(client, 5_000), base=base).status_code

    here = "http://127.0.0.1:8210"
    assert status("127.0.0.1", here) == status("::1", "http://[::1]:8210") == 200
    assert status("127.0.0.1", "http://localhost:8210") == 200
    assert status("192.0.2.7", here) == status("2001:db8::1", here) == 403
    # A page whose name was made to lead here (DNS rebinding).
    assert status("127.0.0.1", "http://evil.example:8210") == 403
    assert status("127.0.0.1", "http://192.0.2.7:8210") == 403
    for unreadable in ("[", "[::1", "[fe80::1%25]x]"):
        assert peek.api("GET", "/stats", headers={"host": unreadable}).status_code == 403


def test_every_answer_has_the_headers(guarded: Client) -> None:
    for path, headers in (
        ("/stats", {}),
        ("/stats", bearer(VIEWER)),
        ("/nothing/at/all", bearer(VIEWER)),
    ):
        told = guarded.api("GET", path, headers=headers)
        policy = told.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert told.headers["x-content-type-options"] == "nosniff"
        assert told.headers["cache-control"] == "no-store"
