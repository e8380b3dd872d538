"""What a supervisor is told once, and what it knows of its processes.

What belongs here: `Setup`, `State` and what they are made of. What does not: how events change them
(`supervision.step`).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

INF = float("inf")

Phase: TypeAlias = Literal["starting", "loaded", "ready", "leaving"]


class Child(Struct, frozen=True):
    """One process.

    Attributes:
        number: Grows with each start.
        phase: `starting`; `loaded`: it has the user's handlers and hears signals; `ready`: the
            store knows it, and its lifespan has begun; `leaving`: it was told to.
        since: When it was started.
        grace_ms: How long its jobs get when it is told to leave, as it said.
        kill_at: When it has had enough time to leave.
    """

    number: int
    slot: int
    since: float
    phase: Phase = "starting"
    grace_ms: float = 0.0
    kill_at: float = INF


class Slot(Struct, frozen=True):
    """A place for one worker process.

    Attributes:
        failures: Starts that failed in a row: no child was ready since.
        falls: Children that did not live long, in a row; the next waits the longer for it.
        start_at: When a child is to be started here; INF: not.
        retired: Its child left for good.
    """

    failures: int = 0
    falls: int = 0
    start_at: float = INF
    retired: bool = False


class Setup(Struct, frozen=True):
    """What a supervisor is told once.

    Attributes:
        waits: A child that does not start is not started again until `Replace` asks for it:
            somebody is at work on the code.
    """

    processes: int
    waits: bool = False


class State(Struct, frozen=True):
    """What the supervisor knows.

    Attributes:
        waiting: Numbers of children to be replaced, in order; the first is being replaced.
        successor: The child started in the place of the first of `waiting`.
        opened: A child has loaded the user's handlers once, so they are no mistake.
    """

    setup: Setup
    slots: tuple[Slot, ...]
    children: tuple[Child, ...] = ()
    last: int = 0
    waiting: tuple[int, ...] = ()
    successor: int | None = None
    opened: bool = False
    quiet: bool = False
    stopping: bool = False
    code: int | None = None

    def child(self, number: int | None) -> Child | None:
        """The child of this number, if it lives."""
        return next((one for one in self.children if one.number == number), None)

    @property
    def is_ready(self) -> bool:
        """Whether every slot in use has a child the store knows."""
        ready = {one.slot for one in self.children if one.phase == "ready"}
        return all(slot.retired or place in ready for place, slot in enumerate(self.slots))


def begin(setup: Setup, now: float) -> State:
    """A supervisor that is about to start the first child; the others follow when it has loaded."""
    first, *others = [Slot() for _ in range(setup.processes)]
    return State(setup, (replace(first, start_at=now), *others))
