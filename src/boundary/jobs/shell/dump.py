"""What a worker process does at this moment, as text for whoever asks with SIGTTIN.

What belongs here: every job that runs with the stack of its handler, and the stack of every thread.
What does not: taking a stack (`stacks`), arguments of jobs, which may be secret.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from boundary.jobs.core.names import shown_id
from boundary.jobs.shell import stacks
from boundary.jobs.shell.running import stack_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from boundary.jobs.shell.running import Run


def report(worker: str, runs: Iterable[Run], now: float) -> str:
    """The text; callable from any thread, whatever the others do meanwhile."""
    running = sorted(runs, key=lambda run: run.started)
    lines = [f"worker {worker}: {len(running)} jobs run"]
    for run in running:
        lines += ["", _title(run, now), stack_of(run) or "  (in no Python code of this process)"]
    for title, stack in _threads():
        lines += ["", title, stack]
    return "\n".join(lines) + "\n"


def _title(run: Run, now: float) -> str:
    record = run.record
    asked = f", asked to stop ({run.stop})" if run.stop else ""
    return (
        f"job {shown_id(record.id)} {record.job_type} in {record.queue}, "
        f"run {record.retry_count + 1}, for {now - run.started:.1f} s{asked}"
    )


def _threads() -> Iterator[tuple[str, str]]:
    for thread in threading.enumerate():
        if thread.ident is not None and thread is not threading.current_thread():
            yield f"thread {thread.name}", stacks.of_thread(thread.ident)
