"""What worker tests share: a running worker."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boundary.jobs import Jobs
from boundary.jobs.shell import loops
from tests.waiting import PATIENCE


@contextlib.contextmanager
def working(jobs: Jobs, **options: Any) -> Iterator[Any]:
    """A worker in a thread of this process, stopped at the end of the block."""
    worker = jobs.worker(**options)
    broken: list[BaseException] = []

    def shift() -> None:
        try:
            loops.run(worker.run())
        except BaseException as error:
            broken.append(error)

    thread = threading.Thread(target=shift, daemon=True)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop(grace=2.0)
        thread.join(timeout=PATIENCE)
    assert not thread.is_alive(), "the worker did not stop"
    if broken:
        raise broken[0]


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh store of each kind."""
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/jobs.db"


@pytest.fixture
def jobs(url: str) -> Iterator[Jobs]:
    """Jobs on a fresh store; a heartbeat is minutes away, so nothing is learnt by one."""
    with Jobs(url, config={"workers": {"lease": 600_000, "max_unhandled": 400}}) as made:
        yield made
