"""Foreign and damaged bytes in every field a store keeps, under a worker that goes on.

One store has something in every table and key. A hand harms one field after the other, each in
many ways, and mends it. Meanwhile a real worker and a client go on:

- every question is answered, or refused with an error of ours: nothing else comes out;
- no worker ends, and no call takes long;
- where one job's own fields are harmed, the other jobs run as ever;
- where something is harmed that all share, jobs run again once it is mended, by hand and by
  `doctor --repair`, and none is lost.

What was found by it stands in docs/guarantees.md.
"""

from __future__ import annotations

import random
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from boundary.jobs import Job, Jobs
from boundary.jobs.core.operations import Repair
from boundary.jobs.core.retry import RetryPolicy
from boundary.jobs.errors import JobsError
from devservers.single import Server
from tests.chaos.card import Card, hand_in, scale, seed
from tests.chaos.damage import FOREIGN, RedisHand, Spot, SqliteHand, shown, turned
from tests.processes.conftest import Floor
from tests.waiting import eventually

HOUR = 3_600
SLOW = 5.0
"""Seconds that no look at this small store takes, however its fields are."""
CHANCE = 1.5
"""Seconds that jobs have to run before a repair is asked for."""


class Patient:
    """A store with something everywhere, a worker on it, and what a client asks of both."""

    def __init__(self, floor: Floor, worker: subprocess.Popen[bytes]) -> None:
        self.floor = floor
        self.jobs: Jobs = floor.jobs
        self.worker = worker
        self.told: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.probes: list[str] = []
        self.open: list[str] = []
        self.worst = 0.0
        self.kept = self._fill()

    def _fill(self) -> list[Job]:
        """Jobs of every status, a schedule, a pause, and what operators did."""
        put, quick = self.jobs.enqueue, {"seconds": 0}
        slowly = RetryPolicy(initial_delay=HOUR, max_delay=HOUR)
        waiting = put("on_loop", quick, queue="elsewhere", metadata={"a": 1})
        later = put("on_loop", quick, queue="elsewhere", delay=HOUR)
        cancelled = put("on_loop", quick, queue="elsewhere")
        self.jobs.cancel(cancelled.id)
        dead = put("fails", {"secret": "x"}, max_retries=0)
        again = put("fails", {"secret": "x"}, max_retries=3, retry=slowly)
        done = put("on_loop", quick)
        runs = put("on_loop", {"seconds": 3 * HOUR})
        stops = put("in_thread", {"seconds": 3 * HOUR})
        self.jobs.pause("resting", by="ann")
        self.jobs.schedule("hourly", handler="on_loop", args=quick, every=HOUR)
        put("on_loop", quick, queue="gone")
        self.jobs.purge("gone", by="ann")
        wanted = {
            dead.id: "failed",
            again.id: "retrying",
            done.id: "completed",
            runs.id: "running",
            stops.id: "running",
        }
        eventually(
            f"every job is as it is to be\n{self.floor.log()}",
            lambda: all(self.status(str(id)) == status for id, status in wanted.items()),
            patience=30,
        )
        self.jobs.cancel(stops.id)
        return [waiting, later, cancelled, dead, again, done, runs, stops]

    def status(self, id: str) -> str | None:
        """None: it is not there, or cannot be shown."""
        try:
            found = self.jobs.find(id)
        except JobsError:
            return None
        return None if found is None else found.status

    def repair(self, *, mend: bool) -> dict[str, int]:
        """As the doctor does it."""
        found: Counter[str] = Counter()
        door, cursor = self.jobs.store.blocking(), None
        try:
            while True:
                step = door.execute(Repair(cursor, 250, mend))
                found.update(dict(step.amiss))
                cursor = step.cursor
                if cursor is None:
                    return found
        finally:
            door.close()

    def looks(self) -> dict[str, Callable[[], Any]]:
        """All that a client can ask."""
        jobs = self.jobs
        return {
            "stats": jobs.stats,
            "queues": jobs.queues,
            "workers": jobs.workers,
            "failed": jobs.failed,
            "failure_groups": jobs.failure_groups,
            "history": lambda: jobs.history("on_loop"),
            "search": lambda: jobs.search(limit=200),
            "search by status": lambda: jobs.search(status="failed", limit=200),
            "minutes": lambda: jobs.series(60),
            "hours": lambda: jobs.series(hours=24),
            "audit": jobs.audit,
            "schedules": jobs.schedules,
            "why": lambda: [jobs.why(one.id) for one in self.kept],
            "find": lambda: [jobs.find(one.id) for one in self.kept],
            "examine": jobs.store.examine,
            "repair": lambda: self.repair(mend=False),
        }

    def ask(self, spot: Spot) -> None:
        """Every question is answered or refused in a word of ours, and soon."""
        for name, look in self.looks().items():
            began = time.monotonic()
            try:
                look()
            except JobsError as error:
                self.told[type(error).__name__] += 1
            except Exception as error:
                self.wrong.append(f"{spot.place} <- {spot.put}: {name} raised {error!r}")
            took = time.monotonic() - began
            if took > SLOW:
                self.wrong.append(f"{spot.place} <- {spot.put}: {name} took {took:.1f} s")

    def probe(self, spot: Spot) -> None:
        """Two more jobs are wanted; those of a store harmed in one job only must run."""
        try:
            new = [str(self.jobs.enqueue("on_loop", {"seconds": 0}).id) for _ in range(2)]
        except JobsError as error:
            self.told[type(error).__name__] += 1
            new = []
            if spot.job is not None:
                self.wrong.append(f"{spot.place} <- {spot.put}: enqueue raised {error!r}")
        self.probes += new
        self.open += new
        if spot.job is not None and not self.done(CHANCE):
            self.wrong.append(f"{spot.place} <- {spot.put}: other jobs did not run")

    def done(self, seconds: float) -> bool:
        """Whether all probes so far come to their end within so long."""
        end = time.monotonic() + seconds
        while True:
            self.open = [one for one in self.open if self.status(one) != "completed"]
            if not self.open or time.monotonic() > end:
                return not self.open
            time.sleep(0.005)

    def recovers(self, spot: Spot) -> None:
        """Mended, all goes on: by itself, or after a repair."""
        began = time.monotonic()
        new = str(self.jobs.enqueue("on_loop", {"seconds": 0}).id)
        self.probes.append(new)
        self.open.append(new)
        if not self.done(CHANCE):
            self.told["repairs"] += 1
            self.repair(mend=True)
            if not self.done(10):
                left = [(one, self.status(one)) for one in self.open]
                self.wrong.append(f"{spot.place} <- {spot.put}: {left} never ran")
                self.open = []
        self.worst = max(self.worst, time.monotonic() - began)
        if self.worker.poll() is not None:
            pytest.fail(f"the worker ended at {spot.place} <- {spot.put}\n{self.floor.log()}")


def harm_everything(patient: Patient, spots: list[Spot], store: str) -> None:
    """One after the other, in an order of chance; as many as fit the form of the run."""
    began = time.monotonic()
    random.Random(seed()).shuffle(spots)
    kinds: Counter[str] = Counter()
    for spot in spots[: scale(120, len(spots))]:
        if not spot.harm():
            kinds["kept out by the store"] += 1
            continue
        kinds["fields harmed"] += 1
        patient.ask(spot)
        patient.probe(spot)
        spot.mend()
        patient.recovers(spot)
    print("\n".join(patient.wrong))
    hand_in(
        Card(
            promise="G15",
            experiment="foreign bytes in every stored field",
            store=store,
            faults=dict(kinds),
            jobs=len(patient.probes),
            lost=len(patient.open),
            unexplained=len(patient.wrong),
            worst_recovery=round(patient.worst, 2),
            seconds=round(time.monotonic() - began, 1),
            note=f"clients were told {dict(patient.told)}",
        )
    )


@pytest.fixture
def patient_of(tmp_path: Path) -> Iterator[Callable[[str], Patient]]:
    floors: list[Floor] = []

    def make(url: str) -> Patient:
        floor = Floor(tmp_path, url).short_lease()
        floors.append(floor)
        floor.environ["BOUNDARY_JOBS_REDIS_TIMEOUT"] = "1000"
        queues = ("--queues", "default,served", "--concurrency", "20")
        return Patient(floor, floor.worker(*queues))

    yield make
    for floor in floors:
        floor.close()


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_every_field_of_a_file(tmp_path: Path, patient_of: Callable[[str], Patient]) -> None:
    patient = patient_of(f"sqlite:///{tmp_path}/jobs.db")
    hand = SqliteHand(f"{tmp_path}/jobs.db")
    try:
        harm_everything(patient, list(hand.spots()), "SQLite")
    finally:
        hand.close()


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_every_key_of_a_server(patient_of: Callable[[str], Patient]) -> None:
    with Server() as server:
        patient = patient_of(server.url())
        hand = RedisHand(server.url())
        try:
            harm_everything(patient, list(hand.spots()), "Redis")
        finally:
            hand.close()


# Records that are harmed before anybody takes them


def harm_waiting(
    patient: Patient, store: str, harms: Callable[[list[str]], dict[str, str]]
) -> None:
    """Jobs wait, one in two is harmed, each in another way; then they are to run."""
    jobs, began = patient.jobs, time.monotonic()
    jobs.pause("served")
    made = jobs.enqueue_many(
        jobs.draft("on_loop", {"seconds": 0}, {"queue": "served"}) for _ in range(600)
    )
    ids = [str(one.id) for one in made]
    harmed = harms(ids[::2])
    others = [one for one in ids if one not in harmed]
    jobs.resume("served")
    patient.open = list(others)
    ran = patient.done(20)
    stood = Counter(status or "gone" for status in map(patient.status, harmed))
    if not ran:
        patient.wrong.append(f"{len(patient.open)} jobs beside harmed ones did not run")
    if patient.worker.poll() is not None:
        patient.wrong.append("the worker ended")
    print("\n".join(patient.wrong), patient.floor.log()[-3_000:] if patient.wrong else "")
    hand_in(
        Card(
            promise="G15",
            experiment="records harmed while their jobs wait",
            store=store,
            faults={"records harmed": len(harmed)},
            jobs=len(others),
            lost=len(patient.open),
            unexplained=len(patient.wrong),
            seconds=round(time.monotonic() - began, 1),
            note=f"the harmed are {dict(stood)}",
        )
    )


@pytest.mark.timeout(120)
def test_records_of_a_server_are_harmed_while_they_wait(
    patient_of: Callable[[str], Patient],
) -> None:
    with Server() as server:
        patient = patient_of(server.url())
        hand = RedisHand(server.url())

        def harm(ids: list[str]) -> dict[str, str]:
            key = "{jobs:0}:job"
            found: dict[str, str] = {}
            record = hand.server.hget(key, UUID(ids[0]).bytes)
            assert record is not None
            for id, put in zip(ids, (*FOREIGN, *turned(record)), strict=False):
                hand.server.hset(key, UUID(id).bytes, put)
                found[id] = shown(put)
            return found

        harm_waiting(patient, "Redis", harm)
        failed = {str(one.id): one for one in patient.jobs.failed(200)}
        garbage = patient.jobs.find(next(iter(failed)))
        assert garbage is not None
        hand.close()


@pytest.mark.timeout(120)
def test_rows_of_a_file_are_harmed_while_they_wait(
    tmp_path: Path, patient_of: Callable[[str], Patient]
) -> None:
    patient = patient_of(f"sqlite:///{tmp_path}/jobs.db")
    hand = SqliteHand(f"{tmp_path}/jobs.db")

    def harm(ids: list[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for id, (column, cast, put) in zip(ids, hand.damages("job"), strict=False):
            try:
                hand.file.execute(
                    f"UPDATE job SET {column} = {cast} WHERE id = ?",
                    (put, UUID(id).bytes),
                )
            except sqlite3.IntegrityError:
                continue
            found[id] = f"{column} {shown(put)}"
        return found

    try:
        harm_waiting(patient, "SQLite", harm)
    finally:
        hand.close()
