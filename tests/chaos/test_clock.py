"""Wall clocks that somebody sets an hour ahead or back, again and again, while all is at work."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

import pytest

from boundary.jobs.core.wire import millis
from boundary.jobs.shell import ids
from devservers.single import Server
from tests.chaos.building import library
from tests.chaos.card import hand_in, scale, seed
from tests.chaos.traffic import Traffic
from tests.chaos.witness import PATIENCE, card_of, history_of, stop
from tests.processes.conftest import Floor
from tests.proof.history import Asked
from tests.waiting import eventually

HOUR = 3_600
EVERY_MS = 200
DELAYS = "[0, 0, 0.3, 0.7]"


class Clock:
    """A wall clock that processes share, and the driver sets; its own it leaves alone."""

    def __init__(self, folder: Path, name: str) -> None:
        self.file = folder / name
        self.seconds = 0
        self.set(0)

    @property
    def environ(self) -> dict[str, str]:
        """What a process needs to live by it."""
        return {"LD_PRELOAD": str(library("clock")), "CLOCK_SHIFT": str(self.file)}

    def set(self, seconds: int) -> None:
        """It is so many seconds ahead, from now on."""
        self.seconds = seconds
        with self.file.open("r+b" if self.file.exists() else "wb") as file:
            file.write(struct.pack("<q", seconds * 10**9))

    def jump(self, chance: random.Random) -> str:
        """It is an hour ahead, an hour behind or right, which it was not before."""
        self.set(chance.choice([one for one in (-HOUR, 0, HOUR) if one != self.seconds]))
        return {HOUR: "clock an hour ahead", 0: "clock right", -HOUR: "clock an hour behind"}[
            self.seconds
        ]


LOOK = """
import datetime, sqlite3, sys, time
for _ in sys.stdin:
    told = sqlite3.connect(":memory:").execute("SELECT strftime('%s')").fetchone()[0]
    print(time.time(), datetime.datetime.now().timestamp(), told, time.monotonic(), flush=True)
"""


def test_a_clock_is_set_while_the_process_runs(tmp_path: Path) -> None:
    """The experiment's own tool: Python and SQLite see it at once, and no other clock moves."""
    clock = Clock(tmp_path, "shift")
    process = subprocess.Popen(
        [sys.executable, "-c", LOOK],
        env={**os.environ, **clock.environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        for seconds in (0, HOUR, -HOUR):
            clock.set(seconds)
            process.stdin.write(b"\n")
            *told, mono = map(float, process.stdout.readline().split())
            assert told == pytest.approx([time.time() + seconds] * 3, abs=5)
            assert mono == pytest.approx(time.monotonic(), abs=5)
        process.stdin.close()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.mark.soak
def test_clocks_of_workers_and_clients(tmp_path: Path, stack: ExitStack) -> None:
    """G12, G11: Redis has its own; nothing begins early or twice, and each tick has its one job."""
    chance = random.Random(seed())
    server = stack.enter_context(Server(patience=PATIENCE))
    floor = Floor(tmp_path, server.url()).short_lease()
    stack.callback(floor.close)
    traffic = Traffic(floor)
    clocks = [Clock(tmp_path, f"clock-{number}") for number in range(4)]
    made = floor.jobs.schedule(
        "beat",
        every=EVERY_MS / 1000,
        handler="on_loop",
        args={"seconds": 0},
        misfire="all",
        misfire_cap=1_000,
    )
    assert made.next_at is not None
    staff = [traffic.work(**one.environ) for one in clocks[:2]]
    producers = [traffic.produce(DELAYS=DELAYS, **one.environ) for one in clocks[2:]]
    traffic.running()
    kinds: list[str] = []
    for number in range(scale(12, 600)):
        kinds.append(clocks[number % 4].jump(chance))
        time.sleep(chance.uniform(0.0, 1.0))
        if number % 4 == 3:
            traffic.goes_on(PATIENCE)
    for one in producers:
        one.terminate()
        assert one.wait(PATIENCE) == 0, floor.log()
    asleep = floor.jobs.pause_schedule("beat")
    assert asleep is not None
    assert asleep.last_job is not None
    last = asleep.last_job.int >> 80  # a tick's id begins with its instant
    eventually(f"nothing is left\n{floor.log()}", traffic.is_empty, patience=PATIENCE)
    stop(floor, staff)
    ticks = [
        Asked(_tick(at), at, not_before=at)
        for at in range(millis(made.next_at), last + 1, EVERY_MS)
    ]
    hand_in(
        card_of(
            history_of(floor, [*traffic.asked(), *ticks]),
            promise="G12",
            experiment="clocks of workers and clients set",
            store="Redis",
            began=traffic.began,
            faults={kind: kinds.count(kind) for kind in sorted(set(kinds))},
            note=f"{len(ticks)} ticks, one job each",
        )
    )


def _tick(at: int) -> str:
    return str(UUID(bytes=ids.of_tick("beat", at)))


@pytest.mark.soak
@pytest.mark.parametrize("store", ["SQLite", "Redis"])
def test_the_clock_of_the_store(tmp_path: Path, stack: ExitStack, store: str) -> None:
    """G11: leases end when it jumps ahead; when it jumps back, time goes on, at half speed.

    On SQLite it is the host's, so it is everybody's: here all but the driver's, who only looks.
    Nothing is lost, a job begins again only about a jump, and ticks go on after each.
    """
    chance = random.Random(seed())
    clock = Clock(tmp_path, "clock")
    url, environ = f"sqlite:///{tmp_path}/jobs.db", clock.environ
    if store == "Redis":
        server = stack.enter_context(Server(patience=PATIENCE, environ=environ))
        url, environ = server.url(), {}
    floor = Floor(tmp_path, url).short_lease()
    stack.callback(floor.close)
    traffic = Traffic(floor)
    floor.jobs.schedule("beat", every=EVERY_MS / 1000, handler="on_loop", args={"seconds": 0})
    staff = [traffic.work(**environ) for _ in range(2)]
    producers = [traffic.produce(DELAYS=DELAYS, **environ) for _ in range(2)]
    traffic.running()
    for _ in range(scale(6, 300)):
        with traffic.harm("clock"):
            kind = clock.jump(chance)
        traffic.faults[-1] = traffic.faults[-1]._replace(kind=kind)
        _ticks_go_on(traffic)
        time.sleep(chance.uniform(0.0, 1.0))
    for one in producers:
        one.terminate()
        assert one.wait(PATIENCE) == 0, floor.log()
    floor.jobs.pause_schedule("beat")
    eventually(f"nothing is left\n{floor.log()}", traffic.is_empty, patience=PATIENCE)
    stop(floor, staff)
    asked = [one._replace(not_before=0.0) for one in traffic.asked()]
    ticks = [Asked(id, 0.0) for id in _ticked(traffic)]
    hand_in(
        card_of(
            history_of(floor, [*asked, *ticks, *traffic.faults]),
            promise="G11",
            experiment="clock of the store set",
            store=store,
            began=traffic.began,
            note=f"{len(ticks)} ticks, none twice",
        )
    )


def _ticked(traffic: Traffic) -> set[str]:
    """Jobs that began, nobody asked for, and that bear the id of a tick."""
    others = {line.job for line in traffic.floor.lines()} - {one.job for one in traffic.asked()}
    return {id for id in others if id == _tick(UUID(id).int >> 80)}


def _ticks_go_on(traffic: Traffic) -> None:
    """Some have been fired since now."""
    before = len(_ticked(traffic))
    eventually(
        f"ticks go on\n{traffic.floor.log()}",
        lambda: len(_ticked(traffic)) >= before + 2,
        patience=PATIENCE,
    )
