"""Handlers that misbehave, for the process tests."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from pathlib import Path

from boundary.jobs import Context, Jobs

jobs = Jobs()
_journal = os.open(os.environ["JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
_kept: list[asyncio.Task[None]] = []


class Own(BaseException):
    pass


async def _exits() -> None:
    sys.exit(5)


@jobs.handler
async def polite() -> int:
    await asyncio.sleep(0)
    return os.getpid()


@jobs.handler
def prints() -> str:
    print("to somewhere")
    sys.stderr.write("and elsewhere\n")
    return "printed"


def misbehave(how: str) -> object:
    """What can be done on the loop and in a thread alike."""
    if how == "fork":
        os.fork()
    elif how == "close stdout":
        os.close(1)
    elif how == "close sys.stdout":
        sys.stdout.close()
    elif how == "a file for stdout":
        kept = os.open(os.environ["KEPT"], os.O_WRONLY | os.O_CREAT, 0o600)
        # Closed and opened as one step: other threads open files too.
        os.dup2(kept, 1, inheritable=False)
        os.write(1, b"kept")
    elif how == "close stderr":
        os.close(2)
    elif how == "BaseException":
        raise Own("mine")
    elif how == "SystemExit":
        sys.exit(4)
    elif how == "KeyboardInterrupt":
        raise KeyboardInterrupt
    elif how == "GeneratorExit":
        raise GeneratorExit
    elif how == "CancelledError":
        raise asyncio.CancelledError
    elif how == "StopIteration":
        raise StopIteration
    elif how == "no JSON":
        return object()
    return None


@jobs.handler(max_retries=0)
def in_thread(how: str) -> object:
    return misbehave(how)


@jobs.handler(max_retries=0)
async def on_loop(how: str) -> object:
    if how == "take signals":
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        return None
    if how == "SystemExit in a task":
        _kept.append(asyncio.create_task(_exits()))
        await asyncio.sleep(0.05)
        return None
    return misbehave(how)


@jobs.handler(max_retries=0, timeout=0.2)
async def deaf() -> None:
    while True:
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            continue


@jobs.handler(max_retries=0, timeout=0.2)
def ignores_its_timeout(ctx: Context) -> str:
    return _waits_for_ever()


def _waits_for_ever() -> str:
    time.sleep(600)
    return "late"


@jobs.handler
async def blocks_the_loop(seconds: float) -> None:
    _blocks(seconds)


def _blocks(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.05)


@jobs.handler
def spins(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


@jobs.handler
def holds_the_interpreter() -> None:
    """Seconds of a regular expression, in which no other Python code runs."""
    re.match(r"(a|a)*b", "a" * int(Path(os.environ["LENGTH"]).read_text()))
