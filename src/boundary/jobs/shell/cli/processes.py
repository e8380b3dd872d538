"""The ways a worker command goes on: alone, as one of several, or as the one above them.

What belongs here: choosing between them, and what each needs around it. What does not: the worker's
options (`run`), and supervision itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boundary.jobs.errors import UsageError
from boundary.jobs.shell import loops
from boundary.jobs.shell.load import cores
from boundary.jobs.shell.notify import Notify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from boundary.jobs.shell.child import Line
    from boundary.jobs.shell.supervisor import Supervisor
    from boundary.jobs.shell.worker import Worker

log: logging.Logger = logging.getLogger("boundary.jobs")


class Alone:
    """The keeper of a process that nobody supervises: it becomes its own successor."""

    def __init__(self, worker: Worker) -> None:
        self.succeeds = False
        self._worker = worker
        self._notify = Notify()
        self.again: bool = False

    def ready(self) -> None:
        """As `shift.Keeper.ready`."""
        self._notify.ready("at work")

    def claims_again(self) -> None:
        """Nobody needs to know."""

    def replace(self, why: str) -> None:
        """Finish what runs, then start anew in this process's place."""
        if not self.again:
            log.info("starting anew when what runs is finished: %s", why)
        self.again = True
        self._notify.reloading()
        self._worker.stop()


def work_alone(
    worker: Worker, command: Sequence[str], *, burst: bool, health_port: int | None
) -> None:
    """Run the worker in this process; started anew, the process becomes another one."""
    keeper = Alone(worker)
    loops.run(worker.run(burst=burst, handle_signals=True, health_port=health_port, keeper=keeper))
    if keeper.again:
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, "-m", "boundary.jobs", *command])  # noqa: S606


def work_as_child(worker: Worker, line: Line, *, burst: bool, health_port: int | None) -> None:
    """Run the worker in this process, for as long as its supervisor lives.

    Each slot has a health port of its own: the given one, the next, and so on.
    """
    base = worker.settings.workers.health_port if health_port is None else health_port
    port = None if base is None else base + line.slot

    async def work() -> None:
        running = asyncio.ensure_future(
            worker.run(burst=burst, handle_signals=True, health_port=port, keeper=line)
        )
        await asyncio.sleep(0)  # it has begun: signals are heard
        line.loaded(worker.settings.workers.shutdown_timeout / 1000)
        # Not before: a supervisor that is gone already is to stop a worker that has begun.
        watching = asyncio.ensure_future(line.watch(worker.stop))
        try:
            await running
        finally:
            watching.cancel()

    loops.run(work())


def supervise(command: Sequence[str], processes: int, *, reload: bool) -> int:
    """Keep so many worker processes at work. The exit code."""
    from boundary.jobs.shell.supervisor import Supervisor  # here: most processes are none

    there = cores()
    if processes > there:
        log.warning(
            "%d processes on %d cores: more processes than cores only help where handlers wait in "
            "code that holds Python's lock; --concurrency is what lets more jobs wait at once",
            processes,
            there,
        )
    supervisor = Supervisor(
        command, processes=processes, waits=reload, hangup_stops=sys.stderr.isatty()
    )
    return asyncio.run(_supervised(supervisor, reload=reload))


async def _supervised(supervisor: Supervisor, *, reload: bool) -> int:
    if not reload:
        return await supervisor.run()
    watching = asyncio.ensure_future(_watch(supervisor, _watcher()))
    try:
        return await supervisor.run()
    finally:
        await loops.end(watching)


def _watcher() -> Any:
    try:
        return import_module("watchfiles")
    except ImportError:
        raise UsageError("--reload needs watchfiles: pip install 'boundary-jobs[reload]'") from None


async def _watch(supervisor: Supervisor, watchfiles: Any) -> None:
    """Replace the processes whenever Python files under this folder change."""
    folder = Path.cwd()
    log.info("watching %s for changes of Python files", folder)
    async for changes in watchfiles.awatch(folder, watch_filter=watchfiles.PythonFilter()):
        first, *others = sorted(Path(path) for _, path in changes)
        name = first.relative_to(folder) if first.is_relative_to(folder) else first
        more = f" and {len(others)} more" if others else ""
        supervisor.replace_all(f"{name}{more} changed")
