"""What tests of telemetry share: jobs on a fresh store of each kind, by the machine's clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from boundary.jobs import Jobs

PATIENCE = 15.0


def eventually(what: str, predicate: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """The predicate's first true value; fails, saying what was waited for, after `patience`."""
    end = time.monotonic() + patience
    while not (value := predicate()):
        if time.monotonic() > end:
            pytest.fail(f"waited {patience:g} s in vain: {what}")
        time.sleep(0.005)
    return value


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
