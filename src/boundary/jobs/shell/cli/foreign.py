"""`boundary-jobs script`: what other languages need to enqueue.

What belongs here: printing it. What does not: what it says (the store that runs it), how it is
called (docs/guides/other-languages.md).
"""

from __future__ import annotations

import typer

from boundary.jobs.shell.connect import foreign_script


def script() -> None:
    """Print the script by which other languages enqueue on Redis.

    How they call it: docs/guides/other-languages.md. It belongs to this version: print it again
    after an upgrade.
    """
    typer.echo(foreign_script(), nl=False)
