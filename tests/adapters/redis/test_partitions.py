"""Several partitions: every job in one of them, none lost, none twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from msgspec.structs import replace

from boundary.jobs.core import operations as ops
from boundary.jobs.core.wire import NewJob
from boundary.jobs.ports import Backend
from boundary.jobs.shell.adapters.redis import RedisStore
from boundary.jobs.shell.adapters.redis.keys import partition_of
from boundary.jobs.shell.adapters.redis.plans import enqueuing, schedules
from boundary.jobs.shell.settings import RedisSettings
from boundary.jobs.testing import FakeClock
from boundary.jobs.testing.contract.words import new
from devservers.cluster import Cluster
from devservers.single import Server
from tests.waiting import PATIENCE, eventually

PARTITIONS = 3
JOBS = 300
_numbers = count()


@pytest.fixture(scope="module", params=["single", "cluster"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "single":
        with Server() as server:
            yield server.url()
        return
    with Cluster() as cluster:
        yield "redis+cluster://" + ",".join(f"{host}:{port}" for host, port in cluster.nodes)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def door(url: str, clock: FakeClock) -> Iterator[Backend]:
    settings = RedisSettings(timeout=60_000, partitions=PARTITIONS)
    namespace = f"p{next(_numbers)}"
    backend = RedisStore.of(url, settings, namespace=namespace, clock=clock).blocking()
    yield backend
    backend.close()


def jobs(number: int = JOBS, **fields: Any) -> tuple[NewJob, ...]:
    return tuple(replace(new(f"j{at:04}"), **fields) for at in range(number))


def fill(door: Backend, **fields: Any) -> set[bytes]:
    made = jobs(**fields)
    for start in range(0, len(made), ops.ENQUEUE_BATCH):
        reply = door.execute(ops.Enqueue(made[start : start + ops.ENQUEUE_BATCH]))
        assert all(reply.fresh)
    return {job.id for job in made}


def join(door: Backend, worker: str) -> None:
    assert door.execute(ops.Heartbeat(worker, 30_000, b"", join=True)).alive


def test_a_limit_of_a_queue_holds_over_all_partitions(door: Backend) -> None:
    fill(door)
    join(door, "w1")
    limits = (("default", 5), ("other", 1))
    assert len(door.execute(ops.Claim("w1", None, 50, 30_000, limits=limits)).jobs) == 5
    assert len(door.execute(ops.Claim("w1", None, 3, 30_000, limits=limits)).jobs) == 3
    none = (("default", 0),)
    assert door.execute(ops.Claim("w1", None, 50, 30_000, limits=none)).jobs == ()


def test_jobs_are_spread_claimed_once_and_settled(door: Backend) -> None:
    ids = fill(door)
    assert {partition_of(id, PARTITIONS) for id in ids} == set(range(PARTITIONS))
    for worker in ("w1", "w2"):
        join(door, worker)
    held: dict[str, list[Any]] = {"w1": [], "w2": []}
    for turn in range(40):
        worker = ("w1", "w2")[turn % 2]
        claimed = door.execute(ops.Claim(worker, None, 20, 30_000))
        assert len(claimed.jobs) <= 20
        held[worker] += claimed.jobs
    assert sorted(job.id for each in held.values() for job in each) == sorted(ids)
    for worker, records in held.items():
        for start in range(0, len(records), ops.BATCH):
            outcomes = tuple(
                ops.Outcome(one.id, one.token, "succeed", duration_ms=1.0)
                for one in records[start : start + ops.BATCH]
            )
            assert all(door.execute(ops.Settle(worker, outcomes)).accepted)
            assert not any(door.execute(ops.Settle(worker, outcomes)).accepted)
    (counted,) = door.execute(ops.Stats()).counters
    assert (counted.succeeded, counted.duration_ms) == (JOBS, float(JOBS))
    assert len(door.execute(ops.History("send_email", 1_000))) == JOBS


def test_outcomes_are_handed_in_and_jobs_claimed_in_one_operation(door: Backend) -> None:
    """Of a worker whose jobs are in several partitions, and of two workers' two halves."""
    ids = fill(door)
    join(door, "w1")
    held = door.execute(ops.Claim("w1", None, 9, 30_000)).jobs
    outcomes = tuple(ops.Outcome(one.id, one.token, "succeed", keep_ms=0) for one in held)
    again = ops.Claim("w1", None, 9, 30_000)
    settled, claimed = door.execute(ops.SettleAndClaim(ops.Settle("w1", outcomes), again))
    assert settled.accepted == (True,) * 9
    assert len({one.id for one in claimed.jobs} & ids) == 9
    assert not {one.id for one in claimed.jobs} & {one.id for one in held}


def test_pages_hold_everything_exactly_once(door: Backend) -> None:
    ids = fill(door)
    search = ops.Search(limit=17)
    found: list[bytes] = []
    while True:
        page = door.execute(search)
        found += [record.id for record in page.records]
        if page.cursor is None:
            break
        search = replace(search, cursor=page.cursor)
    assert len(found) == JOBS
    assert set(found) == ids


@pytest.mark.parametrize("below", [10**18, 2**64 - 1])
def test_a_cursor_above_every_seq_begins_with_the_newest(door: Backend, below: int) -> None:
    ids = fill(door)
    cursor = ".".join([str(below)] * PARTITIONS)
    for status in (None, "pending"):
        page = door.execute(ops.Search(status=status, limit=200, cursor=cursor))
        assert len(page.records) == 200
        assert {one.id for one in page.records} <= ids


def test_operators_reach_every_partition(door: Backend, clock: FakeClock) -> None:
    ids = tuple(sorted(fill(door)))
    assert door.execute(ops.Enqueue(jobs())).fresh == (False,) * JOBS
    assert all(door.execute(ops.Find(ids)))
    assert set(door.execute(ops.Cancel(ids[:30], None))) == {"done"}
    assert door.execute(ops.Delete(ids[30:60])) == (True,) * 30
    assert door.execute(ops.SetPaused("default", paused=True))
    join(door, "w1")
    assert door.execute(ops.Claim("w1", None, 10, 30_000)).jobs == ()
    assert door.execute(ops.SetPaused("default", paused=False))
    held = door.execute(ops.Claim("w1", None, 100, 1_000)).jobs
    assert len(held) == 100
    clock.advance(60)
    assert len(door.execute(ops.Reclaim(3, None, 1_000))) == 100
    gone = 0
    while some := door.execute(ops.Purge("default")):
        gone += some
    assert gone == JOBS - 60
    assert door.execute(ops.Stats()).loads == ()


def test_what_is_due_and_what_ticks_is_seen_from_everywhere(
    door: Backend, clock: FakeClock
) -> None:
    fill(door, delay_ms=1_000)
    tick = clock.now() + 500
    door.execute(
        ops.PutSchedule(ops.Schedule("beat", "send_email", "default", 2, b"", tick, every_ms=500))
    )
    join(door, "w1")
    assert door.execute(ops.Claim("w1", None, 10, 30_000)).next_due == tick
    clock.advance(0.5)
    (due,) = door.execute(ops.Claim("w1", None, 0, 30_000)).ticks
    assert due.next_at == tick
    for name in ("t0", "t1", "t2", "t3"):
        # Whichever partition the tick's job belongs to, the tick fires once.
        fire = ops.Fire("beat", tick, tick + 500, new(name))
        assert door.execute(fire) is True
        assert door.execute(fire) is False
        tick += 500
    clock.advance(1)
    ready = [door.execute(ops.Claim("w1", None, ops.BATCH, 30_000)).jobs for _ in range(2)]
    assert sum(map(len, ready)) == JOBS + 4


def test_a_tick_is_fired_by_one_of_many_workers_into_any_partition(
    door: Backend, clock: FakeClock
) -> None:
    """Also when each would make another job of it, as of a missed series seen at other moments."""
    first = clock.now()
    beat = ops.Schedule("beat", "send_email", "default", 2, b"", first, every_ms=500)
    assert door.execute(ops.PutSchedule(beat))
    fired: list[bytes] = []

    def work(worker: int) -> None:
        for tick in range(first, first + 40 * 500, 500):
            job = new(f"{worker}-{tick}")
            if door.execute(ops.Fire("beat", tick, tick + 500, job)):
                fired.append(job.id)
            wait_until_done(door, tick)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(fired) == 40
    assert {partition_of(id, PARTITIONS) for id in fired} == set(range(PARTITIONS))
    stored = door.execute(ops.Search(limit=200)).records
    assert sorted(one.id for one in stored) == sorted(fired)


def wait_until_done(door: Backend, tick: int) -> None:
    """Whoever fires it has finished."""

    def moved() -> bool:
        (one,) = door.execute(ops.Schedules())
        return one.next_at != tick

    eventually("the tick is done", moved)


def test_a_worker_that_dies_firing_into_another_partition_holds_the_tick_for_a_while(
    door: Backend, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick = clock.now()
    far = next(job for job in jobs() if partition_of(job.id, PARTITIONS) > 0)
    assert door.execute(
        ops.PutSchedule(ops.Schedule("beat", "t", "default", 2, b"", tick, every_ms=500))
    )
    fire = ops.Fire("beat", tick, tick + 500, far)

    def dies(*_: object) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(enqueuing, "enqueue", dies)
        with pytest.raises(KeyboardInterrupt):
            door.execute(fire)
    clock.advance((schedules.HOLD_MS - 1) / 1000)
    assert door.execute(fire) is False
    clock.advance(0.001)
    assert door.execute(fire) is True
    assert door.execute(ops.Find((far.id,)))[0] is not None
    assert door.execute(ops.RemoveSchedule("beat"))


def act(name: bytes, what: ops.What, target: str = "it") -> ops.Act:
    return ops.Act(name * 16, "ada", what, target, 60_000)


def test_an_act_in_several_partitions_is_one_and_is_undone_as_one(door: Backend) -> None:
    ids = tuple(sorted(fill(door)))
    cancelling, undoing = act(b"1", "cancel"), act(b"9", "undo")
    for start in range(0, JOBS, ops.BATCH):
        door.execute(ops.Cancel(ids[start : start + ops.BATCH], None, cancelling))
    assert door.execute(ops.SetPaused("default", True, act(b"2", "pause", "default")))
    pause, cancel = door.execute(ops.Audit())
    assert (pause.what, pause.count) == ("pause", 1)
    assert (cancel.what, cancel.count, cancel.id) == ("cancel", JOBS, cancelling.id)
    assert door.execute(ops.Audit(1)) == (pause,)
    assert door.execute(ops.Audit(1, before=pause.id)) == (cancel,)
    assert door.execute(ops.Undo(pause.id, undoing)) == ops.Undone("done", 1)
    restored, left = 0, 1
    while left:
        undone = door.execute(ops.Undo(cancel.id, undoing, 40))
        assert (undone.verdict, undone.skipped) == ("done", 0)
        restored, left = restored + undone.restored, undone.left
    assert restored == JOBS
    (load,) = door.execute(ops.Stats("default")).loads
    assert (load.ready, load.paused) == (JOBS, False)
    assert door.execute(ops.Undo(cancel.id, undoing)).verdict == "already"


def test_dead_letters_of_all_partitions_are_one_group(door: Backend, clock: FakeClock) -> None:
    fill(door)
    join(door, "w1")
    while held := door.execute(ops.Claim("w1", None, ops.BATCH, 30_000)).jobs:
        dead = tuple(ops.Outcome(one.id, one.token, "exhaust", cause="boom") for one in held)
        door.execute(ops.Settle("w1", dead))
    (group,) = door.execute(ops.Groups())
    assert (group.cause, group.count, group.queues) == ("boom", JOBS, ("default",))
    members = door.execute(ops.Members("boom", limit=250))
    assert len(set(members)) == 250
    delays = tuple(range(250))
    assert set(door.execute(ops.Retry(members, delays))) == {"done"}
    due = [one.due for one in door.execute(ops.Find(members[1:])) if one is not None]
    assert due == [clock.now() + delay for delay in delays[1:]]
    (left,) = door.execute(ops.Groups())
    assert left.count == JOBS - 250


def test_why_a_job_does_not_run_is_told_by_its_partition(door: Backend) -> None:
    ids = sorted(fill(door))
    join(door, "w1")
    held = door.execute(ops.Claim("w1", None, 30, 30_000)).jobs
    facts = door.execute(ops.Explain(ids[-1]))
    assert facts is not None
    (worker,) = facts.workers
    assert worker.held == len(held)
    assert len(worker.some) == ops.GLIMPSES
    assert 0 <= facts.ahead < JOBS
