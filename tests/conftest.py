"""What all tests share: one real server, made when the first test asks for it."""

from __future__ import annotations

from collections.abc import Iterator

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
