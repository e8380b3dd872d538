"""A worker in production: a second process, many sleepers, starting, stopping, memory, telemetry.

python -m benchmarks.worker_suite [--rounds 3] [--quick] [--only second,sleepers,life,memory,telemetry]

What is beside each figure is what was to be reached. `python -m benchmarks` reports these too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import environments, ours, sleepers, telemetry
from boundary.jobs import Jobs
from devservers.single import Server

Row = dict[str, Any]
Figures = dict[str, float]

SLOTS = 10
"""Jobs at once in a process, as a worker has by default."""

ASKED = {
    "two processes / one, jobs that await 1 ms (Redis)": ">= 1.3",
    "1,000 sleepers at once, times the ideal, redis": "<= 1.3",
    "1,000 sleepers at once, times the ideal, sqlite": "<= 1.3",
    "SIGTERM to exit with idle slots, worst ms, redis": "<= 300",
    "SIGTERM to exit with idle slots, worst ms, sqlite": "<= 300",
    "start to the first job's first line, ms, redis": "<= 500",
    "start to the first job's first line, ms, sqlite": "<= 500",
    "resident idle, MB, redis": "<= 38",
    "resident idle, MB, sqlite": "<= 38",
    "growth over the jobs, MB, redis": "<= 5",
    "growth over the jobs, MB, sqlite": "<= 5",
    "telemetry on / off, processor time a job, redis": "<= 1.10",
    "telemetry on / off, processor time a job, sqlite": "<= 1.10",
}

AWAIT = """
import json, os, sys, time
from benchmarks import tasks
sys.stdin.readline()
began, used = time.monotonic(), time.process_time()
tasks.jobs.worker(concurrency=int(sys.argv[1])).run_until_empty()
print(json.dumps([began, time.monotonic(), time.process_time() - used]))
"""


def second(scale: float) -> Figures:
    """One process and two on jobs that await 1 ms, and whose processor time that was."""
    count = max(int(50_000 * scale), 5_000)
    figures: Figures = {}
    rates: dict[int, float] = {}
    for processes in (1, 2):
        with Server() as server:
            rates[processes], shares = _drain(server, count, processes)
        name = f"{processes} process{'es' if processes > 1 else ''}, jobs that await 1 ms"
        figures[f"{name}: jobs/s"] = rates[processes]
        figures |= {f"{name}: {who}, % of a core": share for who, share in shares.items()}
    figures["two processes / one, jobs that await 1 ms (Redis)"] = rates[2] / rates[1]
    return figures


def _drain(server: Server, count: int, processes: int) -> tuple[float, Figures]:
    ours.enqueue_bulk(server.url(), count, "brief")
    environ = {**os.environ, "BOUNDARY_JOBS_URL": server.url()}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", AWAIT, str(SLOTS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environ,
            text=True,
        )
        for _ in range(processes)
    ]
    time.sleep(1.0)
    before = _server_cpu(server)
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    rows = [json.loads(worker.communicate()[0]) for worker in workers]
    used = _server_cpu(server) - before
    took = max(row[1] for row in rows) - min(row[0] for row in rows)
    shares = {f"worker {at + 1}": 100 * row[2] / took for at, row in enumerate(rows)}
    return count / took, {**shares, "server": 100 * used / took}


def _server_cpu(server: Server) -> float:
    info = server.call("INFO", "cpu")
    text = info.decode() if isinstance(info, bytes) else str(info)
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return float(lines["used_cpu_user"]) + float(lines["used_cpu_sys"])


def many_sleepers(scale: float) -> Figures:
    """1,000 jobs at once that sleep for 50 ms, 20 waves of them: times the ideal."""
    count = max(int(20_000 * scale), sleepers.AT_ONCE)
    ideal = sleepers.ideal(count)
    name = "1,000 sleepers at once, times the ideal"
    figures = {f"{name}, bare asyncio": sleepers.bare(count) / ideal}
    figures[f"{name}, memory in its own time"] = sleepers.own_time(count) / ideal
    with contextlib.ExitStack() as stack:
        for kind, fresh in sleepers.stores(["memory", "sqlite", "redis"], stack).items():
            figures[f"{name}, {kind}"] = sleepers.ours(fresh(), count) / ideal
    return figures


def life(scale: float) -> Figures:
    """From the start of the command to the first job, and from SIGTERM to the end of an idle one."""
    figures: Figures = {}
    for kind, opened in STORES.items():
        starts, stops = [], []
        for _ in range(max(int(7 * scale), 3)):
            with opened() as url:
                start, stop = _born_and_ended(url)
            starts.append(start)
            stops.append(stop)
        figures[f"start to the first job's first line, ms, {kind}"] = statistics.median(starts)
        figures[f"SIGTERM to exit with idle slots, p50 ms, {kind}"] = statistics.median(stops)
        figures[f"SIGTERM to exit with idle slots, worst ms, {kind}"] = max(stops)
    return figures


def _born_and_ended(url: str) -> tuple[float, float]:
    with Jobs(url) as jobs:
        job = jobs.enqueue("stamp", {})
        asked = time.monotonic_ns()
        worker = _started(url)
        try:
            started = jobs.result(job.id, timeout=20)
            assert isinstance(started, int)
            time.sleep(0.5)  # it is idle by now
            told = time.monotonic()
            worker.send_signal(signal.SIGTERM)
            worker.wait(10)
            return (started - asked) / 1e6, 1000 * (time.monotonic() - told)
        finally:
            worker.kill()
            worker.wait()


def _started(url: str, python: str | Path = sys.executable) -> subprocess.Popen[bytes]:
    """The command, as users start it, with byte code as installations have it."""
    return subprocess.Popen(
        [python, "-m", "boundary.jobs", "worker", "benchmarks.tasks"],
        env={**_with_byte_code(), "BOUNDARY_JOBS_URL": url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


_BYTE_CODE = Path(tempfile.gettempdir(), f"boundary-jobs-bench-{os.getuid()}-pycache")


def _with_byte_code() -> dict[str, str]:
    environ = {**os.environ, "PYTHONPYCACHEPREFIX": str(_BYTE_CODE)}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return environ


def _byte_compile(url: str, python: str | Path) -> None:
    """Whatever a worker of this store imports has its byte code: compiling takes memory that stays."""
    with Jobs(url) as jobs:
        worker = _started(url, python)
        try:
            while not jobs.workers():
                time.sleep(0.02)
        finally:
            worker.terminate()
            worker.wait()


def memory(scale: float) -> Figures:
    """Resident memory of a worker with nothing to do: before its first job, and after a million.

    It is a user's worker, which has nothing installed but this and the extra ``redis``: libraries load
    what they find beside them (redis-py the SDK of OpenTelemetry).
    """
    count = max(int(1_000_000 * scale), 20_000)
    figures: Figures = {}
    python = environments.as_installed()
    for kind, opened in STORES.items():
        with opened() as url:
            _byte_compile(url, python)
        with opened() as url, Jobs(url) as jobs:
            worker = _started(url, python)
            try:
                while not jobs.workers():
                    time.sleep(0.02)
                time.sleep(2.0)
                idle = ours.rss_mb(worker.pid)
                ours.enqueue_bulk(url, count)
                while jobs.stats().total_succeeded < count:
                    time.sleep(0.1)
                time.sleep(2.0)
                after = ours.rss_mb(worker.pid)
            finally:
                worker.kill()
                worker.wait()
        figures[f"resident idle, MB, {kind}"] = idle
        figures[f"jobs until it was measured again, {kind}"] = float(count)
        figures[f"growth over the jobs, MB, {kind}"] = after - idle
    return figures


def costs_of_telemetry(scale: float) -> Figures:
    """Processor time of a job with what tells of it (logs, metrics, a hook), by that with nothing on."""
    count = max(int(50_000 * scale), 5_000)
    figures: Figures = {}
    for kind, opened in STORES.items():
        used: dict[str, float] = {}
        for variant in ("off", "on", "all"):
            with opened() as url:
                _, used[variant], _ = telemetry.drain(url, count, variant)
        figures[f"telemetry on / off, processor time a job, {kind}"] = used["on"] / used["off"]
        followed = f"telemetry on and all events followed / off, processor time a job, {kind}"
        figures[followed] = used["all"] / used["off"]
    return figures


@contextlib.contextmanager
def _redis() -> Iterator[str]:
    with Server() as server:
        yield server.url()


@contextlib.contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="boundary-jobs-bench-") as folder:
        yield f"sqlite:///{Path(folder, 'jobs.db')}"


STORES = {"redis": _redis, "sqlite": _sqlite}

PARTS: dict[str, Callable[[float], Figures]] = {
    "second": second,
    "sleepers": many_sleepers,
    "life": life,
    "memory": memory,
    "telemetry": costs_of_telemetry,
}


def run(rounds: int, scale: float, parts: tuple[str, ...] = tuple(PARTS)) -> list[Row]:
    """Each part in turn, `rounds` times; of memory, which nobody else changes, once."""
    samples: dict[str, list[float]] = {}
    for number in range(rounds):
        print(f"the worker, round {number + 1} of {rounds}", flush=True)
        for part in parts:
            if part == "memory" and number:
                continue
            for name, figure in PARTS[part](scale).items():
                print(f"  {name}: {figure:,.2f}", flush=True)
                samples.setdefault(name, []).append(figure)
    return [
        {
            "figure": name,
            "median": statistics.median(row),
            "min": min(row),
            "max": max(row),
            "asked": ASKED.get(name, ""),
        }
        for name, row in samples.items()
    ]


def main() -> None:
    """Measure and print."""
    from benchmarks import report

    parser = argparse.ArgumentParser(prog="python -m benchmarks.worker_suite", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the jobs")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas between")
    options = parser.parse_args()
    parts = tuple(options.only.split(","))
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    print(f"load before it began: {os.getloadavg()[0]:.1f}")
    print(report.worker(run(options.rounds, 0.1 if options.quick else 1.0, parts)))


if __name__ == "__main__":
    main()
