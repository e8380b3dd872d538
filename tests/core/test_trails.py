"""What a trail keeps of a job's runs, and what is hidden in it."""

from __future__ import annotations

from boundary.jobs.core import trails
from boundary.jobs.core.records import JobError
from boundary.jobs.core.redaction import HIDDEN

SECRET = frozenset({"correct horse"})


def test_texts_are_hidden_in_every_error_and_in_the_reason() -> None:
    once = trails.failed(b"", 1, 7, JobError("said correct horse", "E", "line: correct horse"))
    twice = trails.failed(once, 2, 8, JobError("correct horse", "E"))
    told = trails.because(twice, "no correct horse")
    hidden = trails.decode_trail(trails.concealed(told, SECRET))
    assert hidden.error is not None
    assert hidden.error[0] == HIDDEN
    assert [row[2] for row in hidden.errors] == [f"said {HIDDEN}", HIDDEN]
    assert hidden.errors[0][4] == f"line: {HIDDEN}"
    assert hidden.reason == f"no {HIDDEN}"
    assert b"correct horse" not in trails.concealed(told, SECRET)


def test_what_tells_of_no_failure_stays_as_it_is() -> None:
    went_well = trails.succeeded(b"", {"answer": "correct horse"}, "w")
    assert trails.decode_trail(trails.concealed(went_well, SECRET)) == trails.decode_trail(
        went_well
    )
    assert trails.concealed(b"\xff damaged", SECRET) == b"\xff damaged"
