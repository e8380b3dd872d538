"""What `Announce` means: to a state, nothing.

What belongs here: that. What does not: who watches, which each store knows by its own means.
"""

from __future__ import annotations

from boundary.jobs.core.model.state import State
from boundary.jobs.core.operations import (
    Announce,
)
from boundary.jobs.core.wire import Millis


def announce(state: State, operation: Announce, now: Millis) -> bool:
    """Who watches is no part of a state."""
    return False
