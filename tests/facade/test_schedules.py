"""Schedules by the doors: put, edited, paused, fired, declared in code; on every store."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from boundary.jobs import CronError, InvalidName, Jobs, ScheduleInfo, UsageError
from boundary.jobs.core.operations import (
    Claim,
    Heartbeat,
    Operation,
    PutSchedule,
    Schedule,
    Schedules,
)
from boundary.jobs.shell import ids, schedule_flows
from boundary.jobs.shell.driving import drive
from boundary.jobs.shell.pulse import describe_worker
from boundary.jobs.shell.registry import fires_of
from boundary.jobs.shell.telemetry.stream import Voice
from boundary.jobs.testing.clock import FakeClock
from tests.waiting import PATIENCE

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def deploy(url: str, clock: FakeClock, expression: str | None = "0 * * * *", **rule: Any) -> Jobs:
    """A program that declares a schedule, or none."""
    jobs = Jobs(url, clock=clock)

    def report(kind: str = "full") -> str:
        return kind

    handler = jobs.handler(report)
    if expression is not None:
        jobs.cron(expression, **rule)(handler)
    return jobs


def start_worker(jobs: Jobs) -> None:
    """A worker comes, runs what there is and leaves."""
    jobs.worker().run_until_empty()


def the(jobs: Jobs, name: str = "report") -> ScheduleInfo:
    return next(one for one in jobs.schedules() if one.name == name)


@pytest.fixture
def program(url: str, clock: FakeClock) -> Callable[..., Jobs]:
    """Programs that share one store, as deployments of one do."""
    first: list[Jobs] = []

    def make(expression: str | None = "0 * * * *", **rule: Any) -> Jobs:
        jobs = deploy(url, clock, expression, **rule)
        if url == "memory://" and first:
            jobs.__dict__["store"] = first[0].store
        first.append(jobs)
        return jobs

    return make


def test_a_schedule_says_all_of_itself(jobs: Jobs) -> None:
    made = jobs.schedule(
        "n",
        handler="h",
        cron="0 8 * * *",
        timezone="Europe/Amsterdam",
        misfire="all",
        misfire_cap=7,
    )
    assert made == jobs.schedules()[0]
    assert (made.misfire, made.misfire_cap, made.paused, made.origin) == (
        "all",
        7,
        False,
        "run time",
    )
    assert made.upcoming(2) == [NOW + 7 * HOUR, NOW + 31 * HOUR]
    assert (made.fired_at, made.last_job, made.orphaned) == (None, None, False)


@pytest.mark.parametrize("count", [0, -1, 10_001, True, 1.5])
def test_upcoming_takes_a_whole_number(jobs: Jobs, count: Any) -> None:
    made = jobs.schedule("n", handler="h", every=5)
    with pytest.raises(UsageError, match="limit is a whole number"):
        made.upcoming(count)


def test_a_schedule_is_edited_by_putting_it_again(jobs: Jobs, clock: FakeClock) -> None:
    jobs.schedule("n", handler="h", every=60)
    clock.advance(20)
    again = jobs.schedule("n", handler="other", every=60, misfire="skip")
    assert (again.job_type, again.misfire) == ("other", "skip")
    assert again.next_at == NOW + timedelta(seconds=60)
    other = jobs.schedule("n", handler="other", every=30)
    assert (other.misfire, other.next_at) == ("once", NOW + timedelta(seconds=50))
    assert jobs.schedules() == [other]


def test_an_edit_changes_what_it_names_and_nothing_else(jobs: Jobs, clock: FakeClock) -> None:
    made = jobs.schedule("n", handler="h", args={"a": 1}, cron="0 8 * * *", max_retries=9)
    edited = jobs.edit_schedule("n", timezone="Europe/Amsterdam", misfire="skip", queue="q")
    assert edited is not None
    assert edited.next_at == NOW + 7 * HOUR
    assert (edited.cron, edited.args, edited.queue, edited.misfire) == (
        "0 8 * * *",
        {"a": 1},
        "q",
        "skip",
    )
    by_interval = jobs.edit_schedule("n", every=90, priority="high", misfire_cap=3)
    assert by_interval is not None
    assert (by_interval.cron, by_interval.every) == (None, timedelta(seconds=90))
    assert (by_interval.priority, by_interval.misfire_cap) == ("high", 3)
    back = jobs.edit_schedule(
        "n", cron="0 8 * * *", timezone="UTC", misfire="once", queue="default"
    )
    assert back is not None
    assert back.next_at == made.next_at
    clock.advance(8 * 3600)
    jobs.handler(name="h")(lambda a: a)
    jobs.worker().run_until_empty()
    (job,) = jobs.history("h")
    assert (job.max_retries, job.result) == (9, 1)
    assert jobs.edit_schedule("none", every=1) is None


@pytest.mark.parametrize(
    ("edits", "error"),
    [
        ({"cron": "x"}, CronError),
        ({"timezone": "Mars"}, CronError),
        ({"misfire": "never"}, UsageError),
        ({"misfire_cap": 0}, UsageError),
        ({"every": 0}, UsageError),
        ({"every": 5, "cron": "@daily"}, UsageError),
        ({"queue": "a b"}, InvalidName),
        ({"priority": "urgent"}, UsageError),
        ({"handler": "x"}, UsageError),
    ],
)
def test_a_wrong_edit_changes_nothing(jobs: Jobs, edits: Any, error: type[Exception]) -> None:
    made = jobs.schedule("n", handler="h", cron="0 8 * * *")
    with pytest.raises(error):
        jobs.edit_schedule("n", **edits)
    assert jobs.schedules() == [made]


def test_a_paused_schedule_sleeps_and_makes_up_for_nothing(jobs: Jobs, clock: FakeClock) -> None:
    jobs.handler(name="h")(lambda: None)
    jobs.schedule("n", handler="h", cron="0 * * * *", misfire="all")
    asleep = jobs.pause_schedule("n")
    assert asleep is not None
    assert (asleep.paused, asleep.next_at, asleep.upcoming(3)) == (True, None, [])
    assert jobs.pause_schedule("n") == asleep == the(jobs, "n")
    clock.advance(10 * HOUR)
    start_worker(jobs)
    assert jobs.history("h") == []
    woken = jobs.resume_schedule("n")
    assert woken is not None
    assert woken.next_at == NOW + 11 * HOUR
    assert jobs.resume_schedule("n") == woken
    start_worker(jobs)
    assert jobs.history("h") == []
    clock.advance(HOUR)
    start_worker(jobs)
    assert len(jobs.history("h")) == 1
    assert jobs.pause_schedule("none") is jobs.resume_schedule("none") is None


def test_putting_a_paused_schedule_again_does_not_wake_it(jobs: Jobs) -> None:
    assert jobs.schedule("n", handler="h", every=5, paused=True).paused
    assert jobs.schedule("n", handler="h", every=7).paused
    edited = jobs.edit_schedule("n", cron="@daily")
    assert edited is not None
    assert edited.paused
    assert not jobs.schedule("n", handler="h", every=7, paused=False).paused


def test_a_schedule_is_fired_by_hand(jobs: Jobs, clock: FakeClock) -> None:
    jobs.handler(name="h")(lambda a: a)
    made = jobs.schedule("n", handler="h", args={"a": 3}, every=60, queue="q", paused=True)
    job = jobs.fire_schedule("n")
    assert job is not None
    assert jobs.find(job.id) == job
    assert (job.queue, job.args, job.status) == ("q", {"a": 3}, "pending")
    second = jobs.fire_schedule("n")
    assert second is not None
    assert second.id != job.id
    assert the(jobs, "n") == made
    start_worker(jobs)
    assert [one.result for one in jobs.history("h")] == [3, 3]
    assert jobs.fire_schedule("none") is None


def test_a_tick_leaves_its_job_and_moment(jobs: Jobs, clock: FakeClock) -> None:
    jobs.handler(name="h")(lambda: None)
    jobs.schedule("n", handler="h", every=60)
    clock.advance(61)
    start_worker(jobs)
    one = the(jobs, "n")
    assert one.fired_at == NOW + timedelta(seconds=61)
    assert [job.id for job in jobs.history("h")] == [one.last_job]


@pytest.mark.parametrize(("misfire", "made"), [("once", 1), ("skip", 0), ("all", 9)], ids=str)
def test_after_hours_without_a_worker(
    jobs: Jobs, clock: FakeClock, misfire: Any, made: int
) -> None:
    jobs.handler(name="h")(lambda: None)
    jobs.schedule("n", handler="h", cron="30 * * * *", misfire=misfire)
    clock.advance(9 * HOUR)
    start_worker(jobs)
    assert len(jobs.history("h", 50)) == made
    assert the(jobs, "n").next_at == NOW + 9.5 * HOUR
    clock.advance(HOUR / 2)
    start_worker(jobs)
    assert len(jobs.history("h", 50)) == made + 1


def test_a_series_is_one_fire_a_tick_each_where_the_last_one_ended() -> None:
    one = Schedule("e", "add", "q", 1, b"p", 1_000, every_ms=1_000, misfire="all", misfire_cap=3)
    fires = fires_of(one, 5_500)
    assert [(fire.tick, fire.next_at) for fire in fires] == [
        (1_000, 4_000),
        (4_000, 5_000),
        (5_000, 6_000),
    ]
    made = [fire.job for fire in fires if fire.job is not None]
    assert [job.id for job in made] == [ids.of_tick("e", tick) for tick in (3_000, 4_000, 5_000)]
    assert {UUID(bytes=job.id).version for job in made} == {7}
    assert {(job.job_type, job.queue, job.priority, job.payload) for job in made} == {
        ("add", "q", 1, b"p")
    }
    assert fires_of(one, 5_400) == fires, "whoever looks, and when, makes the same jobs"
    (once,) = fires_of(replace(one, misfire="once"), 5_500)
    assert once.job is not None
    assert (once.tick, once.next_at, once.job.id) == (1_000, 6_000, ids.of_tick("e", 5_000))
    (skip,) = fires_of(replace(one, misfire="skip", every_ms=200_000), 100_000)
    assert (skip.tick, skip.next_at, skip.job) == (1_000, 201_000, None)


# Declared in code


def test_intervals_and_policies_are_declared_above_a_handler(jobs: Jobs, clock: FakeClock) -> None:
    @jobs.every(timedelta(minutes=5), misfire="all", misfire_cap=2)
    @jobs.cron("@daily", name="nightly", misfire="skip")
    @jobs.handler
    def sweep() -> None: ...

    nightly, often = jobs.declared_schedules()
    assert (nightly.name, nightly.misfire, nightly.origin) == ("nightly", "skip", "code")
    assert (often.name, often.every, often.misfire_cap) == ("sweep", timedelta(minutes=5), 2)
    start_worker(jobs)
    assert jobs.schedules() == [nightly, often]
    with pytest.raises(UsageError, match="declared already"):
        jobs.every(5, name="nightly")(sweep)
    with pytest.raises(UsageError, match=r"@jobs\.every above"):
        jobs.every(5)(lambda: None)  # type: ignore[type-var]
    with pytest.raises(InvalidName):
        jobs.every(5, name="a b")(sweep)
    for wrong in ({"interval": 0}, {"interval": 5, "misfire": "no"}):
        with pytest.raises(UsageError):
            jobs.every(**wrong)  # type: ignore[arg-type]


def test_what_code_declares_is_known_without_a_store(clock: FakeClock) -> None:
    with deploy("redis://127.0.0.1:1/0", clock) as jobs:
        (one,) = jobs.declared_schedules()
    assert one.upcoming(2) == [NOW + HOUR, NOW + 2 * HOUR]


def test_a_restart_undoes_neither_a_pause_nor_an_edit(
    program: Callable[..., Jobs], clock: FakeClock
) -> None:
    jobs = program()
    start_worker(jobs)
    assert (the(jobs).cron, the(jobs).origin) == ("0 * * * *", "code")
    jobs.edit_schedule("report", cron="15 * * * *")
    jobs.pause_schedule("report")
    clock.advance(60)
    start_worker(program())
    stands = the(jobs)
    assert (stands.cron, stands.paused, stands.origin) == ("15 * * * *", True, "edited")


def test_a_changed_declaration_counts_but_leaves_a_pause(program: Callable[..., Jobs]) -> None:
    jobs = program()
    start_worker(jobs)
    jobs.edit_schedule("report", misfire="skip")
    start_worker(program("30 * * * *"))
    assert (the(jobs).cron, the(jobs).misfire, the(jobs).origin) == ("30 * * * *", "once", "code")
    jobs.pause_schedule("report")
    start_worker(program("45 * * * *"))
    assert (the(jobs).cron, the(jobs).paused) == ("45 * * * *", True)
    jobs.resume_schedule("report")
    assert the(jobs).next_at == NOW + HOUR * 0.75


def test_a_restart_neither_skips_nor_repeats_a_tick(
    program: Callable[..., Jobs], clock: FakeClock
) -> None:
    start_worker(program())
    clock.advance(1.5 * HOUR)
    jobs = program()
    start_worker(jobs)
    start_worker(program())
    assert len(jobs.history("report")) == 1
    assert the(jobs).next_at == NOW + 2 * HOUR


def test_what_no_live_worker_declares_is_orphaned_and_goes_on(
    program: Callable[..., Jobs], clock: FakeClock
) -> None:
    old, new = program(), program(None)
    start_worker(old)
    new.schedule("by-hand", handler="report", every=60)
    assert not any(one.orphaned for one in new.schedules()), "nobody is there to tell"
    backend = new.store.blocking()
    try:
        for jobs, orphaned in ((new, True), (old, False)):
            worker = jobs.worker()
            note = describe_worker(
                worker.setup,
                worker.registry.handlers,
                began=clock.now(),
                phase="running",
                schedules=worker.registry.declared,
            )
            backend.execute(Heartbeat(f"w-{orphaned}", 5_000, note, join=True))
            assert the(new).orphaned is orphaned
            assert not the(new, "by-hand").orphaned
    finally:
        backend.close()
    clock.advance(HOUR)
    start_worker(new)
    assert new.history("report"), "it goes on"


# Many hands


def test_edits_and_ticks_at_the_same_moment_lose_nothing(url: str, clock: FakeClock) -> None:
    """Each of many threads makes its edits; no edit of another is undone, no tick fires twice."""
    jobs = Jobs(url, clock=clock)
    jobs.schedule("n", handler="h", every=1, misfire="all", misfire_cap=1)
    edited = threading.Event()
    fired: list[bool] = []
    editors = [
        threading.Thread(target=_edit, args=(jobs, changes))
        for changes in ({"queue": "q"}, {"priority": "high"}, {"misfire_cap": 9})
    ]
    workers = [threading.Thread(target=_fire, args=(jobs, clock, edited, fired)) for _ in range(2)]
    for thread in (*workers, *editors):
        thread.start()
    for thread in editors:
        thread.join(PATIENCE)
    edited.set()
    for thread in workers:
        thread.join(PATIENCE)
    one = the(jobs, "n")
    assert (one.queue, one.priority, one.misfire_cap) == ("q", "high", 9)
    assert sum(fired) == jobs.queue_stats("default").size + jobs.queue_stats("q").size > 0
    jobs.close()


def _edit(jobs: Jobs, changes: Any) -> None:
    for _ in range(15):
        jobs.edit_schedule("n", **changes)
        jobs.pause_schedule("n")
        jobs.resume_schedule("n")


def _fire(jobs: Jobs, clock: FakeClock, edited: threading.Event, fired: list[bool]) -> None:
    backend = jobs.store.blocking()
    last = False
    while not last:
        last = edited.is_set()  # once more after the last edit
        clock.advance(1)
        for one in backend.execute(Claim("w", ("none",), 0, 1_000, join=True)).ticks:
            fired += [backend.execute(fire) for fire in fires_of(one, clock.now())]
    backend.close()


class Interrupted:
    """A backend on which something happens just before the first operation of a kind."""

    def __init__(
        self,
        backend: Any,
        meanwhile: Callable[[], object],
        before: type[Operation[Any]] = PutSchedule,
    ) -> None:
        self.backend, self.meanwhile, self.before = backend, meanwhile, before
        self.seen = 0

    def execute(self, operation: Any) -> Any:
        if isinstance(operation, self.before):
            self.seen += 1
            if self.seen == 1:
                self.meanwhile()
        return self.backend.execute(operation)


def test_whoever_was_slower_decides_again(jobs: Jobs) -> None:
    """An edit between the look and the put is not undone."""
    backend = jobs.store.blocking()

    def edited_while(meanwhile: Callable[[], object]) -> tuple[ScheduleInfo | None, int]:
        jobs.schedule("n", handler="h", every=60)
        door: Any = Interrupted(backend, meanwhile)
        return drive(
            schedule_flows.edit_schedule("n", {"misfire": "skip"}), door, Voice()
        ), door.seen

    one, puts = edited_while(lambda: jobs.edit_schedule("n", queue="q"))
    assert one is not None
    assert (one.misfire, one.queue, puts) == ("skip", "q", 2)
    assert edited_while(lambda: jobs.unschedule("n")) == (None, 1)
    assert jobs.schedules() == []
    backend.close()


def test_a_tick_that_fires_while_a_resume_looks_does_not_fire_again(
    jobs: Jobs, clock: FakeClock
) -> None:
    """Its job may be done and forgotten by then: a second one of the same id would be new."""
    backend = jobs.store.blocking()
    made = jobs.schedule("n", handler="h", every=60)
    assert made.next_at is not None

    def meanwhile() -> None:
        clock.advance(60)
        (due,) = backend.execute(Claim("w", ("none",), 0, 1_000, join=True)).ticks
        assert [backend.execute(fire) for fire in fires_of(due, clock.now())] == [True]
        jobs.pause_schedule("n")

    door: Any = Interrupted(backend, meanwhile, Schedules)
    woken = drive(schedule_flows.resume_schedule("n"), door, Voice())
    assert woken is not None
    assert woken.next_at == made.next_at + timedelta(seconds=60)
    backend.close()


def test_asyncio_has_the_same_doors(jobs: Jobs) -> None:
    async def main() -> None:
        async with jobs:
            made = await jobs.aio.schedule("n", handler="h", every=9, misfire="all", paused=True)
            assert await jobs.aio.pause_schedule("n") == made
            woken = await jobs.aio.resume_schedule("n")
            assert woken is not None
            assert not woken.paused
            edited = await jobs.aio.edit_schedule("n", queue="q")
            assert [edited] == await jobs.aio.schedules()
            job = await jobs.aio.fire_schedule("n")
            assert job is not None
            assert await jobs.aio.find(job.id) == job
            assert await jobs.aio.unschedule("n")

    asyncio.run(main())
