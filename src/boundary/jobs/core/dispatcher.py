"""The worker's brain: `step(state, event) -> (state, effects)`.

What belongs here: when to ask the store for how much, when to hand outcomes in, how long to
wait, how to stop. What does not: which job runs where (the executor), clocks, tasks, the store.

Time here is the worker's own, in milliseconds that only ever grow; instants of the store reach
the dispatcher as durations from now. It counts jobs, it does not know them: a batch of a thousand
finished jobs is one event.

How many slots it has is told once, or follows what is measured (`scaling`).

How much it claims. A worker never holds more than it can start at once, plus what the measured
duration of a queue's jobs lets its slots run within `AHEAD_MS`: with ten slots and jobs of 1 ms
that is 200 jobs ahead, with jobs of 100 ms two, with jobs of a second none. The slowest recent
batch counts, so a queue that turns slow is believed at once and one that turns fast by and by.
Jobs held but not begun for `STALE_MS` while nothing finishes are given back.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from boundary.jobs.core import scaling
from boundary.jobs.core.operations import BATCH
from boundary.jobs.core.scaling import Bounds

AHEAD_MS = 20.0
STALE_MS = 100.0
HELD_AHEAD = 4 * BATCH
AT_ONCE = 2
"""Exchanges under way at the same time."""

EASING = 0.7
"""What stays of a queue's measured duration when a faster batch comes in."""

RECYCLE_MS = 60_000.0
"""How long after asking to be replaced it asks again: what was started may not have come up."""

LAST_CALL_MS = 500.0
"""How long a worker that must stop tries to hand in what it has."""

INF = float("inf")
BACKOFF_MS, LONGEST_BACKOFF_MS = 50.0, 5_000.0


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


# Effects: what the worker is to do


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


# Events: what happened


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


def step(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """What the worker knows after the event, and what it does now, in this order."""
    state, urgent = _learn(state, event)
    if state.phase == "stopped":
        return state, ()
    state, overdue = _meet_deadlines(state, event.now)
    state, asked = _ask(state, event.now, event.u)
    effects = (*urgent, *overdue, *asked)
    if _through(state, event.now):
        return replace(state, phase="stopped"), (*effects, Leave())
    return state, (*effects, Alarm(_next_alarm(state)))


def idle_claim(state: State, u: float) -> Exchange | None:
    """What to claim at the next notice: for a worker with a free slot that knows of no job for it.

    It is answered as any other (`Arrived`), though `step` did not ask for it.
    """
    free = state.slots - state.held
    if not claims(state) or free <= 0 or state.hungry or state.asking:
        return None
    queues, limits = _order(state.setup, u), _limits(state)
    return Exchange(claiming=True, slots=min(free, BATCH), queues=queues, limits=limits)


# What an event means


def _learn(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
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
        case Quieted() | Stop():
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
        # A claim that filled every free slot says nothing of what is left behind.
        hungry=state.hungry or event.count >= asked.slots,
        pressed=state.pressed or event.count >= asked.slots > 0,
        nothing_ahead=asked.slots == 0 and event.count == 0,
        plenty=event.count >= _most(asked) > 0,
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
    full = {queue for queue, room in _limits(state) if room == 0}
    limited = tuple(row for row in of if row[0] in dict(state.setup.limits))
    return replace(
        state,
        held=held,
        held_of=_counted(state.held_of, limited, -1),
        hungry=state.hungry or any(queue in full for queue, _ in limited),
    )


def _limits(state: State) -> tuple[tuple[str, int], ...]:
    """Of each queue with a limit, how many more jobs can run here, what is under way counted."""
    if not state.setup.limits:
        return ()
    held = dict(state.held_of)
    coming = [dict(one.limits) for one in state.asking if one.claiming]
    return tuple(
        (queue, max(most - held.get(queue, 0) - sum(one.get(queue, 0) for one in coming), 0))
        for queue, most in state.setup.limits
    )


def _without(asking: tuple[Exchange, ...], answered: Exchange) -> tuple[Exchange, ...]:
    left = list(asking)
    if answered in left:
        left.remove(answered)
    return tuple(left)


def _most(asked: Exchange) -> int:
    """The most jobs it may bring."""
    return asked.slots + max((count for _, count in asked.ahead), default=0)


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


# What is due


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


def claims(state: State) -> bool:
    """Whether it takes jobs at all: it is known, and neither quiet nor about to leave."""
    return state.phase == "running" and not state.quiet and not state.nameless


def _stale_at(state: State) -> float:
    if state.held <= state.slots:
        return INF
    return state.moved_at + STALE_MS


def _ask(state: State, now: float, u: float) -> tuple[State, tuple[Effect, ...]]:
    most = AT_ONCE if state.plenty else 1
    if len(state.asking) >= most or now < state.blocked_until:
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
    queues, limits = _order(setup, u), _limits(state)
    return Exchange(claiming=True, slots=slots, ahead=ahead, queues=queues, limits=limits)


def _order(setup: Setup, u: float) -> tuple[str, ...] | None:
    return weighted_order(setup.weights, u) if setup.weights else setup.queues


def _ahead(state: State, most: int) -> tuple[tuple[str, int], ...]:
    """For each measured queue, how many jobs beyond the free slots to take."""
    coming = sum(_most(one) for one in state.asking)
    waiting = max(state.held + coming - state.slots, 0)
    room = dict(_limits(state))
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


def _through(state: State, now: float) -> bool:
    if now >= state.quit_at:
        return True
    if state.held or state.unsettled or state.asking:
        return False
    return state.phase == "draining" or (state.setup.burst and not state.hungry)


def _next_alarm(state: State) -> float:
    if state.phase == "draining":
        again = state.blocked_until if state.unsettled and not state.asking else INF
        return min(again, state.deadline, state.quit_at)
    if state.asking:
        return min(state.sweep_at, _stale_at(state))
    hungry = state.hungry and claims(state)
    look = state.blocked_until if hungry or state.unsettled else state.look_at
    full = state.held >= state.slots and not state.unsettled
    idle = full or ((state.quiet or state.nameless) and not state.unsettled)
    return min(state.sweep_at, _stale_at(state), INF if idle else look)


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
