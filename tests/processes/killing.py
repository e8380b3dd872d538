"""Kills workers at random moments and counts: the experiment of the test and of the soak."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from typing import Any

from tests.processes.conftest import Floor
from tests.worker.conftest import eventually

WORKERS = 2
AT_ONCE = 10


def kill_workers(floor: Floor, kills: int, *, say: bool = False) -> dict[str, Any]:
    """The scorecard of `kills` kills under load.

    Two workers run jobs of a few milliseconds; again and again one of them is killed with
    SIGKILL and replaced. Then the rest is drained, and journal and store are compared.
    """
    chance = random.Random(kills)
    handlers = ("on_loop", "in_thread")
    acknowledged: list[str] = []
    staff = [floor.worker("--concurrency", str(AT_ONCE)) for _ in range(WORKERS)]
    began = time.monotonic()
    for number in range(kills):
        for _ in range(8):
            name = chance.choice(handlers)
            job = floor.jobs.enqueue(name, {"seconds": chance.uniform(0.0, 0.04)})
            acknowledged.append(str(job.id))
        place = chance.randrange(WORKERS)
        victim = staff[place]
        eventually(
            f"the worker that is to be killed runs something\n{floor.log()}",
            lambda pid=victim.pid: any(one.pid == pid for one in floor.jobs.workers()),
            patience=20,
        )
        time.sleep(chance.uniform(0.0, 0.1))
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        staff[place] = floor.worker("--concurrency", str(AT_ONCE))
        if say and number % 10 == 9:
            print(f"{number + 1} kills, {time.monotonic() - began:.0f} s", flush=True)
    last_kill = time.monotonic()
    eventually(
        f"all jobs are completed\n{floor.log()}",
        lambda: floor.jobs.stats().total_succeeded >= len(acknowledged),
        patience=30,
    )
    recovered = time.monotonic() - last_kill
    for worker in staff:
        worker.terminate()
        worker.wait(10)
    return _score(floor, acknowledged, kills, recovered)


def _score(floor: Floor, acknowledged: list[str], kills: int, recovered: float) -> dict[str, Any]:
    lines = floor.lines()
    starts = Counter(line.job for line in lines if line.phase == "start")
    found = [floor.jobs.find(job) for job in acknowledged]
    lost = [job for job, one in zip(acknowledged, found, strict=True) if one is None]
    unfinished = [one for one in found if one is not None and one.status != "completed"]
    # A run that a kill cut off is one crash more of its job; a start beyond these is a duplicate.
    crashes = {str(one.id): one.crash_count for one in found if one is not None}
    doubled = [job for job, count in starts.items() if count > 1 + crashes.get(job, 0)]
    return {
        "kills": kills,
        "jobs": len(acknowledged),
        "starts": starts.total(),
        "crashed_runs": sum(crashes.values()),
        "lost": len(lost),
        "unfinished": len(unfinished),
        "unexpected": len(set(starts) - set(acknowledged)),
        "doubled_unexplained": len(doubled),
        "counted": floor.jobs.stats().total_succeeded,
        "seconds_to_drain_after_last_kill": round(recovered, 2),
    }
