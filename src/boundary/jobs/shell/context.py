"""What a handler is given of its run: `Context`.

What belongs here: the few things a handler may ask or say while it runs. What does not: running
it (the executor), and what its words lead to (`core.outcome`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from boundary.jobs.core import conversion, wire
from boundary.jobs.core.records import Progress
from boundary.jobs.errors import UsageError

if TYPE_CHECKING:
    import asyncio
    import logging

    from boundary.jobs.core.records import Job
    from boundary.jobs.core.wire import Record


class Cancelled:
    """Whether this run was asked to stop: a flag (`if ctx.cancelled`), and awaitable.

    Set by an operator's cancel, a timeout, a lost lease, or the end of a worker's grace period.
    Async handlers also get `asyncio.CancelledError`; blocking ones have only this.
    """

    __slots__ = ("_event", "_waiters")

    def __init__(self) -> None:
        self._event = threading.Event()
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    def __bool__(self) -> bool:
        return self._event.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until it is set (True) or `timeout` seconds have passed (False)."""
        return self._event.wait(timeout)

    def __await__(self) -> Generator[Any, None, None]:
        import asyncio  # here: an enqueuing process does not need it

        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.append((loop, waiter))
        if self._event.is_set():
            self._wake()
        return waiter.__await__()

    def set(self) -> None:
        """Set the flag; from any thread."""
        self._event.set()
        self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for loop, waiter in waiters:
            loop.call_soon_threadsafe(_resolve, waiter)


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class Context:
    """One run of one job, as its handler sees it. Created by the worker.

    Attributes:
        attempt: 1 in the first run, one more with each retry.
        fencing_token: Grows with each claim of this job. Pass it to systems that can reject an
            older one, so that a run that lost its lease cannot overwrite a newer run's work.
            (After a power cut, the number of a claim that was not on disk yet is reused; the run
            that had it ended with the machine. Reject older numbers, not equal ones.)
        cancelled: Whether the run was asked to stop.
        state: What the worker's lifespan yielded; None without a lifespan.
    """

    __slots__ = (
        "_extend",
        "_job",
        "_record",
        "_report",
        "attempt",
        "cancelled",
        "fencing_token",
        "state",
    )

    def __init__(
        self,
        record: Record,
        *,
        state: Any,
        report: Callable[[Record, bytes], None],
        extend: Callable[[float], None],
    ) -> None:
        self._record = record
        self._report = report
        self._extend = extend
        self._job: Job | None = None
        self.attempt: int = record.retry_count + 1
        self.fencing_token: int = record.token
        self.cancelled: Cancelled = Cancelled()
        self.state: Any = state

    @property
    def job(self) -> Job:
        """The job as it was claimed."""
        if self._job is None:
            self._job = conversion.job_of(self._record)
        return self._job

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger that adds the job's id, type, queue and attempt to each record."""
        import logging  # as above

        return logging.LoggerAdapter(logging.getLogger("boundary.jobs.handler"), self._labels())

    def _labels(self) -> dict[str, object]:
        record = self._record
        return {
            "job_id": str(self.job.id),
            "job_type": record.job_type,
            "queue": record.queue,
            "attempt": self.attempt,
        }

    def progress(self, fraction: float, message: str | None = None) -> None:
        """Report the job's progress; others see it within moments. Never blocks.

        Args:
            fraction: From 0 to 1.
            message: A few words for people.

        Raises:
            UsageError: `fraction` is outside [0, 1], or `message` is not a string.
        """
        if not 0 <= fraction <= 1:
            raise UsageError(f"progress is a fraction from 0 to 1, not {fraction!r}")
        if message is not None and not isinstance(cast("object", message), str):
            raise UsageError(f"a progress message is text, not {message!r:.80}")
        self._report(self._record, wire.encode_progress(Progress(float(fraction), message)))

    def extend(self, seconds: float | timedelta) -> None:
        """Set the run's timeout to `seconds` from now. No effect on a run without a timeout.

        Raises:
            UsageError: `seconds` is not above 0.
        """
        span = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
        if span <= 0:
            raise UsageError(f"extend takes a time above 0 seconds, not {seconds!r}")
        self._extend(span)
