"""What the supervisor is to do.

What belongs here: each effect as a record. What does not: when it is wanted (`supervision.step`), doing
it (`shell.supervisor`).
"""

from __future__ import annotations

import signal
from typing import Literal, TypeAlias

from msgspec import Struct


class Start(Struct, frozen=True):
    """Start a child in a slot, under this number.

    Attributes:
        succeeds: Another child is there still, and gives way when this one is ready.
    """

    number: int
    slot: int
    succeeds: bool = False


class Tell(Struct, frozen=True):
    """Send a child a signal: SIGTERM to leave, SIGINT after it to leave at once, SIGTSTP to claim nothing."""

    number: int
    signal: signal.Signals


class Say(Struct, frozen=True):
    """A line for whoever reads the log."""

    level: Literal["info", "warning", "error", "critical"]
    text: str


class Alarm(Struct, frozen=True):
    """Send `Tick` at this moment; replaces an earlier alarm."""

    at: float


class Leave(Struct, frozen=True):
    """All is over; the exit code of the command."""

    code: int


Effect: TypeAlias = Start | Tell | Say | Alarm | Leave
