"""The power fails under an SQLite file, with all who use it, and under a Redis server alone."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import msgspec
import pytest

from boundary.jobs import Jobs
from devservers.single import Server
from tests.chaos.card import hand_in, scale, seed
from tests.chaos.power import Found, Power
from tests.chaos.traffic import Traffic
from tests.chaos.witness import PATIENCE, card_of, history_of, kill, now, plain, stop
from tests.processes.conftest import Floor
from tests.proof.history import Asked, Began, Event, History, RolledBack
from tests.waiting import eventually

pytestmark = pytest.mark.soak

WAIT = """
import sys
from tests.processes.tasks import jobs
number = int(sys.argv[1])
while True:
    number += 1
    id = f"00000000-0000-7000-8000-{number:012x}"
    print("asks", id, flush=True)
    jobs.enqueue("on_loop", {"seconds": 0.0}, job_id=id, priority="critical")
    print("stored", id, flush=True)
    jobs.result(id, timeout=60)
    print("ended", id, flush=True)
"""
"""A client that waits for each of its jobs, and prints what it has been told."""

SPAN = 1_000_000


class Told:
    """What clients were told before the power failed."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.ended: dict[str, float] = {}
        """Job → when the power failed after its end had been told."""

    def take(self, said: bytes, at: float) -> None:
        """All that one client printed."""
        words = [line.split() for line in said.decode().splitlines(keepends=True) if "\n" in line]
        known = {id for word, id in words if word == "stored"}
        for word, id in words:
            if word == "asks":
                yes = True if id in known else None
                self.asked.append(Asked(id, at, yes, plain({"seconds": 0.0})))
            elif word == "ended":
                self.ended[id] = at

    def undone(self, events: list[Event]) -> list[str]:
        """Jobs that began again though somebody had been told of their end."""
        return [
            one.job
            for one in events
            if isinstance(one, Began) and one.at > self.ended.get(one.job, one.at)
        ]


def test_power_fails_under_sqlite(tmp_path: Path) -> None:
    """G3: workers, producers and the file lose power together; what was acknowledged lasts.

    Claims are not flushed, so tokens of the last moment may be given again: a power cut is a
    reason for a job to begin once more, unless somebody was told of its end.
    """
    chance, began = random.Random(seed()), time.monotonic()
    power = Power(tmp_path / "disk", tmp_path / "logs")
    file = power.root / "jobs.db"
    floor = Floor(tmp_path, f"sqlite:///{file}").short_lease()
    try:
        traffic, told, cuts = Traffic(floor), Told(), list[Event]()
        floor.jobs.stats()
        for number in range(scale(5, 500)):
            floor.jobs.close()
            power.on()
            staff = [traffic.work(**power.environ) for _ in range(2)]
            producers = [traffic.produce(**power.environ) for _ in range(2)]
            waits = floor.python("-c", WAIT, str(number * SPAN), **power.environ)
            _work(traffic, 50)
            time.sleep(chance.uniform(0.0, 0.5))
            with traffic.harm("power cut"):
                for one in chance.sample([*staff, *producers, waits], 5):
                    kill(one)
                power.cut(chance, "sectors")
            cuts.append(RolledBack(now(), now()))
            told.take(_rest(waits), now())
            assert _is_whole(file)
            floor.jobs = Jobs(floor.url)
        staff = [floor.worker("--concurrency", "10")]
        _drain(traffic, floor)
        stop(floor, staff)
        history = history_of(floor, [*traffic.asked(), *traffic.faults, *told.asked, *cuts])
        card = card_of(
            history,
            promise="G3",
            experiment="power cut",
            store="SQLite",
            began=began,
            note=f"{len(told.ended)} outcomes that somebody had been told of stayed",
        )
        undone = told.undone(history.events)
        assert told.ended
        hand_in(msgspec.structs.replace(card, unexplained=card.unexplained + len(undone)))
    finally:
        floor.close()


def _work(traffic: Traffic, jobs: int) -> None:
    """So many have ended since now, and a client that waits has had its turn."""
    floor = traffic.floor
    before = len(floor.lines())
    eventually(
        f"there is work\n{floor.log()}",
        lambda: len(floor.lines()) >= before + 2 * jobs,
        patience=PATIENCE,
    )


def _rest(client: subprocess.Popen[bytes]) -> bytes:
    assert client.stdout is not None
    with client.stdout:
        return client.stdout.read()


def _is_whole(file: Path) -> bool:
    with contextlib.closing(sqlite3.connect(file)) as store:
        return store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def _drain(traffic: Traffic, floor: Floor) -> None:
    eventually(f"nothing is left\n{floor.log()}", traffic.is_empty, patience=PATIENCE)


HOW = {
    "stopped": ("everysec", "SIGTERM"),
    "killed, appendfsync always": ("always", "SIGKILL"),
    "killed, appendfsync everysec": ("everysec", "SIGKILL"),
    "power cut, appendfsync always": ("always", "power cut"),
    "power cut, appendfsync everysec": ("everysec", "power cut"),
    "power cut in a rewrite, appendfsync always": ("always", "power cut in a rewrite"),
    "power cut in a rewrite, appendfsync everysec": ("everysec", "power cut in a rewrite"),
}
SLOWLY_US = 50_000
"""For how long a rewrite of the log rests after each key, so that a cut can come in its middle."""


class Supplied:
    """A server with a power supply, and what each of its ends may have undone."""

    def __init__(self, power: Power, flushed: str) -> None:
        self.power = power
        self.flushed = flushed
        power.on()
        self.server = Server(
            f"dir {power.root}",
            "appendonly yes",
            f"appendfsync {flushed}",
            "auto-aof-rewrite-percentage 0",
            patience=PATIENCE,
            environ=power.environ,
        ).start()
        self.cuts: list[RolledBack] = []
        self.in_rewrites = 0
        self._safe = self._opened = now()

    def end(self, how: str, chance: random.Random) -> None:
        """It ends so, and is there again.

        With everysec, what it did after the last write of its log that was flushed (a power cut)
        or made (SIGKILL: while a flush is under way it answers before it writes) may be undone.
        """
        is_cut = how.startswith("power cut")
        if how == "SIGTERM":
            self.server.stop()
        elif how == "power cut in a rewrite":
            self._begin_rewrite(chance)
            self._kill_with_child()
        else:
            self.server.kill()
        found = self.power.cut(chance, "tail") if is_cut else self.power.looked_at()
        self.power.on()
        time.sleep(chance.uniform(0.0, 0.5))
        if self.flushed == "everysec" and how != "SIGTERM":
            # Only now: who has its last answers may be slow to read them, and to write it down.
            self.cuts.append(RolledBack(now(), self._lasting(found)))
        self.server.restart()
        self._safe = now()
        if is_cut:
            self._write_anew()

    def _lasting(self, found: list[Found]) -> float:
        """Until when everything lasts: in a rewrite there are two logs, each of which may lack its end."""
        logs = [one for one in found if one.path.name.endswith(".incr.aof")]
        torn = [one.flushed or self._opened for one in logs if one.gone]
        whole = max((one.flushed for one in logs), default=0.0)
        return max(self._safe, min(torn, default=whole))

    def _begin_rewrite(self, chance: random.Random) -> None:
        """The log is being written anew, for up to a second; some of these have come to their end."""
        self.server.call("CONFIG", "SET", "rdb-key-save-delay", SLOWLY_US)
        self._opened = now()
        self.server.call("BGREWRITEAOF")
        eventually("it begins", lambda: self._said("aof_rewrite_in_progress:1"), patience=PATIENCE)
        time.sleep(chance.uniform(0.0, 1.0))

    def _kill_with_child(self) -> None:
        """Power has failed for the server and for the process that writes the log anew."""
        self.in_rewrites += self._said("aof_rewrite_in_progress:1")
        main = self.server.process.pid
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        self.server.kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)

    def _said(self, what: str) -> bool:
        """Whether the server says so of how it writes things down."""
        return what in str(self.server.call("INFO", "persistence"))

    def _write_anew(self) -> None:
        """The server has written its log anew from what it has in memory.

        Where a cut goes through the middle of a script's writes, Redis and Valkey do not apply
        them, but leave their beginning in the file: the next restart but one would take it
        together with what follows (valkey-io/valkey#4342). docs/redis.md tells operators.
        """
        self.server.call("BGREWRITEAOF")

        def is_done() -> bool:
            assert self._said("aof_last_bgrewrite_status:ok")
            waits = ("aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0")
            return all(self._said(each) for each in waits)

        eventually("the log is written anew", is_done, patience=PATIENCE)


@pytest.mark.parametrize("how", HOW)
def test_a_redis_server_ends_and_comes_back(tmp_path: Path, how: str) -> None:
    """G3: workers and producers live on; what was acknowledged and had to last is there."""
    flushed, end = HOW[how]
    chance = random.Random(seed())
    supplied = Supplied(Power(tmp_path / "disk", tmp_path / "logs"), flushed)
    floor = Floor(tmp_path, supplied.server.url()).short_lease()
    try:
        traffic = Traffic(floor)
        staff = [traffic.work() for _ in range(2)]
        producers = [traffic.produce() for _ in range(2)]
        traffic.running()
        for _ in range(scale(3, 100)):
            _work(traffic, 50)
            time.sleep(chance.uniform(0.0, 2.0))
            with traffic.harm(end):
                supplied.end(end, chance)
        for one in producers:
            one.terminate()
            assert one.wait(PATIENCE) == 0, floor.log()
        _drain(traffic, floor)
        stop(floor, staff)
        asked = [one._replace(at=at) for one, at in traffic.acknowledged()]
        history = history_of(floor, [*asked, *traffic.faults, *supplied.cuts])
        card = card_of(
            history,
            promise="G3",
            experiment=f"server {how}",
            store="Redis",
            began=traffic.began,
            note=_undone(history, supplied.cuts) if supplied.cuts else "",
        )
        if end == "power cut in a rewrite":
            assert supplied.in_rewrites, "the power failed in the middle of one"
        hand_in(card)
    finally:
        floor.close()
        supplied.server.close()


def _undone(history: History, cuts: list[RolledBack]) -> str:
    """How much that was acknowledged is gone, in words."""
    kept = {one.job for one in history.kept}
    asked = [one for one in history.events if isinstance(one, Asked)]
    gone = [one.at for one in asked if one.known and one.job not in kept]
    ages = [min(cut.at - at for cut in cuts if cut.at >= at) / 1000 for at in gone]
    oldest = f", the oldest {max(ages):.1f} s old" if ages else ""
    return f"{len(gone)} acknowledged jobs were gone{oldest}, none that had to last"
