"""Charts: what was counted, as shapes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from boundary.jobs.core.stats import MinuteStats
from boundary.jobs.shell.web.pages import charts
from boundary.jobs.shell.web.pages.charts import HEIGHT, LineChart, Range, Waiting

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC) - timedelta(microseconds=1)
HOUR = charts.RANGES[0]


def values(chart: LineChart) -> list[float]:
    """What a line says, read off its strokes."""
    (line,) = chart.lines
    heights = [float(y) for y in re.findall(r"[ML][0-9.]+ (-?[0-9.]+)", line.path)]
    return [round((HEIGHT - y) / HEIGHT * chart.top, 2) for y in heights]


def row(minutes_ago: int, runs: int, wait: float, took: float = 0.0) -> MinuteStats:
    minute = NOW.replace(second=0, microsecond=0) - timedelta(minutes=minutes_ago)
    return MinuteStats(
        minute=minute, queue_name="q", succeeded=runs,
        avg_wait_ms=wait * 1_000, avg_duration_ms=took * 1_000,
    )  # fmt: skip


def test_depth_is_told_from_how_long_finished_runs_were_waited_for() -> None:
    """Twelve jobs ended half past the minute; each had waited three minutes before."""
    seen = values(charts.depth([row(10, 12, 180)], [], HOUR, NOW))
    assert len(seen) == 60
    assert seen[46:51] == [6.0, 12.0, 12.0, 6.0, 0.0]
    assert sum(seen) == pytest.approx(36.0)
    moved = values(charts.depth([row(10, 12, 180, took=60)], [], HOUR, NOW))
    assert moved[45:50] == [6.0, 12.0, 12.0, 6.0, 0.0], "a run that takes long was taken earlier"


def test_depth_ends_with_what_is_ready_now() -> None:
    since = NOW - timedelta(minutes=10)
    seen = values(charts.depth([], [Waiting(100, since)], HOUR, NOW))
    assert seen[:50] == [0.0] * 50
    assert seen[50:] == pytest.approx([5, 15, 25, 35, 45, 55, 65, 75, 85, 100], abs=0.2)
    before = values(charts.depth([], [Waiting(100, NOW - timedelta(days=2))], HOUR, NOW))
    assert before[0] == pytest.approx(97.9, abs=0.4)
    just = values(charts.depth([row(1, 9, 0)], [Waiting(7, NOW), Waiting(1, NOW)], HOUR, NOW))
    assert just[-2:] == [0.0, 8.0]


@pytest.mark.parametrize("stretch", charts.RANGES, ids=lambda one: one.key)
def test_depth_over_every_stretch(stretch: Range) -> None:
    rows = [row(minutes, 5, 3_600) for minutes in range(0, 1_440, 7)]
    seen = values(charts.depth(rows, [Waiting(3, NOW - timedelta(hours=1))], stretch, NOW))
    assert len(seen) == stretch.count
    assert all(value >= 0 for value in seen)
