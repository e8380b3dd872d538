"""Which ticks fire when some were missed, and whose word about a schedule counts."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from boundary.jobs import CronError, UsageError
from boundary.jobs.core import schedules
from boundary.jobs.core.operations import Misfire, Schedule
from boundary.jobs.core.wire import Millis, at, millis

HOUR, DAY = 3_600_000, 86_400_000
AMSTERDAM = "Europe/Amsterdam"


def instant(text: str) -> Millis:
    return millis(datetime.fromisoformat(text).replace(tzinfo=UTC))


NOW = instant("2026-03-01T00:00")


def by_cron(expression: str, zone: str = "UTC", now: Millis = NOW, **fields: Any) -> Schedule:
    first = schedules.first_tick(expression, None, zone, now)
    return Schedule("s", "t", "q", 2, b"p", first, expression, timezone=zone, **fields)


def by_interval(every_ms: int, **fields: Any) -> Schedule:
    return Schedule("s", "t", "q", 2, b"p", NOW + every_ms, every_ms=every_ms, **fields)


def all_until(one: Schedule, now: Millis) -> list[Millis]:
    """Its ticks up to and with now, one by one."""
    found = []
    for tick in schedules.upcoming(one):
        if tick > now:
            return found
        found.append(tick)
    return found


KINDS = st.one_of(
    st.builds(by_interval, st.integers(30_000, DAY)),
    st.builds(
        by_cron,
        st.sampled_from(
            ["0 * * * *", "*/7 * * * *", "30 2 * * *", "0 8 * * mon-fri", "* * * * *", "@weekly"]
        ),
        st.sampled_from(["UTC", AMSTERDAM, "America/New_York", "Australia/Lord_Howe"]),
        st.sampled_from([NOW, instant("2026-03-28T22:00"), instant("2026-10-24T22:00")]),
    ),
)


@given(KINDS, st.sampled_from(["skip", "once", "all"]), st.integers(0, 3 * DAY), st.integers(1, 9))
@settings(max_examples=300, deadline=None)
def test_what_fires_is_what_the_policy_says(
    one: Schedule, misfire: Misfire, late: int, cap: int
) -> None:
    one = replace(one, misfire=misfire, misfire_cap=cap)
    assert one.next_at is not None
    now = one.next_at + late
    expected = all_until(one, now)
    due = schedules.due(one, now)
    assert due.next_at == schedules.following(one, one.next_at, now) > now
    match misfire:
        case "all":
            assert list(due.ticks) == expected[-cap:]
        case "once":
            assert list(due.ticks) == expected[-1:]
        case "skip":
            in_time = now - expected[-1] <= schedules.GRACE_MS
            assert list(due.ticks) == (expected[-1:] if in_time else [])


@given(KINDS, st.lists(st.integers(0, 6 * HOUR), min_size=1, max_size=30))
@settings(max_examples=150, deadline=None)
def test_under_all_every_tick_fires_once_whenever_somebody_looks(
    one: Schedule, pauses: list[int]
) -> None:
    """A worker that looks after any stretches of time, killed in between or not."""
    one = replace(one, misfire="all", misfire_cap=schedules.MOST)
    start, now, fired = one, one.next_at or 0, []
    for pause in pauses:
        now += pause
        while schedules.is_due(one, now):
            due = schedules.due(one, now)
            fired += due.ticks[:1]  # killed after the first
            one = replace(one, next_at=due.ticks[1] if due.ticks[1:] else due.next_at)
    assert fired == all_until(start, now)


@pytest.mark.parametrize(
    ("expression", "years", "cap"),
    [("0 8 * * *", 9, 100), ("* * * * *", 1, 1_000), ("0 0 29 2 *", 40, 3), ("* * 1 1 *", 3, 50)],
)
def test_the_last_of_a_long_series_are_found_without_walking_it(
    expression: str, years: int, cap: int
) -> None:
    one = by_cron(expression, AMSTERDAM, misfire="all", misfire_cap=cap)
    now = NOW + years * 366 * DAY
    ticks = schedules.due(one, now).ticks
    assert len(ticks) == cap
    walked = [ticks[0], *islice(schedules.upcoming(replace(one, next_at=ticks[0])), 1, cap)]
    assert list(ticks) == walked
    assert schedules.following(one, 0, ticks[-1]) > now


def test_a_cap_of_all_drops_the_oldest() -> None:
    every = by_interval(HOUR, misfire="all", misfire_cap=3)
    due = schedules.due(every, NOW + 10 * HOUR)
    assert due == schedules.Due((NOW + 8 * HOUR, NOW + 9 * HOUR, NOW + 10 * HOUR), NOW + 11 * HOUR)


@pytest.mark.parametrize("late", [0, schedules.GRACE_MS, schedules.GRACE_MS + 1])
def test_skip_still_fires_what_is_hardly_late(late: int) -> None:
    daily = by_cron("@daily", misfire="skip")
    assert daily.next_at is not None
    due = schedules.due(daily, daily.next_at + late)
    assert due.ticks == ((daily.next_at,) if late <= schedules.GRACE_MS else ())
    assert due.next_at == daily.next_at + DAY


def test_a_worker_a_moment_behind_the_store_fires_the_tick_it_was_told_of() -> None:
    one = by_interval(1_000)
    assert schedules.due(one, NOW + 990) == schedules.Due((NOW + 1_000,), NOW + 2_000)


def test_daylight_saving_is_neither_missed_nor_doubled() -> None:
    """G11: 02:30 that does not exist fires at three, one that comes twice fires once."""
    spring = by_cron("30 2 * * *", AMSTERDAM, instant("2026-03-28T12:00"), misfire="all")
    ticks = schedules.due(spring, instant("2026-03-30T12:00")).ticks
    assert [at(tick).isoformat() for tick in ticks] == [
        "2026-03-29T01:00:00+00:00",
        "2026-03-30T00:30:00+00:00",
    ]
    autumn = by_cron("30 2 * * *", AMSTERDAM, instant("2026-10-24T12:00"), misfire="all")
    ticks = schedules.due(autumn, instant("2026-10-26T12:00")).ticks
    assert [at(tick).isoformat() for tick in ticks] == [
        "2026-10-25T00:30:00+00:00",
        "2026-10-26T01:30:00+00:00",
    ]


@pytest.mark.parametrize(
    ("misfire", "cap", "says"),
    [
        ("never", 1, "skip .* once .* all"),
        (None, 1, "None"),
        ("all", 0, "1 to 1,000"),
        ("all", 1_001, "1,001|1001"),
        ("all", True, "True"),
        ("once", "3", "'3'"),
    ],
)
def test_a_wrong_policy_is_refused(misfire: Any, cap: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        schedules.checked_misfire(misfire, cap)


def test_a_paused_schedule_is_never_due_and_resumes_from_now() -> None:
    one = replace(by_cron("0 * * * *"), next_at=None)
    assert not schedules.is_due(one, NOW + 10**12)
    assert schedules.first_of(one, 5) == []
    with pytest.raises(UsageError, match="paused"):
        schedules.due(one, NOW)
    later = NOW + 100 * HOUR + 1
    woken = schedules.resumed(one, later)
    assert woken.next_at == NOW + 101 * HOUR
    assert schedules.resumed(woken, later + DAY) == woken


def test_one_that_cannot_tick_here_says_so() -> None:
    lost = replace(by_cron("0 8 * * *"), timezone="Mars/Olympus")
    with pytest.raises(CronError, match="Mars/Olympus"):
        schedules.due(lost, lost.next_at or 0)


# Whose word counts

OLD = by_cron("0 8 * * *", fired_at=5, last_job=b"j" * 16)


def test_put_again_with_the_same_rule_keeps_the_tick() -> None:
    again = replace(OLD, next_at=NOW + 7, job_type="other", misfire="all", fired_at=None)
    stored = schedules.put_over(OLD, again)
    assert stored == replace(again, next_at=OLD.next_at, fired_at=5)


@pytest.mark.parametrize(
    "change", [{"cron": "0 9 * * *"}, {"timezone": AMSTERDAM}, {"cron": None, "every_ms": 500}]
)
def test_put_again_with_another_rule_takes_the_new_tick(change: dict[str, Any]) -> None:
    other = replace(OLD, **change, next_at=NOW + 7)
    assert schedules.put_over(OLD, other) == other


def test_a_pause_stays_unless_told_otherwise() -> None:
    asleep = replace(OLD, next_at=None)
    new = replace(OLD, cron="0 9 * * *", next_at=NOW + 7)
    assert schedules.put_over(asleep, new).next_at is None
    assert schedules.put_over(asleep, new, paused=False).next_at == NOW + 7
    assert schedules.put_over(OLD, new, paused=True).next_at is None
    assert schedules.put_over(None, new, paused=True).next_at is None
    assert schedules.declared_over(asleep, new).next_at is None


def test_code_counts_when_its_declaration_changes_and_only_then() -> None:
    first = by_cron("0 8 * * *")
    stored = schedules.declared_over(None, first)
    assert schedules.origin(stored) == "code"
    # A restart an hour later.
    assert schedules.declared_over(stored, replace(first, next_at=NOW + 9 * HOUR)) == stored
    edited = schedules.put_over(stored, replace(first, cron="0 9 * * *", next_at=NOW + 9 * HOUR))
    assert schedules.origin(edited) == "edited"
    assert schedules.declared_over(edited, first) == edited
    changed = replace(first, misfire="skip")
    new = schedules.declared_over(edited, changed)
    assert (schedules.origin(new), new.cron, new.misfire) == ("code", "0 8 * * *", "skip")
    # Edited back to what the code says.
    back = schedules.put_over(edited, first)
    assert schedules.origin(back) == "code"


@pytest.mark.parametrize(
    "change",
    [
        {"job_type": "x"},
        {"queue": "x"},
        {"priority": 0},
        {"payload": b"x"},
        {"cron": "0 9 * * *"},
        {"timezone": AMSTERDAM},
        {"misfire": "all"},
        {"misfire_cap": 5},
    ],
)
def test_everything_said_of_a_schedule_is_in_its_fingerprint(change: dict[str, Any]) -> None:
    assert schedules.fingerprint(replace(OLD, **change)) != schedules.fingerprint(OLD)


def test_where_a_schedule_stands_is_not_in_its_fingerprint() -> None:
    other = replace(OLD, next_at=None, declared=b"x", fired_at=None, last_job=None)
    assert schedules.fingerprint(other) == schedules.fingerprint(OLD)


def test_what_was_put_at_run_time_and_is_then_declared_is_codes() -> None:
    stored = schedules.declared_over(OLD, OLD)
    assert (schedules.origin(OLD), schedules.origin(stored)) == ("run time", "code")
    assert stored.next_at == OLD.next_at


def test_a_schedule_that_begins_now_ticks_first_by_its_expression_or_after_its_interval() -> None:
    assert schedules.first_tick(None, 5_000, "UTC", 1_000) == 6_000
    assert schedules.first_tick("* * * * *", None, "UTC", 61_000) == 120_000
    with pytest.raises(CronError):
        schedules.first_tick("61 * * * *", None, "UTC", 0)


@pytest.mark.parametrize(
    ("misfire", "cap"), [("maybe", 1), ("all", 0), ("all", True), ("all", 1_001)]
)
def test_policies_are_checked(misfire: Any, cap: Any) -> None:
    assert schedules.checked_misfire("all", 1_000) == ("all", 1_000)
    with pytest.raises(UsageError, match="misfire"):
        schedules.checked_misfire(misfire, cap)
