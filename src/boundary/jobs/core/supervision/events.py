"""What happened to the supervisor.

What belongs here: each event as a record. What does not: what it means (`supervision.step`).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct


class Tick(Struct, frozen=True):
    """Time has passed."""

    now: float


class Told(Struct, frozen=True):
    """A child says how far it is, and how long its jobs get once it is told to leave."""

    now: float
    number: int
    phase: Literal["loaded", "ready"]
    grace_ms: float = 0.0


class Exited(Struct, frozen=True):
    """A child has ended; a negative `code` is the signal that ended it."""

    now: float
    number: int
    code: int


class Replace(Struct, frozen=True):
    """These children are to be replaced by new ones; None: all."""

    now: float
    number: int | None
    why: str


class Quiet(Struct, frozen=True):
    """No child is to claim jobs any more; or a child says that it claims again."""

    now: float
    quiet: bool = True


class Stop(Struct, frozen=True):
    """Everybody is to leave: in peace; said again: at once."""

    now: float


Event: TypeAlias = Tick | Told | Exited | Replace | Quiet | Stop
