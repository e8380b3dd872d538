"""Many jobs that only wait: how near one process comes to the ideal time.

python -m benchmarks.sleepers [--rounds 5] [--store redis|sqlite|memory|all]

Jobs sleep for 50 ms, 1,000 of them at once. The ideal time is jobs / 1,000 x 50 ms, from the first
handler's first line to the last one's last. Beside it the same sleeps in a bare asyncio program:
what this machine, in this minute, makes of the ideal.
"""

from __future__ import annotations

import argparse
import asyncio
import os
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
