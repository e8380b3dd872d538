"""Which transitions were hit by which faults, and which pairs there cannot be.

What belongs here: the table and its reading. What does not: counting (`simulation`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from boundary.jobs.core import lifecycle
from tests.simulation.faults import KINDS
from tests.simulation.observing import Transition

Pairs = Counter[tuple[Transition, str]]

TRANSITIONS: tuple[Transition, ...] = (
    ("", "enqueue"),
    ("", "fire"),
    ("pending", "promote"),
    *lifecycle.TABLE,
)
"""What a store does to a job: bring it in, and every step of the life cycle (a scheduled job that
comes due stays pending, so that is no row of the table)."""

_BY_CLIENTS = "clients ask for it, and a client has no SIGTERM to be handled"
_NOT_REPEATED = "no adapter sends this again when no answer came (REPEATABLE in faults)"

CANNOT: dict[tuple[Transition, str], str] = {
    **{
        (step, "sigterm"): _BY_CLIENTS
        for step in (
            ("", "enqueue"),
            ("pending", "cancel"),
            ("retrying", "cancel"),
            ("failed", "retry"),
        )
    },
    **{
        (step, "duplicate"): _NOT_REPEATED
        for step in (
            ("", "fire"),
            ("pending", "promote"),
            ("retrying", "promote"),
            ("pending", "claim"),
            ("pending", "cancel"),
            ("retrying", "cancel"),
            ("failed", "retry"),
            ("running", "succeed"),
            ("running", "fail"),
            ("running", "exhaust"),
            ("running", "discard"),
            ("running", "quarantine"),
            ("running", "snooze"),
        )
    },
    **{
        (("retrying", "exhaust"), kind): "only the seed's `update_job_status` does it; no worker"
        for kind in KINDS
    },
}
"""Pairs that do not occur, each with its reason."""


_LOOKS_FIRST = "a cancel looks the job up first, and seldom gets further in what befalls it then"
RARE: dict[tuple[Transition, str], str] = {
    (("pending", "cancel"), "cut"): _LOOKS_FIRST,
    (("retrying", "cancel"), "cut"): _LOOKS_FIRST,
    (("retrying", "cancel"), "pause"): _LOOKS_FIRST,
}
"""Pairs that may be missing from ten thousand seeds, each with its reason."""


def missing(pairs: Pairs) -> list[tuple[Transition, str]]:
    """Pairs that could occur and did not."""
    return [pair for pair in _all() if pair not in CANNOT | RARE and not pairs[pair]]


def impossible(pairs: Pairs) -> list[tuple[Transition, str]]:
    """Pairs that occurred though it is said that they cannot."""
    return [pair for pair in CANNOT if pairs[pair]]


def _all() -> Iterator[tuple[Transition, str]]:
    return ((step, kind) for step in TRANSITIONS for kind in KINDS)


def table(pairs: Pairs) -> str:
    """How often each was hit by each; ``-``: cannot be."""
    width = max(len(_name(step)) for step in TRANSITIONS)
    head = " " * width + "".join(f"{kind:>13}" for kind in KINDS)
    rows = [head]
    for step in TRANSITIONS:
        cells = ("-" if (step, kind) in CANNOT else f"{pairs[step, kind]}" for kind in KINDS)
        rows.append(f"{_name(step):<{width}}" + "".join(f"{cell:>13}" for cell in cells))
    return "\n".join(rows)


def _name(step: Transition) -> str:
    before, event = step
    return f"{before or '(new)'} {event}"
