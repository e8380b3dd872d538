"""When the store is asked, and for how much.

What belongs here: how many jobs a claim asks for, of which queues, in which order. What does not:
what a claim takes in a store (`operations.Claim`).

How much it claims. A worker never holds more than it can start at once, plus what the measured
duration of a queue's jobs lets its slots run within `AHEAD_MS`: with ten slots and jobs of 1 ms
that is 200 jobs ahead, with jobs of 100 ms two, with jobs of a second none. The slowest recent
batch counts, so a queue that turns slow is believed at once and one that turns fast by and by.
"""

from __future__ import annotations

from msgspec.structs import replace

from boundary.jobs.core.dispatcher.effects import Effect, Exchange
from boundary.jobs.core.dispatcher.state import Setup, State
from boundary.jobs.core.operations import BATCH

AHEAD_MS = 20.0

HELD_AHEAD = 4 * BATCH
AT_ONCE = 2
"""Exchanges under way at the same time."""


def idle_claim(state: State, u: float) -> Exchange | None:
    """What to claim at the next notice: for a worker with a free slot that knows of no job for it.

    It is answered as any other (`Arrived`), though `step` did not ask for it.
    """
    free = state.slots - state.held
    if not claims(state) or free <= 0 or state.hungry or state.asking:
        return None
    queues, limits = _order(state.setup, u), limits_left(state)
    return Exchange(claiming=True, slots=min(free, BATCH), queues=queues, limits=limits)


def limits_left(state: State) -> tuple[tuple[str, int], ...]:
    """Of each queue with a limit, how many more jobs can run here, what is under way counted."""
    if not state.setup.limits:
        return ()
    held = dict(state.held_of)
    coming = [dict(one.limits) for one in state.asking if one.claiming]
    return tuple(
        (queue, max(most - held.get(queue, 0) - sum(one.get(queue, 0) for one in coming), 0))
        for queue, most in state.setup.limits
    )


def at_most(asked: Exchange) -> int:
    """The most jobs it may bring."""
    return asked.slots + max((count for _, count in asked.ahead), default=0)


def claims(state: State) -> bool:
    """Whether it takes jobs at all: it is known, and neither quiet nor about to leave."""
    return state.phase == "running" and not state.quiet and not state.nameless


def ask(state: State, now: float, u: float) -> tuple[State, tuple[Effect, ...]]:
    """The exchange that is worth a call now, if one is; none under a name the store does not know."""
    most = AT_ONCE if state.plenty else 1
    if state.nameless or len(state.asking) >= most or now < state.blocked_until:
        return state, ()
    claim = _claim(state, u) if state.hungry and claims(state) else None
    if claim is None and (not state.unsettled or state.asking):
        return state, ()
    exchange = claim or Exchange(claiming=False)
    # What comes to notice from here on, this claim may miss.
    hungry = state.hungry and (claim is None or claim.slots == 0 or state.plenty)
    asking = (*state.asking, exchange)
    return replace(state, asking=asking, hungry=hungry, unsettled=False), (exchange,)


def _claim(state: State, u: float) -> Exchange | None:
    """As much as the slots and the measured pace allow; None: not worth a call."""
    setup = state.setup
    coming = sum(one.slots for one in state.asking)
    slots = min(max(state.slots - state.held - coming, 0), BATCH)
    ahead = _ahead(state, BATCH - slots)
    if slots == 0 and (state.nothing_ahead or not _worth_it(state, ahead)):
        return None
    queues, limits = _order(setup, u), limits_left(state)
    return Exchange(claiming=True, slots=slots, ahead=ahead, queues=queues, limits=limits)


def _order(setup: Setup, u: float) -> tuple[str, ...] | None:
    return weighted_order(setup.weights, u) if setup.weights else setup.queues


def _ahead(state: State, most: int) -> tuple[tuple[str, int], ...]:
    """For each measured queue, how many jobs beyond the free slots to take."""
    coming = sum(at_most(one) for one in state.asking)
    waiting = max(state.held + coming - state.slots, 0)
    room = dict(limits_left(state))
    rows = (
        (queue, min(_reach(state, ms) - waiting, room.get(queue, most), most))
        for queue, ms in state.pace
    )
    return tuple((queue, count) for queue, count in rows if count > 0)


def _reach(state: State, ms: float) -> int:
    """How many jobs of this duration all slots begin within `AHEAD_MS`.

    Slots that share one loop may be slower than each alone: what they reached together counts.
    """
    slots = state.slots * AHEAD_MS / max(ms, 0.001)
    return min(int(slots), int(state.rate * AHEAD_MS), HELD_AHEAD)


def _worth_it(state: State, ahead: tuple[tuple[str, int], ...]) -> bool:
    """Whether half of what may be held ahead is missing; smaller bites cost more than they save."""
    reach = max((_reach(state, ms) for _, ms in state.pace), default=0)
    return max((count for _, count in ahead), default=0) * 2 >= max(min(reach, BATCH), 2)


def weighted_order(weights: tuple[tuple[str, int], ...], u: float) -> tuple[str, ...]:
    """All queues, drawn one by one without replacement, each in proportion to its weight.

    Args:
        u: In [0, 1); what a draw does not use of it, the next one does.
    """
    left, order = list(weights), list[str]()
    while left:
        at = u * sum(weight for _, weight in left)
        place = 0
        while at >= left[place][1] and place < len(left) - 1:
            at -= left[place][1]
            place += 1
        queue, weight = left.pop(place)
        order.append(queue)
        u = min(max(at / weight, 0.0), 1.0 - 2**-53)
    return tuple(order)
