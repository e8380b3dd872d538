"""The mutation gate: each bug made by hand is found within so many seeds.

What belongs here: looking for bugs, and the table of what was found. What does not: the bugs
(`mutations`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tests.simulation.mutations import BUGS
from tests.simulation.simulation import simulate

MOST = 1_000
"""Seeds within which each bug must be found."""


class Found(NamedTuple):
    """What became of a bug.

    Attributes:
        seeds: How many it took, from seed 0 on; None: it was not found.
        violation: What gave it away.
    """

    bug: str
    seeds: int | None
    violation: str


def look_for(bug: str, most: int = MOST) -> Found:
    """The first seed that shows the bug."""
    with BUGS[bug]():
        for seed in range(most):
            violations = simulate(seed).verdict.violations
            if violations:
                return Found(bug, seed + 1, violations[0].kind)
    return Found(bug, None, "")


def look_for_all(bugs: Iterable[str] = tuple(BUGS)) -> Iterator[Found]:
    """One after another."""
    for bug in bugs:
        yield look_for(bug)


def table(found: Iterable[Found]) -> str:
    """As Markdown."""
    rows = ["| bug | seeds needed | violation |", "|---|--:|---|"]
    rows += [f"| {one.bug} | {one.seeds or 'not found'} | {one.violation} |" for one in found]
    return "\n".join(rows) + "\n"
