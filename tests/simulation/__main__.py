"""`make simulate` and `make replay`: many seeds and what they came to, or the story of one.

    python -m tests.simulation many 10000 [--first N] [--processes N]
    python -m tests.simulation gate [--write]
    python -m tests.simulation one 4711

What belongs here: the command line. What does not: a simulation.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.simulation import coverage, gate
from tests.simulation.coverage import Pairs
from tests.simulation.mutations import BUGS
from tests.simulation.simulation import simulate

CHUNK = 50
ENOUGH = 10_000
"""Seeds from which on every pair that can be must have been reached."""

SHOWN = 20
PAGE = Path(__file__).parents[2] / "docs" / "mutations.md"
HEAD = """# Bugs made by hand

Each is patched into the model, the core or the worker, one at a time; the simulation must find it
within 1,000 seeds, from seed 0 on, or the named case of the contract, which runs on every store.
Written by `make mutants`, which fails where one is not found. CI runs it.

"""


class Sum(NamedTuple):
    """What some seeds came to."""

    seeds: int
    wrong: list[tuple[int, str]]
    pairs: Pairs
    steps: int
    seconds: float
    jobs: int
    faults: Counter[str]


def add_up(seeds: range) -> Sum:
    """These seeds, one after another."""
    wrong: list[tuple[int, str]] = []
    pairs: Pairs = Counter()
    faults: Counter[str] = Counter()
    steps = jobs = 0
    seconds = 0.0
    for seed in seeds:
        result = simulate(seed)
        wrong += [(seed, f"{one.kind}: {one.job} {one.text}") for one in result.verdict.violations]
        pairs.update(result.pairs)
        faults.update(result.faults)
        steps += result.steps
        seconds += result.seconds
        jobs += result.verdict.counts["jobs"]
    return Sum(len(seeds), wrong, pairs, steps, seconds, jobs, faults)


def together(one: Sum, other: Sum) -> Sum:
    """Both."""
    return Sum(
        one.seeds + other.seeds,
        one.wrong + other.wrong,
        one.pairs + other.pairs,
        one.steps + other.steps,
        one.seconds + other.seconds,
        one.jobs + other.jobs,
        one.faults + other.faults,
    )


NOTHING = Sum(0, [], Counter(), 0, 0.0, 0, Counter())


def many(first: int, count: int, processes: int) -> int:
    """The exit code: 0 if nothing was wrong and all was reached."""
    chunks = [
        range(begin, min(begin + CHUNK, first + count))
        for begin in range(first, first + count, CHUNK)
    ]
    began = time.monotonic()
    total = NOTHING
    with ProcessPoolExecutor(processes) as pool:
        for part in pool.map(add_up, chunks):
            total = together(total, part)
            took = time.monotonic() - began
            _progress(
                f"{total.seeds:,} of {count:,} seeds, {total.seeds / took * 60:,.0f} a minute"
            )
    sys.stdout.write("\n")
    return _report(total, time.monotonic() - began)


def _progress(line: str) -> None:
    sys.stdout.write(f"\r{line}   " if sys.stdout.isatty() else f"{line}\n")
    sys.stdout.flush()


def _report(total: Sum, took: float) -> int:
    print(f"{total.seeds:,} seeds in {took:.0f} s: {total.jobs:,} jobs, {total.steps:,} steps,")
    print(f"{total.seconds / 3600:.1f} hours of their time; faults: {_listed(total.faults)}\n")
    print(coverage.table(total.pairs))
    never = coverage.missing(total.pairs) if total.seeds >= ENOUGH else []
    odd = coverage.impossible(total.pairs)
    for step, kind in never:
        print(f"never reached: {step} x {kind}")
    for step, kind in odd:
        print(f"reached, though it is said to be impossible: {step} x {kind}")
    for seed, text in total.wrong[:SHOWN]:
        print(f"seed {seed}: {text}")
    bad = len({seed for seed, _ in total.wrong})
    print(f"\n{bad} seeds with a violation" + (", `make replay SEED=…` tells one" if bad else ""))
    return 1 if total.wrong or never or odd else 0


def _listed(faults: Counter[str]) -> str:
    return ", ".join(f"{kind} {count:,}" for kind, count in sorted(faults.items()))


def every_bug(processes: int, *, write: bool) -> int:
    """The exit code: 0 if each was found."""
    found: list[gate.Found] = []
    with ProcessPoolExecutor(processes) as pool:
        for one in pool.map(gate.look_for, BUGS):
            found.append(one)
            _progress(f"{len(found)} of {len(BUGS)} bugs looked for")
    sys.stdout.write("\n")
    print(gate.table(found))
    if write:
        PAGE.write_text(HEAD + gate.table(found))
    return 0 if all(one.violation for one in found) else 1


def one(seed: int) -> int:
    """The exit code: 0 if nothing was wrong."""
    result = simulate(seed, print)
    print(f"\nseed {seed}, history {result.digest}, {result.steps:,} steps")
    print(result.verdict)
    return 1 if result.verdict.violations else 0


def main(arguments: Iterable[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("what", choices=("many", "gate", "one"))
    parser.add_argument("number", type=int, nargs="?", default=1_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args(None if arguments is None else list(arguments))
    match given.what:
        case "many":
            return many(given.first, given.number, given.processes)
        case "gate":
            return every_bug(given.processes, write=given.write)
        case _:
            return one(given.number)


if __name__ == "__main__":
    sys.exit(main())
