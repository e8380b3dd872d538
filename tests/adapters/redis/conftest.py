"""What these tests share: stores in namespaces of their own, and what time a call took."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from boundary.jobs.shell.adapters.redis.store import RedisStore
from boundary.jobs.shell.settings import RedisSettings
from devservers.proxy import Proxy
from devservers.single import Server
from tests.waiting import Stopwatch

_numbers = itertools.count()


@pytest.fixture
def namespace() -> str:
    return f"ns{next(_numbers)}"


@pytest.fixture
def opened(namespace: str) -> Callable[..., RedisStore]:
    """A store of this test's namespace: `opened(url, timeout=500, ...)`."""

    def open_one(url: str, **settings: object) -> RedisStore:
        given = {"timeout": 500, **settings}
        return RedisStore.of(url, RedisSettings(**given), namespace=namespace)

    return open_one


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of this test alone, to be harmed."""
    with Server() as one:
        yield one


@pytest.fixture
def proxy(redis_server: Server) -> Iterator[Proxy]:
    """A network to the shared server that breaks when told to."""
    with Proxy(redis_server.port) as one:
        yield one


@pytest.fixture
def within() -> Callable[[float], object]:
    """`with within(1.0):` fails if it takes longer."""

    @contextmanager
    def limit(seconds: float) -> Iterator[None]:
        watch = Stopwatch()
        yield
        took = watch.took()
        assert took < seconds, f"it took {took:.2f} s"

    return limit
