"""What worker tests share: a running worker, and waiting for a predicate."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from boundary.jobs import Jobs
from boundary.jobs.shell import loops

PATIENCE = 10.0
TIMES = float(os.environ.get("PATIENCE", "1"))
"""By how much all patience is multiplied, as on a machine that is busy with others."""


def eventually(what: str, predicate: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """The predicate's first true value; fails, saying what was waited for, after `patience`."""
    patience *= TIMES
    end = time.monotonic() + patience
    while not (value := predicate()):
        if time.monotonic() > end:
            pytest.fail(f"waited {patience:g} s in vain: {what}")
        time.sleep(0.002)
    return value


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
    """Jobs on a fresh store, with short leases and polls."""
    with Jobs(url, config={"workers": {"lease": 2_000, "max_unhandled": 400}}) as made:
        yield made
