"""The mutation gate: each bug made by hand is found within so many seeds, or by a case of the contract.

What belongs here: looking for bugs, and the table of what was found. What does not: the bugs
(`mutations`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from boundary.jobs.shell.adapters.memory import MemoryStore
from boundary.jobs.testing import AdapterContract, FakeClock
from boundary.jobs.testing.contract.doors import Door
from tests.simulation.mutations import BUGS
from tests.simulation.simulation import simulate

MOST = 1_000
"""Seeds within which each bug must be found."""


CASES = {
    "settle checks the worker and not the token": "test_another_token_changes_nothing",
    "the heir gets jobs by id, whatever their token": (
        "test_a_job_that_came_again_under_a_later_token_is_not_known"
    ),
}
"""Bugs that take what hardly ever happens: an outcome comes in late, from a worker that holds the same
job anew under that name (one seed in a thousand); a worker's lost claim brings the very job whose
outcome it hands in. A case of the contract, which runs on every store, brings it about."""


class Found(NamedTuple):
    """What became of a bug.

    Attributes:
        seeds: How many it took, from seed 0 on; None: no seed was looked at, or none showed it.
        violation: What gave it away; "": it was not found.
    """

    bug: str
    seeds: int | None
    violation: str


def look_for(bug: str, most: int = MOST) -> Found:
    """The case of the contract, or the first seed, that shows the bug."""
    with BUGS[bug]():
        if bug in CASES:
            return Found(bug, None, "" if holds(CASES[bug]) else f"contract: {CASES[bug]}")
        for seed in range(most):
            violations = simulate(seed).verdict.violations
            if violations:
                return Found(bug, seed + 1, violations[0].kind)
    return Found(bug, None, "")


def holds(case: str) -> bool:
    """Whether this case of the contract sees nothing wrong with the store in memory."""
    clock = FakeClock()
    try:
        getattr(AdapterContract, case)(None, Door("blocking", MemoryStore(clock)), clock)
    except AssertionError:
        return False
    return True


def table(found: Iterable[Found]) -> str:
    """As Markdown."""
    rows = ["| bug | seeds needed | violation |", "|---|--:|---|"]
    rows += [f"| {one.bug} | {one.seeds or ''} | {one.violation or 'not found'} |" for one in found]
    return "\n".join(rows) + "\n"
