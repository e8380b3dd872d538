"""Charts as shapes: what was counted, made into bars and lines of a picture 600 by 120.

What belongs here: adding up into buckets, and geometry, pure. What does not: markup and colours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct

from boundary.jobs.core.stats import MinuteStats

WIDTH: Final = 600.0
HEIGHT: Final = 120.0
GAP: Final = 0.25
"""Of a bar's room, how much is left free."""


class Range(Struct, frozen=True):
    """A stretch of time up to now, in buckets."""

    key: str
    label: str
    span: timedelta
    step: timedelta

    @property
    def count(self) -> int:
        """Its buckets."""
        return self.span // self.step


RANGES: Final = (
    Range("1h", "1 h", timedelta(hours=1), timedelta(minutes=1)),
    Range("24h", "24 h", timedelta(hours=24), timedelta(minutes=20)),
    Range("30d", "30 d", timedelta(days=30), timedelta(hours=12)),
)


class Bucket(Struct):
    """What the runs of a stretch of time came to; times are those of all runs together."""

    begin: datetime
    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    wait_ms: float = 0.0
    duration_ms: float = 0.0

    @property
    def runs(self) -> int:
        """How many runs ended."""
        return self.succeeded + self.failed + self.retried


def buckets(rows: Iterable[MinuteStats], stretch: Range, now: datetime) -> list[Bucket]:
    """The stretch in buckets, oldest first, the last one under way."""
    step = stretch.step.total_seconds()
    last = math.floor(now.timestamp() / step)
    first = last - stretch.count + 1
    found = [
        Bucket(datetime.fromtimestamp(number * step, UTC)) for number in range(first, last + 1)
    ]
    for row in rows:
        place = math.floor(row.minute.timestamp() / step) - first
        if 0 <= place < len(found):
            _add(found[place], row)
    return found


def _add(bucket: Bucket, row: MinuteStats) -> None:
    runs = row.succeeded + row.failed + row.retried
    bucket.succeeded += row.succeeded
    bucket.failed += row.failed
    bucket.retried += row.retried
    bucket.wait_ms += row.avg_wait_ms * runs
    bucket.duration_ms += row.avg_duration_ms * runs


class Piece(Struct, frozen=True):
    """A rectangle of a bar."""

    kind: str
    y: float
    height: float


class Bar(Struct, frozen=True):
    """One bucket's bar."""

    begin: datetime
    x: float
    width: float
    pieces: tuple[Piece, ...]
    title: str


class BarChart(Struct, frozen=True):
    """Bars, and the value at the top of the picture."""

    bars: tuple[Bar, ...]
    top: float


class Line(Struct, frozen=True):
    """One line: its strokes as a path, and its latest value."""

    kind: str
    path: str
    latest: float | None


class LineChart(Struct, frozen=True):
    """Lines, and the value at the top of the picture."""

    lines: tuple[Line, ...]
    top: float


def nice(value: float) -> float:
    """The least of 1, 2, 5, 10, 20, 50 … that is not below the value."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * 0.999_999)


def throughput(found: Sequence[Bucket]) -> BarChart:
    """Runs that ended, a bar a bucket: succeeded below, then retried, then failed."""
    top = nice(max((one.runs for one in found), default=0))
    room = WIDTH / max(len(found), 1)
    return BarChart(tuple(_bar(one, place, room, top) for place, one in enumerate(found)), top)


def _bar(one: Bucket, place: int, room: float, top: float) -> Bar:
    pieces: list[Piece] = []
    floor = HEIGHT
    for kind, count in (
        ("succeeded", one.succeeded),
        ("retried", one.retried),
        ("failed", one.failed),
    ):
        if count:
            height = max(count / top * HEIGHT, 1.0)
            floor -= height
            pieces.append(Piece(kind, round(floor, 2), round(height, 2)))
    title = f"{one.succeeded:,} succeeded, {one.retried:,} retried, {one.failed:,} failed"
    x = round(place * room, 2)
    return Bar(one.begin, x, round(room * (1 - GAP), 2), tuple(pieces), title)


def lines(kinds: Sequence[tuple[str, Sequence[float | None]]]) -> LineChart:
    """A line a kind; where there is no value it is interrupted."""
    values = [value for _, row in kinds for value in row if value is not None]
    top = nice(max(values, default=0))
    return LineChart(tuple(_line(kind, row, top) for kind, row in kinds), top)


def _line(kind: str, row: Sequence[float | None], top: float) -> Line:
    room = WIDTH / max(len(row) - 1, 1)
    path: list[str] = []
    pen_down = False
    for place, value in enumerate(row):
        if value is not None:
            x, y = round(place * room, 1), round(HEIGHT - value / top * HEIGHT, 1)
            # A value between two gaps would be invisible: it gets a short stroke.
            path.append(f"{'L' if pen_down else 'M'}{x:g} {y:g}" + ("" if pen_down else "h1"))
        pen_down = value is not None
    known = [value for value in row if value is not None]
    return Line(kind, "".join(path), known[-1] if known else None)


def waits(found: Sequence[Bucket]) -> LineChart:
    """How long runs were waited for and how long they took, on the mean of each bucket."""
    return lines(
        (
            ("wait", [one.wait_ms / one.runs if one.runs else None for one in found]),
            ("duration", [one.duration_ms / one.runs if one.runs else None for one in found]),
        )
    )


class Waiting(Struct, frozen=True):
    """Jobs of a queue that are ready now, and since when the one is that waits longest."""

    count: int
    since: datetime


def depth(
    rows: Iterable[MinuteStats], ready: Iterable[Waiting], stretch: Range, now: datetime
) -> LineChart:
    """How many jobs were ready, on the mean of each bucket; in the one under way, how many are now.

    Stores count what ended, not what waited; but each run that ended tells how long it was waited for,
    so when: it was ready from its wait before it began until then. What is ready now is taken to have
    come in evenly since its oldest did.
    """
    step = stretch.step.total_seconds()
    begin = (math.floor(now.timestamp() / step) - stretch.count + 1) * step
    found = [0.0] * stretch.count
    for row in rows:
        runs = row.succeeded + row.failed + row.retried
        ended = min(row.minute.timestamp() + 30, now.timestamp())
        taken = ended - row.avg_duration_ms / 1_000
        _stack(
            found, (taken - row.avg_wait_ms / 1_000 - begin) / step, (taken - begin) / step, runs
        )
    last = (now.timestamp() - begin) / step
    waiting = tuple(ready)
    for one in waiting:
        _ramp(found, min((one.since.timestamp() - begin) / step, last), last, one.count)
    found[-1] = float(sum(one.count for one in waiting))
    return lines((("depth", found),))


def _stack(found: list[float], begin: float, end: float, count: float) -> None:
    """So many were there from one place (in buckets) to the other."""
    for place in range(max(0, math.floor(begin)), min(len(found) - 1, math.floor(end)) + 1):
        found[place] += count * max(0.0, min(end, place + 1) - max(begin, place))


def _ramp(found: list[float], begin: float, end: float, count: float) -> None:
    """From none at one place they became so many at the other."""
    span = max(end - begin, 1e-9)
    for place in range(max(0, math.floor(begin)), min(len(found) - 1, math.floor(end)) + 1):
        left, right = max(begin, place), min(end, place + 1)
        middle = ((left + right) / 2 - begin) / span
        found[place] += count * middle * max(0.0, right - left)
