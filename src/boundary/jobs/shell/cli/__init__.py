"""The command `boundary-jobs`: the doors, for people at a prompt.

What belongs here: words, tables, questions, exit codes. What does not: a rule, or knowledge of
which store is behind the doors.

`app` puts the commands together: `look` shows, `act` changes, `schedules` does both to schedules,
`orders` tells workers, `run` starts something that goes on, `serving` serves the dashboard, `doctor`
examines. `done` says what an act came to, `progress` how far it is; `tables` shows records, `writing`
values; `terminal` is what every command shares. A worker's command is mostly read by `plain` and
always carried out by `working`, which load none of these.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from boundary.jobs.shell.cli.working import Orders


def main() -> None:
    """Run the command with this process's arguments and exit."""
    from boundary.jobs.shell.cli.plain import understood

    orders = understood(sys.argv[1:])
    sys.exit(_run(sys.argv[1:]) if orders is None else _work(orders))


def _run(arguments: list[str]) -> int:
    from boundary.jobs.shell.cli.app import run

    return run(arguments)


def _work(orders: Orders) -> int:
    from boundary.jobs.errors import JobsError
    from boundary.jobs.shell.cli.working import work

    try:
        return work(orders)
    except KeyboardInterrupt:
        return 130  # as a shell says of a command that SIGINT ended
    except JobsError as error:
        from boundary.jobs.shell.cli.codes import exit_code
        from boundary.jobs.shell.cli.terminal import Terminal, say_error

        say_error(Terminal(color=not orders.no_color).err, error.message)
        return exit_code(error)
