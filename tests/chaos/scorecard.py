"""What all experiments of a soak came to, summed over its rounds.

What belongs here: the record in docs/scorecard.json, how cards add up, and the table that
docs/guarantees.md shows of it. What does not: running experiments (`__main__`), one card (`card`).
"""

from __future__ import annotations

import datetime as dt
import os
import platform
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import msgspec

from tests.chaos.card import Card


class Tally(msgspec.Struct, kw_only=True):
    """One experiment on one store, all its rounds together; the note is the latest one's."""

    promise: str
    experiment: str
    store: str
    seeds: int = 0
    faults: dict[str, int] = {}
    jobs: int = 0
    lost: int = 0
    unexplained: int = 0
    worst_recovery: float | None = None
    seconds: float = 0.0
    note: str = ""

    def add(self, card: Card) -> None:
        """One round more."""
        self.seeds += 1
        for kind, count in card.faults.items():
            self.faults[kind] = self.faults.get(kind, 0) + count
        self.jobs += card.jobs
        self.lost += card.lost
        self.unexplained += card.unexplained
        self.seconds = round(self.seconds + card.seconds, 1)
        self.note = card.note or self.note
        if card.worst_recovery is not None:
            self.worst_recovery = max(self.worst_recovery or 0.0, card.worst_recovery)


class Failure(msgspec.Struct, kw_only=True):
    """A round of an experiment that did not come to a good end, and the first line of why."""

    test: str
    seed: int
    text: str


class Scorecard(msgspec.Struct, kw_only=True):
    """A soak.

    Attributes:
        length: SOAK as it was asked for.
        skipped: Experiments this machine could not do, and why.
    """

    length: str
    began: str
    machine: str
    rounds: int = 0
    minutes: float = 0.0
    tallies: list[Tally] = []
    failures: list[Failure] = []
    skipped: dict[str, str] = {}

    @classmethod
    def empty(cls, length: str) -> Self:
        """Before the first round, on this machine."""
        machine = (
            f"{os.cpu_count()} cores, {platform.system()} {platform.release().partition('-')[0]}, "
            f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
        )
        began = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        return cls(length=length, began=began, machine=machine)

    @classmethod
    def read(cls, path: Path) -> Self:
        """As it was written."""
        return msgspec.json.decode(path.read_bytes(), type=cls)

    def write(self, path: Path) -> None:
        """The file has it whole, whenever somebody looks."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(msgspec.json.format(msgspec.json.encode(self)) + b"\n")
        part.replace(path)

    def add(self, cards: Iterable[Card]) -> None:
        """The cards of one round are in it."""
        places = {(one.promise, one.experiment, one.store): one for one in self.tallies}
        for card in cards:
            place = (card.promise, card.experiment, card.store)
            if place not in places:
                places[place] = Tally(
                    promise=card.promise, experiment=card.experiment, store=card.store
                )
            places[place].add(card)
        self.tallies = sorted(
            places.values(), key=lambda one: (int(one.promise[1:]), one.experiment, one.store)
        )

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, nothing is unexplained and every experiment came to its end."""
        return not self.failures and not any(one.lost or one.unexplained for one in self.tallies)


def cards_in(folder: Path) -> list[Card]:
    """What experiments handed in there."""
    return [
        msgspec.json.decode(path.read_bytes(), type=Card) for path in sorted(folder.glob("*.json"))
    ]


def table(score: Scorecard) -> str:
    """The scorecard for people, in Markdown."""
    faults = sum(sum(one.faults.values()) for one in score.tallies)
    lines = [
        f"`make soak` of {score.began[:10]}: {_rounds(score.rounds)} in {score.minutes:.0f} minutes,",
        (
            f"{sum(one.jobs for one in score.tallies):,} jobs, {faults:,} faults, lost "
            f"{sum(one.lost for one in score.tallies)}, unexplained "
            f"{sum(one.unexplained for one in score.tallies)}, experiments that failed "
            f"{len(score.failures)}. On {score.machine}."
        ),
        "",
        "| | experiment | store | rounds | faults | jobs | lost | unexplained | worst recovery |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(one) for one in score.tallies]
    notes = [one for one in score.tallies if one.note]
    if notes:
        lines += ["", "Notes, of the last round each:", ""]
        lines += [f"- {one.promise}, {one.experiment}, {one.store}: {one.note}" for one in notes]
    if score.failures:
        lines += ["", "Did not come to a good end:", ""]
        lines += [f"- `{one.test}`, seed {one.seed}: {one.text}" for one in score.failures]
    if score.skipped:
        lines += ["", "Not done on that machine:", ""]
        lines += [f"- `{test}`: {why}" for test, why in score.skipped.items()]
    return "\n".join(lines) + "\n"


def _rounds(count: int) -> str:
    return f"{count} round" if count == 1 else f"{count} rounds"


def _row(one: Tally) -> str:
    faults = ", ".join(f"{count:,} {kind}" for kind, count in sorted(one.faults.items()))
    worst = "" if one.worst_recovery is None else f"{one.worst_recovery:.1f} s"
    cells = (
        one.promise,
        one.experiment,
        one.store,
        one.seeds,
        faults,
        f"{one.jobs:,}",
        one.lost,
        one.unexplained,
        worst,
    )
    return f"| {' | '.join(str(cell) for cell in cells)} |"
