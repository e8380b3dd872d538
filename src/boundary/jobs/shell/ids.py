"""Names nobody else gives: job ids, and those of workers.

What belongs here: UUIDs of version 7, from a clock and chance or from a schedule's tick, and the
names of incarnations. What does not: any other use of either.
"""

from __future__ import annotations

import os
from random import getrandbits
from threading import RLock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from boundary.jobs.core.wire import Millis
    from boundary.jobs.ports import Clock

_CHANCE_BITS = 74
_LOW_BITS = 62
_LOW = (1 << _LOW_BITS) - 1
_VERSION = 7 << 76
_VARIANT = 2 << 62
_LATEST = (1 << 48) - 1


class Ids:
    """A source of ids of which each is greater than the one before, in this process.

    The first 48 bits are milliseconds since the epoch, so ids sort by the time they were made.
    Within a millisecond, and while the clock goes back, the other bits grow by chance.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._forget()

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._lock = RLock()  # a signal's handler may make one in the midst of another
        self._last = -1
        self._chance = 0

    def new(self) -> bytes:
        """The 16 bytes of a new id. From any thread; a forked child goes its own way."""
        if self._pid != os.getpid():
            self._forget()  # the lock may be held by a thread that does not exist here
        now = self._clock.now()
        with self._lock:
            if now > self._last:
                self._last = now
                self._chance = getrandbits(_CHANCE_BITS - 1)
            else:
                self._chance += 1 + getrandbits(32)
            last, chance = self._last, self._chance
        return _value(last, chance).to_bytes(16, "big")


def of_tick(name: str, tick: Millis) -> bytes:
    """The id of the job a schedule makes at a tick: the same, whichever worker makes it."""
    import hashlib  # here: few processes have schedules

    digest = hashlib.blake2b(f"{name}@{tick}".encode(), digest_size=16).digest()
    chance = int.from_bytes(digest, "big") >> (128 - _CHANCE_BITS)
    return _value(min(max(tick, 0), _LATEST), chance).to_bytes(16, "big")


def _value(millis: Millis, chance: int) -> int:
    high = (chance >> _LOW_BITS) & 0xFFF
    return (millis << 80) | _VERSION | (high << 64) | _VARIANT | (chance & _LOW)


def incarnation() -> str:
    """A name no other worker has or had: host, process, chance."""
    import secrets
    import socket  # here: only workers have names

    host = "".join(c if c.isalnum() or c in "-." else "-" for c in socket.gethostname()) or "host"
    return f"{host[:64]}:{os.getpid()}:{secrets.token_hex(6)}"
