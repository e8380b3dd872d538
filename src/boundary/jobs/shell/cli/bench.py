"""`boundary-jobs bench`: what this machine does, in a few seconds.

What belongs here: a quick look for a person. What does not: claims; those are measured beside
peers by `make bench`.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from boundary.jobs import Jobs
from boundary.jobs.errors import UsageError
from boundary.jobs.shell.cli import writing
from boundary.jobs.shell.cli.codes import IN_MEMORY
from boundary.jobs.shell.cli.progress import bar
from boundary.jobs.shell.connect import in_memory

if TYPE_CHECKING:
    from rich.console import RenderableType

    from boundary.jobs.shell.cli.terminal import Terminal

SINGLE = 300


class Measured(Struct, frozen=True, kw_only=True):
    """What came of it, in jobs a second.

    Attributes:
        jobs: Enqueued with `enqueue_many`; a few more one after another.
    """

    store: str
    jobs: int
    enqueue: float
    enqueue_many: float
    run: float


def measure(terminal: Terminal, count: int, *, quiet: bool = False) -> Measured:
    """Three figures, on an SQLite file in a temporary folder (or the --url given).

    Raises:
        UsageError: Somebody's worker is alive in the given store, and would take the jobs; or the
            store is in memory; or there is a --config, which it does not read.
    """
    terminal.refuse_config("bench")
    if terminal.url is not None and in_memory(terminal.url):
        raise UsageError(IN_MEMORY)
    with (
        tempfile.TemporaryDirectory(prefix="boundary-jobs-bench-") as folder,
        bar(terminal, "measuring", 3, quiet=quiet) as progress,
        Jobs(terminal.url or f"sqlite:///{Path(folder) / 'bench.db'}") as jobs,
    ):
        if jobs.workers():
            raise UsageError(
                "workers are alive in this store and would take the jobs; measure beside them: "
                "BOUNDARY_JOBS_NAMESPACE=bench boundary-jobs bench --url ..."
            )

        # In somebody's store nothing is left behind.
        @jobs.handler(
            name="boundary-jobs-bench",
            queue="boundary-jobs-bench",
            keep_result=None if terminal.url is None else 0,
        )
        async def noop(number: int) -> None:
            """Nothing."""

        began = time.perf_counter()
        for number in range(SINGLE):
            noop.enqueue(number=number)
        single = SINGLE / (time.perf_counter() - began)
        progress(1)
        began = time.perf_counter()
        jobs.enqueue_many(noop.job(number=number) for number in range(count))
        bulk = count / (time.perf_counter() - began)
        progress(2)
        began = time.perf_counter()
        jobs.worker(queues=["boundary-jobs-bench"]).run_until_empty()
        drain = (count + SINGLE) / (time.perf_counter() - began)
        progress(3)
        return Measured(
            store=jobs.store.url, jobs=count, enqueue=single, enqueue_many=bulk, run=drain
        )


def table(found: Measured) -> RenderableType:
    """The same for people."""
    return writing.table(
        f"{found.store}, {found.jobs:,} jobs that do nothing",
        ("what", ">jobs a second"),
        [
            ("enqueue, one after another", f"{found.enqueue:,.0f}"),
            ("enqueue_many", f"{found.enqueue_many:,.0f}"),
            ("run, one worker", f"{found.run:,.0f}"),
        ],
    )
