"""huey with SqliteHuey, at the settings its documentation gives for throughput.

`fsync=True` is its counterpart of our `synchronous=FULL`; its default may lose the last commits
in a power cut, so both are shown. Threads as workers, and a poll of 1 ms instead of 100.
"""

from __future__ import annotations

import statistics
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.tasks import PAYLOAD


def _huey(path: Path, *, fsync: bool) -> Any:
    from huey import SqliteHuey

    return SqliteHuey("bench", filename=str(path), fsync=fsync, results=True)


def _noop(huey: Any) -> Any:
    @huey.task()
    def noop(to: str, subject: str, body: str) -> None:
        """Nothing."""

    return noop


def enqueue_single(path: Path, count: int, *, fsync: bool) -> float:
    """Single enqueues a second."""
    noop = _noop(_huey(path, fsync=fsync))
    began = time.perf_counter()
    for _ in range(count):
        noop(**PAYLOAD)
    return count / (time.perf_counter() - began)


def _consumer(huey: Any, workers: int) -> Any:
    consumer = huey.create_consumer(
        workers=workers,
        worker_type="thread",
        initial_delay=0.001,
        max_delay=0.001,
        backoff=1.0,
        check_worker_health=False,
        periodic=False,
    )
    # The consumer installs signal handlers only in `run`; here its threads are enough.
    consumer.start()
    return consumer


def drain(path: Path, count: int, *, fsync: bool, workers: int = 1) -> float:
    """Jobs a second by one consumer process."""
    huey = _huey(path, fsync=fsync)
    noop = _noop(huey)
    for _ in range(count):
        noop(**PAYLOAD)
    began = time.perf_counter()
    consumer = _consumer(huey, workers)
    while huey.pending_count():
        time.sleep(0.005)
    taken = time.perf_counter() - began
    consumer.stop(graceful=True)
    return count / taken


def latency(path: Path, count: int, *, fsync: bool) -> dict[str, float]:
    """Milliseconds from the call to the task's first line, consumer in this process."""
    huey = _huey(path, fsync=fsync)

    @huey.task()
    def stamp() -> int:
        return time.monotonic_ns()

    consumer = _consumer(huey, 1)
    starts = []
    for _ in range(count):
        time.sleep(0.02)
        asked = time.monotonic_ns()
        handle = stamp()
        starts.append(
            (handle.get(blocking=True, timeout=10, backoff=1, max_delay=0.002) - asked) / 1e6
        )
    consumer.stop(graceful=True)
    starts.sort()
    return {
        "start_p50_ms": statistics.median(starts),
        "start_p99_ms": starts[int(count * 0.99) - 1],
    }


def versions() -> dict[str, str]:
    """The peer's version."""
    return {"huey": version("huey")}
