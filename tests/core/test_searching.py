"""What a text that is searched for stands for, and where a job has it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from boundary.jobs.core import trails
from boundary.jobs.core.records import JobError
from boundary.jobs.core.searching import mentions
from boundary.jobs.core.wire import Payload, Record, encode_payload

ARGS = {
    "to": "ada@example.com",
    "count": 41,
    "half": 0.5,
    "flag": True,
    "none": None,
    "deep": [{"city": "Delft"}],
    "password": "hunter2",
}
RECORD = Record(1, bytes(16), "send", "mail", 2, encode_payload(Payload(1, ARGS, 3)), 0, 0)


@pytest.mark.parametrize(
    "text", ["ada@", "to", "41", "41.0", "0.5", "true", "null", "Delft", "city", "password"]
)
def test_words_and_numbers_of_the_arguments(text: str) -> None:
    assert mentions(RECORD, text)


@pytest.mark.parametrize("text", ["bob", "42", "false", "hunter2", "1e999", "41x"])
def test_what_is_not_there_or_hidden(text: str) -> None:
    assert not mentions(RECORD, text)


def test_errors_and_reasons() -> None:
    failed = replace(RECORD, trail=trails.failed(b"", 1, 5, JobError("no route", "OSError")))
    assert mentions(failed, "no route")
    assert mentions(failed, "OSError")
    later = replace(RECORD, trail=trails.because(b"", "not yet"))
    assert mentions(later, "not yet")
    done = replace(RECORD, trail=trails.succeeded(b"", {"id": "msg-7"}))
    assert mentions(done, "msg-7")
    assert not mentions(done, "msg-8")


def test_a_record_that_cannot_be_read_and_may_hold_a_secret_is_not_found() -> None:
    broken = replace(RECORD, payload=b"\xc1 note \xa8password\xa6canary")
    assert not mentions(broken, "note")
    assert not mentions(broken, "can")


def test_a_record_that_cannot_be_read_is_searched_as_bytes() -> None:
    damaged = replace(RECORD, payload=b"\xc1 a rest of text")
    assert mentions(damaged, "rest of")
    assert not mentions(damaged, "no such")
    # One form of a number may stand in bytes that are no number: the text is what counts.
    assert not mentions(replace(RECORD, payload=b"\xc1\x29"), "41")
