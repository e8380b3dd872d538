"""What tests of the doors share: jobs on a fresh store of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from boundary.jobs import Jobs
from boundary.jobs.shell import connect
from boundary.jobs.shell.seed import JobsSystem, Pool, jobs_system
from boundary.jobs.shell.settings import Settings
from boundary.jobs.testing.clock import FakeClock


@pytest.fixture(params=["memory", "sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh store of each kind."""
    if request.param == "redis":
        return str(request.getfixturevalue("redis_url"))
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/jobs.db"


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
