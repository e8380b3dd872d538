"""Event loops that come and go under one `Jobs`, as with `asyncio.run` for each request."""

from __future__ import annotations

import asyncio
import gc
import threading
from pathlib import Path

import pytest

from boundary.jobs import Jobs

OPEN = Path("/proc/self/fd")
"""A link for each file this process has open."""

pytestmark = pytest.mark.skipif(not OPEN.exists(), reason="open files are counted in /proc")


def opened(path: Path) -> int:
    """How often this process has the store's file or one beside it open."""
    gc.collect()
    links = [link.readlink() for link in OPEN.iterdir() if link.is_symlink()]
    return sum(str(link).startswith(str(path)) for link in links)


def test_loops_that_ended_leave_neither_files_nor_threads(tmp_path: Path) -> None:
    path, before = tmp_path / "jobs.db", threading.active_count()
    with Jobs(f"sqlite:///{path}") as jobs:
        for number in range(40):
            asyncio.run(jobs.aio.enqueue("send", {"number": number}))
        assert opened(path) < 60  # SQLite itself keeps some, to use them again
        assert threading.active_count() < before + 20
        assert jobs.queue_stats("default").size == 40
    assert opened(path) == 0


def test_doors_that_nobody_closed_leave_no_files(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    for _ in range(20):
        Jobs(f"sqlite:///{path}").enqueue("send")
    assert opened(path) == 0


def test_a_loop_that_runs_keeps_its_own(tmp_path: Path) -> None:
    jobs = Jobs(f"sqlite:///{tmp_path}/jobs.db")

    async def main() -> None:
        await jobs.aio.enqueue("send")
        backend = jobs.aio.backends.mine()
        await asyncio.to_thread(asyncio.run, jobs.aio.enqueue("send"))
        jobs.close()
        assert jobs.aio.backends.mine() is backend
        await jobs.aio.close()

    asyncio.run(main())
    assert jobs.queue_stats("default").size == 2
    jobs.close()
