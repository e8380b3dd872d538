"""The commands put together, and what happens when one fails."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from boundary.jobs.errors import JobsError
from boundary.jobs.shell.cli import act, look, orders, schedules
from boundary.jobs.shell.cli import run as going
from boundary.jobs.shell.cli.codes import REFUSED, exit_code
from boundary.jobs.shell.cli.doctor import doctor
from boundary.jobs.shell.cli.foreign import script
from boundary.jobs.shell.cli.serving import dashboard
from boundary.jobs.shell.cli.terminal import Terminal, say_error
from boundary.jobs.shell.cli.top.command import top

app: typer.Typer = typer.Typer(
    name="boundary-jobs",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    "Start": (going.worker, dashboard, going.demo, going.bench),
    "Look": (
        look.stats,
        look.queues,
        look.workers,
        look.failed,
        look.search,
        look.show,
        look.why,
        look.audit,
        schedules.schedules,
        top,
        doctor,
        script,
    ),
    "Act": (
        act.enqueue,
        act.retry,
        act.cancel,
        act.delete,
        act.edit,
        act.pause,
        act.resume,
        act.purge,
        act.undo,
    ),
    "Tell workers": (orders.quiet, orders.unquiet, orders.drain, orders.restart),
    "Schedule": (
        schedules.schedule,
        schedules.edit_schedule,
        schedules.pause_schedule,
        schedules.resume_schedule,
        schedules.fire_schedule,
        schedules.unschedule,
    ),
}

for _panel, _commands in COMMANDS.items():
    for _command in _commands:
        app.command(rich_help_panel=_panel)(_command)


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"boundary-jobs {version('boundary-jobs')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(help="The store: sqlite:///jobs.db, redis://localhost:6379/0."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="A TOML file with settings; not for worker, demo and bench."),
    ] = None,
    no_color: Annotated[
        bool, typer.Option("--no-color", help="No colours; same as NO_COLOR=1.")
    ] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Background jobs: run them, watch them, fix them.

    Try it: [bold]boundary-jobs demo[/bold]. Run your own: [bold]boundary-jobs worker tasks[/bold].
    """
    context.obj = Terminal(context.obj or (), url, config, not no_color)


GLOBAL = {"--url": True, "--config": True, "--no-color": False}
"""Options of the whole command, and whether a value follows."""


def run(arguments: Sequence[str]) -> int:
    """The exit code of the command with these arguments."""
    try:
        app(_hoisted(arguments), obj=tuple(arguments))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except JobsError as error:
        say_error(Terminal(color="--no-color" not in arguments).err, error.message)
        return exit_code(error)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        _write_nowhere()
        why = f"not all of it could be written: {error.strerror}; what was asked for may be done"
        say_error(Terminal(color="--no-color" not in arguments).err, why)
        return REFUSED
    return 0


NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a file says that takes no more of what is written to standard output."""


def _write_nowhere() -> None:
    """What is still held back for standard output is dropped, or it would fail again at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _hoisted(arguments: Sequence[str]) -> list[str]:
    """Global options first, wherever they were written."""
    front: list[str] = []
    rest: list[str] = []
    left = list(arguments)
    while left:
        word = left.pop(0)
        if word == "--":
            rest += [word, *left]
            break
        name = word.partition("=")[0]
        if name not in GLOBAL:
            rest.append(word)
            continue
        front.append(word)
        if GLOBAL[name] and "=" not in word and left:
            front.append(left.pop(0))
    return front + rest
