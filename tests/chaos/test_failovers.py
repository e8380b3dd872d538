"""A master that dies or is replaced, and slots that move, under real clients and workers.

Enqueues are acknowledged once a replica has them too. What a failover makes a master forget are
claims and outcomes: their jobs run again, which is a reason, and none of them is lost, for which
there is none.
"""

from __future__ import annotations

import bisect
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from boundary.jobs import Jobs
from boundary.jobs.shell.adapters.redis.keys import slot
from devservers import wire
from devservers.cluster import Cluster
from devservers.sentinel import Sentinels
from devservers.single import Server
from devservers.waiting import until
from tests.chaos.card import Card, hand_in, scale
from tests.chaos.traffic import Traffic
from tests.processes.conftest import Floor
from tests.proof.checker import check
from tests.proof.history import Asked, Began, Event, Fault, History, RolledBack
from tests.waiting import eventually

pytestmark = pytest.mark.long

PARTITIONS = 3
REPLICAS = 2
"""All there are: with fewer, one that is promoted may lack what another has acknowledged."""
TIMEOUT_MS = "1000"
AFTER_MS = 5_000
"""How long after a fault a pause of work is held to be its doing."""


def traffic_on(folder: Path, url: str, stack: ExitStack, **redis: Any) -> Traffic:
    """Two workers and two producers, all at work."""
    floor = Floor(folder, url).short_lease()
    stack.callback(floor.close)
    floor.jobs = Jobs(url, config={"redis": redis})
    traffic = Traffic(floor)
    named = {f"BOUNDARY_JOBS_REDIS_{key.upper()}": str(value) for key, value in redis.items()}
    floor.environ.update({"BOUNDARY_JOBS_REDIS_TIMEOUT": TIMEOUT_MS, **named})
    for _ in range(2):
        traffic.work()
        traffic.produce()
    traffic.running()
    return traffic


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def follows(server: Server) -> bool:
    """Whether it is a replica that has all its master has."""
    said = wire.call(server.socket, "ROLE")
    return bool(said[0] == "slave" and said[3] == "connected")


def by_death(made: Sentinels, old: Server) -> None:
    """It stays dead until a replica has taken its place."""
    assert made.master is old
    made.failover(kill=True)


def by_command(made: Sentinels, old: Server) -> None:
    """The old master takes writes until a sentinel makes it a replica; they are forgotten then."""
    made.failover()
    until(lambda: follows(old), "the old master knows", 20)


@pytest.mark.timeout(7_200)
def test_a_failover_loses_nothing_that_was_acknowledged(tmp_path: Path, stack: ExitStack) -> None:
    """G4: masters are killed and replaced in turn."""
    made = stack.enter_context(Sentinels())
    hosts = ",".join(f"{host}:{port}" for host, port in made.sentinels)
    url = f"redis+sentinel://{hosts}/{made.master_name}/0"
    traffic = traffic_on(tmp_path, url, stack, durability="replicated", replicas=REPLICAS)
    ways = {"master killed": by_death, "master replaced": by_command}
    for kind in itertools.islice(itertools.cycle(ways), scale(3, 120)):
        old = made.master
        with traffic.harm(kind):
            ways[kind](made, old)
        if kind == "master killed":
            old.restart()
            until(lambda old=old: follows(old), "it follows the new master", 20)
        works(traffic)
    traffic.drain(60)
    hand_in(card(traffic, "failovers under load, replicated", "Sentinel"))


@pytest.mark.timeout(7_200)
def test_a_cluster_loses_nothing_that_was_acknowledged(tmp_path: Path, stack: ExitStack) -> None:
    """G4: a partition's master is killed, and its slot moves, while work goes on."""
    made = stack.enter_context(Cluster(replicas=1))
    url = "redis+cluster://" + ",".join(f"{host}:{port}" for host, port in made.nodes)
    traffic = traffic_on(
        tmp_path, url, stack, durability="replicated", replicas=1, partitions=PARTITIONS
    )
    for number in range(scale(2, 80)):
        place = slot("jobs", number % PARTITIONS)
        old = made.owner(place)
        with traffic.harm("master killed"):
            made.failover(place)
        made.rejoin(old)
        works(traffic)
        place = slot("jobs", (number + 1) % PARTITIONS)
        target = next(each for each in made.masters if each is not made.owner(place))
        with traffic.harm("slot moved"):
            made.move_slot(place, target)
        works(traffic)
    traffic.drain(60)
    hand_in(card(traffic, "masters killed and slots moved under load, replicated", "Cluster"))


def works(traffic: Traffic) -> None:
    """Every worker has begun something, and something was acknowledged, from now on."""
    stored = len(acknowledged(traffic.asked()))
    for worker in traffic.workers:
        traffic.goes_on(30, worker.pid)
    eventually("enqueues go on", lambda: len(acknowledged(traffic.asked())) > stored, 30)


def acknowledged(asked: list[Asked]) -> list[str]:
    return [one.job for one in asked if one.known]


def card(traffic: Traffic, experiment: str, store: str) -> Card:
    """The card of failovers: what a master forgot may run again, and must not be gone."""
    history, _ = traffic.judged()
    kept = {one.job for one in history.kept}
    gone = [job for job in acknowledged(traffic.asked()) if job not in kept]
    verdict = check(with_forgotten(history, traffic.faults))
    if gone or verdict.violations:
        print(f"acknowledged and gone: {gone[:20]}\n{verdict}")
    told = f"producers were told {dict(traffic.errors())}"
    return Card(
        promise="G4",
        experiment=experiment,
        store=store,
        faults=traffic.counted(),
        jobs=len(acknowledged(traffic.asked())),
        lost=len(gone) + sum(one.kind in {"lost", "unfinished"} for one in verdict.violations),
        unexplained=sum(one.kind not in {"lost", "unfinished"} for one in verdict.violations),
        worst_recovery=max(pause(history, one) for one in traffic.faults),
        seconds=round(time.monotonic() - traffic.began, 1),
        note=told,
    )


def with_forgotten(history: History, faults: list[Fault]) -> History:
    """What was claimed or ended in a failover, one of two masters may have forgotten.

    Which of them a run belongs to, a journal does not say: each that began meanwhile is taken to
    have begun anew.
    """
    starts = [one for one in history.events if isinstance(one, Began)]
    often = {job for job, times in Counter(one.job for one in starts).items() if times > 1}
    cuts: list[Event] = []
    for fault in faults:
        within = [
            one.at for one in starts if fault.at <= one.at <= fault.until and one.job in often
        ]
        cuts += [RolledBack(at - 0.001, fault.at) for at in within]
        cuts.append(RolledBack(fault.until, fault.at))
    return history._replace(events=sorted([*history.events, *cuts], key=lambda one: one.at))


def pause(history: History, fault: Fault) -> float:
    """Seconds without a job that began, around a fault, at the longest."""
    starts = sorted(one.at for one in history.events if isinstance(one, Began))
    first = bisect.bisect_left(starts, fault.at) - 1
    last = bisect.bisect_right(starts, fault.until + AFTER_MS)
    around = starts[max(first, 0) : last + 1]
    return round(max((b - a for a, b in itertools.pairwise(around)), default=0.0) / 1000, 2)
