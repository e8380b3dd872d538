"""What happened to real processes, as a history for the checker, and the card that it comes to.

What belongs here: putting together what drivers did, what handlers wrote into the journal and how
the store has it in the end. What does not: the faults (`test_*.py`), the rules
(`tests.proof.checker`).
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from bisect import bisect
from collections import Counter
from datetime import datetime
from itertools import pairwise
from typing import Any

from tests.chaos.card import Card
from tests.processes.conftest import LEASE_MS, Floor
from tests.proof.checker import check
from tests.proof.history import (
    Asked,
    Began,
    Bounds,
    Counted,
    Ended,
    Event,
    Fault,
    History,
    Kept,
)
from tests.waiting import eventually

MAX_CRASHES = 1_000
REACH = 1.5 * LEASE_MS
LOST = "lease lost"
HOW = {"end": "succeed"}
"""What ended a run that wrote this phase, where that is not the phase itself."""
LEASE_LOST = "the store gave this worker's jobs to others"
PATIENCE = 60
"""Seconds until something that is to happen must have: the machine may be busy with others."""


def now() -> float:
    """Milliseconds, by the clock of all witnesses."""
    return time.time() * 1000


def plain(args: dict[str, Any]) -> bytes:
    """Arguments as the checker compares them."""
    return json.dumps(args, sort_keys=True).encode()


def is_there(floor: Floor, worker: subprocess.Popen[bytes]) -> None:
    """It is known to the store, and so hears signals."""
    eventually(
        f"worker {worker.pid} is there\n{floor.log()}",
        lambda: any(one.pid == worker.pid for one in floor.jobs.workers()),
        patience=PATIENCE,
    )


def stop(floor: Floor, staff: list[subprocess.Popen[bytes]]) -> None:
    """All have ended in order."""
    for worker in staff:
        is_there(floor, worker)
        worker.terminate()
    for worker in staff:
        assert worker.wait(PATIENCE) == 0, floor.log()


def kill(victim: subprocess.Popen[bytes]) -> Fault:
    """It is gone; what it wrote until then, it wrote before the kill."""
    began = now()
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    return Fault("kill", str(victim.pid), began, now())


def history_of(floor: Floor, seen: list[Event]) -> History:
    """What the driver saw and did, what handlers wrote, and how the store has it in the end."""
    events = [*seen, *_journal(floor), *leases_lost(floor)]
    kept = [_kept(floor, id) for id in {one.job for one in seen if isinstance(one, Asked)}]
    totals = floor.jobs.stats()
    return History(
        sorted(events, key=lambda one: one.at),
        [one for one in kept if one is not None],
        Counted(totals.total_succeeded, totals.total_failed, totals.total_retried),
        bounds=Bounds(max_crashes=MAX_CRASHES, tolerance=1.0, reach=REACH),
    )


def leases_lost(floor: Floor) -> list[Fault]:
    """What workers say of leases they could not renew, as on a machine that is busy with others.

    A line of the log does not say whose it is.
    """
    lines = (floor.folder / "log").read_text(errors="replace").splitlines()
    said = [json.loads(line) for line in lines if LEASE_LOST in line and line.startswith("{")]
    ends = [datetime.fromisoformat(one["time"]).timestamp() * 1000 for one in said]
    return [Fault(LOST, "*", at - REACH, at) for at in ends]


def _journal(floor: Floor) -> list[Event]:
    return [
        Began(line.job, line.token, str(line.pid), line.at, line.args.encode() or None)
        if line.phase == "start"
        else Ended(line.job, line.token, str(line.pid), line.at, HOW.get(line.phase, line.phase))
        for line in floor.lines()
    ]


def _kept(floor: Floor, id: str) -> Kept | None:
    job = floor.jobs.find(id)
    if job is None:
        return None
    settled = job.result if isinstance(job.result, int) else None
    return Kept(
        id,
        job.status,
        job.fencing_token,
        job.retry_count,
        job.crash_count,
        plain(job.args),
        settled,
    )


def card_of(
    history: History,
    *,
    promise: str,
    experiment: str,
    store: str,
    began: float,
    faults: dict[str, int] | None = None,
    note: str = "",
) -> Card:
    """What the checker says of a history, which is printed if it has anything against it.

    Args:
        began: When the experiment did, by `time.monotonic()`.
        faults: Kinds beside those of the history.
    """
    verdict = check(history)
    if verdict.violations:
        print(verdict)
    kinds = Counter(one.kind for one in verdict.violations)
    lost = kinds["lost"] + kinds["unfinished"]
    done = Counter(one.kind for one in history.events if isinstance(one, Fault))
    return Card(
        promise=promise,
        experiment=experiment,
        store=store,
        faults={**dict(sorted(done.items())), **(faults or {})},
        jobs=len({one.job for one in history.events if isinstance(one, Asked) and one.known}),
        lost=lost,
        unexplained=sum(kinds.values()) - lost,
        worst_recovery=recovery(history),
        seconds=round(time.monotonic() - began, 1),
        note=note,
    )


def store_of(floor: Floor) -> str:
    """Its store, as a card names it."""
    return "SQLite" if floor.url.startswith("sqlite") else "Redis"


def recovery(history: History) -> float | None:
    """Seconds from a fault until work went on, at the worst.

    Of a worker's fault: until the last job that it ran then began again; and from the fault's end
    until the worker itself began one, if it ever did. Of the store's: from its end until some job
    began.
    """
    faults: dict[str, list[Fault]] = {}
    runs: dict[str, list[Began]] = {}
    for one in history.events:
        if isinstance(one, Fault) and one.kind != LOST:
            faults.setdefault(one.by, []).append(one)
        elif isinstance(one, Began):
            runs.setdefault(one.job, []).append(one)
    waits = [
        then.at - fault.at
        for both in runs.values()
        for first, then in pairwise(both)
        for fault in faults.get(first.by, ())
        if first.at <= fault.at < then.at
    ]
    starts: dict[str, list[float]] = {"*": []}
    for one in (each for all in runs.values() for each in all):
        starts["*"].append(one.at)
        starts.setdefault(one.by, []).append(one.at)
    for all in starts.values():
        all.sort()
    for by, suffered in faults.items():
        there = starts.get(by, [])
        for over in (max(fault.at, fault.until) for fault in suffered):
            waits += [at - over for at in there[bisect(there, over) :][:1]]
    return round(max(waits) / 1000, 2) if waits else None
