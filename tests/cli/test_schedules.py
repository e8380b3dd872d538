"""Schedules at the prompt: shown, told ahead, added, edited, paused, fired, removed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from boundary.jobs import Jobs
from boundary.jobs.core.operations import Heartbeat, PutSchedule, Schedule
from boundary.jobs.core.stats import encode_worker
from boundary.jobs.shell.cli.app import run
from boundary.jobs.testing.contract.words import PAYLOAD

TASKS = """
from boundary.jobs import Jobs
jobs = Jobs()

@jobs.cron("30 8 * * *", timezone="Europe/Amsterdam", misfire="skip")
@jobs.every(3600, name="hourly")
@jobs.handler(queue="reports")
def report(): ...
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/jobs.db"


@pytest.fixture
def jobs(url: str) -> Iterator[Jobs]:
    with Jobs(url) as made:
        yield made


Say = Callable[..., str]


@pytest.fixture
def say(url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Say:
    """Run a command and tell what it printed."""
    monkeypatch.setenv("COLUMNS", "200")

    def run_it(*arguments: str, code: int = 0) -> str:
        assert run([*arguments, "--url", url]) == code
        said = capsys.readouterr()
        return said.out + said.err

    return run_it


def outside(folder: Path, *arguments: str, **environment: str) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "boundary.jobs", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "COLUMNS": "200", **environment},
    )


def test_a_life_of_a_schedule(say: Say, jobs: Jobs) -> None:
    added = say("schedule", "nightly", "report", '{"kind": "full"}', "--cron", "0 3 * * *",
                "--timezone", "Europe/Amsterdam", "--misfire", "all", "--misfire-cap", "7",
                "--queue", "reports", "--priority", "low")  # fmt: skip
    assert re.match(r"nightly ticks next \w{3} \d{4}-\d\d-\d\d 03:00:00 CES?T, in \d+", added)
    (one,) = jobs.schedules()
    assert (one.cron, one.timezone, one.misfire, one.misfire_cap, one.queue, one.priority) == (
        "0 3 * * *",
        "Europe/Amsterdam",
        "all",
        7,
        "reports",
        "low",
    )
    assert one.args == {"kind": "full"}

    assert "ticks next" in say("edit-schedule", "nightly", "--every", "90", "--misfire", "skip")
    (edited,) = jobs.schedules()
    assert (edited.cron, edited.every, edited.misfire) == (None, timedelta(seconds=90), "skip")
    assert (edited.args, edited.queue) == (one.args, "reports")

    assert say("pause-schedule", "nightly") == "nightly is paused\n"
    assert jobs.schedules()[0].paused
    assert "nightly ticks next" in say("resume-schedule", "nightly")
    assert not jobs.schedules()[0].paused

    fired = json.loads(say("fire-schedule", "nightly", "--json"))
    found = jobs.find(fired["id"])
    assert found is not None
    assert (found.args, found.priority) == ({"kind": "full"}, "low")
    assert say("fire-schedule", "nightly").startswith("enqueued ")

    assert "add --yes" in say("unschedule", "nightly", code=2)
    assert say("unschedule", "nightly", "--yes") == "nightly is gone\n"
    assert jobs.schedules() == []


def test_replacing_keeps_a_pause_unless_told(say: Say, jobs: Jobs) -> None:
    assert jobs.schedules() == []
    assert say("schedule", "n", "h", "--every", "5", "--paused") == "n is paused\n"
    assert say("schedule", "n", "h", "--every", "6") == "n is paused\n"
    assert "ticks next" in say("schedule", "n", "h", "--every", "6", "--running")
    assert json.loads(say("schedule", "n", "h", "--every", "6", "--json"))["paused"] is False


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["pause-schedule", "none"], 1, "there is no schedule none"),
        (["resume-schedule", "none"], 1, "there is no schedule none"),
        (["fire-schedule", "none"], 1, "there is no schedule none"),
        (["edit-schedule", "none", "--every", "5"], 1, "there is no schedule none"),
        (["unschedule", "none", "--yes"], 1, "there is no schedule none"),
        (["edit-schedule", "n"], 2, "say what to change"),
        (["schedule", "n", "h"], 2, "cron (an expression) or every"),
        (["schedule", "n", "h", "--cron", "x"], 2, "five fields"),
        (["schedule", "n", "h", "--cron", "@daily", "--timezone", "Mars"], 2, "Europe/Amsterdam"),
        (["schedule", "n", "h", "--every", "5", "--misfire", "no"], 2, "skip"),
        (["schedule", "n", "h", "[1]", "--every", "5"], 2, "JSON object"),
        (["schedule", "a b", "h", "--every", "5"], 2, "schedule"),
        (["schedules", "--next", "0"], 2, "next"),
    ],
)
def test_refusals(say: Say, jobs: Jobs, arguments: list[str], code: int, words: str) -> None:
    said = say(*arguments, code=code)
    assert words in said
    assert "Traceback" not in said
    assert jobs.schedules() == []


def test_the_table_says_when_where_and_how_it_stands(say: Say, jobs: Jobs) -> None:
    jobs.schedule("morning", cron="30 8 * * *", handler="report", timezone="Asia/Tokyo")
    jobs.schedule("often", every=5400, handler="sweep", misfire="all", misfire_cap=3)
    jobs.schedule("asleep", every=90, handler="sweep", paused=True)
    table = say("schedules")
    lines = {line.split()[0]: line for line in table.splitlines() if line.strip()}
    assert re.search(
        r"30 8 \* \* \* +once +[\d-]{10} 08:30:00 JST +\d+ (h|min|s)", lines["morning"]
    )
    assert re.search(
        r"every 90 min +all 3 .* UTC +1 h|every 90 min +all 3 .* UTC +2 h", lines["often"]
    )
    assert re.search(r"every 90 s +once +paused +- +-", lines["asleep"])
    assert table.index("asleep") > table.index("often")
    found = {one["name"]: one for one in json.loads(say("schedules", "--json"))}
    assert found["asleep"]["paused"] is True
    assert (found["morning"]["misfire"], found["often"]["misfire_cap"]) == ("once", 3)


def test_fire_times_of_all_that_are_stored(say: Say, jobs: Jobs) -> None:
    jobs.schedule("a", every=60, handler="h")
    jobs.schedule("b", every=90, handler="h")
    jobs.schedule("asleep", every=1, handler="h", paused=True)
    told = json.loads(say("schedules", "--next", "5", "--json"))
    assert [one["name"] for one in told] == ["a", "b", "a", "a", "b"]
    moments = [datetime.fromisoformat(one["at"]) for one in told]
    assert moments == sorted(moments)
    table = say("schedules", "--next", "5")
    assert len(re.findall(r"UTC +\d+ (?:s|min)", table)) == 5
    jobs.pause_schedule("a")
    jobs.pause_schedule("b")
    assert "all are paused" in say("schedules", "--next", "5")


def test_what_code_declares_is_told_without_a_store(tmp_path: Path) -> None:
    """The store named does not exist, and none is made."""
    (tmp_path / "tasks.py").write_text(TASKS)
    away = {"BOUNDARY_JOBS_URL": "redis://127.0.0.1:1/0"}
    table = outside(tmp_path, "schedules", "tasks", **away)
    assert table.returncode == 0, table.stderr
    assert re.search(r"report +report +30 8 \* \* \* +skip .*08:30:00 CES?T", table.stdout)
    assert re.search(r"hourly .* every 1 h", table.stdout)
    told = outside(tmp_path, "schedules", "tasks.py:jobs", "--next", "20", "--json", **away)
    times = json.loads(told.stdout)
    assert len(times) == 20
    assert {one["name"] for one in times} == {"hourly", "report"}
    assert [one for one in tmp_path.iterdir() if one.suffix == ".db"] == []
    assert outside(tmp_path, "schedules", **away).returncode == 3


def test_an_orphan_is_shown_and_said(say: Say, jobs: Jobs) -> None:
    @jobs.every(60)
    @jobs.handler
    def forgotten() -> None: ...

    jobs.worker().run_until_empty()
    assert "orphaned" not in say("schedules"), "no worker is there to tell"
    assert "the next worker that starts puts it back" in say("unschedule", "forgotten", "--yes")
    jobs.worker().run_until_empty()
    now = jobs.schedules()[0].next_at
    assert now is not None
    note = encode_worker(queues=(), concurrency=1, host="h", pid=1, started_at=now)
    backend = jobs.store.blocking()
    backend.execute(Heartbeat("w", 60_000, note, join=True))
    backend.close()
    said = say("schedules")
    assert "orphaned" in said
    assert "boundary-jobs unschedule forgotten" in said
    assert json.loads(say("schedules", "--json"))[0]["orphaned"] is True
    assert "declares forgotten any more" in say("doctor")
    assert "puts it back" not in say("unschedule", "forgotten", "--yes")


def test_the_doctor_sees_ticks_that_nobody_fires(say: Say, jobs: Jobs) -> None:
    jobs.schedule("fine", every=60, handler="h")
    assert "schedules" not in say("doctor")
    backend = jobs.store.blocking()
    backend.execute(PutSchedule(Schedule("late", "h", "default", 2, PAYLOAD, 1, every_ms=5)))
    backend.close()
    assert "late should have ticked" in say("doctor", code=1)


def test_a_zone_that_is_unknown_here_spoils_no_table(say: Say, jobs: Jobs) -> None:
    jobs.schedule("fine", every=60, handler="h")
    lost = Schedule("lost", "h", "default", 2, PAYLOAD, 10**13, "@daily", timezone="Mars/Olympus")
    backend = jobs.store.blocking()
    backend.execute(PutSchedule(lost))
    backend.close()
    assert "2286-11-20 17:46:40 UTC" in say("schedules")
    told = say("schedules", "--next", "2")
    assert "lost is left out" in told
    assert told.count("fine") == 2
