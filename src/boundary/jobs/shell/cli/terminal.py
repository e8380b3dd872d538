"""What every command shares: the store it was told of, and how it speaks.

What belongs here: consoles, the doors from the global options, exit codes, questions. What does
not: what a command says.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
import typer
from rich.console import Console

from boundary.jobs import Jobs
from boundary.jobs.errors import UsageError
from boundary.jobs.shell.cli.codes import IN_MEMORY, OWN_SETTINGS, REFUSED, USAGE
from boundary.jobs.shell.connect import in_memory, missing_file

if TYPE_CHECKING:
    from boundary.jobs.core.records import Job


@dataclass(frozen=True)
class Terminal:
    """The arguments, the global options among them, and the consoles they lead to."""

    arguments: tuple[str, ...] = ()
    url: str | None = None
    config: Path | None = None
    color: bool = True
    out: Console = field(init=False)
    err: Console = field(init=False)

    def __post_init__(self) -> None:
        plain = None if self.color else True
        object.__setattr__(self, "out", Console(no_color=plain, highlight=False))
        object.__setattr__(self, "err", Console(no_color=plain, highlight=False, stderr=True))

    def jobs(self) -> Jobs:
        """The doors to the store in force.

        Raises:
            UsageError: It is the memory of this process, and gone before anybody could see it.
        """
        jobs = self.any_jobs()
        if in_memory(jobs.settings.url):
            jobs.close()
            raise UsageError(IN_MEMORY)
        return jobs

    def any_jobs(self) -> Jobs:
        """The same, were it the memory of this process. That a file is made for it is told."""
        jobs = Jobs(self.url, config=self.config)
        missing = missing_file(jobs.settings)
        if missing is not None and missing.parent.is_dir():
            self.note(
                f"there is no {missing.absolute()}, so it is made, and empty; "
                "if another store is meant, name it with --url or BOUNDARY_JOBS_URL"
            )
        return jobs

    def note(self, message: str) -> None:
        """Tell what may not be as it was meant, and go on."""
        self.err.print(f"note: {message}", style="yellow", markup=False, soft_wrap=True)

    def refuse_config(self, who: str) -> None:
        """Go on only without --config, which this one would pass over.

        Raises:
            UsageError: There is one.
        """
        if self.config is not None:
            raise UsageError(f"{who} {OWN_SETTINGS}")

    def json(self, value: Any) -> None:
        """One JSON document on standard output."""
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value)) + b"\n")
        sys.stdout.flush()

    def confirm(self, question: str, *, yes: bool) -> None:
        """Go on only if the answer is yes, given here or before with --yes."""
        if yes:
            return
        if not sys.stdin.isatty():
            self.fail(f"{question} Nobody is here to answer; add --yes", USAGE)
        if not typer.confirm(question, err=True):  # what is asked is no part of what is told
            self.err.print("nothing was changed")
            raise typer.Exit(REFUSED)

    def found(self, job: Job | None, job_id: str) -> Job:
        """The job; without one, the command ends."""
        return self.no_job(job_id) if job is None else job

    def no_job(self, job_id: str) -> NoReturn:
        """The command ends: there is no such job."""
        self.fail(f"no job {job_id} is stored (deleted, past its retention, or another store)")

    def fail(self, message: str, code: int = REFUSED) -> NoReturn:
        """The command ends with this message."""
        say_error(self.err, message)
        raise typer.Exit(code)


def say_error(console: Console, message: str) -> None:
    """One message about what went wrong, in red if there are colours."""
    console.print("[red]error:[/red]", end=" ")
    console.print(message, markup=False, soft_wrap=True)


def interactive() -> bool:
    """Whether a person sits at both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
