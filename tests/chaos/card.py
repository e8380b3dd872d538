"""The card of an experiment: what was broken, how often, and what came of it.

What belongs here: the record each experiment ends with, and its way to the scorecard. What does
not: the experiments (`test_*.py`, one kind of fault each), and the verdict (`tests.proof.checker`).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """One experiment.

    Attributes:
        promise: The line of docs/guarantees.md it is about, as in "G3".
        experiment: What was done, in a few plain words; no two cards of a run share them with a
            store.
        store: As in "SQLite", "Redis", "Sentinel".
        faults: How often each kind of fault took place.
        jobs: How many were accepted by the store.
        lost: Accepted and neither ended nor held at the end.
        unexplained: Whatever else the checker has against the history.
        worst_recovery: Seconds from a fault until work went on; None: nothing to recover from.
        seconds: How long it took.
        note: What a reader has to know, as in how much everysec lost.
    """

    promise: str
    experiment: str
    store: str
    faults: dict[str, int]
    jobs: int
    lost: int
    unexplained: int
    worst_recovery: float | None = None
    seconds: float = 0.0
    note: str = ""


def hand_in(card: Card) -> None:
    """The card is in the folder that SOAK_CARDS names, if it names one, and nothing was lost."""
    if folder := os.environ.get("SOAK_CARDS"):
        name = "-".join(f"{card.promise} {card.store} {card.experiment}".lower().split())
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        (path / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(card)) + b"\n")
    assert card.lost == 0, json.dumps(msgspec.to_builtins(card))
    assert card.unexplained == 0, json.dumps(msgspec.to_builtins(card))


def scale(short: int, long: int) -> int:
    """How often: as in SOAK=short (the default) or SOAK=long."""
    return long if os.environ.get("SOAK", "short") == "long" else short


def seed() -> int:
    """What an experiment's chance begins with: the number of the round."""
    return int(os.environ.get("SOAK_SEED", "1"))
