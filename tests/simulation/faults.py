"""Which faults come when: each seed has its own mix.

What belongs here: drawing a mix from a seed, and a fate for each call. What does not: what a fate
does (`network`, `world`).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from boundary.jobs.core.operations import (
    Enqueue,
    Heartbeat,
    Inherit,
    Promote,
    Prune,
    PutSchedule,
    Reclaim,
    Report,
    Time,
)
from tests.simulation.network import Call, Calm
from tests.simulation.world import Process

CALLS = ("delay", "late", "drop_request", "drop_reply", "duplicate")
"""What befalls a call: it takes long; it takes longer than its sender waits; it gets lost on its
way there; back; it arrives twice."""

NODES = ("kill", "pause", "sigterm")
"""What befalls its sender while the call is under way."""

KINDS = (*CALLS, *NODES, "cut", "restart", "skew")
"""`cut`: nothing gets through to or from a process for a while. `restart`: the store loses power.
`skew`: the process's clock is wrong."""

REPEATABLE = (Enqueue, Heartbeat, Inherit, Report, Promote, Reclaim, Prune, PutSchedule, Time)
"""What an adapter may send again when no answer came, as `adapters.redis.faults` has it."""

SHARE = 0.45
"""How likely each kind is in a seed's mix."""


class Cut(NamedTuple):
    """Nothing gets through in one direction ("cut": there, "cut off": back), for a while."""

    since: float
    until: float
    kind: str


def _machine(process: Process) -> str:
    return process.name.partition(".")[0]


class Mix(Calm):
    """The faults of one seed, while they last.

    Attributes:
        kinds: Those it has.
        rates: How likely each is to befall a call.
        strike: Does something to a process: (process, kind).
    """

    def __init__(self, chance: Random, timeout: float) -> None:
        self.chance = chance
        self.timeout = timeout
        # A few seeds have no fault: there nothing may begin twice.
        calm = chance.random() < 0.05
        self.kinds = tuple(kind for kind in KINDS if chance.random() < SHARE and not calm)
        self.rates = {kind: chance.choice((0.01, 0.03, 0.1)) for kind in CALLS + NODES}
        for kind in NODES:
            self.rates[kind] *= 0.3
        self.deaf = chance.choice((0.0, 0.0, 0.3, 1.0)) if not calm else 0.0
        self.slow = chance.choice((0.0005, 0.002, 0.01))
        self.rows = [(self.rates[kind], kind) for kind in CALLS + NODES if kind in self.kinds]
        self.total = sum(rate for rate, _ in self.rows)
        self.cuts: dict[str, Cut] = {}
        self.over = False
        self.strike: Callable[[Process, str], bool] = lambda process, kind: False

    def fate(self, call: Call) -> tuple[str, float, float]:
        """As `Calm.fate`; a call is "cut off" if it arrived, and its answer does not."""
        chance = self.chance
        there = 0.0001 + chance.random() * self.slow
        back = 0.0001 + chance.random() * self.slow
        if self.over:
            return "", there, back
        if self.cuts and self._is_cut(call.process):
            return self.cuts[_machine(call.process)].kind, there, back
        if chance.random() >= self.total:
            return "", there, back
        kind = self._draw()
        if kind == "duplicate" and not isinstance(call.operation, REPEATABLE):
            return "", there, back
        if kind in NODES:
            # The sender is hit at any moment until a little after its answer.
            if chance.random() < 0.3:
                there += chance.random() * self.timeout
            moment = chance.random() * (there + back) * 1.2
            call.process.world.after(moment, self.strike, call.process, kind)
            return "", there, back
        if kind == "delay":
            share = chance.random()
            longest = self.timeout * 0.9
            return kind, there + longest * share, back + longest * (1 - share) * chance.random()
        if kind == "late":
            if chance.random() < 0.5:
                there += self.timeout * (1 + chance.random() * 4)
            else:
                back += self.timeout * (1 + chance.random() * 4)
        return kind, there, back

    def _is_cut(self, process: Process) -> bool:
        cut = self.cuts.get(_machine(process))
        return cut is not None and cut.since <= process.world.now < cut.until

    def _draw(self) -> str:
        at = self.chance.random() * self.total
        for rate, kind in self.rows:
            at -= rate
            if at < 0:
                return kind
        return self.rows[-1][1]

    def hears(self) -> float | None:
        """As `Calm.hears`."""
        if not self.over and self.deaf and self.chance.random() < self.deaf:
            return None
        return 0.0001 + self.chance.random() * self.slow
