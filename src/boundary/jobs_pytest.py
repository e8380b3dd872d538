"""The pytest plugin: fixtures `jobs` and `clock`, the marker `at_least_once`.

What belongs here: what pytest has to know. What does not: what the fixtures do
(`boundary.jobs.testing.kit`), which is imported when a test asks for it: every run of pytest in an
environment with this library loads this file, so it is beside the package, not in it.

    [tool.pytest.ini_options]
    boundary_jobs = "shop.tasks:jobs"      # your application's Jobs; every test has it on memory
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from boundary.jobs.testing import FakeClock, JobsKit

INI = "boundary_jobs"
MARKER = "at_least_once"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The setting that names an application's `Jobs`."""
    parser.addini(INI, "MODULE:NAME of your application's Jobs; each test has it on memory")


def pytest_configure(config: pytest.Config) -> None:
    """The marker is known; with a setting, no test reaches the application's real store."""
    text = "each job that runs in this test dies at each point in turn, then runs twice"
    config.addinivalue_line("markers", f"{MARKER}: {text}")
    if config.getini(INI):
        config.pluginmanager.register(Everywhere(), "boundary-jobs-everywhere")


class Everywhere:
    """What is registered only where the setting names an application's `Jobs`."""

    @pytest.fixture(autouse=True)
    def _boundary_jobs_on_memory(self, jobs: JobsKit) -> None:
        """Every test has its jobs on memory, whether it asks for them or not."""


@pytest.fixture
def clock() -> FakeClock:
    """The clock of the fixture `jobs`; it begins at the same instant in each test.

    Define it anew in your conftest.py to begin at another.
    """
    from boundary.jobs.testing import FakeClock

    return FakeClock()


@pytest.fixture
def jobs(request: pytest.FixtureRequest, clock: FakeClock) -> Iterator[JobsKit]:
    """Your application's jobs on memory, run when the test says so.

    Without the setting `boundary_jobs`: jobs without handlers, for those of the test.
    """
    from boundary.jobs.testing import JobsKit, jobs_under_test, load_jobs

    target = str(request.config.getini(INI) or "")
    chaos = request.node.get_closest_marker(MARKER) is not None
    if not target:
        yield JobsKit(clock=clock, at_least_once=chaos)
        return
    with jobs_under_test(load_jobs(target), clock=clock, at_least_once=chaos) as kit:
        yield kit
