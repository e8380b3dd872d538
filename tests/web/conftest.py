"""What tests of the web share: an app over a fresh store of each kind, and a client for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from boundary.jobs import Jobs, RetryPolicy
from boundary.jobs.web import create_app
from tests.conftest import StoreUrl

API = "/api/admin/jobs"


@pytest.fixture(params=["memory", "sqlite", "redis"])
def url(request: pytest.FixtureRequest, store_url: StoreUrl) -> str:
    """A fresh store of each kind."""
    return store_url(request.param)


def handlers(jobs: Jobs) -> None:
    """A handler that adds, and one that fails for good."""

    @jobs.handler(queue="sums")
    def add(left: int, right: int, password: str = "") -> int:
        return left + right

    @jobs.handler(queue="mail", max_retries=0, retry=RetryPolicy("constant", 0.01))
    def send_mail(to: str, token: str = "") -> None:
        secret = token or f"hunter{2}"  # a traceback shows the line of code
        raise ConnectionError(f"no answer from mail.example for {to}, password={secret}")


@pytest.fixture
def jobs(url: str) -> Iterator[Jobs]:
    """Jobs with two handlers on a fresh store."""
    with Jobs(url) as made:
        handlers(made)
        yield made


@pytest.fixture
def small() -> Iterator[Jobs]:
    """The same in memory, for what is the same with every store."""
    with Jobs("memory://") as made:
        handlers(made)
        yield made


class Client:
    """Asks an app, each time on a loop of its own."""

    def __init__(self, app: Any, jobs: Jobs, **headers: str) -> None:
        self.app = app
        self.jobs = jobs
        self.headers = headers
        self.cookies: dict[str, str] = {}

    def __call__(self, method: str, path: str, **given: Any) -> httpx.Response:
        base = given.pop("base", "http://127.0.0.1:8210")
        client = given.pop("client", ("127.0.0.1", 5_000))
        raising = given.pop("raising", True)

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=client, raise_app_exceptions=raising)
            headers = {**self.headers, **given.pop("headers", {})}
            async with httpx.AsyncClient(
                transport=transport, base_url=base, headers=headers, cookies=self.cookies
            ) as asking:
                try:
                    return await asking.request(method, path, **given)
                finally:
                    await self.jobs.aio.close()

        return asyncio.run(ask())

    def api(self, method: str, path: str = "", **given: Any) -> httpx.Response:
        return self(method, API + path, **given)


@pytest.fixture
def ask(jobs: Jobs) -> Client:
    """A client of an app over each kind of store."""
    return Client(create_app(jobs), jobs)


@pytest.fixture
def peek(small: Jobs) -> Client:
    """A client of an app over a store in memory."""
    return Client(create_app(small), small)


@pytest.fixture
def dead(jobs: Jobs) -> Callable[[int], list[str]]:
    """Makes so many dead letters; their ids."""

    def make(count: int) -> list[str]:
        ids = [
            str(jobs.enqueue("send_mail", {"to": f"{number}@example.com"}).id)
            for number in range(count)
        ]
        jobs.worker().run_until_empty()
        return ids

    return make
