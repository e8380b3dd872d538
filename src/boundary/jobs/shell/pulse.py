"""A worker's lease, kept from a thread of its own.

What belongs here: heartbeats that go on while a handler blocks the event loop, and what the store
answers to them (jobs to cancel, a lease that is lost). What does not: what the worker does then.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Self

from boundary.jobs.core.operations import Interest, Topic
from boundary.jobs.core.stats import encode_worker
from boundary.jobs.core.wire import at
from boundary.jobs.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from boundary.jobs.core.dispatcher import Setup
    from boundary.jobs.core.operations import Beat, Heartbeat
    from boundary.jobs.core.stats import WorkerPhase
    from boundary.jobs.core.wire import Millis
    from boundary.jobs.ports import Backend, Listener, Store

log: logging.Logger = logging.getLogger("boundary.jobs")

BEATS = 3
"""Heartbeats in the time of one lease."""

LAST_MOMENT = 0.8
"""The part of a lease after which a worker that could not renew it stops its jobs."""


def describe_worker(
    setup: Setup,
    job_types: Iterable[str],
    *,
    began: Millis,
    phase: WorkerPhase,
    schedules: tuple[str, ...] = (),
) -> bytes:
    """What a worker says of itself, for `Stats` and `Explain`."""
    return encode_worker(
        queues=setup.queues or tuple(name for name, _ in setup.weights),
        concurrency=setup.concurrency,
        host=socket.gethostname(),
        pid=os.getpid(),
        started_at=at(began),
        job_types=tuple(job_types),
        phase=phase,
        schedules=schedules,
    )


class Pulse:
    """Renews the lease of whatever incarnation `beat` names, while the `with` block lasts.

    Args:
        beat: Makes the next heartbeat; called in the pulse's thread.
        lease: Seconds.
        heard: Called in that thread with (incarnation, the store's answer).
        lost: Called there with the incarnation whose lease is about to end unrenewed.
    """

    def __init__(
        self,
        store: Store,
        *,
        beat: Callable[[], Heartbeat],
        lease: float,
        heard: Callable[[str, Beat], None],
        lost: Callable[[str], None],
    ) -> None:
        self._store = store
        self._beat = beat
        self._lease = lease
        self._heard = heard
        self._lost = lost
        self._ending = threading.Event()
        self._listener: Listener | None = None
        self._renewed = (_now(), "")
        self._thread = threading.Thread(target=self._go_on, name="boundary-jobs-pulse", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        if self._listener is not None:
            self._listener.close()
        self._thread.join(timeout=1.0)

    def _go_on(self) -> None:
        backend = self._store.blocking()
        try:
            while not self._ending.is_set():
                self._listen(backend)
        finally:
            backend.close()

    def _listen(self, backend: Backend) -> None:
        """Beat until the end, or until the ear fails."""
        try:
            with backend.listen(Interest(Topic.CONTROL)) as listener:
                self._listener = listener
                while not self._ending.is_set():
                    wait = self._lease / BEATS if self._renew(backend) else self._lease / 10
                    listener.wait(wait)
        except BackendError as error:
            log.warning("heartbeats are late: %s", error)
            self._renew(backend)
            self._ending.wait(self._lease / 10)

    def _renew(self, backend: Backend) -> bool:
        heartbeat = self._beat()
        try:
            answer = backend.execute(heartbeat)
        except BackendError as error:
            self._count_down(heartbeat.worker, error)
            return False
        self._renewed = (_now(), heartbeat.worker)
        self._heard(heartbeat.worker, answer)
        return True

    def _count_down(self, mine: str, error: BackendError) -> None:
        since, whose = self._renewed
        if whose != mine:
            self._renewed = (_now(), mine)
            return
        late = _now() - since
        log.warning("no heartbeat for %.1f s of a %g s lease: %s", late, self._lease, error)
        if late >= self._lease * LAST_MOMENT:
            self._lost(mine)


def _now() -> float:
    """Seconds that only grow; the pulse is about this process, not about the store's time."""
    return time.monotonic()
