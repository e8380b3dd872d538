"""How many jobs wait, over time: remembered by this process while somebody looks.

What belongs here: samples of the depth of all queues. What does not: what a store remembers (it
counts what ended, not what waited).
"""

from __future__ import annotations

import time
from collections import deque
from typing import Final

from boundary.jobs.core.stats import JobStats

EVERY: Final = 10.0
"""Seconds between two samples that are kept."""
KEPT: Final = 360
"""Samples: an hour."""


class Depth:
    """Samples of the latest hour, oldest first."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int]] = deque(maxlen=KEPT)

    def note(self, stats: JobStats) -> None:
        """The depth is now this; of several in one stretch the last counts."""
        place = int(time.time() / EVERY)
        depth = sum(row.size for row in stats.queues)
        if self._samples and self._samples[-1][0] == place:
            self._samples[-1] = (place, depth)
        else:
            self._samples.append((place, depth))

    def row(self) -> list[float | None]:
        """The latest hour, a value every `EVERY` seconds; None where nobody looked."""
        last = int(time.time() / EVERY)
        known = dict(self._samples)
        return [known.get(place) for place in range(last - KEPT + 1, last + 1)]
