"""Cards add up, and what is wrong is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.card import Card, hand_in
from tests.chaos.scorecard import Failure, Scorecard, cards_in, table


def card(**changes) -> Card:
    whole = {
        "promise": "G1",
        "experiment": "workers killed",
        "store": "SQLite",
        "faults": {"kill": 100},
        "jobs": 800,
        "lost": 0,
        "unexplained": 0,
    }
    return Card(**{**whole, **changes})


def test_rounds_of_an_experiment_add_up() -> None:
    score = Scorecard.empty("hour")
    score.add([card(promise="G11"), card(worst_recovery=1.5, seconds=2.0)])
    score.add(
        [card(faults={"kill": 3, "pause": 1}, worst_recovery=1.2, seconds=1.0, note="second")]
    )
    first, second = score.tallies
    assert (first.promise, second.promise) == ("G1", "G11")
    assert (first.seeds, first.faults, first.jobs) == (2, {"kill": 103, "pause": 1}, 1_600)
    assert (first.worst_recovery, first.seconds, first.note) == (1.5, 3.0, "second")
    assert score.is_clean


@pytest.mark.parametrize("wrong", [{"lost": 1}, {"unexplained": 1}])
def test_one_bad_card_spoils_it(wrong: dict[str, int]) -> None:
    score = Scorecard.empty("short")
    score.add([card(), card(experiment="another", **wrong)])
    assert not score.is_clean


def test_a_round_that_failed_spoils_it_too_and_is_shown() -> None:
    score = Scorecard.empty("short")
    score.failures.append(Failure(test="tests/chaos/test_x.py::test_x", seed=7, text="in vain"))
    assert not score.is_clean
    assert "`tests/chaos/test_x.py::test_x`, seed 7: in vain" in table(score)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    score = Scorecard.empty("long")
    score.add([card()])
    score.write(tmp_path / "new" / "scorecard.json")
    assert Scorecard.read(tmp_path / "new" / "scorecard.json") == score
    row = "| G1 | workers killed | SQLite | 1 | 100 kill | 800 | 0 | 0 |  |"
    assert row in table(score).splitlines()


def test_a_card_is_handed_in_before_it_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOAK_CARDS", str(tmp_path))
    with pytest.raises(AssertionError):
        hand_in(card(lost=2))
    hand_in(card(store="Redis"))
    assert sorted(one.lost for one in cards_in(tmp_path)) == [0, 2]
