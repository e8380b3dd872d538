"""How many slots a worker with `concurrency="auto"` has: the rule.

What belongs here: from what was measured to the next number of slots. What does not: measuring
(`shell.load`), and when (`dispatcher`).

A job that waits costs a slot and nothing else, a job that computes costs the processor: so slots
are added while jobs wait for one and the processor has time to spare, and taken away while it has
none, or while nobody needs them. Grow fast, shrink slowly: a slot too few delays jobs now, one too
many costs little for a while.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final, TypeAlias

from boundary.jobs.core.names import checked_name
from boundary.jobs.errors import UsageError

Bounds: TypeAlias = tuple[int, int]
"""Fewest and most slots."""

DEFAULT: Bounds = (2, 200)

FIRST, MOST = 10, 100_000
_AUTO: Final = re.compile(r"auto:(\d{1,6})-(\d{1,6})", re.ASCII)
"""How bounds are written."""

IDLE, ROOM, FULL = 0.4, 0.75, 0.95
"""Shares of the processor: below `IDLE` slots double, below `ROOM` a quarter more is tried, from
`FULL` on there are too many; in between they stay, or it would swing."""

SHRINK = 0.9


def parsed(concurrency: int | str) -> tuple[int, Bounds | None]:
    """How many slots to begin with, and the bounds if their number follows the load.

    Raises:
        UsageError: It is no number from 1 to 100,000, and not as in ``auto`` or ``auto:2-200``.
    """
    bounds: Bounds | None = None
    if concurrency == "auto":
        bounds = DEFAULT
    elif isinstance(concurrency, str) and (found := _AUTO.fullmatch(concurrency)):
        bounds = int(found[1]), int(found[2])
    elif isinstance(concurrency, int) and 1 <= concurrency <= MOST:
        return concurrency, None
    if bounds is None or not 1 <= bounds[0] <= bounds[1] <= MOST:
        raise UsageError(
            f'concurrency is a number from 1 to {MOST}, "auto", or bounds as in "auto:2-200", '
            f"not {concurrency!r}"
        )
    return max(bounds[0], min(FIRST, bounds[1])), bounds


def check_limits(limits: Mapping[str, int]) -> None:
    """Every queue has a name, and a number of jobs from 1 on.

    Raises:
        UsageError: One has not.
    """
    for name, most in limits.items():
        checked_name("queue", name)
        if not 1 <= most <= MOST:
            raise UsageError(f"the concurrency of queue {name!r} is from 1 to {MOST}, not {most!r}")


def slots(now: int, bounds: Bounds, *, cpu: float, peak: int, pressed: bool) -> int:
    """The next number of slots, within the bounds.

    Args:
        now: How many there are.
        cpu: The share of the processor that is used, 1: there is no more to have.
        peak: The most jobs that were held at once since the last decision.
        pressed: Jobs waited for a slot meanwhile.
    """
    fewest, most = bounds
    wanted = float(now)
    if cpu >= FULL:
        wanted = math.floor(now * SHRINK)
    elif pressed and cpu < IDLE:
        wanted = now * 2
    elif pressed and cpu < ROOM:
        wanted = now * 1.25 + 1
    elif not pressed and peak * 2 < now:
        wanted = max(math.floor(now * SHRINK), peak * 2)
    return max(fewest, min(int(wanted), most))
