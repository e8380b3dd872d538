"""The time by which all witnesses of a floor write, whatever is done to anybody's wall clock.

What belongs here: one clock. What does not: the clocks of the code under test.
"""

from __future__ import annotations

import os
import time

EPOCH = "WITNESS_EPOCH"
"""The variable that says when this machine's monotonic clock began, by the floor's wall clock (s)."""


def epoch() -> float:
    """For processes that a floor starts."""
    return time.time() - time.monotonic()


def now() -> float:
    """Milliseconds since 1970."""
    began = os.environ.get(EPOCH)
    return 1000 * (time.time() if began is None else float(began) + time.monotonic())
