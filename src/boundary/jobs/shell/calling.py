"""Calls handlers: on the loop, in a thread, in a process of its own, through middleware.

What belongs here: how one call is made, with which arguments, and that it ends in one outcome
whatever the handler does. What does not: when a job begins and when it must stop (`executor`), which
outcome it is (`endings`), what middleware needs of threads (`bridging`), processes (`isolation`).
"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any

from boundary.jobs.core import wire
from boundary.jobs.core.records import Progress
from boundary.jobs.shell.bridging import Bridged, call_bridged, resolve, wrapped_in
from boundary.jobs.shell.context import Context
from boundary.jobs.shell.isolation.cells import Cells
from boundary.jobs.shell.process import LINEAGE
from boundary.jobs.shell.running import patience

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from boundary.jobs.core.operations import Outcome
    from boundary.jobs.core.wire import Record
    from boundary.jobs.shell.endings import Endings
    from boundary.jobs.shell.isolation.address import Address
    from boundary.jobs.shell.registry import Handler, Registry
    from boundary.jobs.shell.running import Run
    from boundary.jobs.shell.streams import Streams
    from boundary.jobs.shell.telemetry.tracing import Processing
    from boundary.jobs.shell.threads import MakeThreads


class Calls:
    """Calls the handlers of a registry. Everything is called on its event loop.

    Args:
        addresses, state, report, processing, streams, threads: As `Executor` has them.
        result_limit: Most bytes of a result that comes from another process.
        extend: Called on the loop: a run has so many more seconds.
        finished: Called on the loop with the outcome of a run in a thread.
    """

    def __init__(
        self,
        registry: Registry,
        endings: Endings,
        *,
        addresses: Mapping[str, Address] | None,
        result_limit: int,
        state: Any,
        report: Callable[[Record, bytes], None],
        extend: Callable[[Run, float], None],
        processing: Processing | None,
        streams: Streams | None,
        threads: MakeThreads,
        finished: Callable[[Run, Outcome], None],
    ) -> None:
        self._registry = registry
        self._endings = endings
        self._state = state
        self._report = report
        self._extend = extend
        self._processing = processing
        self._streams = streams
        self._loop = asyncio.get_running_loop()
        call_blocking = self._call_blocking if processing is None else self._trace_blocking
        self._threads = threads(self._loop, call_blocking, finished)
        self._bridge = threads(self._loop, call_bridged, resolve)
        self._isolates = addresses is not None
        self._cells = Cells(addresses or {}, result_limit)
        self._generation = LINEAGE.forks

    # Where a handler is called

    def is_on_loop(self, run: Run) -> bool:
        """Whether a slot on the loop makes the call, with `on_loop`; else `in_thread` does."""
        handler = run.handler
        return handler.is_async or self.is_isolated(handler) or bool(self._registry.middleware)

    def is_isolated(self, handler: Handler[..., Any]) -> bool:
        """Whether it is called in a process of its own."""
        return handler.isolation is not None and self._isolates

    @property
    def processes(self) -> tuple[int, ...]:
        """Pids of the child processes that run handlers."""
        return self._cells.pids

    # What it is called with

    def prepare(self, run: Run) -> None:
        """The run has a context, if anybody asks for one."""
        if run.handler.context_parameter is not None or self._registry.middleware:
            run.context = self._context(run)

    def _context(self, run: Run) -> Context:
        def extend(seconds: float) -> None:
            self._loop.call_soon_threadsafe(self._extend, run, seconds)

        return Context(run.record, state=self._state, report=self._report, extend=extend)

    def _arguments(self, run: Run) -> dict[str, Any]:
        arguments = run.handler.arguments(run.payload.args)
        context = run.handler.context_parameter
        return arguments if context is None else {**arguments, context: run.context}

    # On the loop

    def on_loop(self, run: Run, task: asyncio.Task[None]) -> Awaitable[Outcome]:
        """How the run ends; `task` is that of the slot, which waits for it."""
        # Not awaited here: another coroutine for each job would cost more.
        return self._call(run, task) if self._processing is None else self._trace(run, task)

    async def _trace(self, run: Run, task: asyncio.Task[None]) -> Outcome:
        assert self._processing is not None
        with self._processing.around(run.record, run.payload) as span:
            result = await self._call(run, task)
            span.tell(result)
        return result

    async def _call(self, run: Run, task: asyncio.Task[None]) -> Outcome:
        try:
            if run.stop:
                raise asyncio.CancelledError  # noqa: TRY301 - asked to stop before it began
            if self._registry.middleware:
                value = await self._through_middleware(run)
            elif self.is_isolated(run.handler):
                value = await self._isolated(run)
            else:
                value = await run.handler.function(**self._arguments(run))
            return self._endings.returned(run, value)
        except asyncio.CancelledError as error:
            if not run.stop and task.cancelling():
                raise
            return self._endings.raised(run, error)
        except BaseException as error:  # noqa: BLE001 - sys.exit in a handler fails its job only
            return self._endings.raised(run, error)
        finally:
            run.over = True
            if LINEAGE.forks != self._generation:
                os._exit(0)  # as `_leave_if_forked`; a call for each job would cost more
            # A handler may swallow a cancellation; the slot must not inherit it.
            while run.stop and task.cancelling():
                task.uncancel()

    async def _through_middleware(self, run: Run) -> Any:
        """The handler's value, through every middleware, the first registered outermost."""
        context = run.context
        assert context is not None

        async def innermost(_: Context | None = None) -> Any:
            if self.is_isolated(run.handler):
                return await self._isolated(run)
            if run.handler.is_async:
                return await run.handler.function(**self._arguments(run))
            return await self._bridged(run)

        call: Callable[..., Awaitable[Any]] = innermost
        for middleware in reversed(self._registry.middleware):
            call = wrapped_in(middleware, context, call)
        return await call()

    async def _bridged(self, run: Run) -> Any:
        bridged = Bridged(run, self._arguments(run), self._loop.create_future())
        self._bridge.submit(bridged)
        return await bridged.answer

    async def _isolated(self, run: Run) -> Any:
        return await self._cells.call(
            run.handler, run.record, _Ear(run, self._report, self._extend)
        )

    # In a thread

    def in_thread(self, run: Run) -> None:
        """The call begins in a thread; `finished` hears how the run ended."""
        self._threads.submit(run)

    def _call_blocking(self, run: Run) -> Outcome:
        run.thread = threading.get_ident()
        try:
            if run.stop:
                raise asyncio.CancelledError  # noqa: TRY301 - asked to stop before it began
            return self._endings.returned(run, run.handler.function(**self._arguments(run)))
        except BaseException as error:  # noqa: BLE001 - as above
            return self._endings.raised(run, error)
        finally:
            run.over = True
            self._leave_if_forked()
            self.keep_streams_open()

    def _trace_blocking(self, run: Run) -> Outcome:
        assert self._processing is not None
        with self._processing.around(run.record, run.payload) as span:
            result = self._call_blocking(run)
            span.tell(result)
        return result

    def _leave_if_forked(self) -> None:
        """A handler forked and both went on: the copy must not be this worker's twin."""
        if LINEAGE.forks != self._generation:
            os._exit(0)

    def keep_streams_open(self) -> None:
        """What handlers closed of the process's streams is open again; from any thread."""
        if self._streams is not None:
            self._streams.keep_open()

    # The end

    def leave_behind(self, run: Run) -> None:
        """Nobody waits for this call any more; if it has a thread, another takes its place."""
        if not self.is_on_loop(run):
            self._threads.give_up()
        elif not run.handler.is_async and not self.is_isolated(run.handler):
            self._bridge.give_up()

    def wind_down(self) -> None:
        """As `Cells.wind_down`."""
        self._cells.wind_down()

    def release_threads(self) -> None:
        """Idle threads end now, busy ones after their call."""
        self._threads.close()
        self._bridge.close()

    async def close(self) -> None:
        """As `Cells.close`."""
        await self._cells.close()


class _Ear:
    """What a process tells of its run reaches the run."""

    __slots__ = ("_extend", "_report", "_run")

    def __init__(
        self,
        run: Run,
        report: Callable[[Record, bytes], None],
        extend: Callable[[Run, float], None],
    ) -> None:
        self._run = run
        self._report = report
        self._extend = extend

    def begun(self) -> None:
        if (limit := self._run.payload.timeout_ms) is not None:
            self._extend(self._run, limit / 1000)

    def progress(self, fraction: float, message: str | None) -> None:
        if 0 <= fraction <= 1:
            self._report(self._run.record, wire.encode_progress(Progress(fraction, message)))

    def extend(self, seconds: float) -> None:
        self._extend(self._run, seconds)

    def patience(self) -> tuple[float, float]:
        return patience(self._run)
