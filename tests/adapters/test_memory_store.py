"""The memory store under many threads and event loops at once."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from boundary.jobs.core.operations import (
    Claim,
    Enqueue,
    Interest,
    Outcome,
    Settle,
    Stats,
    Time,
    Topic,
)
from boundary.jobs.core.wire import NewJob
from boundary.jobs.shell.adapters.memory import MemoryStore
from boundary.jobs.shell.clock import SystemClock
from boundary.jobs.testing import FakeClock

JOBS = tuple(NewJob(number.to_bytes(16, "big"), "t", "default", 2, b"") for number in range(400))


def drain(store: MemoryStore, worker: str, start: Barrier) -> list[bytes]:
    """Claim and settle until nothing is left; the ids in order."""
    backend, done = store.blocking(), []
    start.wait()
    while jobs := backend.execute(Claim(worker, None, 3, 60_000, join=True)).jobs:
        ended = tuple(Outcome(one.id, one.token, "succeed") for one in jobs)
        assert all(backend.execute(Settle(worker, ended)).accepted)
        done += [one.id for one in jobs]
    return done


def test_threads_share_the_jobs_and_none_is_handed_out_twice() -> None:
    """S1, S66."""
    store, start = MemoryStore(), Barrier(8)
    for place in range(0, len(JOBS), 100):
        store.blocking().execute(Enqueue(JOBS[place : place + 100]))
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda name: drain(store, f"w{name}", start), range(8)))
    assert sorted(id for part in parts for id in part) == [one.id for one in JOBS]
    (counters,) = store.blocking().execute(Stats()).counters
    assert counters.succeeded == len(JOBS)


def test_an_event_loop_hears_of_what_threads_and_other_loops_do() -> None:
    store = MemoryStore()

    async def hear(ready: Barrier) -> bool:
        async with await store.asynchronous().listen(Interest(Topic.WORK)) as listener:
            await asyncio.to_thread(ready.wait)
            return await listener.wait(30)

    async def enqueue() -> None:
        await store.asynchronous().execute(Enqueue(JOBS[:1]))

    ready = Barrier(4)
    with ThreadPoolExecutor(3) as pool:
        ears = [pool.submit(asyncio.run, hear(ready)) for _ in range(3)]
        ready.wait()
        asyncio.run(enqueue())
        assert [ear.result() for ear in ears] == [True, True, True]


def test_an_ear_whose_loop_is_gone_does_not_disturb() -> None:
    store = MemoryStore()

    async def leave_it_open() -> None:
        await store.asynchronous().listen(Interest(Topic.WORK))

    asyncio.run(leave_it_open())
    with store.blocking().listen(Interest(Topic.WORK)) as listener:
        store.blocking().execute(Enqueue(JOBS[:1]))
        assert listener.wait(0)
    assert store.blocking().execute(Enqueue(JOBS[1:2])).fresh == (True,)


def test_only_those_who_asked_are_told() -> None:
    store = MemoryStore()
    with store.blocking().listen(Interest(Topic.RESULT)) as listener:
        store.blocking().execute(Enqueue(JOBS[:1]))
        assert not listener.wait(0)


def test_a_notice_that_came_after_the_time_was_up_is_not_lost() -> None:
    store = MemoryStore()

    async def scenario() -> None:
        backend = store.asynchronous()
        async with await backend.listen(Interest(Topic.WORK)) as listener:
            assert not await listener.wait(0)
            await backend.execute(Enqueue(JOBS[:1]))
            await backend.execute(Enqueue(JOBS[1:2]))
            assert await listener.wait(30)
            assert not await listener.wait(0)
            await backend.execute(Enqueue(JOBS[2:3]))
            assert await listener.wait(30)

    asyncio.run(scenario())


def test_its_time_is_the_systems_unless_told_otherwise() -> None:
    clock = SystemClock()
    before = clock.now()
    assert before <= MemoryStore().blocking().execute(Time()) <= clock.now()
    assert MemoryStore(FakeClock(5)).blocking().execute(Time()) == 5
    assert MemoryStore().url == "memory://"
