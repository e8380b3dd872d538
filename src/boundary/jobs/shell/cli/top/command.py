"""The command `top`."""

from __future__ import annotations

from typing import Annotated

import typer

from boundary.jobs.shell.cli.done import operator
from boundary.jobs.shell.cli.look import Json
from boundary.jobs.shell.cli.terminal import Terminal, interactive
from boundary.jobs.shell.cli.top import drawing, glimpse


def top(
    context: typer.Context,
    interval: Annotated[
        float, typer.Option(min=0.1, max=3600, help="Seconds between looks.")
    ] = 1.0,
    once: Annotated[
        bool, typer.Option("--once", help="Look once and leave; so without a terminal.")
    ] = False,
    as_json: Json = False,
) -> None:
    """A live view of queues, workers, running jobs and dead letters, with keys to act; ? helps."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        if as_json:
            seen = glimpse.look(jobs)
            terminal.json(
                {"at": seen.at, "stats": seen.stats, "running": seen.running, "dead": seen.dead}
            )
            return
        if once or not interactive():
            seen = glimpse.look(jobs)
            terminal.out.print(drawing.snapshot(seen, glimpse.name_of(jobs), terminal.out.width))
            return
        from boundary.jobs.shell.cli.top.watching import Watching

        Watching(jobs, terminal.out, operator(), interval).run()
