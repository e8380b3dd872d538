"""What tests of telemetry share: jobs on a fresh store of each kind, by the machine's clock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from boundary.jobs import Jobs
from tests.conftest import StoreUrl


@pytest.fixture(params=["memory", "sqlite", "redis"])
def url(request: pytest.FixtureRequest, store_url: StoreUrl) -> str:
    """A fresh store of each kind."""
    return store_url(request.param)


@pytest.fixture
def jobs(url: str) -> Iterator[Jobs]:
    with Jobs(url) as made:
        yield made
