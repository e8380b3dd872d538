"""Frames: how much fits into one, and what is missing between them."""

from __future__ import annotations

from boundary.jobs.core import events, frames
from boundary.jobs.core.events import Row
from boundary.jobs.core.frames import Wanted
from boundary.jobs.core.operations import FRAME

ID = bytes(range(16))


def test_one_follows_some_types_a_job_or_a_queue() -> None:
    row = Row("dead", ID, "send", "mail", 0)
    assert Wanted().includes(row)
    assert Wanted(frozenset({"dead"}), ID, "mail").includes(row)
    assert not Wanted(frozenset({"started"})).includes(row)
    assert not Wanted(job=bytes(16)).includes(row)
    assert not Wanted(queue="other").includes(row)


def test_an_event_too_large_for_a_frame_goes_alone() -> None:
    """A reader on a pipe may get it in pieces, and passes over what it cannot read."""
    large = Row("dead", ID, "t" * FRAME, "q", 0)
    small = Row("dead", ID, "t", "q", 0)
    made = frames.frames_of(b"s", 0, [large, small])
    assert [len(frame) > FRAME for frame in made] == [True, False]
    assert len(frames.Intake(Wanted()).take(made)) == 2


def test_of_many_sources_the_latest_are_remembered() -> None:
    intake = frames.Intake(Wanted())

    def take(source: int, first: int) -> int:
        row = Row("enqueued", ID, "t", "q", 0)
        frame = frames.frames_of(source.to_bytes(8, "big"), first, [row])[0]
        return intake.take([frame])[0].lost

    for source in range(frames.SOURCES + 1):
        assert take(source, 0) == 0
    assert take(frames.SOURCES, 5) == 4
    assert take(0, 5) == 0  # forgotten: nobody can say what is missing


def test_frames_hold_what_they_can_and_texts_are_cut() -> None:
    rows = [
        Row("dead", bytes(16), "t" * 128, "q" * 128, 0, 1, "w" * 255, 1.0, ("ü" * 5000, "E" * 999))
        for _ in range(40)
    ]
    short = [events._short(row.error[0]) for row in rows if row.error]
    assert all(len(text.encode()) <= events.TEXT + 3 for text in short)
    made = frames.frames_of(
        b"s" * 8,
        5,
        [
            Row(row.type, row.id, row.job_type, row.queue, 0, 1, row.worker, 1.0, (text, "E"))
            for row, text in zip(rows, short, strict=True)
        ],
    )
    assert all(len(frame) <= FRAME for frame in made)
    intake = frames.Intake(Wanted())
    assert len(intake.take(made)) == 40
    assert intake.lost == 0


def test_gaps_are_counted_by_source() -> None:
    row = Row("enqueued", bytes(16), "t", "q", 0)
    frame = lambda source, first: frames.frames_of(source, first, [row])[0]
    intake = frames.Intake(Wanted())
    seen = intake.take(
        [frame(b"a", 7), frame(b"b", 0), frame(b"a", 8), b"nonsense", frame(b"b", 4)]
    )
    assert [one.lost for one in seen] == [0, 0, 0, 3]
    assert intake.lost == 3
    seen = intake.take([frame(b"b", 5), frame(b"a", 9)])
    assert [one.lost for one in seen] == [0, 0]


def test_what_is_lost_is_told_with_the_next_one_wanted() -> None:
    def frame(first: int, queue: str) -> bytes:
        return frames.frames_of(b"s", first, [Row("dead", bytes(16), "t", queue, 0)])[0]

    intake = frames.Intake(Wanted(queue="mine"))
    assert intake.take([frame(0, "mine"), frame(5, "other")])[0].lost == 0
    (event,) = intake.take([frame(6, "mine")])
    assert event.lost == 4
