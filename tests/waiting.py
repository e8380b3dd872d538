"""How tests wait, and how they measure: without hoping that the machine is quiet.

What belongs here: waiting for a predicate, and a stopwatch that leaves out what the machine kept
everybody waiting. What does not: figures (`benchmarks`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 60.0
"""Seconds a test gives to what must happen, however busy the machine is; not a figure."""

_TIMES = float(os.environ.get("PATIENCE", "1"))
"""By how much all patience is multiplied, as where several experiments share a busy machine."""

_PRESSURE = Path("/proc/pressure")
_LONGEST_PAUSE = 0.05


def eventually(what: str, predicate: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """The predicate's first true value; fails, saying what was waited for, after `patience`."""
    patience *= _TIMES
    end, pause = time.monotonic() + patience, 0.002
    while not (value := predicate()):
        if time.monotonic() > end:
            pytest.fail(f"waited {patience:g} s in vain: {what}")
        time.sleep(pause)  # a look costs the time of what is waited for
        pause = min(pause * 1.3, _LONGEST_PAUSE)
    return value


class Stopwatch:
    """Runs from when it is made, and stands still while the machine keeps somebody waiting.

    Linux counts for how long some process was ready and got no processor, or waited for a disk
    (`/proc/pressure`), and what a hypervisor took. On a quiet machine that is nothing, and a limit
    is sharp; on one that is full, it does not fail a test for what its neighbours do. Where Linux
    does not say, it runs at a tenth of the speed.
    """

    def __init__(self) -> None:
        self._began, self._kept = time.monotonic(), kept_waiting()

    def took(self) -> float:
        """Seconds so far."""
        took = time.monotonic() - self._began
        if self._kept is None or (kept := kept_waiting()) is None:
            return took / 10
        return max(took - (kept - self._kept), 0.0)


def kept_waiting() -> float | None:
    """Seconds, since the machine started, in which something waited for it; None: it does not say."""
    try:
        lines = [(_PRESSURE / what).read_text().splitlines()[0] for what in ("cpu", "io")]
        stolen = int(Path("/proc/stat").read_text().split(maxsplit=9)[8])
    except (OSError, IndexError, ValueError):
        return None
    waited = sum(int(line.rpartition("total=")[2]) for line in lines) / 1e6
    return waited + stolen / os.sysconf("SC_CLK_TCK")


class Pressure:
    """What the machine kept waiting, noted now and again, to judge a span of the past by."""

    def __init__(self) -> None:
        self._notes: list[tuple[float, float | None]] = []
        self.note()

    def note(self) -> None:
        """So much by now."""
        self._notes.append((time.time(), kept_waiting()))

    def took(self, start: float, end: float) -> float:
        """Seconds from one instant to another, as a `Stopwatch` would have measured them."""
        before = max((one for one in self._notes if one[0] <= start), default=self._notes[0])
        after = min((one for one in self._notes if one[0] >= end), default=self._notes[-1])
        if before[1] is None or after[1] is None:
            return (end - start) / 10
        return max(end - start - (after[1] - before[1]), 0.0)
