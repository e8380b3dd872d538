"""How others follow what happens: `Announce`.

What belongs here: events on their way to those who watch. What does not: what an event says
(`core.events`), hints that something changed (`listening`).
"""

from __future__ import annotations

from typing import TypeVar, cast

from msgspec.structs import replace

from boundary.jobs.core.operations.claiming import Claimed
from boundary.jobs.core.operations.enqueuing import Enqueued
from boundary.jobs.core.operations.leases import Beat
from boundary.jobs.core.operations.operation import Operation
from boundary.jobs.core.operations.settling import Settled

T = TypeVar("T")

FRAME = 4_000
"""Most bytes of a frame of events: what a named pipe takes wholly or not at all."""


class Announce(Operation[bool], frozen=True):
    """Who watches hears these frames of events; nothing that is stored changes.

    Whether anybody watches, as far as is known. A frame may get lost, or come twice; it comes
    wholly or not at all, those of one caller that waits for each reply in their order. Nothing
    waits for who watches.

    Attributes:
        frames: As `events.frames_of` makes them, at most `FRAME` bytes each.
    """

    frames: tuple[bytes, ...]


def as_watched(reply: T) -> T:
    """The reply, saying that somebody watches, if it is one that does."""
    told: object = reply
    if isinstance(told, Enqueued | Claimed | Settled | Beat):
        return cast("T", replace(told, watched=True))
    if isinstance(told, tuple):
        parts = cast("tuple[object, ...]", told)
        if parts and isinstance(parts[0], Settled):
            return cast("T", tuple([as_watched(one) for one in parts]))
    return reply
