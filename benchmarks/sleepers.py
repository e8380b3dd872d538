"""Many jobs that only wait: how near one process comes to the ideal time.

python -m benchmarks.sleepers [--rounds 5] [--store redis|sqlite|memory|all]

Jobs sleep for 50 ms, 1,000 of them at once. The ideal time is jobs / 1,000 x 50 ms, from the first
handler's first line to the last one's last. Beside it the same sleeps in a bare asyncio program:
what this machine, in this minute, makes of the ideal. "own time" is on the memory store with a loop
whose clock stands still while the machine does something else: what it would take were nobody else
there (its processor's caches are still shared).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import selectors
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack

from boundary.jobs import Jobs
from devservers.single import Server

SLEEP = 0.05
AT_ONCE = 1_000
COUNTS = (1_000, 20_000)


def ideal(count: int) -> float:
    """Seconds, were there nothing but sleep."""
    return count / AT_ONCE * SLEEP


def bare(count: int) -> float:
    """Seconds of an asyncio program that does the same, and nothing else."""

    async def slot() -> None:
        for _ in range(count // AT_ONCE):
            await asyncio.sleep(SLEEP)

    async def main() -> float:
        began = time.perf_counter()
        await asyncio.gather(*(slot() for _ in range(AT_ONCE)))
        return time.perf_counter() - began

    return asyncio.run(main())


class OwnTime(asyncio.SelectorEventLoop):
    """A loop whose time is what its thread computed, and what it would have slept."""

    def __init__(self) -> None:
        self._slept = 0.0
        super().__init__(Awake(self))

    def time(self) -> float:
        return time.thread_time() + self._slept

    def skip(self, seconds: float) -> None:
        self._slept += seconds


class Awake(selectors.DefaultSelector):
    """Does not sleep: where nothing is there yet, time is put forward."""

    def __init__(self, loop: OwnTime) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0 if timeout is not None else 0.01)
        if not found and timeout:
            self._loop.skip(timeout)
        return found


def own_time(count: int) -> float:
    """As `ours`, in memory and in the loop's own time."""
    loop = OwnTime()
    starts: list[float] = []
    ends: list[float] = []
    with Jobs("memory://") as jobs:

        @jobs.handler
        async def nap() -> None:
            starts.append(loop.time())
            await asyncio.sleep(SLEEP)
            ends.append(loop.time())

        jobs.enqueue_many(nap.job() for _ in range(count))
        loop.run_until_complete(jobs.worker(concurrency=AT_ONCE).run(burst=True))
    loop.close()
    return max(ends) - min(starts)


def ours(url: str, count: int) -> float:
    """Seconds from the first start to the last end, of jobs that were all there before."""
    starts: list[float] = []
    ends: list[float] = []
    with Jobs(url) as jobs:

        @jobs.handler
        async def nap() -> None:
            starts.append(time.perf_counter())
            await asyncio.sleep(SLEEP)
            ends.append(time.perf_counter())

        jobs.enqueue_many(nap.job() for _ in range(count))
        jobs.worker(concurrency=AT_ONCE).run_until_empty()
        assert jobs.stats().total_succeeded == count
    return max(ends) - min(starts)


def stores(kinds: list[str], stack: ExitStack) -> dict[str, Callable[[], str]]:
    """For each kind what makes a fresh one."""
    found: dict[str, Callable[[], str]] = {}
    if "memory" in kinds:
        found["memory"] = lambda: "memory://"
    if "sqlite" in kinds:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        found["sqlite"] = lambda: f"sqlite:///{folder}/{time.monotonic_ns()}.db"
    if "redis" in kinds:
        server = stack.enter_context(Server())

        def fresh() -> str:
            server.call("FLUSHALL")
            return server.url()

        found["redis"] = fresh
    return found


def main() -> None:
    """Measure, in turns, and print times as multiples of the ideal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sleepers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--store", choices=("redis", "sqlite", "memory", "all"), default="all")
    options = parser.parse_args()
    kinds = ["memory", "sqlite", "redis"] if options.store == "all" else [options.store]
    rows: dict[tuple[str, int], list[float]] = {}
    with ExitStack() as stack:
        made = stores(kinds, stack)
        for _ in range(options.rounds):
            for count in COUNTS:
                rows.setdefault(("bare asyncio", count), []).append(bare(count) / ideal(count))
                rows.setdefault(("own time", count), []).append(own_time(count) / ideal(count))
                for kind, fresh in made.items():
                    taken = ours(fresh(), count) / ideal(count)
                    rows.setdefault((kind, count), []).append(taken)
    print(f"times the ideal; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for (kind, count), times in rows.items():
        print(
            f"{kind:>13} {count:>7,} jobs: median {statistics.median(times):.2f}, "
            f"best {min(times):.2f}, worst {max(times):.2f}"
        )


if __name__ == "__main__":
    main()
