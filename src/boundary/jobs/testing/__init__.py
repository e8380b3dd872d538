"""For tests of what is built on boundary.jobs: your jobs under a fake clock, an adapter's contract.

What belongs here: what users' tests import. What does not: the library's own tests.

With pytest installed there are the fixtures `jobs` and `clock` (see `boundary.jobs_pytest`), and
`AdapterContract`; everything else works under any test framework.
"""

from __future__ import annotations

from importlib.util import find_spec

from boundary.jobs.testing.clock import FakeClock
from boundary.jobs.testing.idempotency import Report
from boundary.jobs.testing.kit import JobsKit, jobs_under_test, load_jobs

if find_spec("pytest") is not None:
    import pytest

    pytest.register_assert_rewrite("boundary.jobs.testing.contract")  # before it is imported

    from boundary.jobs.testing.contract import AdapterContract as AdapterContract

__all__ = ["AdapterContract", "FakeClock", "JobsKit", "Report", "jobs_under_test", "load_jobs"]
