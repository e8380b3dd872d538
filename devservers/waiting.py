"""Waiting for something to become true, with an end.

What belongs here: the one loop that does so. What does not: what is waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from devservers.wire import Refused


class NotInTime(TimeoutError):
    """It did not become true; the message says what, and what was seen last."""


def until(true: Callable[[], bool], what: str, seconds: float) -> None:
    """It is true. A server that refuses, or is not there, makes it false for now."""
    deadline = time.monotonic() + seconds
    last: Exception | None = None
    while True:
        try:
            if true():
                return
        except (OSError, Refused) as error:
            last = error
        if time.monotonic() > deadline:
            raise NotInTime(f"Waited {seconds:g} s: {what}. Last error: {last!r}")
        time.sleep(0.01)
