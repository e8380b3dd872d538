"""What a worker process does at this moment, as text for whoever asks with SIGTTIN.

What belongs here: every job that runs with the stack of its task, and the stack of every thread.
What does not: arguments of jobs, which may be secret.
"""

from __future__ import annotations

import sys
import threading
import traceback
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Iterator
    from types import FrameType

    from boundary.jobs.shell.executor import Run

DEPTH = 12
"""Frames of a thread that are shown, the innermost."""


def report(worker: str, runs: Iterable[Run], now: float) -> str:
    """The text; callable from any thread, whatever the others do meanwhile."""
    running = sorted(runs, key=lambda run: run.started)
    lines = [f"worker {worker}: {len(running)} jobs run"]
    for run in running:
        lines += _run(run, now)
    for thread, frame in _threads():
        lines += ["", f"thread {thread}", *_stack(frame)]
    return "\n".join(lines) + "\n"


def _run(run: Run, now: float) -> Iterator[str]:
    record = run.record
    asked = f", asked to stop ({run.stop})" if run.stop else ""
    yield ""
    yield (
        f"job {UUID(bytes=record.id)} {record.job_type} in {record.queue}, "
        f"run {record.retry_count + 1}, for {now - run.started:.1f} s{asked}"
    )
    if run.task is not None:
        yield from _task(run.task)


def _task(task: asyncio.Task[None]) -> Iterator[str]:
    """The frames in which a task waits, the outermost first."""
    waits: object = task.get_coro()
    while waits is not None:
        frame: FrameType | None = getattr(waits, "cr_frame", None)
        if frame is None:
            return
        yield from _stack(frame, own=True)
        waits = getattr(waits, "cr_await", None)


def _threads() -> Iterator[tuple[str, FrameType]]:
    names = {one.ident: one.name for one in threading.enumerate()}
    me = threading.get_ident()
    frames = sys._current_frames()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - documented
    for ident, frame in sorted(frames.items()):
        if ident != me:
            yield names.get(ident, f"{ident} (not of Python's making)"), frame


def _stack(frame: FrameType, *, own: bool = False) -> list[str]:
    """The lines of a frame and of those that called it; `own`: of it alone."""
    found = traceback.extract_stack(frame, limit=1 if own else DEPTH)
    return "".join(traceback.format_list(found)).rstrip().splitlines()
