"""A `Jobs` that several threads, and a forked child, use for the first time at once."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from boundary.jobs import Jobs
from boundary.jobs.shell import connect
from tests.waiting import PATIENCE


def test_threads_that_come_first_share_one_store() -> None:
    jobs, ready = Jobs("memory://"), threading.Barrier(8)

    def first(_: int) -> int:
        ready.wait(PATIENCE)
        jobs.enqueue("send")
        return id(jobs.store)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(first, range(8)))) == 1
    assert jobs.queue_stats("default").size == 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_forked_while_a_thread_opens_the_store_opens_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = Jobs(f"sqlite:///{tmp_path}/jobs.db")
    opening, forked = threading.Event(), threading.Event()
    parent, open_store = os.getpid(), connect.open_store

    def slowly(*given: Any) -> Any:
        if os.getpid() == parent:
            opening.set()
            assert forked.wait(PATIENCE)
        return open_store(*given)

    monkeypatch.setattr(connect, "open_store", slowly)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(jobs.enqueue, "send")
        assert opening.wait(PATIENCE)
        child = os.fork()
        if child == 0:
            signal.alarm(10)  # a child that hangs is killed by it
            jobs.enqueue("send")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        forked.set()
        first.result(PATIENCE)
    assert status == 0
    assert jobs.queue_stats("default").size == 2
    jobs.close()
