"""What is told to workers that are alive: to claim nothing, to leave, to be replaced.

What belongs here: the words, and what is said of them. What does not: what a worker does then.
"""

from __future__ import annotations

from typing import Annotated

import typer

from boundary.jobs.core.operations import Word
from boundary.jobs.shell.cli.act import Yes
from boundary.jobs.shell.cli.done import Done, operator, tell
from boundary.jobs.shell.cli.look import Json
from boundary.jobs.shell.cli.terminal import Terminal
from boundary.jobs.shell.order_flows import EVERY

Worker = Annotated[
    str | None,
    typer.Argument(metavar="[WORKER]", help="Its id, host:pid or process id; else every worker."),
]


def quiet(context: typer.Context, worker: Worker = None, as_json: Json = False) -> None:
    """Workers claim nothing more, and go on with what they have."""
    said = ("claims nothing more", "claim nothing more")
    _instruct(context.obj, "quiet", worker, said, as_json=as_json)


def unquiet(context: typer.Context, worker: Worker = None, as_json: Json = False) -> None:
    """Workers that were told to be quiet claim jobs again."""
    said = ("claims jobs again", "claim jobs again")
    _instruct(context.obj, "unquiet", worker, said, as_json=as_json)


def drain(
    context: typer.Context, worker: Worker = None, yes: Yes = False, as_json: Json = False
) -> None:
    """Workers end what they have and leave; nobody starts in their place."""
    terminal: Terminal = context.obj
    if worker is None:
        terminal.confirm("Let every worker leave?", yes=yes)
    said = ("ends its jobs and leaves", "end their jobs and leave")
    _instruct(terminal, "drain", worker, said, as_json=as_json)


def restart(
    context: typer.Context, worker: Worker = None, yes: Yes = False, as_json: Json = False
) -> None:
    """Workers are replaced by new processes, one after another, without a gap."""
    terminal: Terminal = context.obj
    if worker is None:
        terminal.confirm("Replace every worker?", yes=yes)
    _instruct(terminal, "restart", worker, ("is replaced", "are replaced"), as_json=as_json)


def _instruct(
    terminal: Terminal, word: Word, worker: str | None, said: tuple[str, str], *, as_json: bool
) -> None:
    with terminal.jobs() as jobs:
        told: int = getattr(jobs, f"{word}_workers")(worker, by=operator())
        if told == 0:
            alive = ", ".join(f"{row.host}:{row.pid}" for row in jobs.workers()) or "none"
            whom = "no worker" if worker is None else f"no worker {worker}"
            terminal.fail(f"{whom} is alive, so nobody was told; those that are: {alive}")
    one, many = said
    words = f"1 worker {one}" if told == 1 else f"{told} workers {many}"
    done = Done(what=word, target=worker or EVERY, count=told, action=None)
    tell(terminal, done, words, as_json=as_json)
