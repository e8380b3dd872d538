"""Mounted in an app of each kind, at any path, every link and form leads to where it is mounted."""

from __future__ import annotations

import html
import re
from typing import Any

import httpx
import pytest
import redis
from django.conf import settings
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from boundary.jobs import Jobs
from boundary.jobs.web import create_app
from devservers.waiting import until
from tests.web.browsing import served
from tests.web.conftest import Client


def django_app() -> Any:
    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=[], SECRET_KEY="made-up")
    from django.core.asgi import get_asgi_application

    return get_asgi_application()


def on_starlette(app: Any, prefix: str) -> Any:
    return Starlette(routes=[Mount(prefix, app)])


def on_fastapi(app: Any, prefix: str) -> Any:
    outer = FastAPI()
    outer.mount(prefix, app)
    return outer


def beside_django(app: Any, prefix: str) -> Any:
    return Starlette(routes=[Mount(prefix, app), Mount("/", django_app())])


def behind_a_proxy_that_strips(app: Any, prefix: str) -> Any:
    """As a server with a root path does that is told the path without it."""

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        scope = {**scope, "root_path": prefix, "path": scope["path"].removeprefix(prefix)}
        await app(scope, receive, send)

    return outer


@pytest.mark.parametrize("prefix", ["/background", "/a/b/c-d"])
@pytest.mark.parametrize(
    "mounted", [on_starlette, on_fastapi, beside_django, behind_a_proxy_that_strips]
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_links_and_forms_lead_below_the_mount(small: Jobs, mounted: Any, prefix: str) -> None:
    job_id = small.enqueue("add", {"left": 1, "right": 2}).id
    ask = Client(mounted(create_app(small), prefix), small)
    assert ask("GET", f"{prefix}/api/admin/jobs/stats").status_code == 200
    assert ask("POST", f"{prefix}/api/admin/jobs/{job_id}/retry").status_code == 409
    for path in ("/", "/jobs", f"/jobs/{job_id}", "/queues"):
        told = ask("GET", prefix + path)
        assert told.status_code == 200, path
        links = re.findall(r'(?:href|src|action|data-live)="([^"#]*)"', told.text)
        assert len(links) > 8
        assert all(link.startswith(prefix + "/") for link in links), links
        for link in links:
            if "/static/" in link:
                assert ask("GET", html.unescape(link)).status_code == 200
    pressed = ask("POST", f"{prefix}/queues/sums/pause", data={"back": "/queues"})
    assert pressed.headers["location"] == f"{prefix}/queues"
    assert small.queue_stats("sums").paused


def test_served_by_itself_it_closes_what_it_opened(redis_url: str) -> None:
    with Jobs(redis_url) as jobs, redis.Redis.from_url(redis_url) as server:
        jobs.stats()
        before = {one["id"] for one in server.client_list()}
        with served(create_app(jobs)) as address:
            assert httpx.get(f"{address}/queues").status_code == 200
            assert {one["id"] for one in server.client_list()} - before
        until(lambda: {one["id"] for one in server.client_list()} <= before, "all are closed", 5)
