"""The SQLite adapter keeps the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from boundary.jobs.ports import Store
from boundary.jobs.shell.adapters.sqlite import SqliteStore
from boundary.jobs.testing import AdapterContract, FakeClock


class TestSqliteStore(AdapterContract):
    @pytest.fixture
    def store(self, clock: FakeClock, tmp_path: Path) -> Store:
        return SqliteStore(tmp_path / "jobs.db", clock=clock)
