"""For tests of what is built on boundary.jobs: a fake clock, and the contract of an adapter.

What belongs here: what users' tests import. What does not: the library's own tests.
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("boundary.jobs.testing.contract")  # before it is imported

from boundary.jobs.testing.clock import FakeClock
from boundary.jobs.testing.contract import AdapterContract

__all__ = ["AdapterContract", "FakeClock"]
