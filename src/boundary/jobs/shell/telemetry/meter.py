"""Counting what happens in a worker, for metrics.

What belongs here: numbers that grow, by job type, queue and outcome. What does not: how they are
shown (`exposition`), and what is in the store.

A happening is about many jobs; its numbers are added in one go, in plain dictionaries, so that
counting takes a small part of what running takes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from boundary.jobs.core.happenings import Answered, Ended, LeaseLost, Started
from boundary.jobs.core.wire import ready_since

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from boundary.jobs.core.happenings import Happening

RUN: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800)
WAIT: Final = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400)
ANSWER: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
"""Upper bounds of the buckets, in seconds."""

KINDS: Final = 1_000
"""Most pairs of job type and queue that are told apart: whoever may enqueue may invent names."""

Kind: TypeAlias = tuple[str, str]
"""A job type and a queue."""

OTHER: Final[Kind] = ("other", "other")


class Tally:
    """How many seconds something took, in buckets."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds: Sequence[float] = bounds
        self.counts: list[int] = [0] * (len(bounds) + 1)
        self.total: float = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        """As Prometheus wants it: of each bound how many took no longer, at last all."""
        rows: list[tuple[str, float]] = []
        count = 0
        for bound, number in zip((*self.bounds, None), self.counts, strict=True):
            count += number
            rows.append(("+Inf" if bound is None else repr(float(bound)), count))
        return rows


class Runs(Tally):
    """Runs of one kind: how long they took, and how many came to each end."""

    __slots__ = ("ends",)

    def __init__(self, bounds: Sequence[float]) -> None:
        super().__init__(bounds)
        self.ends: dict[str, int] = {}


T = TypeVar("T", bound=Tally)


class Meter:
    """A subscriber that counts.

    Attributes:
        ran: Runs, by job type and queue.
        waited: How long jobs were ready before a worker had them.
        answers: How long the store took, by operation; `unanswered`: how often it failed.
        lease_losses: How often the store gave what this worker held to others.
        refused: Outcomes that came after the lease was lost.
        in_flight: How many jobs this worker holds now.
    """

    def __init__(self) -> None:
        self.lock: AbstractContextManager[Any] = Lock()
        self.ran: dict[Kind, Runs] = {}
        self.waited: dict[Kind, Tally] = {}
        self.answers: dict[str, Tally] = {}
        self.unanswered: Counter[str] = Counter()
        self.lease_losses: int = 0
        self.refused: int = 0
        self.in_flight: Callable[[], int] = int

    def __repr__(self) -> str:
        return "the meter"

    def __call__(self, happening: Happening) -> None:
        """It is counted."""
        with self.lock:
            match happening:
                case Ended():
                    self._count_ends(happening)
                case Started():
                    self._count_starts(happening)
                case Answered():
                    self._count_answer(happening)
                case LeaseLost():
                    self.lease_losses += 1
                case _:
                    pass

    # Jobs that come together are mostly of one kind: its row is looked up once for all in a row.

    def _count_ends(self, happening: Ended) -> None:
        ran, row, job_type, queue = self.ran, None, "", ""
        for (record, outcome), counts in zip(happening.runs, happening.accepted, strict=True):
            if not counts:
                self.refused += 1
                continue
            if row is None or record.job_type is not job_type or record.queue is not queue:
                job_type, queue = record.job_type, record.queue
                row = _found(ran, (job_type, queue), Runs, RUN)
            event, seconds = outcome.event, outcome.duration_ms / 1000
            ends = row.ends
            ends[event] = ends.get(event, 0) + 1
            if seconds or event == "succeed":  # its handler was called
                row.counts[bisect_left(RUN, seconds)] += 1
                row.total += seconds

    def _count_starts(self, happening: Started) -> None:
        waited, now, row, job_type, queue = self.waited, happening.at, None, "", ""
        for record in happening.records:
            if row is None or record.job_type is not job_type or record.queue is not queue:
                job_type, queue = record.job_type, record.queue
                row = _found(waited, (job_type, queue), Tally, WAIT)
            since = record.created if record.execute_at is None else ready_since(record)
            seconds = (now - since) / 1000 if now > since else 0.0
            row.counts[bisect_left(WAIT, seconds)] += 1
            row.total += seconds

    def _count_answer(self, happening: Answered) -> None:
        name = happening.operation
        if happening.failed:
            self.unanswered[name] += 1
            return
        tally = self.answers.get(name)
        if tally is None:
            tally = self.answers[name] = Tally(ANSWER)
        tally.add(happening.seconds)


def _found(tallies: dict[Kind, T], kind: Kind, make: type[T], bounds: Sequence[float]) -> T:
    """The tally of a kind, or the one of all for which there is no room."""
    found = tallies.get(kind)
    if found is None and len(tallies) >= KINDS:
        kind = OTHER
        found = tallies.get(kind)
    if found is None:
        found = tallies[kind] = make(bounds)
    return found
