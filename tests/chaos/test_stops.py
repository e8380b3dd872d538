"""Workers that are told to stop, and workers that stand still for longer than their lease."""

from __future__ import annotations

import random
import signal
import time
from itertools import pairwise

import msgspec
import pytest

from tests.chaos.card import hand_in, scale, seed
from tests.chaos.traffic import CANCELS, Traffic, told_of
from tests.chaos.witness import PATIENCE, card_of, history_of, is_there, now, plain, stop, store_of
from tests.processes.conftest import SHORT_LEASE_MS, Floor
from tests.proof.history import Asked, Began, Ended, Event, Fault, History
from tests.waiting import Pressure, Stopwatch, eventually

pytestmark = pytest.mark.soak

SHUTDOWN_MS = 500
AT_ONCE = "10"
SOON_MS = 1_000
"""How long a worker that stood still may go on with what it held: until it has heard of its lease."""
LONGER = 1.0
"""Seconds: how long after its timeout a worker may be there, and after its end what it gave back wait."""


def test_workers_told_to_stop(floor: Floor) -> None:
    """G9: SIGTERM at a random moment; what ends in time runs once, the rest is released at once.

    At once is not when the lease of two seconds is over, and each worker is gone a second after its
    timeout.
    """
    chance, began, pressure = random.Random(seed()), time.monotonic(), Pressure()
    floor.environ["BOUNDARY_JOBS_WORKERS_SHUTDOWN_TIMEOUT"] = str(SHUTDOWN_MS)
    seen: list[Event] = []
    exits: list[float] = []
    staff = [floor.worker("--concurrency", AT_ONCE) for _ in range(2)]
    for _ in range(scale(20, 1_000)):
        place = chance.randrange(2)
        for one in staff:  # the other one, too: who else would take what is given back?
            is_there(floor, one)
        seen += [_ask(floor, chance) for _ in range(12)]
        time.sleep(chance.uniform(0.0, 0.3))
        pressure.note()
        at, watch, asked = now(), Stopwatch(), time.monotonic()
        staff[place].terminate()
        assert staff[place].wait(PATIENCE) == 0, floor.log()
        took = watch.took()
        exits.append(time.monotonic() - asked)
        pressure.note()
        over = now()
        assert took <= SHUTDOWN_MS / 1000 + LONGER, f"{took:.2f} s until its end\n{floor.log()}"
        seen.append(Fault("sigterm", str(staff[place].pid), at, over))
        staff[place] = floor.worker("--concurrency", AT_ONCE)
    jobs = sum(isinstance(one, Asked) for one in seen)
    eventually(
        f"all jobs are completed\n{floor.log()}",
        lambda: floor.jobs.stats().total_succeeded >= jobs,
        patience=PATIENCE,
    )
    stop(floor, staff)
    pressure.note()
    history = history_of(floor, seen)
    given_back = [pressure.took(over / 1000, at / 1000) for over, at in given_back_in(history)]
    card = card_of(
        history,
        promise="G9",
        experiment="workers told to stop",
        store=store_of(floor),
        began=began,
        note=(
            f"slowest exit {max(exits):.2f} s, of a timeout of {SHUTDOWN_MS / 1000} s; "
            f"{len(given_back)} jobs given back while they ran"
        ),
    )
    twice = _again_though_ended(history)
    hand_in(msgspec.structs.replace(card, unexplained=card.unexplained + len(twice)))
    assert given_back, "some took longer than the timeout"
    assert max(given_back) <= LONGER, f"seconds until they began again: {given_back}"


def _ask(floor: Floor, chance: random.Random) -> Asked:
    """A job that mostly ends within the timeout; on the loop, where it can be stopped."""
    args = {"seconds": chance.choice((0.0, 0.05, 0.2, 0.2, 1.5))}
    asked = now()
    job = floor.jobs.enqueue("on_loop", args)
    return Asked(str(job.id), asked, payload=plain(args))


def given_back_in(history: History) -> list[tuple[float, float]]:
    """For each run that a stop cut short: when its worker was gone, and when the job began again."""
    gone = {one.by: one.until for one in history.events if isinstance(one, Fault) and one.by != "*"}
    ended = {(one.job, one.token) for one in history.events if isinstance(one, Ended)}
    runs: dict[str, list[Began]] = {}
    for one in history.events:
        if isinstance(one, Began):
            runs.setdefault(one.job, []).append(one)
    return [
        (gone[first.by], then.at)
        for both in runs.values()
        for first, then in pairwise(both)
        if first.by in gone and (first.job, first.token) not in ended
    ]


def _again_though_ended(history: History) -> list[str]:
    """Jobs that began once more, though a worker that ended in order had run them to their end."""
    stopped = {one.by for one in history.events if isinstance(one, Fault) and one.kind == "sigterm"}
    lost = [one for one in history.events if isinstance(one, Fault) and one.by == "*"]
    ends: dict[str, float] = {}
    again: list[str] = []
    for one in history.events:
        if isinstance(one, Ended) and one.by in stopped:
            ends[one.job] = one.at
        elif isinstance(one, Began) and one.job in ends:
            lease = any(fault.at <= one.at and ends[one.job] <= fault.until for fault in lost)
            again += [] if lease else [one.job]
    return again


def test_workers_that_stand_still(floor: Floor) -> None:
    """G8: SIGSTOP for longer than the lease, then SIGCONT; what they hand in then is refused."""
    chance = random.Random(seed())
    traffic = Traffic(floor, cancels=CANCELS)
    staff = [traffic.work() for _ in range(2)]
    producers = [traffic.produce(0.02)]
    traffic.running()
    for _ in range(scale(6, 300)):
        victim = chance.choice(staff)
        at = now()
        floor.pause(victim)
        time.sleep(SHORT_LEASE_MS / 1000 * chance.uniform(1.2, 2.5))
        victim.send_signal(signal.SIGCONT)
        traffic.faults.append(Fault("pause", str(victim.pid), at, now()))
        traffic.goes_on(PATIENCE, victim.pid)
    for one in producers:
        one.terminate()
        assert one.wait(PATIENCE) == 0, floor.log()
    eventually(f"nothing is left\n{floor.log()}", traffic.is_empty, patience=PATIENCE)
    stop(floor, staff)
    history = history_of(floor, [*traffic.asked(), *traffic.stopped(), *traffic.faults])
    hand_in(
        card_of(
            history._replace(bounds=history.bounds._replace(overlap=SOON_MS)),
            promise="G8",
            experiment="workers stopped past their lease",
            store=store_of(floor),
            began=traffic.began,
            note=told_of(traffic.stopped()),
        )
    )
