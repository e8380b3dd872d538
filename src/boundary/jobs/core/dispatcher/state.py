"""What a worker is told once, and what it knows of itself.

What belongs here: `Setup` and `State`. What does not: how events change it (`learning`).
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from boundary.jobs.core.dispatcher.effects import Exchange
from boundary.jobs.core.scaling import Bounds

INF = float("inf")


class Setup(Struct, frozen=True):
    """What a worker is told once.

    Attributes:
        concurrency: Slots: jobs that run at the same time; with `bounds`, to begin with.
        bounds: Fewest and most slots, where their number follows what is measured.
        queues: Served in strict order; None: every queue.
        weights: (queue, weight): the order is drawn anew at each claim, a queue comes first in
            proportion to its weight. Wins over `queues`.
        limits: (queue, most of its jobs that run here at the same time).
        poll_ms: Longest the worker goes without looking, notices or not.
        sweep_ms: How often it takes back what lost workers held, and prunes.
        burst: Stop as soon as nothing is ready and nothing runs.
        max_jobs: Ask to be replaced after so many; 0: never.
        max_memory: Ask to be replaced when the process has more bytes of memory; 0: never.
    """

    concurrency: int
    bounds: Bounds | None = None
    queues: tuple[str, ...] | None = None
    weights: tuple[tuple[str, int], ...] = ()
    limits: tuple[tuple[str, int], ...] = ()
    poll_ms: float = 1_000.0
    sweep_ms: float = 5_000.0
    burst: bool = False
    max_jobs: int = 0
    max_memory: int = 0


class State(Struct, frozen=True):
    """What the worker knows of itself.

    Attributes:
        held: Jobs claimed and not finished, begun or not.
        peak: The most that were held at once since slots were last thought of.
        pressed: Jobs waited for a slot since then.
        resized: The number of slots, where it follows what is measured.
        held_of: (queue, how many of these), for queues with a limit.
        asking: What is under way. Two at once keep worker and store busy at the same time.
        plenty: The last claim brought all it asked for.
        hungry: There may be ready jobs that no claim has seen.
        nothing_ahead: The last look beyond the slots brought nothing; wait for a free slot.
        unsettled: Outcomes wait to be handed in.
        pace: (queue, milliseconds its jobs take).
        look_at: When to look without being told to.
        blocked_until: The store failed; do not ask before.
        failures: Calls that failed in a row.
        rate: Jobs that finished in a millisecond of work.
        busy_since: When jobs last finished, or arrived where none was held.
        moved_at: When a job last finished, or held jobs last arrived.
        deadline: When a stop gives up waiting for running jobs.
        quit_at: When it gives up handing in outcomes; their leases will end.
        quiet: An operator wants it to claim nothing.
        nameless: The store has not been told its new name yet: nothing is claimed under it.
        done: Jobs that finished here.
        memory: Bytes the process had at the last look.
        recycle_at: When to ask to be replaced, should there be a reason: once a minute.
    """

    setup: Setup
    phase: Literal["running", "draining", "stopped"] = "running"
    held: int = 0
    peak: int = 0
    pressed: bool = False
    resized: int | None = None
    held_of: tuple[tuple[str, int], ...] = ()
    asking: tuple[Exchange, ...] = ()
    plenty: bool = False
    hungry: bool = True
    nothing_ahead: bool = False
    unsettled: bool = False
    pace: tuple[tuple[str, float], ...] = ()
    look_at: float = 0.0
    sweep_at: float = 0.0
    blocked_until: float = 0.0
    failures: int = 0
    rate: float = 0.0
    busy_since: float = 0.0
    moved_at: float = 0.0
    deadline: float = INF
    quit_at: float = INF
    quiet: bool = False
    nameless: bool = False
    done: int = 0
    memory: int = 0
    recycle_at: float = 0.0

    @property
    def slots(self) -> int:
        """Jobs that run at the same time."""
        return self.setup.concurrency if self.resized is None else self.resized
