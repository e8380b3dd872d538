"""The memory adapter keeps the contract."""

from __future__ import annotations

import pytest

from boundary.jobs.ports import Store
from boundary.jobs.shell.adapters.memory import MemoryStore
from boundary.jobs.testing import AdapterContract, FakeClock


class TestMemoryStore(AdapterContract):
    @pytest.fixture
    def store(self, clock: FakeClock) -> Store:
        return MemoryStore(clock=clock)
