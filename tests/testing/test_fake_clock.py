"""The clock users' tests turn by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from boundary.jobs.testing import FakeClock


def test_it_stands_still_until_it_is_told_to_move() -> None:
    clock = FakeClock(1_000)
    assert (clock.now(), clock.now()) == (1_000, 1_000)
    clock.advance(2.5)
    assert clock.now() == 3_500
    clock.advance(timedelta(hours=1, milliseconds=1))
    assert clock.now() == 3_603_501
    clock.advance(0.0004)
    assert clock.now() == 3_603_501


def test_it_can_be_set_forward_and_back() -> None:
    clock = FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
    clock.set(datetime(2025, 1, 1, tzinfo=UTC))
    assert clock.now() == 1_735_689_600_000
    clock.set(5)
    assert clock.now() == 5


def test_chance_is_what_the_test_says() -> None:
    clock = FakeClock(us=(0.0, 0.25, 0.999))
    assert [clock.u() for _ in range(4)] == [0.0, 0.25, 0.999, 0.0]
    assert [FakeClock().u(), FakeClock().u()] == [0.5, 0.5]
