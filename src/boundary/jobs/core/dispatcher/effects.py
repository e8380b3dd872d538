"""What the worker is to do.

What belongs here: each effect as a record. What does not: when it is wanted (`dispatcher.step`), doing
it (`shell.shift`).
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct


class Exchange(Struct, frozen=True):
    """Hand in the outcomes there are and claim, in one call; `claiming` False: only hand in."""

    claiming: bool
    slots: int = 0
    ahead: tuple[tuple[str, int], ...] = ()
    queues: tuple[str, ...] | None = None
    limits: tuple[tuple[str, int], ...] = ()


class Sweep(Struct, frozen=True):
    """Reclaim and prune."""


class GiveBack(Struct, frozen=True):
    """Release every job that has not begun; each counts as finished."""


class Abandon(Struct, frozen=True):
    """Stop what runs and release it, now; each counts as finished."""


class Renew(Struct, frozen=True):
    """Stop what runs, drop its outcomes, go on under a new incarnation."""


class Recycle(Struct, frozen=True):
    """Ask for a process in the place of this one, which goes on until it is told to stop."""

    why: str


class Resize(Struct, frozen=True):
    """So many slots from now on; what runs in one too many ends first."""

    slots: int


class Leave(Struct, frozen=True):
    """All is settled: depart and stop."""


class Alarm(Struct, frozen=True):
    """Send `Tick` at this moment; replaces an earlier alarm."""

    at: float


Effect: TypeAlias = Exchange | Sweep | GiveBack | Abandon | Renew | Recycle | Resize | Leave | Alarm
