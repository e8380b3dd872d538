"""Handlers that wait to be cancelled, for the process tests."""

from __future__ import annotations

import asyncio
import os
import re
import time

from boundary.jobs import Context, Jobs

jobs = Jobs()
_journal = os.open(os.environ["JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def note(phase: str, ctx: Context | None = None) -> None:
    """One line, whole, whatever happens next."""
    job, token = ("-", 0) if ctx is None else (ctx.job.id, ctx.fencing_token)
    line = f"{phase} {job} {token} {os.getpid()} {time.time() * 1000:.3f}\n"
    os.write(_journal, line.encode())


@jobs.handler
async def waits_on_loop(ctx: Context) -> None:
    note("start", ctx)
    await asyncio.sleep(600)


@jobs.handler
def waits_in_thread(ctx: Context) -> None:
    note("start", ctx)
    ctx.cancelled.wait(600)


@jobs.handler(isolation="process")
def waits_isolated(ctx: Context) -> None:
    note("start", ctx)
    ctx.cancelled.wait(600)


@jobs.handler(isolation="process")
def spins_isolated() -> None:
    note("start")
    while True:
        pass


@jobs.handler(isolation="process")
def holds_isolated() -> None:
    note("start")
    re.match(r"(a|a)*b", "a" * 40)
