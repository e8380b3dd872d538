"""Handlers in native code that keep the GIL for longer than the lease: not even a heart can beat."""

from __future__ import annotations

import random

import pytest

from tests.chaos.card import hand_in, scale, seed
from tests.chaos.traffic import CANCELS, Traffic, told_of
from tests.chaos.witness import PATIENCE, card_of, history_of, now, plain, stop, store_of
from tests.processes.conftest import SHORT_LEASE_MS, Floor, Line
from tests.proof.history import Asked, Fault
from tests.waiting import eventually

pytestmark = pytest.mark.soak

PROGRAM = ("-m", "boundary.jobs", "worker", "tests.chaos.holders")
SOON_MS = 1_000
"""How long the worker may go on with what it held, once it has the GIL again."""


def test_handlers_that_keep_the_gil(floor: Floor) -> None:
    """G8: another worker takes the job over and ends it; what the first hands in then is refused."""
    chance = random.Random(seed())
    traffic = Traffic(floor, cancels=CANCELS)
    staff = [traffic.work(program=PROGRAM) for _ in range(2)]
    traffic.produce(0.02)
    traffic.running()
    seen: list[Asked] = []
    for _ in range(scale(5, 300)):
        seconds = chance.choice((3, 4, 5))
        assert seconds * 1000 > SHORT_LEASE_MS
        args, at = {"seconds": seconds}, now()
        made = floor.jobs.enqueue("holds_the_gil", args)
        job = str(made.id)
        seen.append(Asked(job, at, payload=plain(args)))
        first, then = eventually(
            f"another worker runs it too\n{floor.log()}",
            lambda job=job: two(lines_of(floor, job, "start")),
            patience=PATIENCE,
        )
        assert first.pid != then.pid
        over = eventually(
            "its first worker has the GIL again",
            lambda job=job, pid=first.pid: [
                one for one in lines_of(floor, job, "end") if one.pid == pid
            ],
            patience=PATIENCE,
        )
        traffic.faults.append(Fault("block", str(first.pid), first.at, over[0].at))
        assert floor.jobs.result(made.id, timeout=PATIENCE) == then.token
        traffic.goes_on(PATIENCE, first.pid)
    for one in traffic.producers:
        one.terminate()
        assert one.wait(PATIENCE) == 0, floor.log()
    eventually(f"nothing is left\n{floor.log()}", traffic.is_empty, patience=PATIENCE)
    stop(floor, staff)
    history = history_of(floor, [*traffic.asked(), *traffic.stopped(), *seen, *traffic.faults])
    hand_in(
        card_of(
            history._replace(bounds=history.bounds._replace(overlap=SOON_MS)),
            promise="G8",
            experiment="handlers that keep the GIL past their lease",
            store=store_of(floor),
            began=traffic.began,
            note=told_of(traffic.stopped()),
        )
    )


def lines_of(floor: Floor, job: str, phase: str) -> list[Line]:
    return [one for one in floor.lines() if (one.job, one.phase) == (job, phase)]


def two(runs: list[Line]) -> list[Line]:
    """The first two, once there are two."""
    return runs[:2] if len(runs) > 1 else []
