"""A bar that shows how far an act on many jobs is.

What belongs here: when there is one, and how it looks. What does not: counting (the doors tell).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from boundary.jobs.shell.cli.terminal import Terminal


@contextmanager
def bar(
    terminal: Terminal, what: str, total: int | None, *, quiet: bool
) -> Generator[Callable[[int], None]]:
    """What to call with how many are done; on a terminal a bar moves then, unless `quiet`.

    Args:
        total: How many there will be, as far as somebody knows.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=terminal.err,
        transient=True,
        disable=quiet or not terminal.err.is_interactive,
    ) as progress:
        task = progress.add_task(what, total=total)

        def tell(done: int) -> None:
            # More may have come since they were counted.
            most = None if total is None else max(total, done)
            progress.update(task, completed=done, total=most)

        yield tell
