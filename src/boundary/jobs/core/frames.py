"""How events get from one process to another, and how losses are noticed.

What belongs here: from rows to frames, and from frames to the events somebody follows. What does
not: what an event is (`events`), and carrying frames (the stores do).

Nothing waits for whoever follows events, so some may get lost on the way. Each source counts what
it tells, and each frame says with which number it begins; who hears it sees the gaps.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import Struct, msgpack

from boundary.jobs.core.events import Event, Row, event_of
from boundary.jobs.core.operations import FRAME

SOURCES = 10_000
"""Of so many sources one remembers what they told last."""

TOGETHER = 32
"""Events that are put into one frame, if they fit."""


class Frame(Struct, array_like=True, frozen=True):
    """Some events of one source; `first` is the number of the first of them."""

    source: bytes
    first: int
    rows: tuple[Row, ...]


_encode = msgpack.Encoder().encode
_decode = msgpack.Decoder(Frame).decode


def frames_of(source: bytes, first: int, rows: Sequence[Row]) -> tuple[bytes, ...]:
    """The rows in frames of at most `FRAME` bytes, numbered from `first` on."""
    starts = range(0, len(rows), TOGETHER)
    return tuple(
        frame
        for start in starts
        for frame in _fitting(source, first + start, rows[start : start + TOGETHER])
    )


def _fitting(source: bytes, first: int, rows: Sequence[Row]) -> Iterator[bytes]:
    data = _encode((source, first, rows))
    if len(data) <= FRAME or len(rows) == 1:
        yield data
        return
    half = len(rows) // 2
    yield from _fitting(source, first, rows[:half])
    yield from _fitting(source, first + half, rows[half:])


class Wanted(Struct, frozen=True):
    """Which events somebody follows; None: of any.

    Attributes:
        job: The id of a job, 16 bytes.
    """

    types: frozenset[str] | None = None
    job: bytes | None = None
    queue: str | None = None

    def includes(self, row: Row) -> bool:
        """Whether this is one of them."""
        return (
            (self.types is None or row.type in self.types)
            and self.job in {None, row.id}
            and self.queue in {None, row.queue}
        )


class Intake:
    """Turns frames into the events that are wanted, and counts what got lost.

    Attributes:
        lost: How many events got lost since the beginning, of whatever kind.
    """

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._next: OrderedDict[bytes, int] = OrderedDict()
        self._untold = 0
        self.lost: int = 0

    def take(self, frames: Iterable[bytes]) -> list[Event]:
        """The wanted events of these frames; bytes that are no frame are passed over."""
        events: list[Event] = []
        for data in frames:
            try:
                frame = _decode(data)
            except msgspec.MsgspecError:
                continue
            self._count(frame)
            for row in frame.rows:
                if self._wanted.includes(row):
                    events.append(event_of(row, self._untold))
                    self._untold = 0
        return events

    def _count(self, frame: Frame) -> None:
        """What is missing between this frame and the one before of the same source."""
        expected = self._next.pop(frame.source, frame.first)
        missing = max(frame.first - expected, 0)
        self.lost += missing
        self._untold += missing
        self._next[frame.source] = max(expected, frame.first + len(frame.rows))
        if len(self._next) > SOURCES:
            self._next.popitem(last=False)
