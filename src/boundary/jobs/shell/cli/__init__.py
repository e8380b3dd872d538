"""The command `boundary-jobs`: the doors, for people at a prompt.

What belongs here: words, tables, questions, exit codes. What does not: a rule, or knowledge of
which store is behind the doors.

`app` puts the commands together, `look` shows, `act` changes, `run` starts something that goes
on, `serving` serves the dashboard, `doctor` examines, `tables` is how things look, `terminal` what every command shares.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command with this process's arguments and exit."""
    from boundary.jobs.shell.cli.app import run

    sys.exit(run(sys.argv[1:]))
