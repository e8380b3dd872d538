"""What all tests share: one real server, made when the first test asks for it, and fresh stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import settings

from devservers.single import Server

# How long an example takes says how busy the machine is; each test has its time limit as it is.
settings.register_profile("boundary-jobs", deadline=None)
settings.load_profile("boundary-jobs")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Server]:
    """A server of this run alone."""
    with Server() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: Server) -> str:
    """The URL of a server with nothing in it."""
    redis_server.call("FLUSHALL")
    return redis_server.url()


StoreUrl: TypeAlias = Callable[[str], str]


@pytest.fixture
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> StoreUrl:
    """The URL of a fresh store, by its kind: memory, sqlite or redis."""

    def of(kind: str) -> str:
        if kind == "redis":
            return str(request.getfixturevalue("redis_url"))
        return "memory://" if kind == "memory" else f"sqlite:///{tmp_path}/jobs.db"

    return of
