"""How busy a worker keeps the processor, where its number of slots follows that.

What belongs here: measuring. What does not: what follows (`core.scaling`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

LATE = 0.1
"""Seconds a timer may be late until the event loop counts as full."""

_PROC = Path("/proc")


class Load:
    """The share of the processor this worker uses, between two looks."""

    def __init__(self) -> None:
        self._at, self._own, self._queued = time.monotonic(), time.process_time(), _queued()
        self._others: dict[int, float] = {}
        self._cores = cores()

    def read(self, expected: float, processes: Iterable[int]) -> float:
        """The share used since the last look; 1: there is no more to have.

        The larger of two: of one core by this process, whose interpreter runs on no more, and of
        all cores by it and its processes together. What it wanted and did not get, because others
        had it, counts as used; a look that comes late means there was no more at all.

        Args:
            expected: Seconds the caller meant to sleep since the last look.
            processes: Pids of its children, where the system tells what they used.
        """
        at, own, queued = time.monotonic(), time.process_time(), _queued()
        others = {pid: _used(pid) for pid in processes}
        passed = max(at - self._at, 0.001)
        mine = own - self._own + max(queued - self._queued, 0.0)
        theirs = sum(max(used - self._others.get(pid, 0.0), 0.0) for pid, used in others.items())
        self._at, self._own, self._queued, self._others = at, own, queued, others
        if passed - expected > LATE:
            return 1.0
        return min(max(mine / passed, (mine + theirs) / passed / self._cores), 1.0)


def _queued() -> float:
    """Seconds threads of this process were ready to run and had no core; from Linux."""
    try:
        rows = [one.read_text().split() for one in (_PROC / "self/task").glob("*/schedstat")]
        return sum(int(row[1]) for row in rows) / 1e9
    except (OSError, ValueError, IndexError):  # a thread may end meanwhile
        return 0.0


def _used(pid: int) -> float:
    """Seconds of processor time; from Linux, which tells of others."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0


def cores() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
