"""When a schedule ticks: time zones, daylight saving, expressions that never do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boundary.jobs import CronError
from boundary.jobs.core import cron

AMSTERDAM, NEW_YORK, LORD_HOWE = "Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe"


def ticks(expression: str, zone: str, start: str, count: int) -> list[str]:
    """The local times of the next ticks."""
    moment = datetime.fromisoformat(start).replace(tzinfo=UTC)
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


def test_the_latest_of_a_missed_series() -> None:
    first = datetime(2026, 1, 1, 8, tzinfo=UTC)
    now = datetime(2026, 1, 5, 12, tzinfo=UTC)
    assert cron.latest_tick("0 8 * * *", "UTC", first, now) == datetime(2026, 1, 5, 8, tzinfo=UTC)
    assert cron.latest_tick("0 8 * * *", "UTC", first, first) == first


@given(st.integers(0, 10**13), st.integers(1, 10**8), st.integers(0, 10**13))
def test_intervals_never_drift(anchor: int, every: int, after: int) -> None:
    tick = cron.next_interval(anchor, every, after)
    assert tick > after
    assert tick - every <= after
    assert (tick - anchor) % every == 0
