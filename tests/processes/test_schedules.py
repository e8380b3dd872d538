"""Ticks go on while workers are killed: none is lost, none is fired twice."""

from __future__ import annotations

import random
import signal
from uuid import UUID

from boundary.jobs.core.wire import millis
from boundary.jobs.shell import ids
from tests.processes.conftest import Floor
from tests.waiting import PATIENCE, eventually

KILLS = 6
EVERY_MS = 40


def test_every_tick_has_its_one_job_though_workers_are_killed(floor: Floor) -> None:
    """G11, with real processes and SIGKILL at random moments."""
    chance = random.Random(KILLS)
    jobs = floor.jobs
    made = jobs.schedule(
        "beat",
        every=EVERY_MS / 1000,
        handler="on_loop",
        args={"seconds": 0},
        misfire="all",
        misfire_cap=1_000,
    )
    assert made.next_at is not None
    floor.short_lease()
    staff = [floor.worker(), floor.worker()]
    for _ in range(KILLS):
        before = jobs.stats().total_succeeded
        eventually("ticks go on", lambda count=before: jobs.stats().total_succeeded > count + 5)
        victim = staff.pop(chance.randrange(2))
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        staff.append(floor.worker())
    asleep = jobs.pause_schedule("beat")
    assert asleep is not None
    assert asleep.last_job is not None
    last = asleep.last_job.int >> 80  # a tick's id begins with its instant
    ticks = range(millis(made.next_at), last + 1, EVERY_MS)
    expected = {str(UUID(bytes=ids.of_tick("beat", tick))) for tick in ticks}
    eventually("every tick's job has run", lambda: jobs.stats().total_succeeded >= len(expected))
    for worker in staff:
        worker.terminate()
        worker.wait(PATIENCE)
    assert {line.job for line in floor.lines() if line.phase == "end"} == expected
    assert jobs.stats().total_succeeded == len(expected)
