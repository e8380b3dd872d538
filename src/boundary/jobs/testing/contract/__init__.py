"""What every store promises, as tests any adapter runs.

What belongs here: cases for each sentence of the operations' docstrings. What does not: how one
store keeps them.

Subclass it where pytest collects, and say how to open your store:

    class TestMyStore(AdapterContract):
        @pytest.fixture
        def store(self, clock: FakeClock) -> Store:
            return MyStore(clock=clock)

Every case then runs on the blocking and on the asyncio door, each time on a new store.
"""

from __future__ import annotations

import pytest

from boundary.jobs.ports import Store
from boundary.jobs.testing.clock import FakeClock
from boundary.jobs.testing.contract.acting import ActCases
from boundary.jobs.testing.contract.claiming import ClaimCases
from boundary.jobs.testing.contract.doors import DOORS, Door
from boundary.jobs.testing.contract.duties import DutyCases
from boundary.jobs.testing.contract.enqueuing import EnqueueCases
from boundary.jobs.testing.contract.explaining import ExplainCases
from boundary.jobs.testing.contract.grouping import GroupCases
from boundary.jobs.testing.contract.leases import LeaseCases
from boundary.jobs.testing.contract.listening import ListenCases
from boundary.jobs.testing.contract.looking import LookCases
from boundary.jobs.testing.contract.operating import OperatorCases
from boundary.jobs.testing.contract.orders import OrderCases
from boundary.jobs.testing.contract.saving import SaveCases
from boundary.jobs.testing.contract.schedules import ScheduleCases
from boundary.jobs.testing.contract.settling import SettleCases
from boundary.jobs.testing.contract.statistics import StatsCases
from boundary.jobs.testing.contract.undoing import UndoCases
from boundary.jobs.testing.contract.watching import WatchCases

__all__ = ["AdapterContract"]


class AdapterContract(
    EnqueueCases,
    ClaimCases,
    SettleCases,
    LeaseCases,
    DutyCases,
    ScheduleCases,
    OperatorCases,
    OrderCases,
    SaveCases,
    LookCases,
    ExplainCases,
    GroupCases,
    ActCases,
    UndoCases,
    StatsCases,
    ListenCases,
    WatchCases,
):
    """The whole contract; a subclass adds the fixture `store`."""

    @pytest.fixture
    def clock(self) -> FakeClock:
        """The store's clock."""
        return FakeClock()

    @pytest.fixture(params=DOORS)
    def door(self, request: pytest.FixtureRequest, store: Store) -> Door:
        """How a case reaches the store."""
        return Door(request.param, store)
