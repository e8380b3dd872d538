"""Handlers with processes of their own, for the process tests."""

from __future__ import annotations

import os
import re
import time

from boundary.jobs import Context, Jobs

jobs = Jobs()
_journal = os.open(os.environ["JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def note(phase: str, ctx: Context) -> None:
    """One line, whole, whatever happens next."""
    moment = time.time() * 1000
    line = f"{phase} {ctx.job.id} {ctx.fencing_token} {os.getpid()} {moment:.3f}\n"
    os.write(_journal, line.encode())


@jobs.handler(isolation="process")
def naps(seconds: float, ctx: Context) -> None:
    note("start", ctx)
    time.sleep(seconds)
    note("end", ctx)


@jobs.handler(isolation="process")
def holds_the_interpreter(ctx: Context) -> None:
    note("start", ctx)
    re.match(r"(a|a)*b", "a" * 40)


@jobs.handler(isolation="process")
def chains(ctx: Context) -> str:
    """It enqueues, with a connection of its own."""
    note("start", ctx)
    return str(naps.enqueue(seconds=0.0).id)
