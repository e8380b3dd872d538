"""What a worker brings to each of its shifts.

What belongs here: the parts and the settings that all of a shift works with, as one value. What does
not: anything that lasts as long as a shift only (`shift`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from boundary.jobs.core.outcome import Keep

if TYPE_CHECKING:
    from boundary.jobs.core.dispatcher import Setup
    from boundary.jobs.ports import Clock, Store
    from boundary.jobs.shell.registry import Registry
    from boundary.jobs.shell.settings import Settings
    from boundary.jobs.shell.surroundings import Surroundings


class Post(NamedTuple):
    """A worker, to its shifts."""

    store: Store
    registry: Registry
    settings: Settings
    setup: Setup
    clock: Clock
    surroundings: Surroundings

    @property
    def keep(self) -> Keep:
        """How long finished jobs and dead letters stay."""
        retention = self.settings.retention
        return Keep(retention.finished, retention.dead)
