"""Workers and clients that are killed at any moment: nothing is lost, every extra start explained."""

from __future__ import annotations

import random
import time

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
from tests.processes.conftest import Floor
from tests.proof.history import Asked, Event
from tests.waiting import eventually

WORKERS = 2
AT_ONCE = "10"
pytestmark = pytest.mark.soak


def test_killed_workers(floor: Floor) -> None:
    """G1, G5, G7: SIGKILL at a random moment, among jobs of a few milliseconds; 100 or 10,000."""
    chance, began = random.Random(seed()), time.monotonic()
    kills = scale(100, 10_000)
    seen: list[Event] = []
    staff = [floor.worker("--concurrency", AT_ONCE) for _ in range(WORKERS)]
    for _ in range(kills):
        seen += [_ask(floor, chance) for _ in range(8)]
        place = chance.randrange(WORKERS)
        victim = staff[place]
        is_there(floor, victim)
        time.sleep(chance.uniform(0.0, 0.1))
        seen.append(kill(victim))
        staff[place] = floor.worker("--concurrency", AT_ONCE)
    eventually(
        f"all jobs are completed\n{floor.log()}",
        lambda: floor.jobs.stats().total_succeeded >= kills * 8,
        patience=PATIENCE,
    )
    stop(floor, staff)
    history = history_of(floor, seen)
    hand_in(
        card_of(
            history,
            promise="G1",
            experiment="workers killed among their jobs",
            store=store_of(floor),
            began=began,
        )
    )


def _ask(floor: Floor, chance: random.Random) -> Asked:
    args = {"seconds": chance.uniform(0.0, 0.04)}
    asked = now()
    job = floor.jobs.enqueue(chance.choice(("on_loop", "in_thread")), args)
    return Asked(str(job.id), asked, payload=plain(args))


ENQUEUE = """
import sys
from tests.processes.tasks import jobs, on_loop
first, many = int(sys.argv[1]), int(sys.argv[2])
for number in range(first, first + 1_000_000, many):
    ids = [f"00000000-0000-7000-8000-{one:012x}" for one in range(number, number + many)]
    if many == 1:
        jobs.enqueue("on_loop", {"seconds": 0.0}, job_id=ids[0])
    else:
        jobs.enqueue_many(jobs.draft("on_loop", {"seconds": 0.0}, {"job_id": id}) for id in ids)
    print(*ids, flush=True)
"""
"""A client: what it prints, it was told is stored."""

SPAN = 1_000_000


def test_killed_clients(floor: Floor) -> None:
    """G2: SIGKILL while they enqueue, one by one or in batches; 50 or 10,000.

    What a client was told is stored, is; asking for it again, with what came after, whose fate
    nobody knows, makes no job twice.
    """
    chance, began = random.Random(seed()), time.monotonic()
    seen: list[Event] = []
    staff = [floor.worker("--concurrency", AT_ONCE) for _ in range(WORKERS)]
    for number in range(scale(50, 10_000)):
        first, many = number * SPAN, chance.choice((1, 1, 7))
        client = floor.python("-c", ENQUEUE, str(first), str(many))
        assert client.stdout is not None
        at = now()
        told = [client.stdout.readline() for _ in range(chance.randint(1, 12))]
        time.sleep(chance.uniform(0.0, 0.01))
        seen.append(kill(client))
        told += [line for line in client.stdout.read().splitlines(keepends=True) if b"\n" in line]
        client.stdout.close()
        known = b"".join(told).decode().split()
        assert len(known) >= many, floor.log()
        again = [*chance.sample(known, min(3, len(known))), *_next(first, len(known), many)]
        seen += [_asked(id, at) for id in known]
        for id in again:
            floor.jobs.enqueue("on_loop", {"seconds": 0.0}, job_id=id)
        seen += [_asked(id, at) for id in again]
    jobs = {one.job for one in seen if isinstance(one, Asked)}
    eventually(
        f"all jobs are completed\n{floor.log()}",
        lambda: floor.jobs.stats().total_succeeded >= len(jobs),
        patience=PATIENCE,
    )
    stop(floor, staff)
    history = history_of(floor, seen)
    hand_in(
        card_of(
            history,
            promise="G2",
            experiment="clients killed while they enqueue",
            store=store_of(floor),
            began=began,
        )
    )


def _next(first: int, known: int, many: int) -> list[str]:
    """The ids whose fate nobody knows: those that the client was enqueuing when it died."""
    start = first + known
    return [f"00000000-0000-7000-8000-{one:012x}" for one in range(start, start + many)]


def _asked(id: str, at: float) -> Asked:
    return Asked(id, at, payload=plain({"seconds": 0.0}))
