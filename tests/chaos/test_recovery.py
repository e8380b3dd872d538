"""How soon what a dead worker held runs again."""

from __future__ import annotations

import random
import time
from itertools import pairwise

import pytest

from tests.chaos.card import hand_in, scale, seed
from tests.chaos.witness import (
    PATIENCE,
    card_of,
    history_of,
    is_there,
    kill,
    now,
    plain,
    stop,
    store_of,
)
from tests.processes.conftest import SHORT_LEASE_MS, Floor
from tests.proof.history import Asked, Began, Event, Fault, History
from tests.waiting import Pressure, eventually

pytestmark = pytest.mark.soak

LIMIT = 3.5
"""Seconds: a lease of two, half of it until the next sweep, and what a claim takes."""
SECONDS = 6.0
"""How long a job takes: longer than its worker is let live."""


def test_what_a_dead_worker_held_runs_again_in_time(floor: Floor) -> None:
    """G5: with a lease of 2 s, and workers that have next to nothing to do, within 3.5 s."""
    assert SHORT_LEASE_MS == 2_000
    chance, began = random.Random(seed()), time.monotonic()
    pressure = Pressure()
    seen: list[Event] = []
    staff = [floor.worker() for _ in range(2)]
    for _ in range(scale(8, 500)):
        for one in staff:
            is_there(floor, one)
        args = {"seconds": SECONDS}
        at = now()
        job = str(floor.jobs.enqueue("on_loop", args).id)
        seen.append(Asked(job, at, payload=plain(args)))
        (first,) = eventually("it runs", lambda job=job: starts(floor, job), patience=PATIENCE)
        time.sleep(chance.uniform(0.0, 1.5))
        victim = next(one for one in staff if one.pid == first)
        pressure.note()
        seen.append(kill(victim))
        eventually(
            f"it runs again\n{floor.log()}",
            lambda job=job: len(starts(floor, job)) > 1,
            patience=PATIENCE,
        )
        pressure.note()
        staff[staff.index(victim)] = floor.worker()
    jobs = sum(isinstance(one, Asked) for one in seen)
    eventually(
        f"all jobs are completed\n{floor.log()}",
        lambda: floor.jobs.stats().total_succeeded >= jobs,
        patience=PATIENCE,
    )
    stop(floor, staff)
    history = history_of(floor, seen)
    hand_in(
        card_of(
            history,
            promise="G5",
            experiment="a dead worker's jobs, with a lease of 2 s",
            store=store_of(floor),
            began=began,
        )
    )
    took = [pressure.took(start / 1000, end / 1000) for start, end in waits(history)]
    assert len(took) >= scale(8, 500)
    assert max(took) <= LIMIT, f"without what the machine kept waiting: {took}"


def starts(floor: Floor, job: str) -> list[int]:
    """The processes that began it, in order."""
    return [one.pid for one in floor.lines() if one.job == job and one.phase == "start"]


def waits(history: History) -> list[tuple[float, float]]:
    """For each run that a kill ended: when the kill was, and when the job began again."""
    killed = {one.by: one.at for one in history.events if isinstance(one, Fault) and one.by != "*"}
    runs: dict[str, list[Began]] = {}
    for one in history.events:
        if isinstance(one, Began):
            runs.setdefault(one.job, []).append(one)
    return [
        (killed[first.by], then.at)
        for both in runs.values()
        for first, then in pairwise(both)
        if first.by in killed and first.at <= killed[first.by] < then.at
    ]
