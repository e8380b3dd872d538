"""Hearing the frames of events, for callers that block.

What belongs here: a subscription of its own for each who watches, and letting the scripts know that
there is one. What does not: notices (`hearing`), announcing (a plan).

Whoever watches says so for `TTL`, again every `RENEW`, as long as it comes to hear what there is.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from boundary.jobs.core.operations import Time
from boundary.jobs.errors import BackendError
from boundary.jobs.shell.adapters.redis.blocking import FORKED, Driver, connection
from boundary.jobs.shell.adapters.redis.conversation import execute, locate, say
from boundary.jobs.shell.adapters.redis.hearing import FAILURES, SLICE, events_channel
from boundary.jobs.shell.adapters.redis.plans.calls import Call, Partitions
from boundary.jobs.shell.adapters.redis.plans.watching import somebody_watches

if TYPE_CHECKING:
    from boundary.jobs.shell.adapters.redis.terms import Terms
    from boundary.jobs.shell.adapters.redis.wires import Wire

TTL: Final = 60.0
"""Seconds one who watches is believed to go on without a word; then nobody tells it anything."""

RENEW: Final = 5.0
"""Seconds between its words: a server that was restarted, or failed over, soon knows again."""

MOST: Final = 1_000
"""Frames handed out at once."""


def word(who: bytes, terms: Terms, *, leaving: bool = False) -> list[Call]:
    """Somebody watches, or does so no longer."""
    ttl = 0 if leaving else round(TTL * 1000)
    return somebody_watches(who, ttl, Partitions(terms.partitions))


class RedisWatcher:
    """`ports.Watcher` over a channel."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._closed = False
        self.begin_anew()
        FORKED.add(self)
        self._join()

    def begin_anew(self) -> None:
        """As `blocking.Forked.begin_anew`."""
        self._who = os.urandom(8)
        self._connection: Wire | None = None
        self._renew = 0.0
        self._lock = threading.Lock()

    def _join(self) -> None:
        """Subscribed, and known as one who watches."""
        if self._connection is None:
            terms = self._driver.terms
            node = self._driver.drive(locate(0, self._driver.known))
            made = connection(terms.address, node, terms.timeout)
            try:
                made.send_command("SUBSCRIBE", events_channel(terms), check_health=False)
                made.read_response(disable_decoding=True)
            except FAILURES as error:
                made.disconnect()
                raise self._driver.known.deaf(error, node) from error
            self._connection = made
        now = time.monotonic()
        if now >= self._renew:
            self._driver.drive(say(word(self._who, self._driver.terms), self._driver.known))
            self._renew = now + RENEW

    def hear(self, timeout: float) -> list[bytes]:
        """As `ports.Watcher.hear`."""
        end = time.monotonic() + timeout
        with self._lock:
            while not self._closed:
                self._join()
                left = end - time.monotonic()
                if found := self._read(max(min(left, SLICE), 0.0)):
                    return found
                if left <= 0:
                    break
        return []

    def _read(self, seconds: float) -> list[bytes]:
        made = self._connection
        assert made is not None
        found: list[bytes] = []
        try:
            while len(found) < MOST and made.can_read(seconds):
                message: Any = made.read_response(disable_decoding=True)
                seconds = 0.0
                if message[0] == b"message":
                    found.append(message[2])
        except FAILURES:
            made.disconnect()
            self._connection, self._renew = None, 0.0
            if not found:
                # Its restart is waited for; what was told meanwhile is lost.
                self._driver.drive(execute(Time(), self._driver.known))
        return found

    def close(self) -> None:
        """As `ports.Watcher.close`."""
        if self._closed:
            return
        self._closed = True
        with self._lock:
            made, self._connection = self._connection, None
            if made is not None:
                made.disconnect()
            with contextlib.suppress(BackendError):  # forgotten after its time
                calls = word(self._who, self._driver.terms, leaving=True)
                self._driver.drive(say(calls, self._driver.known))
