"""The worker's brain: `step(state, event) -> (state, effects)`.

What belongs here: when to ask the store for how much, when to hand outcomes in, how long to
wait, how to stop; in this file a step and what falls due by itself. What does not: which job runs
where (the executor), clocks, tasks, the store.

Time here is the worker's own, in milliseconds that only ever grow; instants of the store reach
the dispatcher as durations from now. It counts jobs, it does not know them: a batch of a thousand
finished jobs is one event.

How many slots it has is told once, or follows what is measured (`scaling`).

Jobs held but not begun for `STALE_MS` while nothing finishes are given back.
"""

from __future__ import annotations

from msgspec.structs import replace

from boundary.jobs.core.dispatcher.claiming import AHEAD_MS, ask, claims, idle_claim, weighted_order
from boundary.jobs.core.dispatcher.effects import (
    Abandon,
    Alarm,
    Effect,
    Exchange,
    GiveBack,
    Leave,
    Recycle,
    Renew,
    Resize,
    Sweep,
)
from boundary.jobs.core.dispatcher.events import (
    Arrived,
    Disowned,
    Event,
    Failed,
    Finished,
    Joined,
    Measured,
    Noticed,
    Quieted,
    Returned,
    Stop,
    Tick,
    Weighed,
)
from boundary.jobs.core.dispatcher.learning import backoff_ms, learn
from boundary.jobs.core.dispatcher.state import INF, Setup, State

__all__ = [
    "AHEAD_MS",
    "INF",
    "LAST_CALL_MS",
    "RECYCLE_MS",
    "STALE_MS",
    "Abandon",
    "Alarm",
    "Arrived",
    "Disowned",
    "Effect",
    "Event",
    "Exchange",
    "Failed",
    "Finished",
    "GiveBack",
    "Joined",
    "Leave",
    "Measured",
    "Noticed",
    "Quieted",
    "Recycle",
    "Renew",
    "Resize",
    "Returned",
    "Setup",
    "State",
    "Stop",
    "Sweep",
    "Tick",
    "Weighed",
    "backoff_ms",
    "claims",
    "idle_claim",
    "step",
    "weighted_order",
]

STALE_MS = 100.0

RECYCLE_MS = 60_000.0
"""How long after asking to be replaced it asks again: what was started may not have come up."""

LAST_CALL_MS = 500.0
"""How long a worker that must stop tries to hand in what it has."""


def step(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """What the worker knows after the event, and what it does now, in this order."""
    state, urgent = learn(state, event)
    if state.phase == "stopped":
        return state, ()
    state, overdue = _meet_deadlines(state, event.now)
    state, asked = ask(state, event.now, event.u)
    effects = (*urgent, *overdue, *asked)
    if _through(state, event.now):
        return replace(state, phase="stopped"), (*effects, Leave())
    return state, (*effects, Alarm(_next_alarm(state)))


def _meet_deadlines(state: State, now: float) -> tuple[State, tuple[Effect, ...]]:
    if state.phase == "draining":
        if now >= state.deadline:
            return replace(state, deadline=INF, quit_at=now + LAST_CALL_MS), (Abandon(),)
        return state, ()
    effects: list[Effect] = []
    if now >= state.sweep_at:
        state = replace(state, sweep_at=now + state.setup.sweep_ms)
        effects.append(Sweep())
    if _stale_at(state) <= now:
        slow = tuple((queue, 2 * AHEAD_MS * state.slots) for queue, _ in state.pace)
        state = replace(state, pace=slow, moved_at=now)
        effects.append(GiveBack())
    if now >= state.recycle_at and (why := _worn(state)):
        state = replace(state, recycle_at=now + RECYCLE_MS)
        effects.append(Recycle(why))
    return state, tuple(effects)


def _worn(state: State) -> str:
    """Why another process should take this one's place; "": it need not."""
    setup = state.setup
    if 0 < setup.max_jobs <= state.done:
        return f"it ran {state.done} jobs, max_jobs is {setup.max_jobs}"
    if 0 < setup.max_memory < state.memory:
        had, most = (number / 2**20 for number in (state.memory, setup.max_memory))
        return f"it has {had:.0f} MiB of memory, max_memory is {most:.0f} MiB"
    return ""


def _stale_at(state: State) -> float:
    if state.held <= state.slots:
        return INF
    return state.moved_at + STALE_MS


def _through(state: State, now: float) -> bool:
    if now >= state.quit_at:
        return True
    if state.held or state.unsettled or state.asking:
        return False
    return state.phase == "draining" or (state.setup.burst and not state.hungry)


def _next_alarm(state: State) -> float:
    if state.phase == "draining":
        retries = state.unsettled and not state.asking and not state.nameless
        again = state.blocked_until if retries else INF
        return min(again, state.deadline, state.quit_at)
    if state.asking:
        return min(state.sweep_at, _stale_at(state))
    hungry = state.hungry and claims(state)
    look = state.blocked_until if hungry or state.unsettled else state.look_at
    full = state.held >= state.slots and not state.unsettled
    idle = full or state.nameless or (state.quiet and not state.unsettled)
    return min(state.sweep_at, _stale_at(state), INF if idle else look)
