"""A worker: which jobs it runs, how many at once, and its shifts.

What belongs here: what a worker is told once, checked, and starting and stopping its shifts. What
does not: a shift (`shift`).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from msgspec.structs import replace

from boundary.jobs.core import dispatcher, scaling
from boundary.jobs.core.names import checked_name
from boundary.jobs.errors import UsageError
from boundary.jobs.shell import loops
from boundary.jobs.shell.clock import SystemClock
from boundary.jobs.shell.post import Post
from boundary.jobs.shell.shift import Keeper, Shift
from boundary.jobs.shell.signals import Signals
from boundary.jobs.shell.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from boundary.jobs.ports import Clock, Store
    from boundary.jobs.shell.registry import Registry
    from boundary.jobs.shell.settings import Settings
    from boundary.jobs.shell.telemetry.health import Health

SWEEP_MS = 5_000


class Worker:
    """Runs a store's jobs with the handlers of a registry.

    Created by `Jobs.worker`. It holds no resources itself: each `run` is a separate shift, and
    several may run at once, in one process or many.

    Args:
        queues: The queues to serve, in order; None: as configured, else every queue that has jobs,
            ``default`` first.
        weights: Instead of an order: how often each queue comes first, relative to the others.
        max_jobs: Ask for a replacement process (`run`'s `keeper`) after this many jobs; None: as
            configured, 0: never.
        max_memory: The same, once the process uses more than this many bytes.
        concurrency: Jobs to run at the same time (default 10); ``"auto"`` or ``"auto:2-200"``: as
            many, within these bounds, as the measured load allows.
        queue_concurrency: Per queue, the most jobs to run at the same time.

    Raises:
        UsageError: `concurrency` or a weight is below 1, or both `queues` and `weights` are given.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        settings: Settings,
        *,
        queues: Sequence[str] | None = None,
        weights: Mapping[str, int] | None = None,
        concurrency: int | str | None = None,
        queue_concurrency: Mapping[str, int] | None = None,
        max_jobs: int | None = None,
        max_memory: int | None = None,
        clock: Clock | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        self.store = store
        self.registry = registry
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.setup: dispatcher.Setup = replace(
            _setup(settings, queues, weights, concurrency, queue_concurrency),
            max_jobs=_limit("max_jobs", max_jobs, settings.workers.max_jobs),
            max_memory=_limit("max_memory", max_memory, settings.workers.max_memory),
        )
        self.surroundings: Surroundings = surroundings or Surroundings()
        self._shifts: set[Shift] = set()

    async def run(
        self,
        *,
        burst: bool = False,
        handle_signals: bool = False,
        health_port: int | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        """Run jobs until stopped.

        If cancelled, it ends at once and cancels its handlers. Its jobs are released immediately if
        the store responds within a moment, else when the lease expires.

        Args:
            burst: Return as soon as nothing is ready and nothing is running here, without waiting
                for jobs due later.
            handle_signals: Handle signals; only in the main thread. SIGTERM and SIGINT stop the
                worker: the first lets running jobs finish within `shutdown_timeout`, the second
                stops at once. SIGTSTP: claim nothing more. SIGHUP: be replaced. SIGTTIN: write
                running jobs and all stacks to standard error.
            health_port: The port that serves ``/live``, ``/ready`` and ``/metrics``; None: as
                configured (`workers.health_port`), else none.
            keeper: Asked for a replacement process when this one reaches `max_jobs` or
                `max_memory`, or an operator restarts it. None: it stops, as for SIGTERM.

        Raises:
            BackendError: In a burst, the store cannot be used. Otherwise the worker waits it out.
            UsageError: A child process would not find a handler with isolation, or the health
                port cannot be used.
        """
        waits = keeper is not None and keeper.succeeds
        with self._health(health_port, waits=waits) as health:
            post = Post(
                self.store,
                self.registry,
                self.settings,
                replace(self.setup, burst=burst),
                self.clock,
                self.surroundings,
            )
            shift = Shift(post, whole_process=handle_signals, keeper=keeper, health=health)
            self._shifts.add(shift)
            try:
                with Signals(shift) if handle_signals else contextlib.nullcontext():
                    await shift.work()
            finally:
                self._shifts.discard(shift)

    def _health(
        self, given: int | None, *, waits: bool
    ) -> contextlib.AbstractContextManager[Health | None]:
        port = self.settings.workers.health_port if given is None else given
        if port is None:
            return contextlib.nullcontext()
        from boundary.jobs.shell.telemetry.health import Health  # here: it loads an HTTP server

        return Health(self.settings.workers.health_host, port, self.store, waits=waits)

    def run_until_empty(self) -> None:
        """Run jobs until nothing is ready or running here. Blocks; callable from any thread.

        Raises:
            UsageError: Called on an event loop; use ``await worker.run(burst=True)`` there.
            BackendError: The store cannot be used.
        """
        if loops.is_running():
            raise UsageError(
                "run_until_empty blocks and this thread has a running event loop; "
                "use `await worker.run(burst=True)` here"
            )
        loops.run(self.run(burst=True))

    def stop(self, grace: float | None = None) -> None:
        """Stop every current `run`: it takes no further jobs and returns when its jobs have ended.

        Callable from any thread. Returns at once.

        Args:
            grace: Seconds running jobs may take; after that they are stopped and released to other
                workers. None: `workers.shutdown_timeout`.
        """
        for shift in list(self._shifts):
            shift.ask_to_stop(grace)


def _setup(
    settings: Settings,
    queues: Sequence[str] | None,
    weights: Mapping[str, int] | None,
    concurrency: int | str | None,
    queue_concurrency: Mapping[str, int] | None,
) -> dispatcher.Setup:
    if queues is not None and weights is not None:
        raise UsageError("give queues (a strict order) or weights, not both")
    if isinstance(queues, str):
        raise UsageError(f"queues is a list of names, not the text {queues!r}")
    names = settings.workers.queues if queues is None and weights is None else queues
    given = settings.workers.concurrency if concurrency is None else concurrency
    slots, bounds = scaling.parsed(given)
    limits = settings.workers.queue_concurrency if queue_concurrency is None else queue_concurrency
    scaling.check_limits(limits)
    rows = tuple((weights or {}).items())
    for name, weight in rows:
        if weight < 1:
            raise UsageError(f"the weight of queue {name!r} is 1 or more, not {weight!r}")
    for name in (*(names or ()), *(name for name, _ in rows)):
        checked_name("queue", name)
    return dispatcher.Setup(
        concurrency=slots,
        bounds=bounds,
        limits=tuple(limits.items()),
        queues=None if names is None else tuple(names),
        weights=rows,
        poll_ms=_longest_wait(settings),
        sweep_ms=min(SWEEP_MS, settings.workers.lease / 2),
    )


def _limit(name: str, given: int | None, configured: int) -> int:
    if given is None:
        return configured
    if given < 0:
        raise UsageError(f"{name} is 0 (never) or more, not {given!r}")
    return given


def _longest_wait(settings: Settings) -> int:
    """How long (ms) a worker goes without looking, for new jobs or for what has come due."""
    scheduled = settings.scheduled_processor
    if not scheduled.enabled:
        return settings.workers.poll_interval
    return min(settings.workers.poll_interval, scheduled.interval)
