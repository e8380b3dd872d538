"""A secret in the arguments of a job that fails with it in its error: nobody who reads along sees it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from boundary.jobs import Jobs, Secret
from boundary.jobs.shell.cli.app import run
from boundary.jobs.web import create_app
from tests.web.conftest import Client
from tests.web.test_pages import PAGES

CANARY = "canary-7f3b19"


GIVEN: dict[str, Any] = {"by its name": {"token": CANARY}, "by its type": {"code": Secret(CANARY)}}


@pytest.fixture(params=GIVEN)
def card(request: pytest.FixtureRequest) -> Any:
    return GIVEN[request.param]


@pytest.fixture
def failing(tmp_path: Path) -> Any:
    with Jobs(f"sqlite:///{tmp_path}/jobs.db") as jobs:

        @jobs.handler(max_retries=0)
        def charge(order: int, card: dict[str, Any]) -> None:
            raise PermissionError(f"the bank does not know {CANARY}")

        yield jobs


def test_it_is_in_no_log_page_answer_event_or_terminal(
    failing: Jobs, card: Any, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with failing.events({"dead"}, timeout=20) as following:
        job = failing.enqueue("charge", {"order": 7, "card": card})
        failing.worker().run_until_empty()
        event = next(iter(following))
    stored = failing.find(job.id)
    assert stored is not None
    assert stored.error is not None
    assert CANARY in stored.error.message, "what is stored is what happened"
    assert event.error is not None
    assert event.error.message == "the bank does not know [redacted]"
    assert "the bank does not know [redacted]" in caplog.text
    ask = Client(create_app(failing), failing)
    shown = [ask("GET", path).text for path in (*PAGES, f"/jobs/{job.id}")]
    api = ("/failed", f"/{job.id}", "/failures", "", "/history?job_type=charge", "/stats", "/audit")
    shown += [ask.api("GET", path).text for path in api]
    assert sum("the bank does not know [redacted]" in one for one in shown) >= 6
    url = failing.settings.url
    assert run(["top", "--url", url]) == 0
    told = [*shown, repr(event), repr(job), repr(stored), caplog.text, capsys.readouterr().out]
    for one in told:
        assert CANARY not in one
        assert "7f3b19" not in one


def test_it_is_not_found_by_looking_for_it(failing: Jobs, card: Any) -> None:
    failing.enqueue("charge", {"order": 7, "card": card})
    failing.worker().run_until_empty()
    assert len(failing.search(text="the bank does not know").jobs) == 1
    for text in (CANARY, "7f3b19", "know canary"):
        assert failing.search(text=text).jobs == ()


def test_inline_it_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    with Jobs("memory://", inline=True) as jobs:

        @jobs.handler(max_retries=0)
        def charge(password: str) -> None:
            raise PermissionError(f"the bank does not know {password}")

        charge.enqueue(password=CANARY)
    assert "PermissionError: the bank does not know [redacted]" in caplog.text
    assert CANARY not in caplog.text
