"""When a schedule ticks: time zones, daylight saving, expressions that never do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from boundary.jobs import CronError
from boundary.jobs.core import cron

AMSTERDAM, NEW_YORK, LORD_HOWE = "Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe"


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def to_milliseconds(count: int) -> timedelta:
    return timedelta(milliseconds=count)


def ticks(expression: str, zone: str, start: str, count: int) -> list[str]:
    """The local times of the next ticks."""
    moment = instant(start)
    found = []
    for _ in range(count):
        moment = cron.next_tick(expression, zone, moment)
        found.append(moment.astimezone(ZoneInfo(zone)).isoformat())
    return found


@pytest.mark.parametrize(
    ("expression", "zone", "start", "expected"),
    [
        # 02:30 does not exist: the next instant that does.
        (
            "30 2 * * *",
            AMSTERDAM,
            "2026-03-28T12:00",
            ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"],
        ),
        (
            "30 2 * * *",
            NEW_YORK,
            "2026-03-07T12:00",
            ["2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"],
        ),
        # Half an hour is missing there.
        (
            "15 2 * * *",
            LORD_HOWE,
            "2026-10-03T00:00",
            ["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"],
        ),
        # 02:30 occurs twice: the first time only.
        (
            "30 2 * * *",
            AMSTERDAM,
            "2026-10-24T12:00",
            ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"],
        ),
        # Every twenty minutes stays every twenty minutes.
        (
            "*/20 * * * *",
            AMSTERDAM,
            "2026-10-25T00:20",
            ["2026-10-25T02:40:00+02:00", "2026-10-25T02:00:00+01:00"],
        ),
        (
            "*/20 * * * *",
            AMSTERDAM,
            "2026-03-29T00:40",
            ["2026-03-29T03:00:00+02:00", "2026-03-29T03:20:00+02:00"],
        ),
        # A fixed time with its seconds is a fixed time.
        (
            "10 30 2 * * *",
            AMSTERDAM,
            "2026-03-28T12:00",
            ["2026-03-29T03:00:10+02:00", "2026-03-30T02:30:10+02:00"],
        ),
        (
            "0 30 2 * * *",
            AMSTERDAM,
            "2026-10-24T12:00",
            ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"],
        ),
        # Begun in the repeated hour: what ticked in its first pass is over.
        (
            "30 2 * * *",
            AMSTERDAM,
            "2026-10-25T01:10",
            ["2026-10-26T02:30:00+01:00"],
        ),
        # Clocks go back by half an hour, to the middle of one.
        (
            "0 */2 * * *",
            LORD_HOWE,
            "2026-04-04T13:00",
            ["2026-04-05T02:00:00+10:30", "2026-04-05T04:00:00+10:30"],
        ),
        (
            "0 8 * * mon-fri",
            AMSTERDAM,
            "2026-11-20T12:00",
            ["2026-11-23T08:00:00+01:00", "2026-11-24T08:00:00+01:00"],
        ),
        (
            "@daily",
            "UTC",
            "2026-01-01T00:00",
            ["2026-01-02T00:00:00+00:00", "2026-01-03T00:00:00+00:00"],
        ),
        (
            "*/10 * * * * *",
            "UTC",
            "2026-01-01T00:00",
            ["2026-01-01T00:00:10+00:00", "2026-01-01T00:00:20+00:00"],
        ),
    ],
)
def test_ticks(expression: str, zone: str, start: str, expected: list[str]) -> None:
    """S64: a local time is kept as the right instant across a change of the clocks."""
    assert ticks(expression, zone, start, len(expected)) == expected


@pytest.mark.parametrize(
    ("expression", "zone", "says"),
    [
        ("0 0 30 2 *", "UTC", "0 0 30 2"),
        ("0 0 31 2,4 *", "UTC", "0 0 31 2,4"),
        ("every day", "UTC", "five fields"),
        ("61 * * * *", "UTC", "minute"),
        ("", "UTC", "five fields"),
        ("75 0 0 * * *", "UTC", "second"),
        (f"*/{'9' * 5_000} * * * *", "UTC", "cannot be used"),
        ("0 0 31 2 */7", "UTC", "cannot be used"),
        # The one day of March on which Amsterdam has no such hour.
        ("* 2 * 3 7L", AMSTERDAM, "never fires"),
        ("* * * * *", "Europe/Atlantis", "Europe/Atlantis"),
        ("* * * * *", "../etc/passwd", "time zone"),
    ],
)
def test_what_cannot_tick_is_refused(expression: str, zone: str, says: str) -> None:
    with pytest.raises(CronError, match=".*") as caught:
        cron.checked(expression, zone, datetime(2026, 1, 1, tzinfo=UTC))
    assert says in str(caught.value)


@given(
    moment=st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    expression=st.sampled_from(["*/7 * * * *", "30 2 * * *", "0 9 1 * *", "15 1-3 * * 0"]),
    zone=st.sampled_from([AMSTERDAM, NEW_YORK, LORD_HOWE, "UTC"]),
)
def test_the_next_tick_is_later_and_nothing_lies_between(
    moment: datetime, expression: str, zone: str
) -> None:
    tick = cron.next_tick(expression, zone, moment)
    assert tick > moment
    assert cron.next_tick(expression, zone, tick - timedelta(seconds=1)) == tick


# Nine hours around each change of the clocks.
CHANGES = [
    (AMSTERDAM, "2026-03-28T21:00"),
    (AMSTERDAM, "2026-10-24T21:00"),
    (NEW_YORK, "2026-03-08T03:00"),
    (NEW_YORK, "2026-11-01T02:00"),
    (LORD_HOWE, "2026-10-03T11:00"),
    (LORD_HOWE, "2026-04-04T11:00"),
]
around_a_change = given(
    change=st.sampled_from(CHANGES), into=st.integers(0, 9 * 3600 * 1000).map(to_milliseconds)
)


@around_a_change
@example(change=CHANGES[1], into=timedelta(hours=4, minutes=15))
def test_fixed_times_tick_later_and_once(change: tuple[str, str], into: timedelta) -> None:
    zone, start = change
    moment = instant(start) + into
    seen: list[str] = []
    for _ in range(8):
        tick = cron.next_tick("15,45 1-2 * * *", zone, moment)
        assert tick > moment
        moment = tick
        seen.append(tick.astimezone(ZoneInfo(zone)).strftime("%d %H:%M"))
    assert len(set(seen)) == len(seen), "no local time ticks in both passes"


@around_a_change
@example(change=CHANGES[5], into=timedelta(hours=2))
@example(change=CHANGES[4], into=timedelta(hours=4))
def test_wildcards_tick_whenever_their_local_time_comes_round(
    change: tuple[str, str], into: timedelta
) -> None:
    """Even spacing, gaps and repeated hours included: compared with looking at each minute."""
    zone, start = change
    moment = instant(start) + into
    for expression, minutes, hours in (
        ("*/20 * * * *", {0, 20, 40}, set(range(24))),
        ("0 */2 * * *", {0}, set(range(0, 24, 2))),
        ("*/10 1,3 * * *", {0, 10, 20, 30, 40, 50}, {1, 3}),
        ("* 2 * * *", set(range(60)), {2}),
    ):
        minute = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
        while (local := minute.astimezone(ZoneInfo(zone))) and not (
            local.minute in minutes and local.hour in hours
        ):
            minute += timedelta(minutes=1)
        assert cron.next_tick(expression, zone, moment) == minute


def test_a_rare_day_is_found_across_years_of_changes() -> None:
    tick = cron.next_tick("*/5 * 29 2 */6", AMSTERDAM, instant("2026-01-01T00:00"))
    assert tick == datetime(2032, 2, 28, 23, tzinfo=UTC)


def test_the_latest_of_a_missed_series() -> None:
    first = datetime(2026, 1, 1, 8, tzinfo=UTC)
    now = datetime(2026, 1, 5, 12, tzinfo=UTC)
    assert cron.latest_tick("0 8 * * *", "UTC", first, now) == datetime(2026, 1, 5, 8, tzinfo=UTC)
    assert cron.latest_tick("0 8 * * *", "UTC", first, first) == first


def test_the_latest_is_the_one_of_now_if_it_ticks_now() -> None:
    """As under a clock that stands still, where nothing is a millisecond late."""
    first = datetime(2026, 1, 1, 8, tzinfo=UTC)
    now = datetime(2026, 1, 4, 8, tzinfo=UTC)
    assert cron.latest_tick("0 8 * * *", "UTC", first, now) == now


@given(
    change=st.sampled_from(CHANGES),
    expression=st.sampled_from(["*/20 * * * *", "30 2 * * *", "15,45 1-2 * * *", "5 30 1 * * *"]),
    past=st.integers(0, 30 * 3600 * 1000).map(to_milliseconds),
)
def test_the_latest_is_a_tick_with_none_between_it_and_now(
    change: tuple[str, str], expression: str, past: timedelta
) -> None:
    zone, start = change
    first = cron.next_tick(expression, zone, instant(start) - timedelta(days=3))
    now = instant(start) + past
    latest = cron.latest_tick(expression, zone, first, now)
    assert latest <= now < cron.next_tick(expression, zone, latest)
    assert cron.next_tick(expression, zone, latest - timedelta(milliseconds=1)) == latest


@given(st.integers(0, 10**13), st.integers(1, 10**8), st.integers(0, 10**13))
def test_intervals_never_drift(anchor: int, every: int, after: int) -> None:
    tick = cron.next_interval(anchor, every, after)
    assert tick > after
    assert tick - every <= after
    assert (tick - anchor) % every == 0
