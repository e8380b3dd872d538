"""The heart of a worker: which answers renew a lease."""

from __future__ import annotations

from boundary.jobs.core.operations import Beat, Heartbeat
from boundary.jobs.shell.flows import Listen, Wait
from boundary.jobs.shell.pulse import LAST_MOMENT, Heart

LEASE = 10.0


class Chest:
    """A heart on a clock that stands where it is put, and the store's answers, made here."""

    def __init__(self) -> None:
        self.now = 100.0
        self.heard: list[bool] = []
        self.heart = Heart(
            beat=lambda: Heartbeat("w1", 10_000, b"it"),
            lease=LEASE,
            now=lambda: self.now,
            heard=lambda _, beat: self.heard.append(beat.alive),
        )
        self.beats = self.heart.beats()
        assert isinstance(next(self.beats), Listen)
        assert isinstance(self.beats.send(None), Heartbeat)

    def answer(self, *, alive: bool, after: float = 0.0) -> None:
        """The heartbeat under way is answered so, and the next is sent."""
        self.now += after
        assert isinstance(self.beats.send(Beat(0, alive)), Wait)
        assert isinstance(self.beats.send(None), Heartbeat)


def test_an_answer_renews_from_the_moment_of_the_question() -> None:
    chest = Chest()
    chest.answer(alive=True, after=3.0)
    assert chest.heart.left("w1") == LEASE * LAST_MOMENT - 3.0
    assert chest.heard == [True]


def test_a_store_that_does_not_know_the_worker_renews_nothing() -> None:
    """It may know it under another name by now; found by simulation (seed 3769)."""
    chest = Chest()
    chest.answer(alive=True)
    chest.now += 5.0
    chest.answer(alive=False)
    assert chest.heart.left("w1") == LEASE * LAST_MOMENT - 5.0
    assert chest.heard == [True, False]
