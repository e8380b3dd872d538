"""The live view, as somebody at a terminal sees it: in a real pty, over real stores and workers."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from boundary.jobs import Jobs
from boundary.jobs.core.stats import JobStats, QueueStats, WorkerInfo
from boundary.jobs.shell.cli.act import operator
from boundary.jobs.shell.cli.top import brain, drawing, keys
from boundary.jobs.shell.cli.top.brain import State
from boundary.jobs.shell.cli.top.glimpse import Glimpse
from devservers.single import Server
from tests.cli.sitting import Sitting, top
from tests.conftest import StoreUrl
from tests.waiting import eventually
from tests.worker.conftest import working


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, store_url: StoreUrl) -> str:
    return store_url(request.param)


@pytest.fixture
def file(tmp_path: Path) -> str:
    """For what is the same with every store."""
    return f"sqlite:///{tmp_path}/jobs.db"


def opened(url: str) -> Jobs:
    jobs = Jobs(url)

    @jobs.handler(queue="mail", max_retries=0)
    def send_mail(to: str, password: str = "hunter2") -> None:
        raise ConnectionError(f"no answer for {to}, password={password}")

    return jobs


@pytest.fixture
def jobs(url: str) -> Iterator[Jobs]:
    with opened(url) as made:
        yield made


def dead(jobs: Jobs, *to: str) -> list[str]:
    ids = [str(jobs.enqueue("send_mail", {"to": one}).id) for one in to]
    jobs.worker().run_until_empty()
    return ids


def select(sitting: Sitting, part: str) -> None:
    """The row with this in it is the selected one."""
    sitting.sees(part)
    for _ in range(40):
        if part in sitting.line("▸"):
            return
        before = sitting.line("▸")
        sitting.press("down")
        sitting.until("the selection has moved", lambda before=before: sitting.line("▸") != before)
    pytest.fail(f"no row with {part!r} could be selected:\n{sitting.text}")


def test_a_queue_is_paused_and_served_again(url: str, jobs: Jobs) -> None:
    jobs.enqueue("report", {"month": "May"}, queue="reports")
    with top(url) as sitting:
        select(sitting, "reports")
        sitting.press("p")
        sitting.sees("reports is paused; its jobs stay")
        sitting.until("the row says so", lambda: "paused" in sitting.line("▸"))
        assert jobs.queue_stats("reports").paused
        sitting.press("p")
        sitting.sees("reports is served again")
        assert not jobs.queue_stats("reports").paused
        entry = jobs.audit(1).entries[0]
        assert (entry.what, entry.target, entry.by) == ("resume", "reports", operator())
        sitting.press("q")
        assert sitting.ended() == 0
        assert sitting.restored()


def test_a_dead_letter_is_opened_retried_and_brought_back(url: str, jobs: Jobs) -> None:
    first, second = dead(jobs, "ada@example.com", "bob@example.com")
    with top(url, lines=50) as sitting:
        select(sitting, "ada@example.com")
        sitting.press("enter")
        screen = sitting.sees("Traceback (most recent call last)")
        assert first in screen
        assert "It failed for good" in screen, "why it is where it is"
        assert "raise ConnectionError" in screen
        assert "hunter2" not in sitting.text
        assert '"to":"ada@example.com"' in screen
        sitting.press("r")
        sitting.sees("send_mail waits in mail again")
        sitting.sees("No live worker serves queue mail")
        job = jobs.find(first)
        assert job is not None
        assert job.status == "pending"
        sitting.press("u")
        sitting.sees("undone")
        eventually("it is dead again", lambda: (jobs.find(first) or job).status == "failed")
        sitting.press("esc")
        sitting.sees("Dead letters")
        assert second in sitting.sees("bob@example.com")
        sitting.press("ctrl-c")
        assert sitting.ended() == 0
        assert sitting.restored()
    assert b"hunter2" not in sitting.raw


def test_a_retry_is_seen_to_succeed(url: str, jobs: Jobs) -> None:
    """The worker knows better what to do with it than the one in which it failed."""
    (id,) = dead(jobs, "ada@example.com")
    with Jobs(url) as mended:

        @mended.handler(queue="mail")
        def send_mail(to: str, password: str = "") -> str:
            return to

        with top(url) as sitting, working(mended):
            select(sitting, "ada@example.com")
            sitting.press("r")
            eventually("it has run", lambda: (j := jobs.find(id)) and j.status == "completed")
            sitting.until("it has left the dead", lambda: "ada@example.com" not in sitting.text)


def test_cancel_asks_first(url: str, jobs: Jobs) -> None:
    begun = threading.Event()

    @jobs.handler(queue="long")
    async def hold() -> None:
        begun.set()
        await asyncio.sleep(60)

    job = jobs.enqueue("hold", {})
    with working(jobs), top(url) as sitting:
        assert begun.wait(20)
        sitting.press("tab", "tab")
        sitting.until("the running job is selected", lambda: "hold" in sitting.line("▸"))
        sitting.press("c")
        sitting.sees("Ask it to stop?")
        sitting.press("n")
        sitting.sees("nothing was changed")
        sitting.press("c")
        sitting.sees("Ask it to stop?")
        sitting.press("y")
        sitting.sees("it was asked to stop")
        eventually("it has stopped", lambda: (j := jobs.find(job.id)) and j.status == "cancelled")
        sitting.sees("nothing runs")


def test_a_filter_shows_only_what_has_the_text(file: str) -> None:
    with opened(file) as jobs:
        dead(jobs, "ada@example.com", "bob@example.com")
        with top(file) as sitting:
            sitting.sees("bob@example.com")
            sitting.press("/", "a", "d", "q")
            sitting.sees("show only: adq")
            sitting.press("\x7f", "a", "enter")
            sitting.sees("only: ada  esc: all")
            assert "bob@" not in sitting.text
            assert "nothing with this text" in sitting.text
            sitting.press("esc")
            sitting.sees("bob@example.com")


def test_what_cannot_be_done_is_said(file: str) -> None:
    with opened(file) as jobs:
        dead(jobs, "ada@example.com")
        with top(file) as sitting:
            sitting.sees("mail")
            sitting.press("u")
            sitting.sees("nothing was done here that could be undone")
            sitting.press("r")
            sitting.sees("select a dead letter to retry it")
            select(sitting, "ada@")
            sitting.press("p")
            sitting.sees("select a queue to pause it")
            sitting.press("c")
            sitting.sees("it has ended: it is failed")
            jobs.delete(jobs.failed()[0].id)
            sitting.press("?")
            sitting.sees("Move")
            sitting.press("?")
            sitting.until("the dead letter is gone", lambda: "ada@" not in sitting.text)


def test_colours_can_be_switched_off(file: str) -> None:
    with opened(file) as jobs:
        dead(jobs, "ada@example.com")
        for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
            with top(file, **env) as sitting:
                sitting.sees("ada@example.com")
                sitting.press("q")
                assert sitting.ended() == 0
            assert (b"\x1b[31m" in sitting.raw) is coloured
            assert b"\x1b[7m" in sitting.raw, "what is selected is seen without colours"


def test_it_follows_the_size_of_the_terminal(file: str) -> None:
    with opened(file) as jobs:
        dead(jobs, *(f"p{number}" for number in range(40)))
        with top(file, lines=24, columns=80) as sitting:
            sitting.sees("p39")
            assert "p20" not in sitting.text
            assert "Dead letters 40" in sitting.text
            sitting.press("G")
            sitting.until("the last is selected", lambda: "for p0," in sitting.line("▸"))
            sitting.resize(140, 60)
            id = str(jobs.failed(1)[0].id)
            sitting.sees(id)
            sitting.until("it fills the window", lambda: len(sitting.text.splitlines()) == 60)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_leaves_the_terminal_as_it_was(file: str, number: int, code: int) -> None:
    with top(file) as sitting:
        sitting.sees("no queue has had a job yet")
        sitting.process.send_signal(number)
        assert sitting.ended() == code
        assert sitting.restored()


def test_it_goes_to_the_shell_and_comes_back(file: str) -> None:
    with top(file) as sitting:
        sitting.sees("no queue has had a job yet")
        sitting.process.send_signal(signal.SIGTSTP)
        sitting.until("it has stopped", lambda: _state(sitting.process.pid) == "T")
        sitting.until("the terminal is as it was", sitting.restored)
        sitting.process.send_signal(signal.SIGCONT)
        sitting.until("it is back", lambda: not sitting.restored())
        sitting.press("q")
        assert sitting.ended() == 0
        assert sitting.restored()


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


CRASHING = """
from boundary.jobs.shell.cli import main
from boundary.jobs.shell.cli.top import drawing

drawn = drawing.screen
def screen(state, *others):
    if state.helping:
        raise RuntimeError("a fault of the view")
    return drawn(state, *others)
drawing.screen = screen
main()
"""


def test_a_crash_leaves_the_terminal_as_it_was_and_says_why(file: str) -> None:
    words = (sys.executable, "-c", CRASHING, "top", "--url", file, "--interval", "0.1")
    with Sitting(*words) as sitting:
        sitting.sees("no queue has had a job yet")
        sitting.press("?")
        assert sitting.ended() == 1
        assert sitting.restored()
        assert "RuntimeError: a fault of the view" in sitting.raw.decode()


def test_a_store_that_goes_away_is_told_and_waited_for() -> None:
    with Server() as server, Jobs(server.url()) as jobs:
        jobs.enqueue("report", {"month": "May"}, queue="reports")
        with top(server.url()) as sitting:
            sitting.sees("reports")
            server.kill()
            sitting.sees("trying again: ", 40)
            assert "reports" in sitting.text
            sitting.press("?")
            sitting.sees("Move")
            sitting.press("?")
            server.restart()
            sitting.until("it is back", lambda: "trying again" not in sitting.text, 40)


def test_without_a_terminal_it_looks_once(file: str) -> None:
    with opened(file) as jobs:
        dead(jobs, "ada@example.com")
        jobs.enqueue("report", {"month": "May"}, queue="reports")
    command = [sys.executable, "-m", "boundary.jobs", "top", "--url", file]
    env = {**os.environ, "COLUMNS": "140"}
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=env)
    assert "\x1b" not in ran.stdout
    for part in ("Queues", "mail", "reports", "no worker is alive", "ada@example.com"):
        assert part in ran.stdout


@pytest.mark.parametrize("columns", [30, 40, 50, 60, 80])
def test_queues_and_workers_have_names_however_narrow_the_terminal_is(columns: int) -> None:
    now = datetime.now(UTC)
    worker = WorkerInfo(
        id="w", status="idle", queues=("payments",), concurrency=4, host="host-1", pid=4711,
        started_at=now, seen_until=now,
    )  # fmt: skip
    queue = QueueStats(queue_name="payments", size=3)
    glimpse = Glimpse(now, JobStats(queues=(queue,), workers=(worker,)))
    told = StringIO()
    Console(width=columns, file=told).print(drawing.snapshot(glimpse, "memory://", columns))
    assert "payments" in told.getvalue()
    assert "host-1:4711" in told.getvalue()


def test_a_store_that_is_away_from_the_beginning() -> None:
    with top("redis://127.0.0.1:1") as sitting:
        assert sitting.ended(60) == 3
        assert "error:" in sitting.raw.decode()


# What the keys mean


def test_keys_have_names() -> None:
    assert keys.parse("a\x1b[A\x1bOB\r\x1b\x7fü\x1b[200~\x01/") == [
        "a", "up", "down", "enter", "esc", "backspace", "ü", "/",
    ]  # fmt: skip


def seen(*names: str, ready: int = 0) -> Glimpse:
    queues = tuple(QueueStats(queue_name=name, size=ready) for name in names)
    stats = JobStats(
        total_processed=0,
        total_failed=0,
        total_succeeded=0,
        total_retried=0,
        queues=queues,
        workers=(),
    )
    return Glimpse(datetime.now(UTC), stats)


def test_the_selection_stays_with_its_row_when_rows_move() -> None:
    state = brain.settled(State(), seen("b", "c"))
    state, _ = brain.step(state, "down", seen("b", "c"))
    assert state.selected == ("queue", "c")
    moved = brain.settled(state, seen("a", "b", "bb", "c"))
    assert (moved.selected, moved.place) == (("queue", "c"), 3)
    _, command = brain.step(moved, "p", seen("a", "b", "bb", "c"))
    assert command == brain.Command("pause", "c")
    gone = brain.settled(moved, seen("a", "b"))
    assert gone.selected == ("queue", "b")
    assert brain.settled(gone, seen()).selected is None


def test_rows_are_shared_evenly_and_none_is_given_what_it_has_not() -> None:
    assert drawing.shares([1, 10, 2, 10], 12) == [1, 5, 2, 4]
    assert drawing.shares([1, 1, 1, 1], 12) == [1, 1, 1, 1]
    assert drawing.shares([5, 5], 0) == [0, 0]
