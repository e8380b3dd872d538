"""A clock that stands still until it is told to move.

What belongs here: `FakeClock`. What does not: anything that waits for time to pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from boundary.jobs.errors import UsageError


class FakeClock:
    """`ports.Clock` for tests: hours pass in no time, and chance is what the test says.

    Args:
        start: The first instant: milliseconds since the epoch, or an aware datetime.
        us: What `u` returns in turn, from the start again at the end; each in [0, 1).
    """

    def __init__(
        self,
        start: int | datetime = datetime(2026, 1, 1, tzinfo=UTC),
        us: Sequence[float] = (0.5,),
    ) -> None:
        self._now = _millis(start)
        self._mono = 0
        self._us = tuple(us)
        self._drawn = 0

    def now(self) -> int:
        """Milliseconds since the epoch."""
        return self._now

    def mono(self) -> int:
        """Milliseconds it was advanced by; `set` leaves it alone."""
        return self._mono

    def u(self) -> float:
        """The next of the numbers given."""
        drawn = self._us[self._drawn % len(self._us)]
        self._drawn += 1
        return drawn

    def set(self, instant: int | datetime) -> None:
        """It is this instant now; one that lies back is allowed, as with any machine's clock."""
        self._now = _millis(instant)

    def advance(self, by: float | timedelta) -> None:
        """It is so much later: seconds (rounded to milliseconds) or a timedelta."""
        span = by if isinstance(by, timedelta) else timedelta(seconds=by)
        passed = round(span / timedelta(milliseconds=1))
        self._now += passed
        self._mono += passed

    def travel(
        self,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        milliseconds: float = 0,
    ) -> None:
        """It is so much later, all of it together; nothing has run meanwhile."""
        self.advance(
            timedelta(
                days=days,
                hours=hours,
                minutes=minutes,
                seconds=seconds,
                milliseconds=milliseconds,
            )
        )

    def travel_to(self, instant: int | datetime) -> None:
        """It is this instant, which lies ahead, and as much time has passed.

        Raises:
            UsageError: It lies back, or has no time zone; `set` turns a clock back.
        """
        if isinstance(instant, datetime) and instant.tzinfo is None:
            raise UsageError(f"{instant.isoformat()} has no time zone, so it is no instant")
        passed = _millis(instant) - self._now
        if passed < 0:
            raise UsageError(
                f"travel_to goes forward; {instant} was {-passed / 1000:g} s ago, at {self.at}"
            )
        self.advance(timedelta(milliseconds=passed))

    @property
    def at(self) -> datetime:
        """The same as `now`, as an aware datetime."""
        return datetime.fromtimestamp(self._now / 1000, UTC)


def _millis(instant: int | datetime) -> int:
    return instant if isinstance(instant, int) else round(instant.timestamp() * 1000)
