"""The store as processes reach it: over a network, and on a machine, that fail.

What belongs here: a call's way there and back, and what befalls it; the store's restarts; ears
that miss notices. What does not: which fault comes when (`faults`), the store itself (the memory
adapter, unmodified but for its clock and its ears).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from hashlib import sha256
from random import Random
from typing import Any

from boundary.jobs.core import model
from boundary.jobs.core.operations import (
    Claim,
    Claimed,
    Enqueue,
    Interest,
    Operation,
    Topic,
)
from boundary.jobs.errors import BackendUnavailable
from boundary.jobs.shell.adapters.memory import AsyncMemoryListener, MemoryStore
from tests.proof.history import Event, Fault, RolledBack
from tests.simulation.observing import Before, Transition, observe
from tests.simulation.world import Loop, Process, World

EPOCH = 1_767_225_600_000
"""The store's time (ms) when the simulation begins: 1 January 2026."""


class Calm:
    """No fault at all; what a mix of faults overrides."""

    def fate(self, call: Call) -> tuple[str, float, float]:
        """What befalls a call ("": nothing), and the seconds it takes there and back."""
        return "", 0.0004, 0.0004

    def hears(self) -> float | None:
        """Seconds a notice takes; None: it gets lost."""
        return 0.0002


class Call:
    """A request under way.

    Attributes:
        steps: Transitions it brought about, or would have.
        hits: Faults that befell it.
    """

    __slots__ = ("answer", "hits", "operation", "process", "steps")

    def __init__(self, process: Process, operation: Operation[Any], answer: Any) -> None:
        self.process = process
        self.operation = operation
        self.answer: asyncio.Future[Any] = answer
        self.steps: list[Transition] = []
        self.hits: list[str] = []


class Clock:
    """`ports.Clock` of a process; the store's has no skew."""

    def __init__(self, world: World, skew: int, chance: Random) -> None:
        self._world = world
        self._skew = skew
        self._chance = chance

    def now(self) -> int:
        """Milliseconds since the epoch, wrong by the skew."""
        return EPOCH + self._skew + int(self._world.now * 1000)

    def mono(self) -> int:
        """Milliseconds since the beginning."""
        return int(self._world.now * 1000)

    def u(self) -> float:
        """A number in [0, 1)."""
        return self._chance.random()


class Memory(MemoryStore):
    """The memory adapter, whose notices take the network."""

    def __init__(self, place: Place) -> None:
        super().__init__(Clock(place.world, 0, place.chance))
        self.place = place

    @property
    def state(self) -> model.State:
        """All there is in it."""
        return self._state

    @state.setter
    def state(self, state: model.State) -> None:
        self._state = state

    def _tell(self, topics: frozenset[Topic]) -> None:
        for ear in self._ears:
            if ear.topic in topics:
                wait = self.place.faults.hears()
                if wait is not None:
                    self.place.world.after(wait, ear.tell)


class Place:
    """Where the store is, and the way to it.

    Attributes:
        history: All events so far.
        timeout: Seconds after which a process gives up a call.
        under_way: Calls of each process without an answer.
        hit: Calls something befell.
    """

    def __init__(self, world: World, chance: Random, timeout: float) -> None:
        self.world = world
        self.chance = chance
        self.timeout = timeout
        self.faults = Calm()
        self.history: list[Event] = []
        self.names: dict[bytes, str] = {}
        self.stored_at: dict[bytes, float] = {}
        self.under_way: dict[Process, dict[Call, None]] = {}
        self.hit: list[Call] = []
        self.memory = Memory(self)
        self.down = False
        self.calls = 0
        self.told: Callable[[str], None] | None = None
        self._last = 0.0
        self._since = 0.0
        self._keep: model.State | None = None
        self._holds_replies = False
        self._window: list[Call] = []
        self._restarts = 0

    # Telling

    def stamp(self) -> float:
        """Now, in the store's milliseconds; each a little later than the one before."""
        self._last = max(EPOCH + self.world.now * 1000, self._last + 2**-8)
        return self._last

    def note(self, event: Event) -> None:
        """It happened."""
        self.history.append(event)
        if self.told is not None:
            self.told(str(event))

    def fault(self, kind: str, by: str, seconds: float = 0.0) -> None:
        """Something befell a process; it is over after so many seconds."""
        at = self.stamp()
        self.note(Fault(kind, by, at, at + seconds * 1000))

    def hurt(self, process: Process, kind: str) -> None:
        """Something befell a process, and so what it has under way."""
        for call in self.under_way.get(process, ()):
            self.mark(call, kind)

    def mark(self, call: Call, kind: str) -> None:
        """Something befell this call."""
        if not call.hits:
            self.hit.append(call)
        call.hits.append(kind)

    def name(self, id: bytes) -> str:
        """A job's short name."""
        known = self.names.get(id)
        if known is None:
            known = self.names[id] = f"t{len(self.names)}"
        return known

    # A call's way

    def send(self, loop: Loop, operation: Operation[Any]) -> Call:
        """The call is under way; its answer comes, or `BackendUnavailable`."""
        process = loop.process
        call = Call(process, operation, loop.create_future())
        self.calls += 1
        self.under_way.setdefault(process, {})[call] = None
        kind, there, back = self.faults.fate(call)
        if process.skew:
            self.mark(call, "skew")
        if kind:
            told = "cut" if kind == "cut off" else kind
            self.mark(call, told)
            self.fault(told, process.name)
        alarm = loop.call_later(self.timeout, self._give_up, call)
        call.answer.add_done_callback(lambda _: self._answered(call, alarm))
        if kind in {"drop_request", "cut"}:
            self.world.after(there, self._vanish, call)
        else:
            silent = kind in {"drop_reply", "cut off"}
            self.world.after(there, self._arrive, call, loop, back, silent)
            if kind == "duplicate":
                self.world.after(there + back, self._arrive, call, loop, back, True)
        return call

    def _answered(self, call: Call, alarm: Any) -> None:
        alarm.cancel()
        self.under_way[call.process].pop(call, None)

    def _give_up(self, call: Call) -> None:
        if not call.answer.done():
            call.answer.set_exception(
                BackendUnavailable(f"no answer within {self.timeout:g} s: the call may have run")
            )

    def _vanish(self, call: Call) -> None:
        """What it would have done is remembered for the table of what was hit."""
        before = Before(self.memory.state)
        state = self.memory.state.copy()
        now = EPOCH + int(self.world.now * 1000)
        state, reply = model.step(state, call.operation, now)
        _, steps = observe(call.operation, reply, before, state, 0.0, self.name)
        call.steps += steps

    def _arrive(self, call: Call, loop: Loop, back: float, silent: bool) -> None:
        if self.down:
            self.mark(call, "restart")
            self._vanish(call)
            refused = BackendUnavailable("connection refused")
            if not silent:
                self.world.after(back, self._deliver, loop, call, None, refused)
            return
        reply = self._step(call)
        self.world.steps += 1
        if self._keep is not None:
            self._window.append(call)
            silent = silent or self._holds_replies
        if not silent:
            self.world.after(back, self._deliver, loop, call, reply, None)

    def _step(self, call: Call) -> Any:
        memory = self.memory
        before = Before(memory.state)
        at = self.stamp()
        reply = memory.run(call.operation)
        operation = call.operation
        if isinstance(operation, Enqueue):
            for job in operation.jobs:
                self.stored_at[job.id] = at
        events, steps = observe(operation, reply, before, memory.state, at, self.name)
        call.steps += steps
        if self.told is not None and not events:
            self.told(f"  {call.process.name} {type(operation).__name__}")
        for event in events:
            self.note(event)
        return reply

    def _deliver(self, loop: Loop, call: Call, reply: Any, error: Exception | None) -> None:
        loop.call_soon(self._resolve, call, reply, error)

    def _resolve(self, call: Call, reply: Any, error: Exception | None) -> None:
        if call.answer.done():
            return
        if error is None:
            call.answer.set_result(reply)
        else:
            call.answer.set_exception(error)

    # The store's machine

    def restart(self, after: float, lag: float, seconds: float, *, always: bool) -> None:
        """A power cut at an instant: what was written less than `lag` before is undone.

        Args:
            after: Seconds from now.
            lag: Since the last flush.
            seconds: How long it is down.
            always: Nothing is answered before it is flushed; else all is, at once.
        """
        self.world.after(max(after - lag, 0.0), self._last_flush, always)
        self.world.after(after, self._cut, seconds)

    def _last_flush(self, always: bool) -> None:
        self._keep = self.memory.state.copy()
        self._since = self.stamp()
        self._holds_replies = always

    def _cut(self, seconds: float) -> None:
        assert self._keep is not None
        self.down = True
        self._restarts += 1
        self.memory.state, self._keep = self._keep, None
        for call in self._window:
            self.mark(call, "restart")
        self._window = []
        self.fault("restart", "*", seconds)
        self.note(RolledBack(self.stamp(), self._since))
        self.world.after(seconds, self._come_up)

    def _come_up(self) -> None:
        self.down = False

    @property
    def restarts(self) -> int:
        """How often connections were broken."""
        return self._restarts

    def digest(self) -> str:
        """The same for the same history, and for no other."""
        text = "\n".join(map(str, self.history))
        return sha256(f"{text}\n{self.world.steps} {self.calls}".encode()).hexdigest()[:16]


class Backend:
    """`ports.AsyncBackend` of one loop of a process."""

    def __init__(self, place: Place, loop: Loop) -> None:
        self._place = place
        self._loop = loop
        self._ear: AsyncMemoryListener | None = None

    async def execute(self, operation: Operation[Any]) -> Any:
        """As `ports.AsyncBackend.execute`."""
        return await self._place.send(self._loop, operation).answer

    async def listen(self, interest: Interest) -> AsyncMemoryListener:
        """As `ports.AsyncBackend.listen`."""
        if self._place.down:
            raise BackendUnavailable("connection refused")
        return AsyncMemoryListener(self._place.memory, interest.topic)

    async def claim_when_told(self, claim: Claim, timeout: float) -> Claimed | None:
        """As `ports.AsyncBackend.claim_when_told`; a restart breaks the connection."""
        if self._ear is None:
            self._ear = await self.listen(Interest(Topic.WORK))
        restarts = self._place.restarts
        told = await self._ear.wait(timeout)
        if restarts != self._place.restarts:
            raise BackendUnavailable("connection reset")
        if not told:
            return None
        claimed: Claimed = await self.execute(claim)
        return claimed

    async def close(self) -> None:
        """As `ports.AsyncBackend.close`."""
        ear, self._ear = self._ear, None
        if ear is not None:
            await ear.close()
