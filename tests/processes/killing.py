"""Kills workers at random moments and counts: the experiment of the test and of the soak."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from typing import Any

from tests.processes.conftest import Floor
from tests.proof.checker import Verdict, check
from tests.proof.history import Asked, Began, Bounds, Counted, Ended, Event, Fault, History, Kept
from tests.waiting import PATIENCE, eventually

WORKERS = 2
AT_ONCE = 10
MAX_CRASHES = 1_000
CARD = ("lost", "unfinished", "unexpected", "duplicated", "stale", "payload", "stats")


def kill_workers(floor: Floor, kills: int, *, say: bool = False) -> tuple[dict[str, Any], Verdict]:
    """The scorecard of `kills` kills under load, and what the checker says of them.

    Two workers run jobs of a few milliseconds; again and again one of them is killed with
    SIGKILL and replaced. Then the rest is drained, and journal and store are compared.
    """
    chance = random.Random(kills)
    handlers = ("on_loop", "in_thread")
    seen: list[Event] = []
    staff = [floor.worker("--concurrency", str(AT_ONCE)) for _ in range(WORKERS)]
    began = time.monotonic()
    for number in range(kills):
        for _ in range(8):
            args = {"seconds": chance.uniform(0.0, 0.04)}
            asked = _now()
            job = floor.jobs.enqueue(chance.choice(handlers), args)
            seen.append(Asked(str(job.id), asked, payload=_plain(args)))
        place = chance.randrange(WORKERS)
        victim = staff[place]
        eventually(
            "the worker that is to be killed runs something",
            lambda pid=victim.pid: any(one.pid == pid for one in floor.jobs.workers()),
        )
        time.sleep(chance.uniform(0.0, 0.1))
        seen.append(_kill(victim))
        staff[place] = floor.worker("--concurrency", str(AT_ONCE))
        if say and number % 10 == 9:
            print(f"{number + 1} kills, {time.monotonic() - began:.0f} s", flush=True)
    last_kill = time.monotonic()
    jobs = sum(isinstance(one, Asked) for one in seen)
    eventually("all jobs are completed", lambda: floor.jobs.stats().total_succeeded >= jobs)
    recovered = time.monotonic() - last_kill
    for worker in staff:
        worker.terminate()
        worker.wait(PATIENCE)
    history = history_of(floor, seen)
    verdict = check(history)
    return _card(history, verdict, kills, recovered), verdict


def _now() -> float:
    return time.time() * 1000


def _plain(args: dict[str, Any]) -> bytes:
    return json.dumps(args, sort_keys=True).encode()


def _kill(victim: subprocess.Popen[bytes]) -> Fault:
    """What it writes until it is gone, it wrote before the kill."""
    began = _now()
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    return Fault("kill", str(victim.pid), began, _now())


def history_of(floor: Floor, seen: list[Event]) -> History:
    """What the driver saw and did, what handlers wrote, and how the store has it in the end."""
    events = [*seen, *_journal(floor)]
    kept = [_kept(floor, one.job) for one in seen if isinstance(one, Asked)]
    totals = floor.jobs.stats()
    return History(
        sorted(events, key=lambda one: one.at),
        [one for one in kept if one is not None],
        Counted(totals.total_succeeded, totals.total_failed, totals.total_retried),
        bounds=Bounds(max_crashes=MAX_CRASHES, tolerance=1.0),
    )


def _journal(floor: Floor) -> list[Event]:
    return [
        Began(line.job, line.token, str(line.pid), line.at)
        if line.phase == "start"
        else Ended(line.job, line.token, str(line.pid), line.at, "succeed")
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
        _plain(job.args),
        settled,
    )


def _card(history: History, verdict: Verdict, kills: int, recovered: float) -> dict[str, Any]:
    kinds = [one.kind for one in verdict.violations]
    assert history.counted is not None
    return {
        "kills": kills,
        "jobs": len(history.kept),
        "starts": verdict.counts["began"],
        "crashed_runs": sum(one.crashes for one in history.kept),
        **{kind: kinds.count(kind) for kind in CARD},
        "counted": history.counted.succeeded,
        "seconds_to_drain_after_last_kill": round(recovered, 2),
    }
