"""The one stream of what happens, and the voice of a door that tells of it.

What belongs here: handing each happening to whoever takes note, without harm to who tells it. What
does not: what a subscriber makes of it.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Protocol

from boundary.jobs.core import events, frames
from boundary.jobs.core.operations import Announce

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from boundary.jobs.core.happenings import Happening


class Subscriber(Protocol):
    """Takes note of happenings; is quick, and called from whichever thread tells."""

    def __call__(self, happening: Happening, /) -> None:
        """It happened."""
        ...


class Stream:
    """Tells each happening once to each subscriber, in order."""

    def __init__(self, subscribers: Iterable[Subscriber] = ()) -> None:
        self._subscribers = tuple(subscribers)

    def __bool__(self) -> bool:
        return bool(self._subscribers)

    def subscribe(self, subscriber: Subscriber) -> None:
        """It takes note of what happens from now on."""
        self._subscribers = (*self._subscribers, subscriber)

    def tell(self, happening: Happening) -> None:
        """It happened. A subscriber that fails is logged, and keeps nobody from anything."""
        for subscriber in self._subscribers:
            try:
                subscriber(happening)
            except Exception:
                import logging  # here: to enqueue, nothing else needs it

                log = logging.getLogger("boundary.jobs")
                log.exception("%s did not take note of %s", subscriber, type(happening).__name__)


class Numbered:
    """Numbers the events of one source, so that who hears them sees what is missing."""

    def __init__(self) -> None:
        self._source = os.urandom(8)
        self._next = 0

    def frames(self, rows: Sequence[events.Row]) -> tuple[bytes, ...]:
        """The next events of this source."""
        first, self._next = self._next, self._next + len(rows)
        return frames.frames_of(self._source, first, rows)

    def skip(self, count: int) -> None:
        """So many are lost before they were told."""
        self._next += count


class Voice:
    """What a door tells of: to this process's subscribers, and to whoever watches the store.

    Each thread is a source of its own, since only what one thread tells comes in order.
    """

    def __init__(self, stream: Stream | None = None) -> None:
        self.stream: Stream = stream or Stream()
        self._here = threading.local()
        self._pid = os.getpid()

    def say(self, happening: Happening, *, watched: bool) -> Announce | None:
        """It is told here; what to tell the store, if somebody watches."""
        if self.stream:
            self.stream.tell(happening)
        if not watched:
            return None
        rows = events.rows_of(happening)
        return Announce(self._numbered().frames(rows)) if rows else None

    def _numbered(self) -> Numbered:
        if self._pid != os.getpid():
            # A forked child that went on counting would be taken for its parent.
            self._here, self._pid = threading.local(), os.getpid()
        found: Numbered | None = getattr(self._here, "numbered", None)
        if found is None:
            found = self._here.numbered = Numbered()
        return found
