"""What tests of telemetry share: jobs on a fresh store of each kind, by the machine's clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from boundary.jobs import Jobs


@pytest.fixture(params=["memory", "sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh store of each kind."""
    if request.param == "redis":
        return str(request.getfixturevalue("redis_url"))
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/jobs.db"


@pytest.fixture
def jobs(url: str) -> Iterator[Jobs]:
    with Jobs(url) as made:
        yield made
