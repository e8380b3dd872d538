"""A worker's lease, kept beside its event loop.

What belongs here: heartbeats that go on while a handler blocks the event loop, and what the store
answers to them (jobs to cancel, a lease that is lost). What does not: what the worker does then.

The beats are a flow (`Heart.beats`), so that they are written once; `Pulse` takes its steps in a
thread with connections of its own. A simulation takes them without a thread.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from asyncio import CancelledError
from typing import TYPE_CHECKING, Any, Self, cast

from boundary.jobs.core.operations import Interest, Operation, Topic
from boundary.jobs.core.stats import encode_worker
from boundary.jobs.core.wire import at
from boundary.jobs.errors import BackendError
from boundary.jobs.shell.flows import Listen, Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from boundary.jobs.core.dispatcher import Setup
    from boundary.jobs.core.operations import Beat, Heartbeat
    from boundary.jobs.core.stats import WorkerPhase
    from boundary.jobs.core.wire import Millis
    from boundary.jobs.ports import Backend, Listener, Store
    from boundary.jobs.shell.flows import Flow, Step

log: logging.Logger = logging.getLogger("boundary.jobs")

BEATS = 3
"""Heartbeats in the time of one lease."""

PARTING = 1.0
"""Seconds for a call of the store that is under way at the end; it may go on after that."""

FLIGHT = 0.1
"""The same where the worker is cancelled. The event loop waits with it, whatever else is on it."""

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


class Heart:
    """Renews the lease of whatever incarnation `beat` names, for as long as its steps are taken.

    Args:
        beat: Makes the next heartbeat.
        lease: Seconds.
        now: Seconds that only grow; the pulse is about this process, not about the store's time.
        heard: Called with (incarnation, the store's answer).
    """

    def __init__(
        self,
        *,
        beat: Callable[[], Heartbeat],
        lease: float,
        now: Callable[[], float],
        heard: Callable[[str, Beat], None],
    ) -> None:
        self._beat = beat
        self._lease = lease
        self._now = now
        self._heard = heard
        self._renewed = (now(), "")

    def renewed(self, incarnation: str, since: float) -> None:
        """The lease of this incarnation was renewed by a call that was sent then; any thread."""
        self._renewed = (since, incarnation)

    def left(self, mine: str) -> float:
        """Seconds until this incarnation must take its lease for lost; any thread."""
        since, whose = self._renewed
        if whose != mine:
            since = self._now()
            self.renewed(mine, since)
        return since + self._lease * LAST_MOMENT - self._now()

    def beats(self) -> Flow[None]:
        """Heartbeats, each after a wait or a notice; without end."""
        while True:
            try:
                yield Listen(Interest(Topic.CONTROL))
                while True:
                    renewed = yield from self._renew()
                    yield Wait(self._lease / BEATS if renewed else self._lease / 10)
            except BackendError as error:
                log.warning("heartbeats are late: %s", error)
                yield from self._renew()
                yield Wait(self._lease / 10)

    def _renew(self) -> Flow[bool]:
        heartbeat = self._beat()
        sent = self._now()
        try:
            answer = cast("Beat", (yield heartbeat))
        except BackendError as error:
            since, whose = self._renewed
            if whose == heartbeat.worker:
                late = self._now() - since
                log.warning("no heartbeat for %.1f s of a %g s lease: %s", late, self._lease, error)
            return False
        if answer.alive:
            # The store that does not know this name (any more) has renewed nothing under it.
            self.renewed(heartbeat.worker, sent)
        self._heard(heartbeat.worker, answer)
        return True


class Pulse:
    """Takes the steps of `beats` in a thread, while the `with` block lasts.

    An ear that fails is closed; a `Wait` without one is a plain wait.
    """

    def __init__(self, store: Store, beats: Flow[None]) -> None:
        self._store = store
        self._beats = beats
        self._ending = threading.Event()
        self._listener: Listener | None = None
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
        cancelled = kind is not None and issubclass(kind, CancelledError)
        self._thread.join(timeout=FLIGHT if cancelled else PARTING)

    def _go_on(self) -> None:
        backend = self._store.blocking()
        try:
            step = next(self._beats)
            while not self._ending.is_set():
                try:
                    reply = self._take(step, backend)
                except BackendError as error:
                    self._stop_listening()
                    step = self._beats.throw(error)
                else:
                    step = self._beats.send(reply)
        finally:
            self._stop_listening()
            backend.close()

    def _take(self, step: Step, backend: Backend) -> Any:
        if isinstance(step, Listen):
            self._listener = backend.listen(step.interest)
        elif isinstance(step, Operation):
            return backend.execute(step)
        elif not isinstance(step, Wait):
            raise TypeError(f"a heart does not {type(step).__name__}")
        elif self._listener is None:
            self._ending.wait(step.seconds)
        else:
            self._listener.wait(step.seconds)
        return None

    def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
