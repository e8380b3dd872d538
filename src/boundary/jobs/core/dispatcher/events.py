"""What happened to the worker.

What belongs here: each event as a record. What does not: what it means (`learning`).
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from boundary.jobs.core.dispatcher.effects import Exchange


class Tick(Struct, frozen=True):
    """Time has passed."""

    now: float
    u: float = 0.0


class Noticed(Struct, frozen=True):
    """Somebody says there may be work."""

    now: float
    u: float = 0.0


class Arrived(Struct, frozen=True):
    """The exchange brought `count` jobs; something comes due in `due_ms` (None: nothing known).

    `leftover`: outcomes that came in meanwhile still wait to be handed in. `of`: (queue, how many
    of the jobs), for queues with a limit.
    """

    now: float
    asked: Exchange
    count: int
    due_ms: float | None = None
    leftover: bool = False
    u: float = 0.0
    of: tuple[tuple[str, int], ...] = ()


class Finished(Struct, frozen=True):
    """Jobs reached an outcome: (queue, how many, milliseconds they took together)."""

    now: float
    runs: tuple[tuple[str, int, float], ...]
    u: float = 0.0


class Returned(Struct, frozen=True):
    """`count` held jobs will not be begun here: given back or abandoned, to be handed in.

    `of`: (queue, how many of them), for queues with a limit.
    """

    now: float
    count: int
    u: float = 0.0
    of: tuple[tuple[str, int], ...] = ()


class Failed(Struct, frozen=True):
    """The exchange failed; its outcomes still wait."""

    now: float
    asked: Exchange
    u: float = 0.0


class Disowned(Struct, frozen=True):
    """The store does not know this incarnation any more, or its lease cannot be renewed."""

    now: float
    u: float = 0.0


class Joined(Struct, frozen=True):
    """The store knows the new incarnation."""

    now: float
    u: float = 0.0


class Weighed(Struct, frozen=True):
    """So many bytes of memory are this process's."""

    now: float
    memory: int
    u: float = 0.0


class Quieted(Struct, frozen=True):
    """An operator wants it to claim nothing (`quiet`), or to claim again."""

    now: float
    quiet: bool
    u: float = 0.0


class Stop(Struct, frozen=True):
    """Take nothing more; what runs gets `grace_ms` from now. A shorter grace wins."""

    now: float
    grace_ms: float
    u: float = 0.0


class Measured(Struct, frozen=True):
    """The share of the processor that was used since the last time; 1: there is no more."""

    now: float
    cpu: float
    u: float = 0.0


Event: TypeAlias = (
    Tick
    | Noticed
    | Arrived
    | Finished
    | Returned
    | Failed
    | Disowned
    | Joined
    | Weighed
    | Measured
    | Quieted
    | Stop
)
