"""What every adapter shares: the measured loops and the marks of handlers.

Runs inside each peer's environment, so it imports the standard library alone. An adapter is a
module that has some of these, each one line or two of the peer's own API:

    put(job)  async aput(job)              one job: "noop", "sleeper"
    bulk(job, count)  async abulk(…)       the peer's bulk call
    put_at(count, when)  async aput_at(…)  no-op jobs due at an instant (seconds since 1970)
    ask() -> int  async aask() -> int      enqueue "stamp", wait for its result: when it started
    opened()                               async context of the awaitable ones
    succeeded() -> int                     how many jobs succeeded by its own statistics
    work()                                 the worker; calls `gate()` when it is ready to begin

The loops are here so that all are measured alike. A handler calls `done()`: its process and thread
count in a slot of one shared file, which the harness reads; that costs each peer the same 0.2 µs.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib
import inspect
import json
import mmap
import os
import statistics
import sys
import threading
import time
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

PAYLOAD = {"to": "user@example.com", "subject": "Welcome", "body": "Hi"}
URL = os.environ.get("BENCH_URL", "redis://127.0.0.1:6379/0")
MODE = os.environ.get("BENCH_MODE", "")
"""Of a worker: drain (a full queue), serve (idle), schedule (idle, and jobs become due)."""
VARIANT = os.environ.get("BENCH_VARIANT", "")
SLEEP = 0.05
PRODUCERS = 100


def concurrency(best: int) -> int:
    """Jobs at once: what the scenario wants, else what is best for the peer."""
    return int(os.environ.get("BENCH_CONCURRENCY") or best)


# Marks of handlers: slot 0 counts the slots; each further one is (count, first, last).

_local = threading.local()
_view: memoryview | None = None
_taking = threading.Lock()  # the file's lock keeps processes apart, not the threads of one


def _slot() -> int:
    global _view
    with _taking, open(os.environ["BENCH_MARKS"], "r+b") as file:
        if _view is None:
            _view = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")
        fcntl.lockf(file, fcntl.LOCK_EX)
        _view[0] += 1
        _local.at = 3 * _view[0]
    at: int = _local.at
    return at


def _forget() -> None:
    global _local, _taking
    _local, _taking = threading.local(), threading.Lock()


os.register_at_fork(after_in_child=_forget)


def begin() -> None:
    """A handler that takes time starts."""
    try:
        at = _local.at
    except AttributeError:
        at = _slot()
    assert _view is not None
    if not _view[at + 1]:
        _view[at + 1] = time.monotonic_ns()


def done() -> None:
    """A handler is at its end."""
    try:
        at = _local.at
    except AttributeError:
        at = _slot()
    view = _view
    assert view is not None
    now = time.monotonic_ns()
    if not view[at + 1]:
        view[at + 1] = now
    view[at] += 1
    view[at + 2] = now


def settled() -> None:
    """The worker says that all is done and stored: later than the last handler's end."""
    at = _slot()
    assert _view is not None
    _view[at + 2] = time.monotonic_ns()


def gate() -> None:
    """The worker is ready; it goes on when all the others are."""
    print("ready", flush=True)
    sys.stdin.readline()


def run(work: Any) -> Any:
    """The coroutine on uvloop where it is installed (in the environments of asyncio peers)."""
    try:
        import uvloop  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


# The measured loops.


class Loops:
    """The scenarios of a producer, over one adapter."""

    def __init__(self, adapter: ModuleType) -> None:
        self.adapter = adapter

    def _has(self, *names: str) -> str:
        return next((name for name in names if hasattr(self.adapter, name)), "")

    def _opened(self) -> Any:
        make = getattr(self.adapter, "opened", contextlib.nullcontext)
        return make()

    def info(self) -> dict[str, Any]:
        """What it can do, its versions and settings."""
        found = {}
        for package in self.adapter.PACKAGES:
            with contextlib.suppress(PackageNotFoundError):
                found[package] = version(package)
        names = (
            "put",
            "aput",
            "bulk",
            "abulk",
            "put_at",
            "aput_at",
            "ask",
            "aask",
            "work",
            "succeeded",
        )
        return {
            "versions": {**found, "python": sys.version.split()[0]},
            "settings": self.adapter.SETTINGS,
            "can": [name for name in names if hasattr(self.adapter, name)],
            "jobs": self.adapter.JOBS,
            "one_at_a_time": getattr(self.adapter, "ONE_AT_A_TIME", False),
        }

    def enqueue(self, count: int) -> float:
        """Jobs a second, one blocking call after another, the connection open."""
        put = self.adapter.put
        put("noop")
        began = time.perf_counter()
        for _ in range(count):
            put("noop")
        return count / (time.perf_counter() - began)

    def aenqueue(self, count: int) -> float:
        """The same, awaited."""

        async def main() -> float:
            aput = self.adapter.aput
            async with self._opened():
                await aput("noop")
                began = time.perf_counter()
                for _ in range(count):
                    await aput("noop")
                return count / (time.perf_counter() - began)

        return float(run(main()))

    def producers(self, count: int) -> float:
        """Jobs a second by 100 producers at once, one job a call: coroutines, else threads."""
        each = count // PRODUCERS
        if not self._has("aput"):
            return self._threads(each)

        async def producer() -> None:
            for _ in range(each):
                await self.adapter.aput("noop")

        async def main() -> float:
            async with self._opened():
                await asyncio.gather(*(self.adapter.aput("noop") for _ in range(PRODUCERS)))
                began = time.perf_counter()
                await asyncio.gather(*(producer() for _ in range(PRODUCERS)))
                return each * PRODUCERS / (time.perf_counter() - began)

        return float(run(main()))

    def _threads(self, each: int) -> float:
        start = threading.Barrier(PRODUCERS + 1)

        def producer() -> None:
            self.adapter.put("noop")  # its connection
            start.wait()
            for _ in range(each):
                self.adapter.put("noop")

        threads = [threading.Thread(target=producer) for _ in range(PRODUCERS)]
        for thread in threads:
            thread.start()
        start.wait()
        began = time.perf_counter()
        for thread in threads:
            thread.join()
        return each * PRODUCERS / (time.perf_counter() - began)

    def bulk(self, count: int, job: str = "noop") -> float:
        """Jobs a second through the peer's bulk call."""
        if self._has("bulk"):
            began = time.perf_counter()
            self.adapter.bulk(job, count)
            return count / (time.perf_counter() - began)

        async def main() -> float:
            async with self._opened():
                began = time.perf_counter()
                await self.adapter.abulk(job, count)
                return count / (time.perf_counter() - began)

        return float(run(main()))

    def fill(self, count: int, job: str = "noop") -> float:
        """The queue holds so many jobs, put there the quickest way; jobs a second."""
        if self._has("bulk", "abulk"):
            return self.bulk(count, job)
        began = time.perf_counter()
        if not self._has("aput"):
            for _ in range(count):
                self.adapter.put(job)
            return count / (time.perf_counter() - began)

        async def main() -> None:
            left = iter(range(count))

            async def producer() -> None:
                for _ in left:
                    await self.adapter.aput(job)

            async with self._opened():
                await asyncio.gather(*(producer() for _ in range(16)))

        run(main())
        return count / (time.perf_counter() - began)

    def due(self, count: int, when: float) -> float:
        """So many jobs are due at one instant; seconds that were left when all were stored."""
        if self._has("put_at"):
            self.adapter.put_at(count, when)
        else:

            async def main() -> None:
                async with self._opened():
                    await self.adapter.aput_at(count, when)

            run(main())
        return when - time.time()

    def latency(self, count: int) -> dict[str, float]:
        """Milliseconds from the call to the handler's first line, and to its result here."""
        starts: list[float] = []
        results: list[float] = []

        def note(asked: int, started: int) -> None:
            results.append((time.monotonic_ns() - asked) / 1e6)
            starts.append((started - asked) / 1e6)

        async def main() -> None:
            async with self._opened():
                await self.adapter.aask()
                for _ in range(count):
                    await asyncio.sleep(0.02)
                    asked = time.monotonic_ns()
                    note(asked, await self.adapter.aask())

        if self._has("ask"):
            self.adapter.ask()
            for _ in range(count):
                time.sleep(0.02)
                asked = time.monotonic_ns()
                note(asked, self.adapter.ask())
        else:
            run(main())
        starts.sort()
        return {
            "start_p50": statistics.median(starts),
            "start_p99": starts[max(int(count * 0.99) - 1, 0)],
            "result_p50": statistics.median(results),
        }

    def succeeded(self) -> int:
        """How many jobs succeeded, as the queue itself counts."""
        return int(self.adapter.succeeded())

    def work(self) -> None:
        """The worker, until it is ended."""
        self.adapter.work()


def main() -> None:
    """python -m benchmarks.peers ADAPTER COMMAND [NUMBER …]: one line of JSON at the end."""
    name, command, *numbers = sys.argv[1:]
    loops = Loops(importlib.import_module(f"benchmarks.peers.{name}"))
    arguments = [json.loads(number) for number in numbers]
    answer = getattr(loops, command)(*arguments)
    assert not inspect.iscoroutine(answer)
    print(json.dumps(answer), flush=True)
