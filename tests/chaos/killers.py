"""Handlers that end the process they run in, or never let it go on, each in another way."""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path

from boundary.jobs import Context
from tests.processes.tasks import jobs, note


@jobs.handler
def aborts(ctx: Context) -> None:
    note("start", ctx)
    os.abort()


@jobs.handler
async def is_killed(ctx: Context) -> None:
    note("start", ctx)
    os.kill(os.getpid(), signal.SIGKILL)


@jobs.handler
def overflows(ctx: Context) -> None:
    note("start", ctx)
    sys.setrecursionlimit(10**9)
    _through_native_code(0)


def _through_native_code(depth: int) -> int:
    return max([depth], key=lambda _: _through_native_code(depth + 1))


@jobs.handler(max_retries=0)
def recurses(ctx: Context) -> int:
    """Without an end, in Python: that is an exception like any other."""
    note("start", ctx)
    return _again(ctx)


def _again(ctx: Context) -> int:
    return _again(ctx) + 1


@jobs.handler(max_retries=0)
def eats_memory(ctx: Context) -> int:
    """More than the process may have, as a limit of the system has it: so is that."""
    note("start", ctx)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), hard))
    try:
        return len(bytearray(1 << 30))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@jobs.handler
async def never_yields(ctx: Context) -> None:
    """Keeps the event loop for good."""
    note("start", ctx)
    while True:
        pass
