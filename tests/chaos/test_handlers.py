"""Handlers that end their worker, among jobs that do no harm: each is a dead letter, those run.

What belongs here: each kind in turn, with a new process for each that is gone. What does not: handlers that are merely rude (`tests/processes/test_rude.py`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from boundary.jobs import Job
from devservers.single import Server
from tests.chaos import witness
from tests.chaos.card import hand_in, scale
from tests.processes.conftest import Floor
from tests.proof.history import Asked, Event, Fault
from tests.waiting import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(3_600)]

MAX_CRASHES = 3
ENDS = ("quits", "breaks", "aborts", "is_killed", "overflows")
"""Handlers after which the process is gone: os._exit, a segmentation fault, abort, the kernel's out
of memory killer, and native recursion without an end."""
SLOTS = 10
"""Of each worker, as it is set unless one says otherwise."""
FAILS = {"recurses": "RecursionError", "eats_memory": "MemoryError"}


@pytest.fixture(params=["sqlite", "redis"])
def floor(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Floor]:
    if request.param == "redis":
        with Server() as server:
            yield from _floor(tmp_path, server.url())
    else:
        yield from _floor(tmp_path, f"sqlite:///{tmp_path}/jobs.db")


def _floor(folder: Path, url: str) -> Iterator[Floor]:
    made = Floor(folder, url).short_lease()
    made.environ["BOUNDARY_JOBS_WORKERS_MAX_CRASHES"] = str(MAX_CRASHES)
    yield made
    made.close()


def worker(floor: Floor) -> subprocess.Popen[bytes]:
    return floor.python("-m", "boundary.jobs", "worker", "tests.chaos.killers")


def manned(floor: Floor, staff: list[subprocess.Popen[bytes]]) -> bool:
    """Each worker that is gone has a successor, as whatever runs them would see to."""
    for place, one in enumerate(staff):
        if one.poll() is not None:
            staff[place] = worker(floor)
    return True


def dead(floor: Floor, job: Job) -> Job | None:
    found = floor.jobs.find(job.id)
    return found if found is not None and found.status == "failed" else None


def run_elsewhere(floor: Floor, held: Job, others: list[Job]) -> bool:
    """All have ended, but for less than a claim's worth that the worker of the held one took too."""
    found = [floor.jobs.find(one.id) for one in others]
    left = [one.worker for one in found if one is not None and one.status != "completed"]
    return set(left) <= {held.worker} and len(left) < SLOTS


def test_handlers_that_end_their_worker_are_dead_letters(floor: Floor) -> None:
    """G10: every kind, one at a time, each in the middle of ten jobs that complete."""
    began = time.monotonic()
    staff = [worker(floor) for _ in range(2)]
    seen: list[Event] = []
    others = 0
    killers: set[str] = set()
    for kind in (*ENDS, *FAILS) * scale(1, 20):
        made: dict[str, Job] = {}
        for name in (*["on_loop"] * 5, kind, *["on_loop"] * 5):
            args = {"seconds": 0.02} if name == "on_loop" else {}
            at = witness.now()
            made[name] = job = floor.jobs.enqueue(name, args, max_retries=0 if name in FAILS else 3)
            seen.append(Asked(str(job.id), at, payload=witness.plain(args)))
            others += name == "on_loop"
        found = eventually(
            f"{kind} is a dead letter",
            lambda job=made[kind]: manned(floor, staff) and dead(floor, job),
            patience=60,
        )
        assert found.error.type == FAILS.get(kind, "WorkerLost")
        assert found.crash_count == (0 if kind in FAILS else MAX_CRASHES)
        killers |= {str(found.id)} if kind in ENDS else set()
        eventually(
            f"those around {kind} are completed",
            lambda others=others: (
                manned(floor, staff) and floor.jobs.stats().total_succeeded == others
            ),
            patience=60,
        )
    runs = [line for line in floor.lines() if line.phase == "start" and line.job in killers]
    assert len(runs) == MAX_CRASHES * len(killers)
    witness.stop(floor, staff)
    seen += [Fault("crash", str(run.pid), run.at, run.at + 1_000) for run in runs]
    hand_in(
        witness.card_of(
            witness.history_of(floor, seen),
            promise="G10",
            experiment="handlers that end their worker",
            store=witness.store_of(floor),
            began=began,
        )
    )


def test_a_handler_that_never_yields_keeps_one_process_only(floor: Floor) -> None:
    """Its lease is kept, and the others run elsewhere, until somebody kills the process.

    But for those that a claim of its own brought it, which was on its way when the loop was taken:
    they run when the process is gone.
    """
    began = time.monotonic()
    first, second = worker(floor), worker(floor)
    seen: list[Event] = []
    others: list[Job] = []
    at = witness.now()
    bad = floor.jobs.enqueue("never_yields", {})
    seen.append(Asked(str(bad.id), at, payload=witness.plain({})))
    for number in range(MAX_CRASHES):
        runs = eventually(
            f"it runs\n{floor.log()[-3_000:]}",
            lambda number=number: (
                [one for one in floor.lines() if one.job == str(bad.id)][number:] or None
            ),
            patience=30,
        )
        at, args = witness.now(), {"seconds": 0.0}
        good = [floor.jobs.enqueue("on_loop", args) for _ in range(20)]
        seen += [Asked(str(one.id), at, payload=witness.plain(args)) for one in good]
        held = floor.jobs.find(bad.id)
        assert held is not None
        eventually(
            f"the others run elsewhere\n{floor.log()[-3_000:]}",
            lambda good=good, held=held: run_elsewhere(floor, held, good),
            patience=20,
        )
        assert (held.status, held.crash_count) == ("running", number)
        holder = first if runs[0].pid == first.pid else second
        assert holder.pid == runs[0].pid
        at = witness.now()
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        seen.append(Fault("kill", str(holder.pid), at, witness.now()))
        made = worker(floor)
        first, second = (made, second) if holder is first else (first, made)
        others += good
    found = eventually("it is a dead letter", lambda: dead(floor, bad), patience=20)
    for one in others:
        floor.jobs.result(one.id, timeout=20)
    assert (found.error.type, found.crash_count) == ("WorkerLost", MAX_CRASHES)
    for one in (first, second):
        witness.is_there(floor, one)
        one.terminate()
        assert one.wait(20) == 0, floor.log()
    hand_in(
        witness.card_of(
            witness.history_of(floor, seen),
            promise="G10",
            experiment="a handler that never yields",
            store=witness.store_of(floor),
            began=began,
        )
    )
