"""The supervisor's brain: which worker processes there are to be, and what is said to them.

What belongs here: `step(state, event) -> (state, effects)`; the records it works with are in `state`,
`events` and `effects`. What does not: processes and signals (`shell.supervisor`). Moments are
milliseconds that only grow, `now` in every event.

A slot is a place for one worker process. A child that ends by itself with 0 has left for good (it
was drained, or its burst is over); one that dies is followed by another, at once if it had worked
for a while, else after a wait that doubles. Children that never came to be ready are given up
after some tries; that jobs end their processes is no reason to leave. A replacement is started,
and only when it is ready is the old child told to end its jobs and leave, one slot at a time, so
there is no gap in service; if it does not start, the old one stays.
"""

from __future__ import annotations

import signal

from msgspec.structs import replace

from boundary.jobs.core import exits
from boundary.jobs.core.supervision.effects import Alarm, Effect, Leave, Say, Start, Tell
from boundary.jobs.core.supervision.events import Event, Exited, Quiet, Replace, Stop, Tick, Told
from boundary.jobs.core.supervision.state import INF, Child, Phase, Setup, Slot, State, begin

__all__ = [
    "FIRST_WAIT_MS",
    "INF",
    "LAST_CALL_MS",
    "LONGEST_WAIT_MS",
    "STEADY_MS",
    "TRIES",
    "USAGE",
    "Alarm",
    "Child",
    "Effect",
    "Event",
    "Exited",
    "Leave",
    "Phase",
    "Quiet",
    "Replace",
    "Say",
    "Setup",
    "Slot",
    "Start",
    "State",
    "Stop",
    "Tell",
    "Tick",
    "Told",
    "begin",
    "step",
]

USAGE = 2
"""The exit code of a child whose command or module is wrong: trying again would not help."""

FIRST_WAIT_MS, LONGEST_WAIT_MS = 500.0, 30_000.0
STEADY_MS = 10_000.0
"""A child that lived so long had started well; its end says nothing of the next."""

TRIES = 5
"""Starts that fail in a row, with no child at work, before the supervisor gives up."""

LAST_CALL_MS = 2_000.0
"""How long after its time to end its jobs a child may take to leave before it is killed."""


def step(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """What the supervisor knows after the event, and what it does now, in this order."""
    state, first = _learn(state, event)
    state, overdue = _kill(state, event.now)
    state, replacing = _go_on_replacing(state, event.now)
    state, starting = _start(state, event.now)
    effects = (*first, *overdue, *replacing, *starting)
    code = _end(state)
    if code is not None:
        return replace(state, code=code), (*effects, Leave(code))
    return state, (*effects, Alarm(_next_alarm(state)))


def _learn(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    match event:
        case Tick():
            return state, ()
        case Told():
            return _learn_phase(state, event)
        case Exited():
            return _learn_exit(state, event)
        case Replace():
            return _learn_replace(state, event)
        case Quiet():
            if not event.quiet:
                return replace(state, quiet=False), ()
            hearing = [one for one in state.children if one.phase in {"loaded", "ready"}]
            told = tuple(Tell(one.number, signal.SIGTSTP) for one in hearing)
            return replace(state, quiet=True), (Say("info", "claiming no more jobs"), *told)
        case _:
            return _learn_stop(state, event)


def _learn_phase(state: State, event: Told) -> tuple[State, tuple[Effect, ...]]:
    child = state.child(event.number)
    if child is None:
        return state, ()
    effects: list[Effect] = []
    if child.phase == "starting" and state.quiet:
        effects.append(Tell(child.number, signal.SIGTSTP))
    if child.phase != "leaving":
        grace_ms = max(event.grace_ms, child.grace_ms)
        state = _with(state, replace(child, phase=event.phase, grace_ms=grace_ms))
    if not state.opened and not state.stopping:
        slots = [
            slot if number == child.slot else replace(slot, start_at=event.now)
            for number, slot in enumerate(state.slots)
        ]
        state = replace(state, slots=tuple(slots))
    return replace(state, opened=True), tuple(effects)


def _with(state: State, child: Child) -> State:
    children = [child if one.number == child.number else one for one in state.children]
    return replace(state, children=tuple(children))


def _learn_replace(state: State, event: Replace) -> tuple[State, tuple[Effect, ...]]:
    if state.stopping:
        return state, ()
    meant = [
        one.number
        for one in sorted(state.children, key=lambda one: one.slot)
        if event.number in {None, one.number}
        and one.phase != "leaving"
        and one.number not in state.waiting
    ]
    whom = f"process {event.number}" if event.number is not None else "every process"
    said = Say("info", f"replacing {whom}: {event.why}")
    state = replace(state, waiting=(*state.waiting, *meant))
    if event.number is None:
        state = _start_what_waits(state, event.now)
    return state, (said,) if meant else ()


def _start_what_waits(state: State, now: float) -> State:
    """Nobody waits for another try any more: what was wrong may have been mended."""
    lived = {one.slot for one in state.children}
    slots = [
        Slot(start_at=now)
        if place not in lived and not slot.retired and (state.opened or place == 0)
        else slot
        for place, slot in enumerate(state.slots)
    ]
    return replace(state, slots=tuple(slots))


def _learn_stop(state: State, event: Stop) -> tuple[State, tuple[Effect, ...]]:
    # Another number, which means the same: of two that are alike, a child that is busy hears one.
    number = signal.SIGINT if state.stopping else signal.SIGTERM
    effects: list[Effect] = []
    children: list[Child] = []
    for child in sorted(state.children, key=lambda one: one.slot):
        effects.append(Tell(child.number, number))
        grace = 0.0 if state.stopping else child.grace_ms
        kill_at = min(child.kill_at, event.now + grace + LAST_CALL_MS)
        children.append(replace(child, phase="leaving", kill_at=kill_at))
    slots = tuple([replace(slot, start_at=INF) for slot in state.slots])
    state = replace(
        state, stopping=True, children=tuple(children), slots=slots, waiting=(), successor=None
    )
    return state, tuple(effects)


# The end of a child


def _learn_exit(state: State, event: Exited) -> tuple[State, tuple[Effect, ...]]:
    child = state.child(event.number)
    if child is None:
        return state, ()
    replaced = state.waiting[:1] == (child.number,)
    state = replace(
        state,
        children=tuple([one for one in state.children if one.number != child.number]),
        waiting=tuple([one for one in state.waiting if one != child.number]),
        successor=None if replaced else state.successor,
    )
    if child.number == state.successor:
        return _learn_failed_successor(state, child, event)
    if state.stopping or child.phase == "leaving":
        return state, _farewell(child, event.code)
    if any(one.slot == child.slot and one.phase != "leaving" for one in state.children):
        # Its successor is on the way already, and takes its place.
        return state, (Say("error", _end_of(child, event)),)
    if event.code == 0:
        said = Say("info", f"worker process {child.number} has left")
        return _slot(state, child.slot, Slot(retired=True)), (said,)
    return _learn_death(state, child, event)


def _farewell(child: Child, code: int) -> tuple[Effect, ...]:
    if code in {0, -signal.SIGTERM}:
        return ()
    return (Say("warning", f"worker process {child.number} left with {exits.told(code)}"),)


def _learn_death(state: State, child: Child, event: Exited) -> tuple[State, tuple[Effect, ...]]:
    before = state.slots[child.slot]
    failures = 0 if child.phase == "ready" else before.failures + 1
    steady = child.phase == "ready" and event.now - child.since >= STEADY_MS
    falls = 0 if steady else before.falls + 1
    wait = 0.0 if steady else _wait(falls)
    again = f"starting another{f' in {wait / 1000:g} s' if wait else ''}"
    said = Say("error", f"{_end_of(child, event)}; {again}")
    slot = Slot(failures, falls, event.now + wait)
    if state.setup.waits and child.phase == "starting":
        waits = Say("error", f"{_end_of(child, event)}; waiting for a change of the code")
        return _slot(state, child.slot, replace(slot, start_at=INF)), (waits,)
    state = _slot(state, child.slot, slot)
    if event.code == USAGE and not state.opened:
        # What is wrong was said by the child.
        return replace(state, code=USAGE), ()
    if failures >= TRIES and not state.children:
        last = Say(
            "critical",
            f"no worker process starts: {failures} tries, the last ended with {exits.told(event.code)}; "
            "what it said is above. Leaving",
        )
        return replace(state, code=1), (last,)
    return state, (said,)


def _wait(falls: int) -> float:
    doublings: int = min(falls - 1, 16)  # for days of falls a float has no room
    return min(FIRST_WAIT_MS * 2.0**doublings, LONGEST_WAIT_MS)


def _learn_failed_successor(
    state: State, child: Child, event: Exited
) -> tuple[State, tuple[Effect, ...]]:
    if event.code == 0:
        # It was drained while it started.
        return replace(state, successor=None, waiting=state.waiting[1:]), ()
    said = Say(
        "error",
        f"the new process {child.number} did not start: {exits.told(event.code)}; the old ones go on, "
        "nothing was replaced. Mend it and ask again",
    )
    return replace(state, successor=None, waiting=()), (said,)


def _end_of(child: Child, event: Exited) -> str:
    if child.phase == "starting":
        return f"worker process {child.number} did not start: {exits.told(event.code)}"
    jobs = "its jobs are taken back when its lease ends"
    return f"worker process {child.number} died ({exits.told(event.code)}); {jobs}"


def _slot(state: State, number: int, slot: Slot) -> State:
    slots = [slot if place == number else one for place, one in enumerate(state.slots)]
    return replace(state, slots=tuple(slots))


# What is due


def _kill(state: State, now: float) -> tuple[State, tuple[Effect, ...]]:
    effects: list[Effect] = []
    for child in state.children:
        if child.kill_at <= now:
            effects += [
                Say("warning", f"worker process {child.number} does not leave; killing it"),
                Tell(child.number, signal.SIGKILL),
            ]
            state = _with(state, replace(child, kill_at=INF))
    return state, tuple(effects)


def _go_on_replacing(state: State, now: float) -> tuple[State, tuple[Effect, ...]]:
    if not state.waiting or state.stopping:
        return state, ()
    old, new = state.child(state.waiting[0]), state.child(state.successor)
    assert old is not None
    if new is None:
        started = Child(state.last + 1, old.slot, now)
        state = replace(
            state,
            last=started.number,
            successor=started.number,
            children=(*state.children, started),
        )
        return state, (Start(started.number, old.slot, succeeds=True),)
    if new.phase != "ready" or old.phase == "leaving":
        return state, ()
    kill_at = now + old.grace_ms + LAST_CALL_MS
    state = _with(state, replace(old, phase="leaving", kill_at=kill_at))
    return state, (Tell(old.number, signal.SIGTERM),)


def _start(state: State, now: float) -> tuple[State, tuple[Effect, ...]]:
    effects: list[Effect] = []
    for place, slot in enumerate(state.slots):
        if slot.start_at <= now and state.code is None:
            child = Child(state.last + 1, place, now)
            state = _slot(state, place, replace(slot, start_at=INF))
            state = replace(state, last=child.number, children=(*state.children, child))
            effects.append(Start(child.number, place))
    return state, tuple(effects)


def _end(state: State) -> int | None:
    if state.children:
        return None
    if state.code is not None:
        return state.code
    return 0 if state.stopping or all(slot.retired for slot in state.slots) else None


def _next_alarm(state: State) -> float:
    starts = [slot.start_at for slot in state.slots]
    return min([*starts, *(one.kill_at for one in state.children)], default=INF)
