"""Handlers of the process tests. Each run leaves lines in a journal outside the store."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import time
from typing import Any

from boundary.jobs import Context, Jobs
from tests.processes.moments import now

jobs = Jobs()
_journal = os.open(os.environ["JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def note(phase: str, ctx: Context, args: dict[str, Any] | None = None) -> None:
    """One line, whole, whatever happens next; with the arguments as they arrived, if it gives them."""
    told = "" if args is None else " " + json.dumps(args, sort_keys=True)
    line = f"{phase} {ctx.job.id} {ctx.fencing_token} {os.getpid()} {now():.3f}{told}\n"
    os.write(_journal, line.encode())


@jobs.handler
async def on_loop(seconds: float, ctx: Context) -> int:
    note("start", ctx, {"seconds": seconds})
    await asyncio.sleep(seconds)
    note("end", ctx)
    return ctx.fencing_token


@jobs.handler
def in_thread(seconds: float, ctx: Context) -> int:
    note("start", ctx, {"seconds": seconds})
    time.sleep(seconds)
    note("end", ctx)
    return ctx.fencing_token


@jobs.handler
def stubborn(ctx: Context) -> None:
    note("start", ctx)
    time.sleep(600)


@jobs.handler
async def tells_its_worker(times: int, ctx: Context) -> None:
    note("start", ctx)
    for _ in range(times):
        signal.raise_signal(signal.SIGTERM)
    await asyncio.sleep(0.3)


@jobs.handler
async def tells(seconds: float, ctx: Context) -> None:
    note("start", ctx)
    for step in range(int(seconds * 10)):
        ctx.progress(step / (seconds * 10))
        await asyncio.sleep(0.1)


@jobs.handler
async def hogs(seconds: float, ctx: Context) -> None:
    note("start", ctx)
    time.sleep(seconds)


@jobs.handler(max_retries=0)
def fails(secret: str, ctx: Context) -> None:
    note("start", ctx)
    raise ValueError(f'broken {secret}\x1b[31m\n{{"forged": true}}')


@jobs.handler
def quits(ctx: Context) -> None:
    note("start", ctx)
    os._exit(1)


@jobs.handler
def breaks(ctx: Context) -> None:
    note("start", ctx)
    ctypes.string_at(0)
