"""A worker that waits has a job of its own process from the transaction that brought it."""

from __future__ import annotations

import asyncio
import functools
import itertools
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import pytest

from boundary.jobs import UsageError
from boundary.jobs.core.operations import Claim, Claimed, Enqueue, Enqueued, Find, Heartbeat, Topic
from boundary.jobs.core.wire import NewJob
from boundary.jobs.shell.adapters.sqlite import SqliteStore, notices
from boundary.jobs.shell.adapters.sqlite.backend import AsyncSqliteBackend
from boundary.jobs.shell.clock import SystemClock

LONG = 20.0
CLAIM = Claim("w1", None, 1, 30_000)


class Steps(SystemClock):
    """A second later whenever it is asked, as it is once in each transaction."""

    def __init__(self) -> None:
        self._steps = itertools.count(1_700_000_000_000, 1_000)

    def now(self) -> int:
        return next(self._steps)


def on_a_loop(
    test: Callable[[SqliteStore], Coroutine[None, None, None]],
) -> Callable[[SqliteStore], None]:
    """The test runs on a loop of its own."""

    @functools.wraps(test)
    def run(store: SqliteStore) -> None:
        asyncio.run(test(store))

    return run


def job(number: int, queue: str = "default") -> NewJob:
    return NewJob(number.to_bytes(16, "big"), "send", queue, 2, b"")


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "jobs.db", clock=Steps())


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One that runs when the test says so."""
    made = asyncio.new_event_loop()
    yield made
    for task in asyncio.all_tasks(made):
        task.cancel()
        made.run_until_complete(asyncio.wait({task}))
    made.close()


async def standing(
    store: SqliteStore, claim: Claim = CLAIM, timeout: float = LONG
) -> tuple[AsyncSqliteBackend, asyncio.Task[Claimed | None]]:
    """A worker's door, and its claim that stands."""
    door = store.asynchronous()
    await door.execute(Heartbeat(claim.worker, 30_000, b"", join=True))
    await door.claim_when_told(claim, 0)  # from here on notices count
    waiting = asyncio.ensure_future(door.claim_when_told(claim, timeout))
    await asyncio.sleep(0)
    return door, waiting


def status(store: SqliteStore, number: int) -> str:
    (found,) = store.blocking().execute(Find((job(number).id,)))
    assert found is not None
    return found.status


@on_a_loop
async def test_the_claim_is_in_the_transaction_of_the_enqueue(store: SqliteStore) -> None:
    door, waiting = await standing(store)
    enqueued = await asyncio.to_thread(store.blocking().execute, Enqueue((job(1),)))
    claimed = await waiting
    assert claimed is not None
    assert [one.id for one in claimed.jobs] == [job(1).id]
    assert claimed.now == enqueued.now == claimed.jobs[0].started
    assert status(store, 1) == "running"
    assert await door.claim_when_told(CLAIM, 0.05) is None, "nor was it told by its pipe as well"
    await door.close()


@on_a_loop
async def test_so_is_that_of_an_enqueue_on_the_same_loop(store: SqliteStore) -> None:
    door, waiting = await standing(store)
    producer = store.asynchronous()
    enqueued = await producer.execute(Enqueue((job(1),)))
    claimed = await waiting
    assert claimed is not None
    assert claimed.now == enqueued.now
    await producer.close()
    await door.close()


@on_a_loop
async def test_a_claim_of_other_queues_goes_on_standing(store: SqliteStore) -> None:
    door, waiting = await standing(store, Claim("w1", ("mail",), 1, 30_000))
    producer = store.blocking()
    producer.execute(Enqueue((job(1),)))
    assert status(store, 1) == "pending"
    enqueued = producer.execute(Enqueue((job(2), job(3, "mail"))))
    claimed = await waiting
    assert claimed is not None
    assert [one.id for one in claimed.jobs] == [job(3).id]
    assert claimed.now == enqueued.now
    await door.close()


@on_a_loop
async def test_of_two_workers_one_has_the_job_and_the_other_waits_on(store: SqliteStore) -> None:
    one, first = await standing(store)
    two, second = await standing(store, Claim("w2", None, 1, 30_000))
    store.blocking().execute(Enqueue((job(1),)))
    replies = [await first, await second]
    assert sorted(len(reply.jobs) for reply in replies if reply is not None) == [0, 1]
    await one.close()
    await two.close()


@on_a_loop
async def test_a_notice_from_elsewhere_is_kept_for_the_next_call(store: SqliteStore) -> None:
    door, waiting = await standing(store)
    store.blocking().execute(Enqueue((job(1),)))
    notices.tell(store.path.with_name("jobs.db-notices"), _ears(store), {Topic.WORK})
    claimed = await waiting
    assert claimed is not None
    assert claimed.jobs
    again = await door.claim_when_told(Claim("w1", None, 1, 30_000), LONG)
    assert again is not None
    assert again.jobs == ()
    await door.close()


def _ears(store: SqliteStore) -> list[str]:
    return notices.pipes(store.path.with_name("jobs.db-notices"))


@on_a_loop
async def test_an_enqueue_that_is_refused_costs_the_worker_nothing(store: SqliteStore) -> None:
    door, waiting = await standing(store)
    producer = store.blocking()
    with pytest.raises(UsageError, match="no store can"):
        producer.execute(Enqueue((job(1, "\ud800"),)))
    claimed = await waiting
    assert claimed is not None
    assert claimed.alive
    assert claimed.jobs == ()
    assert producer.execute(Enqueue((job(2),))) == Enqueued(claimed.now + 1_000, (True,))
    await door.close()


def test_a_loop_that_does_not_run_is_given_nothing(
    store: SqliteStore, loop: asyncio.AbstractEventLoop
) -> None:
    """Somebody ran it for a while only; the job is for whoever works."""
    _, waiting = loop.run_until_complete(standing(store))
    store.blocking().execute(Enqueue((job(1),)))
    assert status(store, 1) == "pending"
    claimed = loop.run_until_complete(waiting)
    assert claimed is not None
    assert claimed.jobs, "the notice is there when it runs again"


@on_a_loop
async def test_a_loop_that_is_held_up_is_given_nothing(store: SqliteStore) -> None:
    door, waiting = await standing(store, timeout=0.01)
    time.sleep(0.02)  # this is what holds it up
    store.blocking().execute(Enqueue((job(1),)))
    assert status(store, 1) == "pending"
    claimed = await waiting
    assert claimed is not None
    assert claimed.jobs, "it came by the pipe"
    await door.close()


@on_a_loop
async def test_a_worker_that_has_left_is_given_nothing(store: SqliteStore) -> None:
    door, waiting = await standing(store)
    waiting.cancel()
    await asyncio.wait({waiting})
    store.blocking().execute(Enqueue((job(1),)))
    assert status(store, 1) == "pending"
    await door.close()
