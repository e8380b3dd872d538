"""What a table keeps where the terminal is narrow: the names one came for, whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from boundary.jobs import Jobs
from boundary.jobs.shell.cli.app import run

QUEUE = "newsletters"
ID_LENGTH = 36


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A store with a dead letter, a schedule, and an act in the log."""
    url = f"sqlite:///{tmp_path}/jobs.db"
    with Jobs(url) as jobs:

        @jobs.handler(queue=QUEUE, max_retries=0)
        def send_newsletter() -> None:
            raise ConnectionRefusedError("the mail server said no")

        send_newsletter.enqueue()
        jobs.worker().run_until_empty()
        jobs.schedule("newsletter-of-monday", every=3600, handler="send_newsletter")
        jobs.cancel(send_newsletter.enqueue().id, by="ada")
        yield url


@pytest.mark.parametrize("width", [60, 80, 100, 200])
@pytest.mark.parametrize(
    ("command", "kept"),
    [
        (["queues"], [QUEUE, "ready", "failed"]),
        (["stats"], [QUEUE, "ready", "failed"]),
        (["failed", "--by-cause"], ["cause", "count", "ConnectionRefuse"]),
        (["schedules"], ["newsletter-of-monday", "every 1 h"]),
        (["top", "--once"], [QUEUE, "ready"]),
    ],
)
def test_names_are_whole(
    url: str,
    width: int,
    command: list[str],
    kept: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert run([*command, "--url", url]) == 0
    shown = capsys.readouterr().out
    assert [word for word in kept if word not in shown] == []
    assert max(len(line) for line in shown.splitlines()) <= width


@pytest.mark.parametrize("width", [60, 80])
def test_the_log_of_acts_has_whole_ids_and_targets(
    url: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Jobs(url) as jobs:
        (entry,) = jobs.audit()
    monkeypatch.setenv("COLUMNS", str(width))
    assert run(["audit", "--url", url]) == 0
    shown = capsys.readouterr().out
    assert str(entry.id) in shown
    assert f"cancel 1: {entry.target}" in shown
    assert len(entry.target) == ID_LENGTH


def test_what_there_is_room_for_is_shown(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert run(["queues", "--url", url]) == 0
    assert "avg ms" in capsys.readouterr().out


def test_what_an_act_says_can_be_copied_whole(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    long = "q" * 128
    assert run(["enqueue", "t", "--queue", long, "--url", url]) == 0
    assert capsys.readouterr().out.endswith(f" in {long}\n")
    assert run(["pause", long, "--url", url]) == 0
    said, hint = capsys.readouterr().out.splitlines()
    assert said == f"{long} is paused"
    assert re.fullmatch(r"within a minute: boundary-jobs undo [0-9a-f-]{36}", hint)
