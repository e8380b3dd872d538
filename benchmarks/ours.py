"""Scenarios of boundary-jobs: each returns plain figures, `run.py` puts them side by side."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import tasks
from boundary.jobs import Jobs

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def _jobs(url: str) -> Jobs:
    """A fresh door that knows the benchmark's handlers."""
    made = Jobs(url)
    for name in ("noop", "noop_blocking", "brief", "stamp"):
        made.handler(getattr(tasks, name).function)
    return made


def enqueue_single(url: str, count: int) -> float:
    """Single enqueues a second, one after another, blocking door; the store is open already."""
    with _jobs(url) as jobs:
        handler = jobs.registry.handlers["noop"]
        handler.enqueue(**tasks.PAYLOAD)  # makes and opens it, as the yardstick has its table made
        began = time.perf_counter()
        for _ in range(count):
            handler.enqueue(**tasks.PAYLOAD)
        return count / (time.perf_counter() - began)


def enqueue_bulk(url: str, count: int, job_type: str = "noop") -> float:
    """Jobs a second through `enqueue_many`, arguments bound and checked as ever."""
    with _jobs(url) as jobs:
        handler = jobs.registry.handlers[job_type]
        began = time.perf_counter()
        jobs.enqueue_many(handler.job(**tasks.PAYLOAD) for _ in range(count))
        return count / (time.perf_counter() - began)


def drain_here(url: str, count: int) -> float:
    """Jobs a second, enqueued and drained by a worker in this process (for `memory://`)."""
    with _jobs(url) as jobs:
        handler = jobs.registry.handlers["noop"]
        jobs.enqueue_many(handler.job(**tasks.PAYLOAD) for _ in range(count))
        began = time.perf_counter()
        jobs.worker().run_until_empty()
        taken = time.perf_counter() - began
        assert jobs.stats().total_succeeded == count
        return count / taken


DRAIN = """
import sys, time
from benchmarks import tasks
sys.stdin.readline()
began = time.monotonic()
tasks.jobs.worker().run_until_empty()
print(began, time.monotonic())
"""


def drain(url: str, count: int, processes: int, job_type: str = "noop") -> float:
    """Jobs a second by worker processes that start together; from the first start to the end."""
    enqueue_bulk(url, count, job_type)
    environ = {**os.environ, "BOUNDARY_JOBS_URL": url}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", DRAIN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environ,
            text=True,
        )
        for _ in range(processes)
    ]
    time.sleep(0.7)
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    spans = [tuple(map(float, worker.communicate()[0].split())) for worker in workers]
    with _jobs(url) as jobs:
        assert jobs.stats().total_succeeded == count
    return count / (max(end for _, end in spans) - min(start for start, _ in spans))


@contextlib.contextmanager
def worker_process(url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker of the command, as users start it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "boundary.jobs", "worker", "benchmarks.tasks"],
        env={**os.environ, "BOUNDARY_JOBS_URL": url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with _jobs(url) as jobs:
            while not jobs.workers():
                time.sleep(0.02)
        time.sleep(0.3)
        yield process
    finally:
        process.terminate()
        process.wait(10)


def _latencies(jobs: Jobs, count: int) -> dict[str, float]:
    """Milliseconds from the call of enqueue to the handler's first line, and to the result."""
    starts, results = [], []
    for _ in range(count):
        time.sleep(0.02)
        asked = time.monotonic_ns()
        job = jobs.enqueue("stamp", {})
        started = jobs.result(job.id, timeout=10)
        results.append((time.monotonic_ns() - asked) / 1e6)
        starts.append((started - asked) / 1e6)
    starts.sort()
    return {
        "start_p50_ms": statistics.median(starts),
        "start_p99_ms": starts[int(len(starts) * 0.99) - 1],
        "result_p50_ms": statistics.median(results),
    }


def latency_across(url: str, count: int) -> dict[str, float]:
    """Latency with the worker in another process."""
    with worker_process(url), _jobs(url) as jobs:
        return _latencies(jobs, count)


def latency_within(url: str, count: int) -> dict[str, float]:
    """Latency with the worker on a thread of this process."""
    with _jobs(url) as jobs:
        worker = jobs.worker()
        thread = threading.Thread(target=lambda: _run(worker))
        thread.start()
        time.sleep(0.5)
        try:
            return _latencies(jobs, count)
        finally:
            worker.stop()
            thread.join()


def _run(worker: object) -> None:
    from boundary.jobs.shell import loops

    loops.run(worker.run())  # type: ignore[attr-defined]


def idle(url: str, seconds: float) -> dict[str, float]:
    """Share of one core and resident memory of a worker process with nothing to do."""
    with worker_process(url) as process:
        before = _cpu_seconds(process.pid)
        time.sleep(seconds)
        used = _cpu_seconds(process.pid) - before
        return {"idle_cpu_percent": 100 * used / seconds, "idle_rss_mb": rss_mb(process.pid)}


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def rss_mb(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def import_ms() -> float:
    """Milliseconds `import boundary.jobs` adds to a bare interpreter, median of 15.

    With byte code, as every installation has it: pip writes it. An editable one under
    PYTHONDONTWRITEBYTECODE would compile the sources anew at each import.
    """
    with tempfile.TemporaryDirectory(prefix="boundary-jobs-bench-") as folder:
        environ = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)

        def took(code: str) -> float:
            rows = []
            for _ in range(16):
                began = time.perf_counter()
                subprocess.run([sys.executable, "-c", code], check=True, env=environ)
                rows.append(time.perf_counter() - began)
            return statistics.median(rows[1:])  # the first wrote the byte code

        return 1000 * (took("import boundary.jobs") - took("pass"))


def versions() -> dict[str, str]:
    """What was measured, on what."""
    import platform
    import sqlite3
    from importlib.metadata import version

    return {
        "boundary-jobs": version("boundary-jobs"),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "machine": f"{os.cpu_count()} x {platform.machine()}, {platform.system()}",
    }


if __name__ == "__main__":
    print(json.dumps(versions()))
