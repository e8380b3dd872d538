"""A signal's handler that uses the store while its thread does."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from boundary.jobs import Jobs
from boundary.jobs.errors import UsageError
from tests.waiting import PATIENCE, Stopwatch

ENOUGH = 5
EVERY = 0.001


@contextmanager
def signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Without end, to this process: so many seconds of its processor's time apart."""
    before = signal.signal(signal.SIGPROF, handler)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def test_it_is_told_rather_than_wait_for_itself(jobs: Jobs) -> None:
    stored = 0
    refused: list[str] = []

    @jobs.handler
    def work() -> None: ...

    def enqueue(number: int, frame: FrameType | None) -> None:
        nonlocal stored
        try:
            work.enqueue()
        except UsageError as error:
            refused.append(str(error))
        else:
            stored += 1

    work.enqueue()  # what is imported at the first use cannot be imported in the midst of that
    own, since = 1, Stopwatch()
    with signals(enqueue):
        while len(refused) < ENOUGH and since.took() < PATIENCE:
            work.enqueue()
            own += 1
    assert len(refused) >= ENOUGH
    assert {one.split(" interrupted ")[0] for one in refused} == {"the handler of a signal"}
    assert jobs.queue_stats("default").size == own + stored
