"""Telling a worker's process from a copy that a handler forked.

What belongs here: how many forks lie between. What does not: when to look (`calling`).
"""

from __future__ import annotations

import os


class Lineage:
    """Tells a forked copy from its parent, without a call of the system.

    Attributes:
        forks: How many lie between this process and the one that was started.
    """

    __slots__ = ("forks",)

    def __init__(self) -> None:
        self.forks: int = 0

    def forked(self) -> None:
        """This process is a copy."""
        self.forks += 1


LINEAGE = Lineage()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=LINEAGE.forked)
