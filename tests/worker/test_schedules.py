"""Workers and ticks: each tick once, however many workers there are and whenever they die."""

from __future__ import annotations

import contextlib
import logging
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from boundary.jobs import BackendError, Context, Jobs
from boundary.jobs.core import schedules
from boundary.jobs.core.operations import (
    Claim,
    Fire,
    Outcome,
    PutSchedule,
    Schedule,
    Schedules,
    Search,
    Settle,
    Time,
)
from boundary.jobs.core.wire import Millis, millis
from boundary.jobs.ports import Backend
from boundary.jobs.shell import ids
from boundary.jobs.shell.adapters.memory import MemoryStore
from boundary.jobs.shell.registry import fires_of
from boundary.jobs.testing.clock import FakeClock
from tests.conftest import StoreUrl
from tests.waiting import eventually
from tests.worker.conftest import working

DAYS = 10_000 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 100
AMSTERDAM, LORD_HOWE = "Europe/Amsterdam", "Australia/Lord_Howe"
SPRING = datetime(2026, 2, 20, tzinfo=UTC)
"""The clocks change in Amsterdam on 29 March, on Lord Howe Island on 5 April."""


@pytest.fixture(params=["sqlite", "redis"])
def shared_url(request: pytest.FixtureRequest, store_url: StoreUrl) -> str:
    """A store that several processes can share."""
    return store_url(request.param)


def stored_ids(backend: Backend) -> list[bytes]:
    """The ids of all jobs."""
    found: list[bytes] = []
    cursor = None
    while True:
        page = backend.execute(Search(limit=200, cursor=cursor))
        found += [record.id for record in page.records]
        cursor = page.cursor
        if cursor is None:
            return found


def test_each_tick_once_with_several_workers_that_come_and_go(shared_url: str) -> None:
    """G11, on real stores: workers with connections of their own, stopped at once mid-way.

    One job for each tick. A worker that could not hand in what it ran before it left has its job
    run again, as any other; under one claim it runs once.
    """
    ran: list[tuple[UUID, int]] = []

    def record(ctx: Context) -> None:
        ran.append((ctx.job.id, ctx.fencing_token))

    @contextlib.contextmanager
    def worker() -> Iterator[None]:
        with Jobs(shared_url) as own:
            own.handler(name="tick")(record)
            with working(own):
                yield

    with Jobs(shared_url) as jobs:
        made = jobs.schedule("beat", every=0.05, handler="tick", misfire="all", misfire_cap=1_000)
        assert made.next_at is not None
        first = millis(made.next_at)
        with worker():
            with worker(), worker():
                eventually("ten ticks", lambda: len(ran) > 10)
            with worker(), worker(), worker():
                eventually("thirty ticks", lambda: len(ran) > 30)
        asleep = jobs.pause_schedule("beat")
        assert asleep is not None
        assert asleep.last_job is not None
        last = asleep.last_job.int >> 80  # a tick's id begins with its instant
        backend = jobs.store.blocking()
        expected = {ids.of_tick("beat", tick) for tick in range(first, last + 1, 50)}
        assert sorted(stored_ids(backend)) == sorted(expected)
        assert len(set(ran)) == len(ran)
        backend.close()


# Simulated days

RULES = (
    ("30 2 * * *", AMSTERDAM),
    ("*/20 * * * *", LORD_HOWE),
    ("0 8 * * mon-fri", "America/New_York"),
    ("15 1 * * *", LORD_HOWE),
    ("0 * * * *", "UTC"),
)


class Fleet:
    """Workers on one store that take turns, look late, and are killed between any two steps."""

    def __init__(self, store: MemoryStore, clock: FakeClock, chance: random.Random) -> None:
        self.backend = store.blocking()
        self.clock = clock
        self.chance = chance
        self.under_way: list[Iterator[Fire]] = []
        self.ran: list[bytes] = []

    def look(self) -> None:
        """One more worker learns what is due; what it makes of it happens bit by bit.

        It runs the jobs there are, and nothing is kept of these: one made twice runs twice.
        """
        claimed = self.backend.execute(Claim("w", ("q",), 500, 60_000, join=True))
        self.ran += [job.id for job in claimed.jobs]
        done = [Outcome(job.id, job.token, "succeed", keep_ms=0) for job in claimed.jobs]
        self.backend.execute(Settle("w", tuple(done)))
        skew = self.chance.choice([0, 0, -40, 40])
        for one in claimed.ticks:
            self.under_way.append(iter(fires_of(one, claimed.now + skew)))

    def step(self) -> None:
        """One of those under way takes a step, or is killed; the answer of one may be lost."""
        if not self.under_way:
            return
        place = self.chance.randrange(len(self.under_way))
        fire = next(self.under_way[place], None)
        fate = self.chance.random()
        if fire is None or fate < 0.01 or not self.backend.execute(fire) or fate > 0.99:
            del self.under_way[place]

    def drain(self) -> None:
        """Quiet comes: somebody fires whatever is due."""
        while True:
            before = len(self.ran)
            self.look()
            if not self.under_way and len(self.ran) == before:
                return
            for fires in self.under_way:
                for fire in fires:
                    self.backend.execute(fire)
            self.under_way.clear()


@pytest.mark.timeout(300 if DAYS == 100 else 7_200)
@pytest.mark.parametrize("seed", range(2))
def test_a_hundred_days_of_ticks_each_exactly_once(seed: int) -> None:
    """G11: kills at any step, daylight saving both ways, the clock set back, hours of downtime."""
    chance = random.Random(seed)
    start = SPRING if seed % 2 else datetime(2026, 9, 10, tzinfo=UTC)
    clock = FakeClock(start)
    store = MemoryStore(clock)
    fleet = Fleet(store, clock, chance)
    put: dict[str, Schedule] = {}
    for number, (cron, zone) in enumerate(RULES):
        first = schedules.first_tick(cron, None, zone, clock.now())
        one = Schedule(
            f"s{number}", "t", "q", 2, b"", first, cron, None, zone, "all", schedules.MOST
        )
        assert fleet.backend.execute(PutSchedule(one))
        put[one.name] = one
    end = clock.now() + DAYS * 86_400_000
    while clock.now() < end:
        clock.advance(chance.choice([1, 600, 1_800, 3_600, 3 * 3_600, 5 * 3_600, 30 * 3_600]))
        if chance.random() < 0.05:
            clock.set(clock.now() - 5_400_000)
        for _ in range(chance.choice([0, 1, 1, 2, 3])):
            fleet.look()
            for _ in range(chance.choice([1, 60, 400])):
                fleet.step()
    fleet.drain()
    now = fleet.backend.execute(Time())
    expected = [
        ids.of_tick(name, tick) for name, one in put.items() for tick in ticks_until(one, now)
    ]
    assert len(expected) > DAYS * 24 * 3
    assert sorted(fleet.ran) == sorted(expected)
    assert all(one.next_at > now for one in fleet.backend.execute(Schedules()) if one.next_at)


def ticks_until(one: Schedule, now: Millis) -> Iterator[Millis]:
    """Its ticks up to and with now."""
    for tick in schedules.upcoming(one):
        if tick > now:
            return
        yield tick


@pytest.mark.parametrize("autumn", [False, True])
def test_the_worker_itself_through_changes_of_the_clocks(*, autumn: bool) -> None:
    """The real worker, by a fake clock, over a fortnight in which local time jumps."""
    start = datetime(2026, 10, 18, tzinfo=UTC) if autumn else datetime(2026, 3, 22, tzinfo=UTC)
    clock = FakeClock(start)
    ran: list[UUID] = []
    with Jobs("memory://", clock=clock) as jobs:

        @jobs.cron("30 2 * * *", timezone=AMSTERDAM, misfire="all")
        @jobs.cron("*/30 1-3 * * *", timezone=AMSTERDAM, misfire="all", name="often")
        @jobs.handler
        def tick(ctx: Context) -> None:
            ran.append(ctx.job.id)

        jobs.worker().run_until_empty()
        declared = jobs.declared_schedules()
        for _ in range(14 * 3):
            clock.advance(timedelta(hours=8))
            jobs.worker().run_until_empty()
    expected = [
        UUID(bytes=ids.of_tick(one.name, millis(moment)))
        for one in declared
        for moment in one.upcoming(200)
        if millis(moment) <= clock.now()
    ]
    assert sorted(ran) == sorted(expected)


# What could stop or spin a worker


def test_a_schedule_nobody_understands_stops_no_worker(
    jobs: Jobs, caplog: pytest.LogCaptureFixture
) -> None:
    """A zone this machine does not know: said once, left alone, and the others tick."""
    jobs.handler(name="h")(lambda: None)
    backend = jobs.store.blocking()
    lost = Schedule("lost", "h", "default", 2, b"", 1, cron="0 8 * * *", timezone="Mars/Olympus")
    assert backend.execute(PutSchedule(lost))
    backend.close()
    jobs.schedule("beat", every=0.6, handler="h")
    with caplog.at_level(logging.ERROR), working(jobs):
        eventually("three ticks of the other", lambda: jobs.stats().total_succeeded >= 3)
    said = [one.getMessage() for one in caplog.records if "lost" in one.getMessage()]
    assert said == [said[0]]
    assert "Mars/Olympus" in said[0]


def test_a_tick_that_cannot_be_fired_is_tried_again_but_not_at_once() -> None:
    """A full store must not make its workers spin."""
    asked: list[str] = []
    with Jobs("memory://") as jobs:
        store = jobs.store
        jobs.__dict__["store"] = Full(store, asked)
        jobs.schedule("beat", every=0.05, handler="h")
        with working(jobs):
            eventually("a second try", lambda: asked.count("Fire") >= 2)
    assert asked.count("Fire") == 2
    assert asked.count("Claim") < 12


class Full:
    """A store without room for what a tick makes."""

    def __init__(self, store: MemoryStore, asked: list[str]) -> None:
        self.store, self.asked = store, asked

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)

    def asynchronous(self) -> object:
        """A door that refuses to fire."""
        door = self.store.asynchronous()
        execute = door.execute

        async def refusing(operation: object) -> object:
            self.asked.append(type(operation).__name__)
            if isinstance(operation, Fire):
                raise BackendError("there is no room")
            return await execute(operation)  # type: ignore[arg-type]

        door.execute = refusing  # type: ignore[method-assign,assignment]
        return door


def test_a_burst_runs_what_is_due_by_the_clock(jobs: Jobs) -> None:
    ran: list[int] = []
    jobs.handler(name="h")(lambda: ran.append(1))
    backend = jobs.store.blocking()
    one = Schedule("late", "h", "default", 2, jobs.draft("h", None, {}).new.payload, 1, "@hourly")
    assert backend.execute(PutSchedule(one))
    jobs.worker().run_until_empty()
    assert ran == [1]
    (stands,) = backend.execute(Schedules())
    assert stands.fired_at is not None
    backend.close()
