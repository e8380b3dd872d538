"""Standing orders: `PutSchedule`, `RemoveSchedule`, `Schedules`, `Fire`.

What belongs here: that a tick is seen when due and fires once. What does not: when a cron
expression ticks.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from boundary.jobs.core.operations import Claim, Fire, PutSchedule, RemoveSchedule, Schedule
from boundary.jobs.core.operations import Schedules as Listing
from boundary.jobs.testing.clock import FakeClock
from boundary.jobs.testing.contract.doors import Case, Elsewhere, on_both_doors
from boundary.jobs.testing.contract.words import (
    HIGH,
    HOUR,
    LEASE,
    PAYLOAD,
    Asking,
    claim,
    enqueue,
    find,
    new,
    the,
    waiting,
)


def daily(clock: FakeClock, name: str = "report", next_in: int = 1_000) -> Schedule:
    """A schedule by cron, its next tick so many ms away."""
    return Schedule(
        name,
        "make_report",
        "reports",
        HIGH,
        PAYLOAD,
        clock.now() + next_in,
        cron="0 8 * * *",
        timezone="Europe/Amsterdam",
    )


def put(schedule: Schedule) -> Asking[Schedule]:
    """Store a schedule; what is stored."""
    reply: Schedule = yield PutSchedule(schedule)
    return reply


class ScheduleCases:
    """Make such a job at each tick."""

    @on_both_doors
    def test_a_schedule_is_stored_as_given(self, clock: FakeClock) -> Case:
        cron = daily(clock)
        every = Schedule("beat", "ping", "default", 2, b"", clock.now(), every_ms=500)
        assert (yield from put(cron)) == cron
        assert (yield from put(every)) == every
        assert (yield Listing()) == (every, cron)

    @on_both_doors
    def test_put_again_with_the_same_rule_keeps_the_tick(self, clock: FakeClock) -> Case:
        first = daily(clock)
        yield from put(first)
        again = replace(first, next_at=clock.now() + 9_000, job_type="other", payload=b"new")
        stored = yield from put(again)
        assert stored == replace(again, next_at=first.next_at)
        assert (yield Listing()) == (stored,)

    @on_both_doors
    def test_put_again_with_another_rule_takes_the_new_tick(self, clock: FakeClock) -> Case:
        first = daily(clock)
        changes: tuple[dict[str, Any], ...] = (
            {"cron": "0 9 * * *"},
            {"timezone": "UTC"},
            {"cron": None, "every_ms": 500},
            {"cron": None, "every_ms": 600},
        )
        yield from put(first)
        for number, change in enumerate(changes):
            new_one = replace(first, **change, next_at=clock.now() + number)
            assert (yield from put(new_one)) == new_one
            assert (yield Listing()) == (new_one,)

    @on_both_doors
    def test_a_schedule_can_be_removed(self, clock: FakeClock) -> Case:
        yield from put(daily(clock))
        assert (yield RemoveSchedule("report")) is True
        assert (yield RemoveSchedule("report")) is False
        assert (yield Listing()) == ()
        clock.advance(60)
        assert (yield from claim(0)).ticks == ()

    @on_both_doors
    def test_a_claim_shows_the_ticks_that_are_due(self, clock: FakeClock) -> Case:
        late, soon = daily(clock, "late", 2_000), daily(clock, "soon", 1_000)
        early = daily(clock, "early", 1_000)
        for one in (late, soon, early):
            yield from put(one)
        claimed = yield from claim(0)
        assert (claimed.ticks, claimed.next_due) == ((), soon.next_at)
        clock.advance(1)
        claimed = yield from claim(0, promote=0)
        assert (claimed.ticks, claimed.next_due) == ((early, soon), soon.next_at)
        assert (yield from claim(0, "w2")).ticks == (early, soon)

    @on_both_doors
    def test_next_due_is_of_jobs_and_ticks(self, clock: FakeClock) -> Case:
        yield from put(daily(clock, next_in=1_000))
        yield from enqueue("a", delay_ms=1_500)
        assert (yield from claim(0)).next_due == clock.now() + 1_000
        yield from enqueue("b", delay_ms=500)
        assert (yield from claim(0)).next_due == clock.now() + 500

    @on_both_doors
    def test_a_tick_fires_once(self, clock: FakeClock) -> Case:
        """G11."""
        schedule = yield from put(daily(clock))
        clock.advance(1)
        job = new("tick1", queue="reports")
        fire = Fire("report", schedule.next_at, schedule.next_at + HOUR, job)
        assert (yield fire) is True
        assert (yield fire) is False
        assert (yield Elsewhere(replace(fire, job=new("tick1b")))) is False
        assert (yield from waiting("reports")) == "tick1"
        assert (yield from find("tick1b")) is None
        assert (yield Listing()) == (replace(schedule, next_at=schedule.next_at + HOUR),)
        claimed = yield Claim("w1", ("none",), 0, LEASE, join=True)
        assert (claimed.ticks, claimed.next_due) == ((), schedule.next_at + HOUR)

    @on_both_doors
    def test_a_tick_of_no_schedule_fires_nothing(self, clock: FakeClock) -> Case:
        assert (yield Fire("report", clock.now(), clock.now() + 1, new("a"))) is False
        assert (yield from find("a")) is None

    @on_both_doors
    def test_a_tick_whose_job_is_there_makes_no_second_job(self, clock: FakeClock) -> Case:
        schedule = yield from put(daily(clock))
        yield from enqueue("a")
        before = yield from the("a")
        fired = yield Fire("report", schedule.next_at, clock.now() + HOUR, new("a"))
        assert fired is True
        assert (yield from the("a")) == before
        assert (yield from waiting()) == "a"

    @on_both_doors
    def test_a_tick_can_make_a_job_for_later(self, clock: FakeClock) -> Case:
        schedule = yield from put(daily(clock))
        later = new("a", delay_ms=700)
        assert (yield Fire("report", schedule.next_at, clock.now() + HOUR, later)) is True
        assert (yield from the("a")).due == clock.now() + 700
