"""docs/observability.md says what there is, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from boundary.jobs.core import events, happenings
from boundary.jobs.core.events import ENDS, FINAL, EventType
from boundary.jobs.core.lifecycle import TABLE
from boundary.jobs.core.operations import Outcome
from boundary.jobs.core.wire import Record
from boundary.jobs.shell.adapters.memory import MemoryStore
from boundary.jobs.shell.telemetry.exposition import Exposition
from boundary.jobs.shell.telemetry.meter import Meter
from boundary.jobs.testing.contract.words import new

PAGE = (Path(__file__).parents[2] / "docs" / "observability.md").read_text()


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_every_event_is_documented() -> None:
    told = re.findall(r"^\| `(\w+)` \|", section("Events"), re.MULTILINE)
    assert sorted(told) == sorted(get_args(EventType))
    (line,) = re.findall(r"`final` is True for (.*?)\.", section("Events"))
    assert set(re.findall(r"`(\w+)`", line)) == FINAL


def test_every_metric_is_documented_with_its_kind_and_labels() -> None:
    store = MemoryStore()
    from boundary.jobs.core.operations import Enqueue

    store.blocking().execute(Enqueue((new("a"),)))
    exposition = Exposition(Meter(), store)
    there = {}
    for family in exposition.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = getattr(family, "_labelnames", ())
        there[name] = (family.type, ", ".join(labels))
    rows = re.findall(
        r"^\| `(boundary_jobs_\w+)` \| (\w+) \| ([\w, ]*?) *\|", section("Metrics"), re.MULTILINE
    )
    assert {name: (kind, labels) for name, kind, labels in rows} == there
    mentioned = set(re.findall(r"boundary_jobs_\w+", PAGE))
    bare = {re.sub(r"_(bucket|count|sum)$", "", name) for name in mentioned}
    assert bare <= set(there)


def test_every_way_a_hold_ends_has_an_event() -> None:
    assert set(ENDS) == {event for status, event in TABLE if status == "running"}


def test_the_types_of_a_happening_are_told_without_making_its_events() -> None:
    assert set(events._ROWS) == {*events._TYPES, happenings.Ended}
    assert frozenset().union(*events._TYPES.values(), ENDS.values()) == set(get_args(EventType))
    record = Record(1, bytes(16), "t", "q", 2, b"", 1_000, 1_000)
    for event in ENDS.keys() - {"crash", "reclaim"}:
        run = (record, Outcome(bytes(16), 1, event))
        ended = happenings.Ended(1, "w", (run,), (True,), {})
        assert events.types_of(ended) == {row.type for row in events.rows_of(ended)}
    assert events.types_of(happenings.LeaseLost("w", 1)) == set()
