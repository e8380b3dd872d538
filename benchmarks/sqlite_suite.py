"""The scenarios on SQLite and in memory, beside huey with SqliteHuey, every figure on a fresh file."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import ours, raw

Row = dict[str, Any]


def run(rounds: int, scale: float, *, peers: bool) -> list[Row]:
    """Every scenario, `rounds` times in turn, so that a drift of the machine hits all alike."""
    samples: dict[str, list[float]] = {}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", flush=True)
        for name, figure in one_round(scale, peers=peers).items():
            print(f"  {name}: {figure:,.2f}", flush=True)
            samples.setdefault(name, []).append(figure)
    return [
        {"figure": name, "median": statistics.median(row), "min": min(row), "max": max(row)}
        for name, row in samples.items()
    ]


def one_round(scale: float, *, peers: bool) -> dict[str, float]:
    """Each figure once, every one on a fresh store."""
    with tempfile.TemporaryDirectory(prefix="boundary-jobs-bench-") as folder:
        fresh = _fresh(Path(folder))
        single, many = max(int(2_000 * scale), 200), max(int(100_000 * scale), 5_000)
        tries = max(int(200 * scale), 50)
        idle = "raw: INSERT commit after 20 ms idle, p50 ms"
        both = "raw: INSERT commit and UPDATE commit after 20 ms idle, p50 ms"
        figures = {
            "raw: INSERT commits/s": raw.insert_commits(fresh(), single),
            idle: raw.insert_after_idle(fresh(), tries),
            both: raw.insert_and_take_after_idle(fresh(), tries),
        }
        figures |= _ours(lambda: f"sqlite:///{fresh()}", single, many, scale)
        if peers:
            figures |= _huey(fresh, single, max(int(3_000 * scale), 300))
        bare = figures["raw: INSERT commits/s"]
        ratio = bare / figures["SQLite: enqueue one, jobs/s"]
        figures["SQLite: one enqueue / bare INSERT commit (time)"] = ratio
        start = figures["SQLite: start_p50_ms, within a process"]
        figures["SQLite: start within a process / bare INSERT commit, idle"] = start / figures[idle]
        figures["SQLite: start within a process / bare INSERT and UPDATE, idle"] = (
            start / figures[both]
        )
        return figures


def _ours(url: Callable[[], str], single: int, many: int, scale: float) -> dict[str, float]:
    figures = {
        "SQLite: enqueue one, jobs/s": ours.enqueue_single(url(), single),
        "SQLite: enqueue_many, jobs/s": ours.enqueue_bulk(url(), many),
        "SQLite: drain async no-ops, 1 process, jobs/s": ours.drain(url(), many, 1),
        "SQLite: drain async no-ops, 2 processes, jobs/s": ours.drain(url(), many, 2),
        "SQLite: drain blocking no-ops, 1 process, jobs/s": ours.drain(
            url(), many, 1, "noop_blocking"
        ),
        "memory: drain async no-ops, jobs/s": ours.drain_here("memory://", many),
        "import boundary.jobs, ms": ours.import_ms(),
    }
    tries = max(int(200 * scale), 50)
    for name, found in (
        ("across processes", ours.latency_across(url(), tries)),
        ("within a process", ours.latency_within(url(), tries)),
    ):
        figures |= {f"SQLite: {key}, {name}": value for key, value in found.items()}
    figures |= {
        f"SQLite: {key}": value for key, value in ours.idle(url(), max(10 * scale, 3)).items()
    }
    return figures


def _huey(fresh: Callable[[], Path], single: int, many: int) -> dict[str, float]:
    from benchmarks import huey_peer

    figures: dict[str, float] = {}
    for fsync in (True, False):
        name = f"huey {huey_peer.versions()['huey']} fsync={'on' if fsync else 'off (default)'}"
        figures |= {
            f"{name}: enqueue one, jobs/s": huey_peer.enqueue_single(fresh(), single, fsync=fsync),
            f"{name}: drain no-ops, jobs/s": huey_peer.drain(fresh(), many, fsync=fsync),
        }
        found = huey_peer.latency(fresh(), 50, fsync=fsync)
        figures |= {f"{name}: {key}, within a process": value for key, value in found.items()}
    return figures


def _fresh(folder: Path) -> Callable[[], Path]:
    number = 0

    def path() -> Path:
        nonlocal number
        number += 1
        return folder / f"bench-{number}.db"

    return path
