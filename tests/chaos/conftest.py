"""What experiments share with the tests of processes: floors, on a file or a server."""

from __future__ import annotations

from tests.processes.conftest import file_floor, floor, redis_floor, server

__all__ = ["file_floor", "floor", "redis_floor", "server"]
