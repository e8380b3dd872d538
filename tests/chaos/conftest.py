"""What experiments share with the tests of processes: floors, on a file or a server."""

from __future__ import annotations

import pytest

from tests.processes.conftest import LEASE_MS, file_floor, floor, redis_floor, server

__all__ = ["file_floor", "floor", "redis_floor", "server"]


@pytest.fixture
def lease_ms() -> int:
    return LEASE_MS
