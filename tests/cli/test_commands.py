"""The command: what it shows, what it changes, what it refuses, how it exits."""

from __future__ import annotations

import inspect
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from boundary.jobs import Jobs
from boundary.jobs.core.operations import Enqueue
from boundary.jobs.core.wire import NewJob
from boundary.jobs.shell.cli.app import COMMANDS, run
from boundary.jobs.shell.cli.done import operator
from tests.cli.sitting import Sitting
from tests.waiting import PATIENCE, eventually
from tests.worker.conftest import working

MISSING = "01932c5e-7a3c-7b3e-9a6e-0d5ff2f0a001"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/jobs.db"


@pytest.fixture
def jobs(url: str) -> Iterator[Jobs]:
    with Jobs(url) as made:

        @made.handler(max_retries=0)
        def fails(why: str) -> None:
            raise ValueError(why)

        @made.handler(max_retries=0)
        def signs_in(user: str, password: str) -> None:
            raise ValueError(f"{user}: {password} is wrong")

        @made.handler
        def works() -> int:
            return 7

        yield made


def dead(jobs: Jobs, why: str = "no") -> str:
    job = jobs.enqueue("fails", {"why": why})
    jobs.worker().run_until_empty()
    return str(job.id)


LOOKS = ["stats", "queues", "workers", "failed", "search", "schedules", "audit"]


def test_whatever_looks_or_acts_has_json() -> None:
    without = {
        one.__name__
        for panel, functions in COMMANDS.items()
        for one in functions
        if panel != "Start" and "as_json" not in inspect.signature(one).parameters
    }
    assert without == {"script"}


@pytest.mark.parametrize("command", LOOKS)
def test_every_look_has_a_table_and_json(
    url: str, jobs: Jobs, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """S6, S124: the error of a dead letter is shown."""
    dead(jobs, "the reason")
    jobs.schedule("nightly", cron="0 3 * * *", handler="works", args={})
    assert run([command, "--url", url]) == 0
    table = capsys.readouterr().out
    assert table.strip()
    assert run(["--url", url, command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict | list)
    if command in {"failed", "search"}:
        assert "the reason" in table


def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """The one document of an act."""
    capsys.readouterr()
    assert run([*words, "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_acts_on_one_job_tell_programs_of_it(
    url: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs.enqueue("signs_in", {"user": "ada", "password": "hunter2"})
    jobs.worker().run_until_empty()
    id = str(jobs.failed()[0].id)
    args = '{"user": "eve", "password": "[redacted]"}'
    ends = {"retry": "pending", "cancel": "cancelled", "edit": "pending", "delete": "pending"}
    for what, words in {
        "retry": [],
        "cancel": [],
        "edit": [args],
        "delete": ["--yes"],
    }.items():
        done = told(capsys, what, id, *words, "--url", url)
        assert (done["what"], done["target"], done["count"]) == (what, id, 1)
        assert (done["job"]["id"], done["job"]["status"]) == (id, ends[what])
        assert done["job"]["args"]["password"] == "[redacted]"
        if what == "cancel":
            undone = told(capsys, "undo", done["action"], "--url", url)
            assert undone == {
                "what": "undo",
                "target": done["action"],
                "count": 1,
                "action": None,
                "skipped": 0,
            }
    assert told(capsys, "undo", done["action"], "--url", url)["count"] == 1
    (job,) = jobs.search(status="pending")
    assert job.args == {"user": "eve", "password": "hunter2"}


def test_acts_on_many_tell_programs_how_many(
    url: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    for why in ("a", "b"):
        dead(jobs, why)
    (group,) = jobs.failure_groups()
    for words, count in {
        ("retry", "--all", "--limit", "1", "--yes"): 1,
        ("delete", "--group", group.fingerprint, "--yes"): 1,
        ("purge", "default", "--yes"): 1,
        ("pause", "default"): 1,
        ("resume", "default"): 1,
    }.items():
        done = told(capsys, *words, "--url", url)
        assert (set(done), done["count"]) == ({"what", "target", "count", "action"}, count)
        assert done["what"] == words[0]
        assert done["action"] == str(jobs.audit().entries[0].id)
    assert told(capsys, "pause", "default", "--url", url)["count"] == 1
    again = told(capsys, "pause", "default", "--url", url)
    assert again == {"what": "pause", "target": "default", "count": 0, "action": None}
    assert told(capsys, "purge", "default", "--yes", "--url", url)["action"] is None


def test_orders_and_schedules_tell_programs(
    url: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs.schedule("nightly", cron="0 3 * * *", handler="works", args={})
    assert told(capsys, "pause-schedule", "nightly", "--url", url)["next_at"] is None
    assert told(capsys, "resume-schedule", "nightly", "--url", url)["next_at"]
    gone = told(capsys, "unschedule", "nightly", "--yes", "--url", url)
    assert gone == {"what": "unschedule", "target": "nightly", "count": 1, "action": None}
    with working(jobs):
        eventually("the worker is known", jobs.workers)
        for word in ("quiet", "unquiet", "drain"):
            done = told(capsys, word, str(os.getpid()), "--url", url)
            assert (done["what"], done["count"], done["action"]) == (word, 1, None)


def test_top_and_bench_have_json(url: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]) -> None:
    dead(jobs, "the reason")
    seen = told(capsys, "top", "--once", "--url", url)
    assert set(seen) == {"at", "stats", "running", "dead"}
    assert seen["dead"][0]["error"]["message"] == "the reason"
    measured = told(capsys, "bench", "--jobs", "100")
    assert measured["jobs"] == 100
    assert min(measured[name] for name in ("enqueue", "enqueue_many", "run")) > 0


@pytest.mark.parametrize("command", ["stats", "queues"])
def test_a_queues_name_is_whole_where_a_terminal_is_narrow(
    url: str, jobs: Jobs, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """80 columns, which is also what a pipe has; it was cut to `def…`."""
    jobs.enqueue("works", {}, queue="invoices-of-europe")
    dead(jobs)
    assert run([command, "--url", url]) == 0
    told = capsys.readouterr().out
    assert "invoices-of-europe" in told
    assert max(map(len, told.splitlines())) <= 80


def test_show_tells_everything(url: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]) -> None:
    id = dead(jobs, "the reason")
    assert run(["show", id, "--url", url]) == 0
    text = capsys.readouterr().out
    assert "run 1 failed" in text
    assert "ValueError: the reason" in text
    assert "raise ValueError(why)" in text
    assert run(["show", id, "--json", "--url", url]) == 0
    assert json.loads(capsys.readouterr().out)["error"]["message"] == "the reason"


def test_why_says_the_reason_and_what_to_do(
    url: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    id = str(jobs.enqueue("works", {}).id)
    assert run(["why", id, "--url", url]) == 0
    assert "boundary-jobs worker" in capsys.readouterr().out
    jobs.pause("default")
    assert run(["why", id, "--json", "--url", url]) == 0
    assert json.loads(capsys.readouterr().out)["reason"] == "paused"
    assert run(["why", MISSING, "--url", url]) == 1
    assert run(["why", "123", "--url", url]) == 2


def test_enqueue_cancel_delete(url: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["enqueue", "works", "{}", "--queue", "q", "--priority", "high", "--delay", "60"]
    assert run([*asked, "--job-id", MISSING, "--json", "--url", url]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["id"], made["queue"], made["priority"]) == (MISSING, "q", "high")
    assert run(["cancel", MISSING, "--url", url]) == 0
    assert run(["cancel", MISSING, "--url", url]) == 1
    assert run(["delete", MISSING, "--url", url]) == 2
    assert "add --yes" in capsys.readouterr().err
    assert run(["delete", MISSING, "--yes", "--url", url]) == 0
    assert run(["delete", MISSING, "--yes", "--url", url]) == 1


@pytest.mark.parametrize("words", [("retry", "--all"), ("purge", "default")], ids=" ".join)
def test_a_terminal_sees_how_far_it_is_and_a_program_does_not(
    url: str, jobs: Jobs, words: tuple[str, ...]
) -> None:
    def fill() -> None:
        jobs.purge("default")
        jobs.enqueue_many(jobs.draft("fails", {"why": "no"}, {}) for _ in range(300))
        if words[0] == "retry":
            jobs.worker().run_until_empty()

    command = [sys.executable, "-m", "boundary.jobs", *words, "--yes", "--url", url]
    for options, is_seen in (([], True), (["--json"], False)):
        fill()
        with Sitting(*command, *options) as sitting:
            assert sitting.ended() == 0
        assert ("300/300" in sitting.raw.decode()) is is_seen


def test_what_runs_is_stopped_only_by_a_yes(
    url: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    """A waiting one is cancelled unasked: that can be undone."""
    go_on = threading.Event()

    @jobs.handler
    def lasts() -> None:
        go_on.wait(PATIENCE)

    id = str(jobs.enqueue("lasts", {}).id)
    with working(jobs):
        eventually("it runs", lambda: jobs.search(status="running").jobs)
        assert run(["cancel", id, "--url", url]) == 2
        assert "cannot be undone. Nobody is here to answer" in " ".join(
            capsys.readouterr().err.split()
        )
        assert not jobs.search().jobs[0].cancel_requested
        done = told(capsys, "cancel", id, "--yes", "--url", url)
        assert (done["job"]["status"], done["action"]) == ("running", None)
        go_on.set()


def test_every_worker_is_replaced_only_by_a_yes(
    url: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    with working(jobs):
        eventually("the worker is known", jobs.workers)
        assert run(["restart", "--url", url]) == 2
        assert "Replace every worker? Nobody is here" in capsys.readouterr().err
        assert [one.status for one in jobs.workers()] == ["idle"]
        done = told(capsys, "restart", "--yes", "--url", url)
        assert (done["what"], done["target"], done["count"]) == ("restart", "every worker", 1)


def test_retry_one_and_all(url: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]) -> None:
    first, _ = dead(jobs), dead(jobs)
    assert run(["retry", first, "--url", url]) == 0
    assert run(["retry", first, "--url", url]) == 1
    assert run(["retry", "--url", url]) == 2
    assert run(["retry", "--all", "--url", url]) == 2
    assert run(["retry", "--all", "--yes", "--url", url]) == 0
    assert "1 dead letters" in capsys.readouterr().out
    assert jobs.failed() == []


def test_by_cause_and_on_a_whole_group(
    url: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    for why in ("first", "second", "third"):
        dead(jobs, why)
    assert run(["failed", "--by-cause", "--url", url]) == 0
    assert "ValueError: third" in capsys.readouterr().out
    assert run(["failed", "--by-cause", "--json", "--url", url]) == 0
    (group,) = json.loads(capsys.readouterr().out)
    assert group["count"] == 3
    cause = group["fingerprint"]
    retry = ["retry", "--group", cause, "--first", "1", "--rate", "60/min", "--yes"]
    assert run([*retry, "--url", url]) == 0
    assert "3 dead letters" in capsys.readouterr().out
    assert (jobs.queue_stats("default").size, jobs.queue_stats("default").scheduled) == (1, 2)
    assert run(["audit", "--json", "--url", url]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["entries"]
    assert (entry["what"], entry["count"], entry["by"]) == ("retry", 3, operator())
    assert run(["undo", entry["id"], "--url", url]) == 0
    assert "3 are as they were" in capsys.readouterr().out
    assert run(["undo", entry["id"], "--url", url]) == 1
    assert run(["delete", "--group", cause, "--url", url]) == 2
    assert run(["delete", "--group", cause, "--yes", "--url", url]) == 0
    assert jobs.failed() == []
    assert run(["audit", "--url", url]) == 0
    assert "undone" in capsys.readouterr().out


def test_orders_to_workers_and_schedules_are_in_the_log(
    url: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    with working(jobs):
        eventually("the worker is known", jobs.workers)
        assert run(["quiet", "--url", url]) == 0
    assert run(["schedule", "nightly", "works", "--cron", "0 3 * * *", "--url", url]) == 0
    assert run(["edit-schedule", "nightly", "--cron", "0 4 * * *", "--url", url]) == 0
    for command in ("pause-schedule", "resume-schedule", "fire-schedule"):
        assert run([command, "nightly", "--url", url]) == 0
    assert run(["unschedule", "nightly", "--yes", "--url", url]) == 0
    told = [(one.by, one.what) for one in jobs.audit()][::-1]
    acts = ("quiet", "schedule", "edit_schedule", "pause_schedule", "resume_schedule")
    assert told == [(operator(), what) for what in (*acts, "fire_schedule", "unschedule")]
    capsys.readouterr()
    assert run(["audit", "--url", url]) == 0
    assert "pause schedule" in capsys.readouterr().out


def test_the_doctor_counts_every_dead_letter_and_its_causes(
    url: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(201):
        jobs.enqueue("fails", {"why": str(number)})
    jobs.worker().run_until_empty()
    assert run(["doctor", "--url", url]) == 0
    said = capsys.readouterr().out
    assert "201, of 1 cause; see them with boundary-jobs failed --by-cause" in said
    jobs.enqueue("works", {})
    assert run(["doctor", "--url", url]) == 1
    assert "1 job is ready and no worker is alive" in capsys.readouterr().out


def test_the_doctor_counts_records_that_cannot_be_read(
    url: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    backend = jobs.store.blocking()
    garbage = [bytes([number]) * 16 for number in (1, 2)]
    for id in garbage:
        backend.execute(Enqueue((NewJob(id, "works", "default", 1, b"\xc1garbage"),)))
    backend.close()
    dead(jobs)
    assert run(["doctor", "--url", url]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "unreadable: 2 records cannot be read, and are dead letters with their bytes" in said
    assert "update the workers and retry them" in said
    for id in garbage:
        jobs.delete(UUID(bytes=id))
    assert run(["doctor", "--url", url]) == 0
    assert "unreadable" not in capsys.readouterr().out


def test_the_log_has_an_id_as_it_is_shown_however_it_was_typed(url: str, jobs: Jobs) -> None:
    id = dead(jobs)
    typed = id.upper().replace("-", "")
    assert run(["retry", typed, "--url", url]) == 0
    assert run(["cancel", typed, "--url", url]) == 0
    assert run(["delete", typed, "--yes", "--url", url]) == 0
    assert [entry.target for entry in jobs.audit()] == [id, id, id]


def test_edit_and_requeue(url: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]) -> None:
    id = dead(jobs, "this")
    assert run(["edit", id, '{"why": "that"}', "--url", url]) == 0
    said = capsys.readouterr().out
    assert "is pending" in said
    (job,) = jobs.search(status="pending")
    assert job.args == {"why": "that"}
    action = said.split()[-1]
    assert run(["undo", action, "--url", url]) == 0
    assert jobs.failed()[0].args == {"why": "this"}


def test_what_looks_like_a_secret_is_shown_when_it_is_asked_for(
    url: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    login = {"user": "ada", "password": "hunter2"}
    assert run(["enqueue", "signs_in", json.dumps(login), "--json", "--url", url]) == 0
    told = capsys.readouterr().out
    job_id = json.loads(told)["id"]
    jobs.worker().run_until_empty()
    looks = [["show", job_id], ["why", job_id], ["search"], ["failed"], ["failed", "--by-cause"]]
    for words in [*looks, *[[*words, "--json"] for words in looks]]:
        assert run([*words, "--url", url]) == 0
        told += capsys.readouterr().out
    assert told.count("[redacted]") > len(looks)
    assert "hunter2" not in told
    assert run(["edit", job_id, '{"user": "eve", "password": "[redacted]"}', "--url", url]) == 0
    assert run(["show", job_id, "--secrets", "--json", "--url", url]) == 0
    *_, document = capsys.readouterr().out.partition("{")
    assert json.loads("{" + document)["args"] == {"user": "eve", "password": "hunter2"}


def test_who_is_asked_is_told_how_many(
    url: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        dead(jobs)
    (group,) = jobs.failure_groups()
    for words, question in {
        (
            "retry",
            "--group",
            group.fingerprint,
        ): f"the dead letters of cause {group.fingerprint} (3)?",
        ("delete", "--group", group.fingerprint): f"of cause {group.fingerprint} (3)?",
        ("retry", "--all", "--queue", "none"): "that match (0)?",
        ("retry", "--all", "--limit", "2"): "that match (3), at most 2 of them?",
    }.items():
        assert run([*words, "--url", url]) == 2
        assert question in " ".join(capsys.readouterr().err.split())
    assert jobs.failure_groups()[0].count == 3


def test_of_those_that_die_after_the_question_none_is_acted_on(
    url: str, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (("retry", "--all"), ("retry", "--group"), ("delete", "--group")):
        dead(jobs)
        (group,) = jobs.failure_groups()

        def agreed(_: str, *, err: bool) -> bool:
            assert err
            dead(jobs)
            return True

        monkeypatch.setattr("typer.confirm", agreed)
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        given = [] if words[1] == "--all" else [group.fingerprint]
        assert run([*words, *given, "--url", url]) == 0
        (left,) = jobs.failure_groups()
        assert left.count == 1
        jobs.delete_failed(left.fingerprint)


def test_an_undo_that_finds_nothing_to_undo_is_no_success(
    url: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    action = jobs.new_action()
    job = jobs.enqueue("works", {}, delay=60)
    jobs.cancel(job.id, by="ada", action=action)
    jobs.delete(job.id)
    assert run(["undo", str(action), "--url", url]) == 1
    assert "nothing is undone: 1 has gone on" in capsys.readouterr().err


def test_a_name_no_job_was_enqueued_under_is_told(
    url: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs.enqueue("works", {}, queue="emails")
    for command in (["purge", "email", "--yes"], ["resume", "email"], ["pause", "email"]):
        assert run([*command, "--url", url]) == 0
        said = capsys.readouterr()
        assert "no job has been in queue email; there are: emails" in said.err
    assert run(["pause", "emails", "--url", url]) == 0
    assert capsys.readouterr().err == ""


def test_pause_resume_purge(url: str, jobs: Jobs) -> None:
    jobs.enqueue("works", {})
    assert run(["pause", "default", "--url", url]) == 0
    assert jobs.queue_stats("default").paused
    assert run(["resume", "default", "--url", url]) == 0
    assert run(["purge", "default", "--yes", "--url", url]) == 0
    assert jobs.queue_stats("default").size == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["show", MISSING], 1, "no job"),
        (["show", "123"], 2, "no job id"),
        (["retry", MISSING, "--group", "x"], 2, "--group"),
        (["retry", MISSING, "--rate", "1/s", "--limit", "2"], 2, "--rate, --limit: for --all and"),
        (["retry", MISSING, "--queue", "q"], 2, "--queue: for --all and --group, not for one job"),
        (["retry", MISSING, "--type", "t"], 2, "--type: for --all"),
        (["retry", MISSING, "--first", "0"], 2, "--first: for --all"),
        (["retry", "--group", "x", "--type", "t", "--yes"], 2, "the jobs of a cause are of one"),
        (["retry", "--all", "--first", "2", "--yes"], 2, "--first: for --rate"),
        (["retry", "--group", "x", "--rate", "fast", "--yes"], 2, "is no rate"),
        (["retry", "--group", "x", "--rate", "0", "--yes"], 2, "above 0"),
        (["delete"], 2, "--group"),
        (["edit", MISSING, "{}"], 1, "no job"),
        (["edit", MISSING, "[]"], 2, "JSON object"),
        (["undo", MISSING], 1, "no such act"),
        (["audit", "--cursor", "x"], 2, "no act id"),
        (["undo", "x"], 2, "no act id"),
        (["retry", "--group", "x", "--yes"], 1, "failed --by-cause"),
        (["delete", "--group", "x", "--yes"], 1, "failed --by-cause"),
        (["retry", MISSING], 1, "no job"),
        (["enqueue", "works", "[1]"], 2, "JSON object"),
        (["enqueue", "wor ks"], 2, "job type"),
        (["enqueue", "works", "{}", "--priority", "urgent"], 2, "critical, high, normal, low"),
        (["stats", "--frob"], 2, "frob"),
        (["frob"], 2, "frob"),
        (["search", "--cursor", "x"], 2, "cursor"),
    ],
)
def test_refusals(
    url: str, arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*arguments, "--url", url]) == code
    said = capsys.readouterr()
    assert says in said.err + said.out
    assert "Traceback" not in said.err


def test_an_unreachable_store_is_exit_code_three(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["stats", "--url", f"sqlite:///{tmp_path}/none/jobs.db"]) == 3
    assert "make the folder first" in capsys.readouterr().err
    assert run(["stats", "--url", "bogus://x"]) == 2


MEMORY = [
    ["enqueue", "works"],
    ["retry", "--all", "--yes"],
    ["stats"],
    ["schedule", "nightly", "works", "--cron", "0 3 * * *"],
    ["schedules"],
    ["schedules", "tasks"],
    ["top", "--once"],
    ["quiet"],
    ["worker", "tasks", "--burst"],
    ["dashboard"],
    ["bench"],
    ["demo"],
]


@pytest.mark.parametrize("words", MEMORY, ids=" ".join)
def test_a_store_that_would_be_gone_is_refused(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run([*words, "--url", "memory://"]) == 2
    assert "memory://" in capsys.readouterr().err
    if words == ["stats"]:
        monkeypatch.setenv("BOUNDARY_JOBS_URL", "MEMORY://")
        assert run(words) == 2


def test_what_comes_from_a_store_is_shown_as_text(
    url: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    id = dead(jobs, "[red]not red[/red] \x1b[2J\r\nforged")
    for command in (["failed"], ["show", id], ["search"]):
        assert run([*command, "--url", url]) == 0
        text = capsys.readouterr().out
        assert "[red]" in text
        assert "\x1b[2J" not in text
        assert "\nforged" not in text


def test_the_doctor_finds_what_is_wrong(
    url: str, jobs: Jobs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs.stats()
    assert run(["doctor", "--url", url]) == 0
    assert "clock" in capsys.readouterr().out
    jobs.enqueue("works", {})
    (tmp_path / "jobs.db").chmod(0o644)
    assert run(["doctor", "--url", url, "--json"]) == 1
    states = {one["state"] for one in json.loads(capsys.readouterr().out)}
    assert "problem" in states
    assert run(["doctor", "--url", url]) == 1
    said = capsys.readouterr().out
    assert "chmod 600" in said
    assert "no worker is alive" in said
    assert run(["doctor", "--url", f"sqlite:///{tmp_path}/none/x.db"]) == 3


def test_a_bad_configuration_is_a_matter_of_usage_for_the_doctor_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BOUNDARY_JOBS_WORKERS_LEASE", "soon")
    for words in (["stats"], ["doctor"], ["doctor", "--json"]):
        assert run(words) == 2
        said = capsys.readouterr()
        assert "BOUNDARY_JOBS_WORKERS_LEASE is 'soon'" in said.out + said.err
    monkeypatch.delenv("BOUNDARY_JOBS_WORKERS_LEASE")
    assert run(["doctor", "--url", "bogus://x"]) == 2


def holds(process: int, name: str) -> bool:
    """Whether the process has a file of this name open."""
    try:
        return name in {one.readlink().name for one in Path(f"/proc/{process}/fd").iterdir()}
    except OSError:  # one was closed meanwhile
        return False


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="nobody tells what is open")
@pytest.mark.parametrize("words", [("enqueue", "works"), ("doctor",)])
def test_what_is_interrupted_says_so_by_its_exit_code(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    """The store answers only when the test is over: a SQLite file that somebody has locked."""
    with Jobs(f"sqlite:///{tmp_path}/boundary-jobs.db") as made:
        made.stats()
    with closing(sqlite3.connect(tmp_path / "boundary-jobs.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        process = subprocess.Popen(
            [sys.executable, "-m", "boundary.jobs", *words],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        eventually("it waits for the file", lambda: holds(process.pid, "boundary-jobs.db"))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 130, said
        assert "Traceback" not in said


def test_the_doctor_does_not_prescribe_for_another_program_s_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("bread, butter, a book about databases\n" * 40)
    notes.chmod(0o644)
    assert run(["doctor", "--url", f"sqlite:///{notes}", "--json"]) == 3
    told = [one for one in json.loads(capsys.readouterr().out) if one["state"] == "problem"]
    assert [one["what"] for one in told] == ["store"]
    assert "not an SQLite database" in told[0]["text"]


def test_each_store_speaks_for_itself(
    url: str, jobs: Jobs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs.stats()
    told: list[set[str]] = []
    for one in (url, "memory://"):
        assert run(["doctor", "--url", one, "--json"]) == 0
        told.append({each["what"] for each in json.loads(capsys.readouterr().out)})
    assert (told[0] - told[1], told[1] - told[0]) == (
        {"engine", "file mode", "disk", "integrity"},
        {"memory"},
    )
    cli = Path(run.__code__.co_filename).parent
    for word in ("import sqlite3", "import redis", "adapters"):
        assert not [path.name for path in cli.rglob("*.py") if word in path.read_text()], word


def test_the_doctor_mends_records(
    url: str, jobs: Jobs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def records(code: int, *options: str) -> tuple[str, str]:
        assert run(["doctor", "--url", url, "--json", *options]) == code
        (one,) = [one for one in json.loads(capsys.readouterr().out) if one["what"] == "records"]
        return one["state"], one["text"]

    job = jobs.enqueue("works", {}, delay=3600)
    assert records(0) == ("ok", "1 jobs, each where it should be")
    with closing(sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)) as hand:
        hand.execute("UPDATE job SET status = 'running', due = NULL, worker = 'lost'")
    state, text = records(1)
    assert (state, "1 running and held by nobody" in text) == ("problem", True)
    assert "boundary-jobs doctor --repair" in text
    assert records(1) == (state, text), "a look mends nothing"
    state, text = records(0, "--repair")
    assert (state, "put right: 1 running and held by nobody" in text) == ("note", True)
    assert records(0)[0] == "ok"
    assert jobs.find(job.id) is not None


def test_top_looks_once(url: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]) -> None:
    dead(jobs)
    assert run(["top", "--once", "--url", url]) == 0
    assert "Dead letters" in capsys.readouterr().out


def test_bench_measures(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "--jobs", "200"]) == 0
    assert "run, one worker" in capsys.readouterr().out


def test_bench_keeps_away_from_workers_of_others(
    url: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    with working(jobs):
        eventually("the worker is known", jobs.workers)
        assert run(["bench", "--jobs", "100", "--url", url]) == 2
    assert "BOUNDARY_JOBS_NAMESPACE" in capsys.readouterr().err


# The worker, as a process

TASKS = """
from boundary.jobs import Jobs
jobs = Jobs()

@jobs.handler
def works(ctx_free: int = 1) -> int:
    return ctx_free
"""


def command(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "boundary.jobs", *arguments],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=50,
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.mark.parametrize("target", ["tasks", "tasks.py", "tasks:jobs"])
def test_a_worker_runs_what_a_module_registers(tmp_path: Path, target: str) -> None:
    """S120."""
    (tmp_path / "tasks.py").write_text(TASKS)
    assert command(tmp_path, "enqueue", "works").returncode == 0
    done = command(tmp_path, "worker", target, "--burst", "--log-format", "json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    (line,) = [one for one in lines if "completed" in one["message"]]
    assert line["job_type"] == "works"
    assert "works" in done.stderr


@pytest.mark.parametrize(
    ("code", "target", "says"),
    [
        (None, "tasks", "there is no module 'tasks'"),
        ("x = 1", "tasks", "has no Jobs"),
        ("from boundary.jobs import Jobs\na = Jobs()\nb = Jobs()", "tasks", "name one: tasks:a"),
        ("jobs = 1", "tasks:jobs", "has no Jobs called jobs; those it has: none"),
        ("import nothing_like_it", "tasks", "No module named 'nothing_like_it'"),
        ("def f():\n    raise RuntimeError('theirs')\nf()", "tasks", "RuntimeError: theirs"),
    ],
)
def test_a_module_that_cannot_be_used(
    tmp_path: Path, code: str | None, target: str, says: str
) -> None:
    if code is not None:
        (tmp_path / "tasks.py").write_text(code)
    done = command(tmp_path, "worker", target)
    assert done.returncode == 2
    assert says in done.stderr
    assert "shell/cli" not in done.stderr


def with_url(folder: Path, url: str) -> None:
    """The module of a worker names its store itself."""
    (folder / "tasks.py").write_text(TASKS.replace("Jobs()", f'Jobs("{url}")'))


@pytest.mark.parametrize(
    "words",
    [("worker", "tasks", "--burst"), ("worker", "tasks", "-p", "2"), ("schedules", "tasks")],
)
def test_another_store_than_the_modules_own_is_not_passed_over(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    with_url(tmp_path, "redis://ada:s3cret@h/0")
    done = command(tmp_path, *words, "--url", "sqlite:///mine.db")
    assert done.returncode == 2
    said = " ".join(done.stderr.split())
    assert "--url is sqlite:///mine.db, and the Jobs of tasks is on redis://ada:***@h/0" in said
    assert "leave out --url" in said
    assert "Traceback" not in said


def test_the_modules_own_store_may_be_named_again(tmp_path: Path) -> None:
    with_url(tmp_path, "sqlite:///own.db")
    for options in ([], ["--url", f"sqlite:///{tmp_path}/./own.db"]):
        done = command(tmp_path, "worker", "tasks", "--burst", *options)
        assert done.returncode == 0, done.stderr
    assert "no store has URLs" in command(tmp_path, "worker", "tasks", "--url", "x://").stderr


def test_a_count_of_processes_is_kept(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    done = command(tmp_path, "worker", "tasks", "--burst", WORKER_COUNT="2")
    assert done.returncode == 0, done.stderr
    assert "in each of 2 processes" in done.stderr
    assert "worker process 2 has left" in done.stderr


def test_a_worker_without_handlers_says_that_its_jobs_wait(tmp_path: Path) -> None:
    """The module with the `Jobs` was named, not the one with what it runs."""
    (tmp_path / "bare.py").write_text("from boundary.jobs import Jobs\n\njobs = Jobs()\n")
    done = command(tmp_path, "worker", "bare", "--burst")
    assert done.returncode == 0, done.stderr
    assert "none, so its jobs wait; name a module that imports those" in done.stderr


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (["--queues", "b,a"], "b, a"),
        (["--queues", "b:6,a:1"], "b (weight 6), a (weight 1)"),
        (["-c", "3", "--queue-concurrency", "b=2,a=1"], "3 jobs, 2 of b, 1 of a"),
        (["--concurrency", "auto:2-9"], "2 to 9 jobs, as the load allows"),
        (["--concurrency", "auto"], "2 to 200 jobs"),
    ],
)
def test_a_worker_says_how_it_serves_its_queues(
    tmp_path: Path, options: list[str], shown: str
) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    done = command(tmp_path, "worker", "tasks", "--burst", *options)
    assert done.returncode == 0, done.stderr
    assert shown in done.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--queues", "b:6,a"], "'a' has none"),
        (["--queues", "b:0"], "the weight of queue 'b' is 1 or more"),
        (["--queue-concurrency", "b:2"], "not 'b:2'"),
        (["--queue-concurrency", "b=0"], "from 1 to 100000, not 0"),
        (["--queue-concurrency", ""], "of the form reports=2,mail=4"),
        (["--concurrency", "0"], "not 0"),
        (["--concurrency", "lots"], "not 'lots'"),
        (["--concurrency", "auto:5-2"], "not 'auto:5-2'"),
    ],
)
def test_what_a_worker_cannot_serve_is_refused(
    tmp_path: Path, options: list[str], says: str
) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    done = command(tmp_path, "worker", "tasks", "--burst", *options)
    assert done.returncode == 2, done.stderr
    assert says in " ".join(done.stderr.split())


def test_a_worker_stops_soon_at_a_signal(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    worker = subprocess.Popen(
        [sys.executable, "-m", "boundary.jobs", "worker", "tasks"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    with Jobs(f"sqlite:///{tmp_path}/boundary-jobs.db") as jobs:
        eventually("the worker is known", jobs.workers)
        worker.send_signal(signal.SIGINT)
        _, said = worker.communicate(timeout=10)
        assert worker.returncode == 0
        assert "once more stops at once" in said
        assert jobs.workers() == []


@pytest.mark.parametrize(
    "words",
    [
        ("worker", "tasks", "--burst"),
        ("schedules", "tasks"),
        ("bench", "--jobs", "100"),
        ("demo",),
    ],
    ids=" ".join,
)
def test_no_command_passes_over_a_configuration_file(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    (tmp_path / "x.toml").write_text("namespace = 'shop'\n")
    done = command(tmp_path, "--config", "x.toml", *words)
    assert done.returncode == 2
    assert "boundary-jobs.toml" in done.stderr


def test_empty_tables_are_told_line_by_line(capsys: pytest.CaptureFixture[str], url: str) -> None:
    assert run(["--url", url, "stats"]) == 0
    assert "no queue has had a job yet\nno worker is alive" in capsys.readouterr().out


def test_the_demo_needs_a_store_two_processes_can_share(tmp_path: Path) -> None:
    done = command(tmp_path, "demo", "--url", "memory://")
    assert done.returncode == 2
    assert "memory://" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_demo_leaves_no_worker_behind(tmp_path: Path, number: signal.Signals) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "boundary.jobs", "demo", "--dir", str(tmp_path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    with Jobs(f"sqlite:///{tmp_path}/shop.db") as jobs:
        worker = eventually("a worker is at work", jobs.workers)[0]
        demo.send_signal(number)
        said, _ = demo.communicate(timeout=20)
        assert demo.returncode == 0
        assert "stopped; no process is left behind" in said
        assert "no process is left behind" in said
        with pytest.raises(ProcessLookupError):
            os.kill(worker.pid, 0)
        assert jobs.workers() == []


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 45)])
def test_the_demos_picture_fits_its_terminal(tmp_path: Path, width: int, height: int) -> None:
    """A picture higher than the terminal would lose its end, where the news is."""
    script = (
        "import io, pathlib, sys\n"
        "from rich.console import Console\n"
        "from boundary.jobs.shell.cli.demo.stage import Demo\n"
        "from boundary.jobs.shell.cli.terminal import Terminal\n"
        "demo = Demo(Terminal(), pathlib.Path(sys.argv[1]), quiet=True)\n"
        "demo.console = Console(width=int(sys.argv[2]), height=int(sys.argv[3]),\n"
        "                       file=io.StringIO())\n"
        "jobs = demo.jobs\n"
        "sends = [demo.shop.charge.using(queue=f'q{n}') for n in range(6)]\n"
        "for send in sends: send.enqueue(order=1, amount=1.0)\n"
        "for n in range(20): demo.say('a word ' * 20)\n"
        "print(len(demo.console.render_lines(demo.view())))\n"
        "demo.console.print(demo.view())\n"
        "print(demo.console.file.getvalue())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), str(width), str(height)],
        check=True,
        capture_output=True,
        text=True,
    )
    lines, _, shown = done.stdout.partition("\n")
    assert int(lines) < height
    assert "Latest jobs" in shown
    assert "charge" in shown


def test_the_demo_to_its_end(tmp_path: Path) -> None:
    """Without a terminal: plain lines, real files, nothing left running."""
    done = command(tmp_path, "demo", "--dir", str(tmp_path / "shop"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kill -9" in done.stdout
    files: set[Any] = {path.name for path in (tmp_path / "shop").rglob("*") if path.is_file()}
    assert {"ada.eml", "tea-32.png", "sales.csv"} <= files
    with Jobs(f"sqlite:///{tmp_path}/shop/shop.db") as jobs:
        assert jobs.failed() == []
        assert jobs.workers() == []
        packed = jobs.history("pack_order")
        assert [job.crash_count for job in packed] == [1]


def test_dead_letters_that_are_left_out_are_told(
    url: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):

        @jobs.handler(name=f"once_{number}", max_retries=0)
        def once() -> None:
            raise ValueError("once")

        jobs.enqueue(once)
        jobs.worker().run_until_empty()
    jobs.enqueue("once_0")
    jobs.worker().run_until_empty()
    assert run(["failed", "--by-cause", "-n", "1", "--url", url]) == 0
    assert "2 more causes, of 2 dead letters: --limit 3" in capsys.readouterr().out
    assert run(["failed", "--by-cause", "-n", "3", "--url", url]) == 0
    assert "more cause" not in capsys.readouterr().out
    assert run(["failed", "-n", "2", "--url", url]) == 0
    assert "the newest 2" in capsys.readouterr().out
    assert run(["failed", "-n", "4", "--url", url]) == 0
    assert "the newest" not in capsys.readouterr().out
    for how in ([], ["--by-cause"]):
        assert run(["failed", *how, "-n", "2", "--json", "--url", url]) == 0
        assert len(json.loads(capsys.readouterr().out)) == 2


@pytest.mark.parametrize("words", [["stats"], ["doctor"], ["failed", "--json"]])
def test_a_file_that_was_not_there_is_told_to_be_made(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Who forgot to name the store sees an empty one, and not that all is well."""
    url = f"sqlite:///{tmp_path}/mistyped.db"
    run([*words, "--url", url])
    told = capsys.readouterr()
    assert "mistyped.db, so it is made" in told.err
    assert "mistyped.db, so" not in told.out
    run([*words, "--url", url])
    assert "so it is made" not in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("words", [["stats"], ["search", "--json", "-n", "200"]])
def test_a_full_disk_is_told_in_a_sentence(url: str, jobs: Jobs, words: list[str]) -> None:
    for number in range(100):
        jobs.enqueue("fails", {"why": f"{number}" * 50})
    command = [sys.executable, "-m", "boundary.jobs", *words, "--url", url]
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            command, check=False, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: not all of it could be written: No space left")
    assert ran.stderr.count("\n") == 1
