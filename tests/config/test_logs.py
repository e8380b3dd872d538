"""Log lines: one event, one line, whatever is in it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from boundary.jobs.shell.logs import NAME, Form, configure, one_line

LABELS = {"job_id": "0199-x", "job_type": "send_email", "queue": "emails", "attempt": 2}
ANY_TEXT = st.text(st.characters(categories=None, exclude_categories=[]))


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The logger as it was."""
    logger = logging.getLogger(NAME)
    before = (logger.handlers, logger.level, logger.propagate)
    yield
    logger.handlers, logger.level, logger.propagate = before


def line(text: str, form: Form = "text", color: bool = False, **options: object) -> str:
    stream = io.StringIO()
    configure("DEBUG", form, stream, color)
    logging.getLogger(NAME).warning("%s", text, **options)  # type: ignore[arg-type]
    return stream.getvalue()


@example("\ud800", "json")
@given(ANY_TEXT, st.sampled_from(["text", "json"]))
def test_one_event_is_one_line(text: str, form: Form) -> None:
    """Nothing in a job can forge a line or move the cursor."""
    shown = line(text, form, extra=LABELS | {"job_type": text})
    assert shown.endswith("\n")
    assert shown[:-1].splitlines() == [shown[:-1]]
    assert not [each for each in shown[:-1] if ord(each) < 32 or 0x7F <= ord(each) < 0xA0]
    shown.encode()
    if form == "json":
        assert isinstance(json.loads(shown), dict)


@given(ANY_TEXT)
def test_escaping_changes_only_what_is_unsafe(text: str) -> None:
    shown = one_line(text)
    assert one_line(shown) == shown
    if text.isascii() and text.isprintable():
        assert shown == text


def test_text_names_the_job_and_the_run() -> None:
    shown = line("failed", extra=LABELS)
    assert "WARNING failed  send_email 0199-x run 2" in shown


def test_json_carries_the_labels() -> None:
    said = json.loads(line("a\nb", "json", extra=LABELS))
    assert said["message"] == "a\nb"
    assert said["level"] == "warning"
    assert {name: said[name] for name in LABELS} == LABELS


def test_a_trace_stays_in_its_line() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        text, said = line("x", exc_info=error), json.loads(line("x", "json", exc_info=error))
    assert text.count("\n") == 1
    assert "ValueError: two" in text
    assert said["trace"].startswith("Traceback")


def test_an_argument_that_cannot_be_shown_costs_only_itself() -> None:
    class Bad:
        def __str__(self) -> str:
            raise RuntimeError("no")

    stream = io.StringIO()
    configure("INFO", "text", stream, color=False)
    logging.getLogger(NAME).info("hello %s", Bad())
    assert "hello" in stream.getvalue()


def test_colour_only_where_asked() -> None:
    assert "\x1b[33mWARNING" in line("x", color=True)
    assert "\x1b" not in line("x")


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="LOUD"):
        configure("loud")
