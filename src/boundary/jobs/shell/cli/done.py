"""What an act came to, for people and for programs.

What belongs here: the document of an act, how it is told, and who acts. What does not: the acts.
"""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from boundary.jobs.core.records import Job
from boundary.jobs.shell.shown import shown

if TYPE_CHECKING:
    from boundary.jobs.shell.cli.terminal import Terminal


class Done(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One act, as `--json` tells it.

    Attributes:
        what: The command.
        target: The job's id, the queue, the worker, the schedule, or what the jobs have in common.
        count: Jobs, queues or schedules changed, workers told; 0: nothing had to change.
        action: The id for `undo`, for a minute; null: it cannot be undone.
        job: The job afterwards, if the act is about one job that exists.
        skipped: For an undo: what could not be undone because it has changed since.
    """

    what: str
    target: str
    count: int
    action: UUID | None
    job: Job | None = None
    skipped: int | None = None


def tell(terminal: Terminal, done: Done, words: str, *, as_json: bool) -> None:
    """Say what was done: one JSON document without secrets, or `words` and how to undo it."""
    if as_json:
        terminal.json(done if done.job is None else replace(done, job=shown(done.job)))
        return
    # Not broken into lines: whoever copies an id or a command has all of it.
    terminal.out.print(words, markup=False, soft_wrap=True)
    if done.action is not None:
        hint = f"within a minute: boundary-jobs undo {done.action}"
        terminal.out.print(hint, style="dim", soft_wrap=True)


def operator() -> str:
    """Who acts at this prompt, for the log."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):
        name = ""
    printable = "".join(letter for letter in name if letter.isprintable())
    return printable[:128] or "unknown"
