"""What tests of the doors share: jobs on a fresh store of each kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from boundary.jobs import Jobs
from boundary.jobs.shell import connect
from boundary.jobs.shell.seed import JobsSystem, Pool, jobs_system
from boundary.jobs.shell.settings import Settings
from boundary.jobs.testing.clock import FakeClock
from tests.conftest import StoreUrl


@pytest.fixture(params=["memory", "sqlite", "redis"])
def url(request: pytest.FixtureRequest, store_url: StoreUrl) -> str:
    """A fresh store of each kind."""
    return store_url(request.param)


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
def jobs(url: str, clock: FakeClock) -> Iterator[Jobs]:
    """Jobs on a fresh store, under a clock that stands still."""
    with Jobs(url, clock=clock) as made:
        yield made


@pytest.fixture
def system(url: str, clock: FakeClock) -> Iterator[JobsSystem]:
    """The seed's queue, store and statistics over each kind of store."""
    pool = Pool(connect.open_store(Settings(url=url), clock), clock=clock)
    yield jobs_system(pool)
    pool.close()
