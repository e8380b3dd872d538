"""A repair while workers go on: it finds nothing at fault, and no job runs twice.

Jobs fail, retry, snooze, are cancelled and come in meanwhile, from other threads.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from boundary.jobs import Jobs, RetryPolicy, Snooze
from boundary.jobs.core.operations import Repair
from tests.waiting import eventually
from tests.worker.conftest import working

TOTAL = 6_000
_numbers = itertools.count()


@pytest.fixture(params=["sqlite", "redis"])
def jobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Jobs]:
    """A fresh store, under the real clock."""
    url = f"sqlite:///{tmp_path}/jobs.db"
    if request.param == "redis":
        url = str(request.getfixturevalue("redis_url"))
    with Jobs(url, namespace=f"mending{next(_numbers)}") as made:
        yield made


def test_a_repair_while_workers_go_on(jobs: Jobs) -> None:
    ran: Counter[int] = Counter()

    @jobs.handler(max_retries=1, retry=RetryPolicy(initial_delay=0.01))
    async def step(number: int) -> None:
        ran[number] += 1
        if ran[number] == 1 and number % 7 == 0:
            raise ValueError("once more")
        if ran[number] == 1 and number % 11 == 0:
            raise Snooze(0.01)

    def enqueue() -> None:
        for start in range(0, TOTAL, 100):
            jobs.enqueue_many(step.job(number) for number in range(start, start + 100))

    faults: Counter[str] = Counter()
    looked, passes = 0, 0
    backend = jobs.store.blocking()
    with ExitStack() as stack:
        stack.callback(backend.close)
        client = threading.Thread(target=enqueue)
        client.start()
        stack.callback(client.join)
        eventually("some jobs are there", lambda: jobs.stats().queues)
        for _ in range(2):
            stack.enter_context(working(jobs, concurrency=20))
        cursor = None
        while client.is_alive() or sum(ran.values()) < TOTAL or passes < 1:
            reply = backend.execute(Repair(cursor, 100))
            faults.update(dict(reply.amiss))
            looked, cursor = looked + reply.looked, reply.cursor
            passes += cursor is None
        eventually(
            "all have ended",
            lambda: (
                not any(row.size or row.running or row.scheduled for row in jobs.stats().queues)
            ),
        )
    assert faults == Counter()
    assert looked > 0
    twice = {number for number in range(TOTAL) if number % 7 == 0 or number % 11 == 0}
    assert [n for n in range(TOTAL) if ran[n] != (2 if n in twice else 1)] == []
