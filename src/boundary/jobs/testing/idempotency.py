"""Does it do harm to run a job again, wherever its worker died?

What belongs here: the experiment and its report. What does not: how a run is cut (`mishaps`).
"""

from __future__ import annotations

import difflib
import pprint
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from boundary.jobs.errors import UsageError
from boundary.jobs.testing.mishaps import Kill, Mishaps

if TYPE_CHECKING:
    from boundary.jobs.core.records import Job
    from boundary.jobs.shell.draft import Draft
    from boundary.jobs.testing.kit import JobsKit

_NEVER = 1 << 62
"""A point no run reaches: it is only counted how many it passes."""

SHOWN = 5
"""Histories a message shows."""


class Difference(NamedTuple):
    """After which history the state was another, and how."""

    history: str
    lines: str


class Report(NamedTuple):
    """What was tried: at which points the run was cut, of how many it has."""

    points: int
    tried: tuple[int, ...]
    differences: tuple[Difference, ...]


def check(
    kit: JobsKit,
    mishaps: Mishaps,
    draft: Draft,
    snapshot: Callable[[], object],
    reset: Callable[[], object],
    most: int,
) -> Report:
    """As `JobsKit.check_idempotent`."""
    if most < 1:
        raise UsageError(f"most is how many points are tried, 1 at least, not {most!r}")
    trial = Trial(kit, mishaps, draft, snapshot, reset)
    expected = trial.state_after(Kill(_NEVER))
    points = mishaps.points
    tried = _spread(points, most)
    differences: list[Difference] = []
    for point in (None, *tried):
        state = trial.state_after(Kill(point))
        if state != expected:
            differences.append(Difference(trial.history, _diff(expected, state)))
    report = Report(points, tried, tuple(differences))
    if differences:
        raise AssertionError(_told(draft.new.job_type, report))
    return report


class Trial:
    """One job that is run from the same beginning again and again.

    Attributes:
        history: What happened in the last trial.
    """

    def __init__(
        self,
        kit: JobsKit,
        mishaps: Mishaps,
        draft: Draft,
        snapshot: Callable[[], object],
        reset: Callable[[], object],
    ) -> None:
        self._kit = kit
        self._mishaps = mishaps
        self._draft = draft
        self._snapshot = snapshot
        self._reset = reset
        self.history: str = ""

    def state_after(self, kill: Kill) -> str:
        """The state, as text, after a run under this mishap and, if that killed it, a whole one."""
        self._reset()
        before = len(self._kit.watched.enqueued)
        job = self._kit.send(self._draft)
        self._mishaps.plan(job.job_type, kill, 1)
        self._until_it_ends(job)
        self._forget(before)
        return pprint.pformat(self._snapshot(), sort_dicts=True)

    def _forget(self, before: int) -> None:
        """What this trial enqueued is no part of the next one."""
        for one in self._kit.watched.enqueued[before:]:
            self._kit.delete(one.id)
        del self._kit.watched.enqueued[before:]

    def _until_it_ends(self, job: Job) -> None:
        lease = self._kit.settings.workers.lease
        for _ in range(2):
            self._kit.drain()
            if (now := self._kit.find(job.id)) is None or now.status != "running":
                break
            self.history = f"its worker died {self._mishaps.died} and it ran again"
            # The lease has to end before another has it.
            self._kit.clock.advance(lease / 1000)
        ended = self._kit.find(job.id)
        if ended is not None and ended.status != "completed":
            why = "" if ended.error is None else f": {ended.error.type}: {ended.error.message}"
            raise UsageError(
                f"{job.job_type} is {ended.status} after its run{why}; whether it is idempotent "
                "can be told of a job that completes"
            )


def _spread(points: int, most: int) -> tuple[int, ...]:
    if points <= most:
        return tuple(range(1, points + 1))
    return tuple(sorted({1 + index * (points - 1) // max(most - 1, 1) for index in range(most)}))


def _diff(expected: str, state: str) -> str:
    lines = difflib.unified_diff(
        expected.splitlines(), state.splitlines(), "after one run", "after this", lineterm="", n=1
    )
    return "\n".join(f"    {line}" for line in lines)


def _told(job_type: str, report: Report) -> str:
    count, tried = len(report.differences), len(report.tried) + 1
    lines = [f"{job_type} is not idempotent: {count} of {tried} histories end in another state."]
    for one in report.differences[:SHOWN]:
        lines += [f"  When {one.history}:", one.lines]
    if count > SHOWN:
        lines.append(f"  ... and {count - SHOWN} more")
    return "\n".join(lines)
