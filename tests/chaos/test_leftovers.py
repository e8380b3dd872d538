"""What is left in a store once every job has ended and its time there is over."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import time
from collections import Counter

import pytest

from boundary.jobs.core.operations import Prune, Reclaim
from devservers.single import Server
from tests.chaos.card import hand_in, scale, seed
from tests.chaos.traffic import CANCELS, Traffic, told_of
from tests.chaos.witness import MAX_CRASHES, PATIENCE, card_of, kill, store_of
from tests.processes.conftest import SHORT_LEASE_MS, Floor
from tests.waiting import eventually

pytestmark = pytest.mark.soak

WORKER = ("-m", "boundary.jobs", "worker", "tests.chaos.stumblers")
CLIENT = ("-m", "tests.chaos.stumbling")
KEPT_MS = "2000"
NO_JOBS = {
    *("clock", "counters", "format", "hours", "minutes", "seq"),
    *("history", "keeps", "pieces", "gone", "log", "tuned", "wake", "watchers"),
}
"""Keys that are not about jobs that are there: numbers, clocks, how long jobs took, who is awake."""
OF_JOBS = ("job", "worker", "aside", "act", "schedule", "paused")
"""Tables with a row for each of something that is there."""


def test_nothing_is_left_of_jobs_that_are_over(
    floor: Floor, request: pytest.FixtureRequest
) -> None:
    """G1: workers killed among jobs that succeed, fail, die and are cancelled; all of it is pruned."""
    chance = random.Random(seed())
    floor.environ["BOUNDARY_JOBS_RETENTION_FINISHED"] = KEPT_MS
    floor.environ["BOUNDARY_JOBS_RETENTION_DEAD"] = KEPT_MS
    traffic = Traffic(floor, cancels=CANCELS)
    for _ in range(2):
        traffic.work(program=WORKER)
        traffic.produce(program=CLIENT)
    traffic.running()
    for _ in range(scale(5, 300)):
        victim = chance.choice(traffic.workers)
        traffic.faults.append(kill(victim))
        traffic.workers.remove(victim)
        traffic.goes_on(PATIENCE, traffic.work(program=WORKER).pid)
    traffic.drain(PATIENCE)
    backend, over = floor.jobs.store.blocking(), time.monotonic() + 2 * SHORT_LEASE_MS / 1000

    def is_over() -> bool:
        """As the next worker's sweep would find it, once the leases of the dead are over."""
        backend.execute(Reclaim(MAX_CRASHES, int(KEPT_MS)))
        while backend.execute(Prune()):
            pass
        page = floor.jobs.search(limit=200)
        return not page.jobs and page.cursor is None and time.monotonic() > over

    eventually("every job's time is over", is_over, patience=PATIENCE)
    backend.close()

    def left() -> tuple[str, ...]:
        if store_of(floor) == "SQLite":
            return rows(floor)
        return keys(request.getfixturevalue("server"))

    one_more = floor.jobs.enqueue("on_loop", {"seconds": 0.0}, delay=3_600)
    assert left(), "a job that is there is seen"
    floor.jobs.delete(one_more.id)
    history, _ = traffic.judged(pruned=True)
    died = {one.job for one in history.events if getattr(one, "how", "") == "fail"}
    note = f"{len(died)} jobs failed once or more; {told_of(traffic.stopped())}"
    card = card_of(
        history._replace(left=left()),
        promise="G1",
        experiment="nothing is left of jobs that are over, workers killed",
        store=store_of(floor),
        began=traffic.began,
        note=note,
    )
    hand_in(card)


def rows(floor: Floor) -> tuple[str, ...]:
    """Tables of the file that are not empty and should be, with how many rows they have."""
    with contextlib.closing(sqlite3.connect(floor.url.removeprefix("sqlite:///"))) as file:
        counts = {
            table: file.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in OF_JOBS
        }
    return tuple(f"{count} rows of {table}" for table, count in counts.items() if count)


def keys(server: Server) -> tuple[str, ...]:
    """Keys of the server that are about jobs."""
    names = [
        name.decode() if isinstance(name, bytes) else name for name in server.call("KEYS", "*")
    ]
    kinds = Counter(name.partition("}:")[2].partition(":")[0] for name in names)
    return tuple(f"{count} {kind}" for kind, count in sorted(kinds.items()) if kind not in NO_JOBS)
