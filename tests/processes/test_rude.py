"""Handlers that misbehave, in real workers: each costs its own job, the worker goes on."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boundary.jobs import Job
from tests.processes.conftest import Floor
from tests.waiting import PATIENCE, eventually

pytestmark = pytest.mark.long


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    floor = Floor(tmp_path, f"sqlite:///{tmp_path}/jobs.db")
    yield floor
    floor.close()


def rude_worker(floor: Floor, *options: str, **environ: str) -> subprocess.Popen[bytes]:
    return floor.python(
        *("-m", "boundary.jobs", "worker", "tests.processes.rude", "--log-format", "json"),
        *options,
        **environ,
    )


def end(floor: Floor, job: Job) -> Job:
    def look() -> Job | None:
        found = floor.jobs.find(job.id)
        ended = found is not None and found.status in {"completed", "failed", "cancelled"}
        return found if ended else None

    found: Job = eventually(f"{job.job_type} ends", look)
    return found


def said(floor: Floor, words: str, patience: float = PATIENCE) -> dict[str, Any]:
    """The log record with these words, once it is there."""

    def look() -> dict[str, Any] | None:
        lines = (floor.folder / "log").read_text(errors="replace").splitlines(keepends=True)
        # The last may be on its way.
        records = (json.loads(one) for one in lines if one.startswith("{") and one.endswith("\n"))
        return next((one for one in records if words in one["message"]), None)

    record: dict[str, Any] = eventually(f"{words!r} is said", look, patience)
    return record


def answers(floor: Floor, worker: subprocess.Popen[bytes]) -> None:
    """The same process still runs jobs, prints included."""
    assert floor.jobs.result(floor.jobs.enqueue("polite", {}).id, timeout=PATIENCE) == worker.pid
    assert floor.jobs.result(floor.jobs.enqueue("prints", {}).id, timeout=PATIENCE) == "printed"


FAILURES = {
    "BaseException": "Own",
    "SystemExit": "SystemExit",
    "KeyboardInterrupt": "KeyboardInterrupt",
    "GeneratorExit": "GeneratorExit",
    "CancelledError": "CancelledError",
    "StopIteration": "StopIteration",
    "no JSON": "SerializationError",
}


@pytest.mark.parametrize("where", ["on_loop", "in_thread"])
def test_whatever_a_handler_raises_or_returns_is_its_failure(floor: Floor, where: str) -> None:
    worker = rude_worker(floor)
    for how, kind in FAILURES.items():
        found = end(floor, floor.jobs.enqueue(where, {"how": how}, max_retries=0))
        assert found.error is not None, how
        # A coroutine raises its StopIteration so.
        shown = "RuntimeError" if (where, how) == ("on_loop", "StopIteration") else kind
        assert (found.status, found.error.type, found.crash_count) == ("failed", shown, 0)
    answers(floor, worker)
    worker.terminate()
    assert worker.wait(PATIENCE) == 0, floor.log()


@pytest.mark.parametrize("where", ["on_loop", "in_thread"])
def test_a_handler_that_forks_makes_no_second_worker(floor: Floor, where: str) -> None:
    worker = rude_worker(floor)
    found = end(floor, floor.jobs.enqueue(where, {"how": "fork"}, max_retries=0))
    assert (found.status, found.crash_count) == ("completed", 0)
    jobs = [floor.jobs.enqueue("polite", {}) for _ in range(20)]
    assert {floor.jobs.result(job.id, timeout=PATIENCE) for job in jobs} == {worker.pid}
    worker.terminate()
    assert worker.wait(PATIENCE) == 0, floor.log()
    assert floor.jobs.stats().total_succeeded == 21


@pytest.mark.parametrize("how", ["close stdout", "close sys.stdout", "close stderr"])
def test_streams_that_a_handler_closed_lead_where_they_led(floor: Floor, how: str) -> None:
    """What is printed later goes into no file and no connection, and the log goes on."""
    worker = rude_worker(floor)
    assert end(floor, floor.jobs.enqueue("in_thread", {"how": how})).status == "completed"
    said(floor, "a handler closed s")
    answers(floor, worker)
    worker.terminate()
    assert worker.wait(PATIENCE) == 0, floor.log()
    said(floor, "has stopped")


def test_a_file_that_got_the_number_of_a_closed_stream_is_left_alone(floor: Floor) -> None:
    """Python prints where it did, and it is said."""
    kept = floor.folder / "kept"
    worker = rude_worker(floor, KEPT=str(kept))
    found = end(floor, floor.jobs.enqueue("in_thread", {"how": "a file for stdout"}))
    assert found.status == "completed"
    assert str(kept) in said(floor, "is left alone")["message"]
    answers(floor, worker)
    assert worker.stdout is not None
    worker.terminate()
    assert worker.wait(PATIENCE) == 0, floor.log()
    assert kept.read_text() == "kept"
    assert b"to somewhere" in worker.stdout.read()


def test_signals_that_a_handler_took_are_the_workers_again(floor: Floor) -> None:
    worker = rude_worker(floor)
    found = end(floor, floor.jobs.enqueue("on_loop", {"how": "take signals"}))
    assert found.status == "completed"
    assert "SIGTERM" in said(floor, "took the worker's")["message"]
    answers(floor, worker)
    worker.terminate()
    assert worker.wait(PATIENCE) == 0, floor.log()


def test_a_task_of_a_handler_that_exits_does_not_take_the_worker_along(floor: Floor) -> None:
    worker = rude_worker(floor)
    end(floor, floor.jobs.enqueue("on_loop", {"how": "SystemExit in a task"}))
    answers(floor, worker)
    worker.terminate()
    assert worker.wait(PATIENCE) == 0, floor.log()


def test_a_handler_that_swallows_its_cancellation_loses_its_slot(floor: Floor) -> None:
    worker = rude_worker(floor, "--concurrency", "1")
    job = floor.jobs.enqueue("deaf", {}, timeout=0.2, max_retries=0)
    answers(floor, worker)
    found = end(floor, job)
    assert found.error is not None
    assert found.error.type == "TimeoutError"
    record = said(floor, "goes on though it was asked to stop")
    assert record["job_id"] == str(job.id)
    assert "in deaf" in record["message"]
    worker.terminate()
    assert worker.wait(PATIENCE) == 0, floor.log()


def test_a_blocking_handler_past_its_timeout_is_shown_with_its_stack(floor: Floor) -> None:
    worker = rude_worker(floor, "--concurrency", "1")
    job = floor.jobs.enqueue("ignores_its_timeout", {}, timeout=0.2, max_retries=0)
    answers(floor, worker)
    record = said(floor, "goes on though it was asked to stop")
    assert (record["job_id"], record["job_type"]) == (str(job.id), "ignores_its_timeout")
    assert "in _waits_for_ever" in record["message"]
    worker.terminate()
    assert worker.wait(PATIENCE) == 0, floor.log()


def test_a_blocked_loop_is_shown_with_handler_job_and_stack(floor: Floor) -> None:
    """Its lease is kept meanwhile (of three seconds here), and it is said once."""
    worker = rude_worker(floor, BOUNDARY_JOBS_WORKERS_LEASE="3000")
    job = floor.jobs.enqueue("blocks_the_loop", {"seconds": 5.0})
    record = said(floor, "has kept the event loop to itself")
    assert (record["job_id"], record["job_type"]) == (str(job.id), "blocks_the_loop")
    assert "in _blocks" in record["message"]
    assert "executor.py" not in record["message"]
    found = end(floor, job)
    assert (found.status, found.crash_count, found.fencing_token) == ("completed", 0, 1)
    said(floor, "turns again")
    assert floor.log().count("has kept the event loop to itself") == 1
    worker.terminate()
    assert worker.wait(PATIENCE) == 0, floor.log()


def test_a_blocked_loop_is_shown_while_threads_compute(floor: Floor) -> None:
    """The interpreter is contended: the watch still gets its turn."""
    worker = rude_worker(floor)
    for _ in range(3):
        floor.jobs.enqueue("spins", {"seconds": 2.0})
    job = floor.jobs.enqueue("blocks_the_loop", {"seconds": 3.0})
    record = said(floor, "has kept the event loop to itself")
    assert record["job_id"] == str(job.id)
    assert end(floor, job).crash_count == 0
    worker.terminate()
    assert worker.wait(PATIENCE) == 0, floor.log()


def test_native_code_that_holds_the_interpreter_is_shown(floor: Floor) -> None:
    """While it does, by the interpreter itself; afterwards, in the log."""
    length = floor.folder / "length"
    length.write_text(str(_length_for(33.0)))
    worker = rude_worker(floor, LENGTH=str(length))
    # The watch sets the interpreter's own timer when it looks, and this it does then too.
    end(floor, floor.jobs.enqueue("on_loop", {"how": "take signals"}))
    said(floor, "took the worker's")
    job = floor.jobs.enqueue("holds_the_interpreter", {})
    record = said(floor, "native code held the interpreter", 250)  # half a minute to a whole one
    assert "isolation" in record["message"]
    text = (floor.folder / "log").read_text(errors="replace")
    assert re.search(r"Timeout \(0:00:30\)!(.|\n)*in holds_the_interpreter", text)
    assert end(floor, job).crash_count == 0
    worker.terminate()
    assert worker.wait(PATIENCE) == 0, floor.log()


def _length_for(seconds: float) -> int:
    """How many letters take a regular expression so long on this machine, with a processor alone."""
    length, took = 18, 0.0
    while took < 0.15:
        length += 1
        began = time.thread_time()
        re.match(r"(a|a)*b", "a" * length)
        took = time.thread_time() - began
    while took < seconds:
        length, took = length + 1, took * 2
    return length
