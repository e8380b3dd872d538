"""What isolated handlers of the tests do; children import this module, so it stays cheap."""

from __future__ import annotations

import asyncio
import ctypes
import dataclasses
import os
import re
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

from boundary.jobs import Cancel, Context, Discard, JobResult, Retry, Snooze


@dataclasses.dataclass
class Size:
    width: int
    height: int


def add(a: int, b: int) -> dict[str, int]:
    return {"sum": a + b, "pid": os.getpid()}


async def add_async(a: int, b: int) -> dict[str, int]:
    await asyncio.sleep(0)
    return {"sum": a + b, "pid": os.getpid()}


def typed(size: Size, path: Path) -> list[object]:
    return [size.width * size.height, str(path), type(path).__name__]


def reports(ctx: Context) -> str:
    ctx.progress(0.25, "a quarter")
    ctx.logger.info("from the %s", "child")
    return f"{ctx.job.job_type} {ctx.attempt} {ctx.fencing_token}"


def fails() -> None:
    raise ValueError("as it should")


def fails_at_length() -> None:
    """With what no store and no wire likes: a lone surrogate, and far too much of it."""
    raise ValueError("\ud800" + "x" * 3_000_000)


def talks_at_length(ctx: Context) -> str:
    ctx.progress(0.5, "\ud800" + "x" * 3_000_000)
    ctx.logger.warning("%s", "\ud800" + "x" * 3_000_000)
    return "heard"


def answers(kind: str) -> object:
    if kind == "failure":
        return JobResult.failure("declined", "PaymentFailed", "trace")
    if kind == "success":
        return JobResult.success({"success": False, "error": {}})
    return {"success": True, "result": 7}


class Gone(Discard):
    def __init__(self) -> None:
        pass


class Terse(Snooze):
    def __init__(self) -> None:
        pass


def steers(how: str, ctx: Context) -> str:
    if ctx.attempt > 1 or (how == "snooze" and ctx.fencing_token > 1):
        return "then"
    raise {
        "retry": Retry(0.01),
        "snooze": Snooze(0.01),
        "cancel": Cancel("pointless"),
        "discard": Discard("junk"),
        "gone": Gone(),
        "terse": Terse(),
    }[how]


class Opaque:
    pass


def opaque() -> object:
    return Opaque()


def huge() -> str:
    return "x" * 400_000


def ends(how: str) -> None:
    """Ways for a process to end, or nearly."""
    if how == "exit":
        os._exit(3)
    elif how == "segfault":
        ctypes.string_at(0)
    elif how == "abort":
        os.abort()
    elif how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "hang up":
        os.closerange(3, 200)
    elif how == "recursion in native code":
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        sys.setrecursionlimit(10**9)
        deep: Any = None
        for _ in range(10**6):
            deep = (deep,)
        repr(deep)
        hash(deep)
        ctypes.string_at(0)  # newer interpreters unwind both of these
    elif how == "sys.exit":
        sys.exit(4)
    elif how == "interrupt":
        raise KeyboardInterrupt
    elif how == "recursion":
        ends(how)


def hogs(megabytes: int) -> int:
    return len(bytearray(megabytes << 20))


def sleeps(seconds: float) -> str:
    time.sleep(seconds)
    return "slept"


def spins() -> None:
    while True:
        pass


def spins_in_native_code() -> None:
    """Minutes of a regular expression, with the interpreter's lock held."""
    re.match(r"(a|a)*b", "a" * 40)


def deaf(path: str) -> None:
    """Heeds neither flag nor SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(path).write_text(str(os.getpid()))
    while True:
        time.sleep(0.05)


def heeds(path: str, ctx: Context) -> None:
    Path(path).write_text(str(os.getpid()))
    if ctx.cancelled.wait(600):
        Path(path).write_text("heeded")


async def heeds_async(path: str) -> None:
    note = Path(path).write_text
    note(str(os.getpid()))
    try:
        await asyncio.sleep(600)
    finally:
        note("heeded")


def unwinds(path: str) -> None:
    """Blocking, and without a context: SIGTERM is all it can hear."""
    try:
        Path(path).write_text(str(os.getpid()))
        time.sleep(600)
    finally:
        Path(path).write_text("heeded")


def extends(ctx: Context) -> str:
    for _ in range(6):
        ctx.extend(1.5)
        time.sleep(0.4)
    return "made it"


def closes_stdout() -> int:
    os.close(1)
    return os.getpid()


def moves() -> int:
    os.chdir("/")
    return os.getpid()


def where() -> list[object]:
    return [os.getpid(), str(Path.cwd())]


def forks(path: str) -> int:
    """Both sides return."""
    if os.fork() == 0:
        Path(path).write_text(str(os.getpid()))
    return os.getpid()


def starts_a_child(path: str) -> None:
    """A process of its own that would outlive it."""
    child = os.fork()
    if child == 0:
        time.sleep(600)
        os._exit(0)
    Path(path).write_text(f"{os.getpid()} {child}")
    time.sleep(600)


def descriptors() -> dict[str, str]:
    """What is open in this process beside its streams."""
    there = Path("/proc/self/fd")
    found: dict[str, str] = {}
    for one in there.iterdir():
        if int(one.name) > 2:
            try:
                found[one.name] = str(one.readlink())
            except OSError:
                continue
    return found


def babbles() -> None:
    """Says to the worker what no cell says."""
    for number in range(3, 60):
        try:
            os.write(number, b"\x00\x00\x00\x03abc" * 10)
        except OSError:
            continue
    time.sleep(600)
