"""What an event means: what the worker knows after it.

What belongs here: from a state and an event to a state, and what cannot wait. What does not: what the
worker asks the store for next (`claiming`), what falls due by itself (`dispatcher.step`).
"""

from __future__ import annotations

from msgspec.structs import replace

from boundary.jobs.core import scaling
from boundary.jobs.core.dispatcher.claiming import at_most, limits_left
from boundary.jobs.core.dispatcher.effects import Effect, Exchange, GiveBack, Renew, Resize
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
from boundary.jobs.core.dispatcher.state import State

EASING = 0.7
"""What stays of a queue's measured duration when a faster batch comes in."""

BACKOFF_MS, LONGEST_BACKOFF_MS = 50.0, 5_000.0


def learn(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """What the worker knows after the event, and what it does before all else."""
    match event:
        case Tick():
            hungry = state.hungry or event.now >= state.look_at
            return replace(state, hungry=hungry), ()
        case Noticed():
            return replace(state, hungry=True), ()
        case Arrived():
            return _learn_arrival(state, event), ()
        case Finished():
            return _learn_finish(state, event), ()
        case Returned():
            return _let_go(replace(state, unsettled=True), event.count, event.of), ()
        case Failed():
            return _learn_failure(state, event), ()
        case Disowned() | Joined():
            return _learn_name(state, event)
        case Weighed() | Measured():
            return _learn_load(state, event)
        case _:
            return _learn_order(state, event)


def _learn_name(state: State, event: Disowned | Joined) -> tuple[State, tuple[Effect, ...]]:
    if isinstance(event, Joined):
        return replace(state, hungry=True, nameless=False), ()
    empty = replace(state, held=0, held_of=(), unsettled=False)
    return replace(empty, hungry=True, nameless=True), (Renew(),)


def _learn_arrival(state: State, event: Arrived) -> State:
    asked = event.asked
    state = replace(
        state,
        asking=_without(state.asking, asked),
        failures=0,
        busy_since=state.busy_since if state.held else event.now,
        held=state.held + event.count,
        held_of=_counted(state.held_of, event.of, 1),
        peak=max(state.peak, state.held + event.count),
        unsettled=state.unsettled or event.leftover,
    )
    if not asked.claiming:
        return state
    wait = state.setup.poll_ms if event.due_ms is None else min(state.setup.poll_ms, event.due_ms)
    return replace(
        state,
        # A claim that filled every free slot says nothing of what is left behind, nor does one that
        # did not come through all that is due.
        hungry=state.hungry or event.count >= asked.slots or wait <= 0,
        pressed=state.pressed or event.count >= asked.slots > 0,
        nothing_ahead=asked.slots == 0 and event.count == 0,
        plenty=event.count >= at_most(asked) > 0,
        look_at=event.now + max(wait, 0.0),
        moved_at=event.now if event.count else state.moved_at,
    )


def _counted(
    held: tuple[tuple[str, int], ...], more: tuple[tuple[str, int], ...], sign: int
) -> tuple[tuple[str, int], ...]:
    if not more:
        return held
    counts = dict(held)
    for queue, count in more:
        counts[queue] = max(counts.get(queue, 0) + sign * count, 0)
    return tuple(counts.items())


def _let_go(state: State, count: int, of: tuple[tuple[str, int], ...]) -> State:
    """So many jobs are not held any more; a queue that was full may have more of them."""
    # Jobs that were lost with a lease are not held any more, whatever is heard of them.
    held = max(state.held - count, 0)
    if not state.setup.limits:
        return replace(state, held=held)
    full = {queue for queue, room in limits_left(state) if room == 0}
    limited = tuple(row for row in of if row[0] in dict(state.setup.limits))
    return replace(
        state,
        held=held,
        held_of=_counted(state.held_of, limited, -1),
        hungry=state.hungry or any(queue in full for queue, _ in limited),
    )


def _without(asking: tuple[Exchange, ...], answered: Exchange) -> tuple[Exchange, ...]:
    left = list(asking)
    if answered in left:
        left.remove(answered)
    return tuple(left)


def _learn_finish(state: State, event: Finished) -> State:
    pace = dict(state.pace)
    for queue, count, total_ms in event.runs:
        pace[queue] = max(total_ms / count, pace.get(queue, 0.0) * EASING)
    count = sum(count for _, count, _ in event.runs)
    rate = count / max(event.now - state.busy_since, 0.01)
    state = _let_go(state, count, tuple((queue, number) for queue, number, _ in event.runs))
    return replace(
        state,
        rate=min(rate, state.rate / EASING) if state.rate else rate,
        busy_since=event.now,
        pace=tuple(pace.items()),
        unsettled=True,
        hungry=state.hungry or state.setup.burst,
        moved_at=event.now,
        done=state.done + count,
    )


def _learn_failure(state: State, event: Failed) -> State:
    return replace(
        state,
        asking=_without(state.asking, event.asked),
        unsettled=True,
        hungry=True,
        plenty=False,
        failures=state.failures + 1,
        blocked_until=event.now + backoff_ms(state.failures, event.u),
    )


def backoff_ms(failures: int, u: float) -> float:
    """How long to leave the store alone that failed now, and so many times in a row before."""
    return min(BACKOFF_MS * 2.0 ** min(failures, 16), LONGEST_BACKOFF_MS) * (0.5 + u)


def _learn_order(state: State, event: Quieted | Stop) -> tuple[State, tuple[Effect, ...]]:
    if isinstance(event, Quieted):
        state = replace(state, quiet=event.quiet, hungry=True)
        return state, (GiveBack(),) if event.quiet else ()
    deadline = min(state.deadline, event.now + event.grace_ms)
    return replace(state, phase="draining", deadline=deadline), (GiveBack(),)


def _learn_load(state: State, event: Weighed | Measured) -> tuple[State, tuple[Effect, ...]]:
    if isinstance(event, Weighed):
        return replace(state, memory=event.memory), ()
    bounds = state.setup.bounds
    if bounds is None or state.phase != "running":
        return state, ()
    pressed = state.pressed or (state.hungry and state.held >= state.slots)
    slots = scaling.slots(state.slots, bounds, cpu=event.cpu, peak=state.peak, pressed=pressed)
    changed = slots != state.slots
    state = replace(state, peak=state.held, pressed=False, resized=slots)
    return state, (Resize(slots),) if changed else ()
