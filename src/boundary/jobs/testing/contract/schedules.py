"""Schedules: `PutSchedule`, `RemoveSchedule`, `Schedules`, `Fire`.

What belongs here: that a tick is seen when due and fires once. What does not: when a cron
expression ticks.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from boundary.jobs.core.operations import (
    Act,
    Audit,
    Claim,
    Entry,
    Fire,
    FireNow,
    PutSchedule,
    RemoveSchedule,
    Schedule,
    What,
)
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


def put(schedule: Schedule, over: Schedule | None = None) -> Asking[Schedule]:
    """Store a schedule, new or over another; the schedule."""
    assert (yield PutSchedule(schedule, over)) is True
    return schedule


def act(number: int, what: What) -> Act:
    """Ada's act, on a schedule."""
    return Act(bytes([number]) * 16, "ada", what, "report")


class ScheduleCases:
    """Make such a job at each tick."""

    @on_both_doors
    def test_a_schedule_is_stored_as_given(self, clock: FakeClock) -> Case:
        cron = yield from put(
            replace(daily(clock), misfire="all", misfire_cap=7, declared=b"\x00\xff")
        )
        every = yield from put(
            Schedule("beat", "ping", "default", 2, b"", clock.now(), every_ms=500, misfire="skip")
        )
        assert (yield Listing()) == (every, cron)

    @on_both_doors
    def test_put_takes_place_over_what_was_seen_and_nothing_else(self, clock: FakeClock) -> Case:
        first = yield from put(daily(clock))
        edits: tuple[dict[str, Any], ...] = (
            {"cron": "0 9 * * *"},
            {"cron": None, "every_ms": 500, "timezone": "UTC"},
            {"next_at": None},
            {"next_at": clock.now() + 5, "job_type": "other", "queue": "q", "priority": 0},
            {"payload": b"new \xff", "misfire": "skip", "misfire_cap": 3, "declared": b"d"},
        )
        stood = first
        for edit in edits:
            edited = replace(stood, **edit)
            missed = PutSchedule(replace(edited, job_type="late"), None)
            assert (yield missed) is False
            assert (yield Elsewhere(replace(missed, over=edited))) is False
            assert (yield Listing()) == (stood,)
            stood = yield from put(edited, stood)
            assert (yield Listing()) == (stood,)
        assert (yield PutSchedule(replace(first, name="none"), first)) is False
        assert (yield Listing()) == (stood,)

    @on_both_doors
    def test_put_twice_says_twice_that_it_stands(self, clock: FakeClock) -> Case:
        """Whoever did not hear the answer asks again."""
        first = yield from put(daily(clock))
        assert (yield PutSchedule(first)) is True
        second = replace(first, cron="0 9 * * *", next_at=None)
        assert (yield PutSchedule(second, first)) is True
        assert (yield PutSchedule(second, first)) is True
        assert (yield Listing()) == (second,)

    @on_both_doors
    def test_a_put_does_not_touch_what_is_told_of_the_last_firing(self, clock: FakeClock) -> Case:
        first = yield from put(daily(clock, next_in=0))
        yield Fire("report", first.next_at or 0, clock.now() + HOUR, new("a"))
        (fired,) = yield Listing()
        edited = replace(fired, cron="0 9 * * *", fired_at=None, last_job=None)
        yield from put(edited, fired)
        assert (yield Listing()) == (replace(fired, cron="0 9 * * *"),)
        assert (yield RemoveSchedule("report")) is True
        yield from put(edited)
        assert (yield Listing()) == (edited,)

    @on_both_doors
    def test_a_paused_schedule_is_never_due_and_fires_nothing(self, clock: FakeClock) -> Case:
        stood = yield from put(daily(clock))
        yield from put(replace(stood, next_at=None), stood)
        clock.advance(60)
        claimed = yield from claim(0)
        assert (claimed.ticks, claimed.next_due) == ((), None)
        assert (yield Fire("report", stood.next_at or 0, clock.now(), new("a"))) is False
        assert (yield from find("a")) is None
        woken = yield from put(replace(stood, next_at=clock.now()), replace(stood, next_at=None))
        assert (yield from claim(0)).ticks == (woken,)

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
        tick = schedule.next_at or 0
        fire = Fire("report", tick, tick + HOUR, job)
        assert (yield fire) is True
        assert (yield fire) is False
        assert (yield Elsewhere(replace(fire, job=new("tick1b")))) is False
        assert (yield from waiting("reports")) == "tick1"
        assert (yield from find("tick1b")) is None
        fired = replace(schedule, next_at=tick + HOUR, fired_at=clock.now(), last_job=job.id)
        assert (yield Listing()) == (fired,)
        claimed = yield Claim("w1", ("none",), 0, LEASE, join=True)
        assert (claimed.ticks, claimed.next_due) == ((), tick + HOUR)

    @on_both_doors
    def test_a_tick_can_be_passed_over(self, clock: FakeClock) -> Case:
        schedule = yield from put(daily(clock, next_in=0))
        tick = schedule.next_at or 0
        passed = Fire("report", tick, tick + HOUR, None)
        assert (yield passed) is True
        assert (yield passed) is False
        assert (yield Listing()) == (replace(schedule, next_at=tick + HOUR),)
        assert (yield from waiting("reports")) == ""

    @on_both_doors
    def test_a_tick_of_no_schedule_fires_nothing(self, clock: FakeClock) -> Case:
        assert (yield Fire("report", clock.now(), clock.now() + 1, new("a"))) is False
        assert (yield from find("a")) is None

    @on_both_doors
    def test_a_tick_whose_job_is_there_makes_no_second_job(self, clock: FakeClock) -> Case:
        schedule = yield from put(daily(clock))
        yield from enqueue("a")
        before = yield from the("a")
        fired = yield Fire("report", schedule.next_at or 0, clock.now() + HOUR, new("a"))
        assert fired is True
        assert (yield from the("a")) == before
        assert (yield from waiting()) == "a"

    @on_both_doors
    def test_a_tick_can_make_a_job_for_later(self, clock: FakeClock) -> Case:
        schedule = yield from put(daily(clock))
        later = new("a", delay_ms=700)
        assert (yield Fire("report", schedule.next_at or 0, clock.now() + HOUR, later)) is True
        assert (yield from the("a")).due == clock.now() + 700

    @on_both_doors
    def test_what_somebody_does_with_a_schedule_is_in_the_log(self, clock: FakeClock) -> Case:
        one = daily(clock)
        paused = replace(one, next_at=None)
        assert (yield PutSchedule(one, None, act(1, "schedule")))
        assert not (yield PutSchedule(paused, paused, act(2, "pause_schedule"))), "it has changed"
        assert (yield PutSchedule(paused, one, act(3, "pause_schedule")))
        assert (yield PutSchedule(paused, paused, act(4, "pause_schedule"))), "as it was"
        assert (yield PutSchedule(replace(paused, queue="mail"), paused)), "nobody's"
        assert (yield RemoveSchedule("report", act(5, "unschedule")))
        assert not (yield RemoveSchedule("report", act(6, "unschedule")))
        now = clock.now()
        assert (yield Audit()) == (
            Entry(b"\5" * 16, now, "ada", "unschedule", "report", 1),
            Entry(b"\3" * 16, now, "ada", "pause_schedule", "report", 1),
            Entry(b"\1" * 16, now, "ada", "schedule", "report", 1),
        )

    @on_both_doors
    def test_one_is_fired_by_hand(self, clock: FakeClock) -> Case:
        one = yield from put(daily(clock))
        fired = yield FireNow(new("by hand"), act(1, "fire_schedule"))
        assert (fired.now, fired.fresh) == (clock.now(), (True,))
        again = yield FireNow(new("by hand"), act(2, "fire_schedule"))
        assert again.fresh == (False,), "the same id makes no second job"
        assert (yield FireNow(new("nobody's"))).fresh == (True,)
        assert (yield from waiting()) == "by hand nobody's"
        entry = Entry(b"\1" * 16, clock.now(), "ada", "fire_schedule", "report", 1)
        assert (yield Audit()) == (entry,)
        assert (yield Listing()) == (one,), "its ticks stay as they are"
