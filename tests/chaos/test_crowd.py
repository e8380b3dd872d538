"""Very many jobs and several workers, and nothing that goes wrong."""

from __future__ import annotations

import time
from array import array

import pytest

from tests.chaos.card import Card, hand_in, scale
from tests.chaos.witness import PATIENCE, is_there, leases_lost, stop, store_of
from tests.processes.conftest import Floor
from tests.waiting import eventually

pytestmark = [pytest.mark.soak, pytest.mark.timeout(36_000)]

WORKERS = 8
AT_ONCE = 1_000
"""How many are enqueued by one call."""
AHEAD = 20_000
"""How many may wait: what a store holds is bounded, however many jobs there are."""
KEPT_MS = "5000"


def test_without_a_fault_each_job_starts_once(patient_floor: Floor) -> None:
    """G6: 100,000 jobs, or ten million; what began is counted outside the store.

    By number, not by the checker: a history of ten million jobs is more than a machine remembers.
    """
    floor, began = patient_floor, time.monotonic()
    many = scale(100_000, 10_000_000)
    floor.environ["BOUNDARY_JOBS_RETENTION_FINISHED"] = KEPT_MS
    staff = [
        floor.python("-m", "boundary.jobs", "worker", "tests.chaos.crowd") for _ in range(WORKERS)
    ]
    for one in staff:
        is_there(floor, one)
    for first in range(0, many, AT_ONCE):
        floor.jobs.enqueue_many(
            floor.jobs.draft("counts", {"number": number}, {})
            for number in range(first, min(first + AT_ONCE, many))
        )
        behind = first + AT_ONCE - AHEAD
        if behind > 0:
            eventually(
                f"{behind} have ended\n{floor.log()}",
                lambda behind=behind: floor.jobs.stats().total_succeeded >= behind,
                patience=PATIENCE,
            )
    eventually(
        f"all have ended\n{floor.log()}",
        lambda: floor.jobs.stats().total_succeeded >= many,
        patience=PATIENCE,
    )
    stop(floor, staff)
    assert leases_lost(floor) == [], "a machine that holds a lease back for ten minutes"
    starts = started(floor, many)
    totals = floor.jobs.stats()
    more = sum(times - 1 for times in starts if times > 1)
    hand_in(
        Card(
            promise="G6",
            experiment=f"each of very many jobs starts once, {WORKERS} workers",
            store=store_of(floor),
            faults={},
            jobs=many,
            lost=sum(times == 0 for times in starts),
            unexplained=more + totals.total_failed + abs(totals.total_succeeded - many),
            seconds=round(time.monotonic() - began, 1),
            note=f"{sum(starts):,} starts of {many:,} jobs, by process {shares(floor)}",
        )
    )


def started(floor: Floor, many: int) -> array[int]:
    """How often each number began."""
    times = array("L", bytes(array("L").itemsize * many))
    for path in floor.folder.glob("journal-*"):
        numbers = array("Q", path.read_bytes())
        numbers.byteswap()
        for number in numbers:
            times[number] += 1
    return times


def shares(floor: Floor) -> str:
    """How many began in each process, the fewest and the most."""
    sizes = [one.stat().st_size // 8 for one in floor.folder.glob("journal-*")]
    return f"{min(sizes):,} to {max(sizes):,}"
