"""Worker processes that do not come up as they should: real trees, and what is said of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from devservers.single import Server
from tests.processes.conftest import Floor
from tests.processes.test_health import ask, free_port
from tests.processes.test_supervisor import READY, children, pids, supervisor
from tests.waiting import PATIENCE, eventually

COUNTING = """
import os
from boundary.jobs import Jobs
jobs = Jobs()
@jobs.handler
def answer() -> int:
    return os.getpid()
with open("imports", "a") as note:
    note.write("x")
number = os.path.getsize("imports")
"""


def in_folder(floor: Floor, code: str, *options: str) -> subprocess.Popen[bytes]:
    """A command for a module that knows, by `number`, how often it was imported before."""
    (floor.folder / "mine.py").write_text(COUNTING + code)
    return floor.python("-m", "boundary.jobs", "worker", "mine", *options)


def imports(floor: Floor) -> int:
    """How many processes have come so far as to import it."""
    note = floor.folder / "imports"
    return note.stat().st_size if note.exists() else 0


@pytest.mark.long
def test_a_process_that_dies_at_start_is_tried_ever_later_and_then_given_up(
    file_floor: Floor,
) -> None:
    """A few tries in half a minute, no spin; the last word says what it was and what to do."""
    process = in_folder(file_floor, "os._exit(7)\n", "--processes", "2")
    assert process.wait(2 * PATIENCE) == 1
    assert imports(file_floor) == 5
    waits = re.findall(r"exit code 7; starting another in ([\d.]+) s", file_floor.log())
    assert waits == ["0.5", "1", "2", "4"]
    last = file_floor.log().strip().splitlines()[-1]
    assert "no worker process starts: 5 tries, the last ended with exit code 7; what it" in last
    assert "Traceback" not in file_floor.log()


def test_a_module_that_fails_in_one_process_holds_up_no_other(file_floor: Floor) -> None:
    """The second process fails to import it once: its traceback is shown, and it is followed."""
    code = "if number == 2:\n    raise RuntimeError('only this once')\n"
    process = in_folder(file_floor, code, "--processes", "2")
    eventually("it is told", lambda: "RuntimeError: only this once" in file_floor.log())
    job = file_floor.jobs.enqueue("answer", {})
    file_floor.jobs.result(job.id, timeout=PATIENCE)
    eventually("both are at work", lambda: READY in file_floor.log())
    assert len(pids(file_floor)) == 2
    assert f'{file_floor.folder}/mine.py", line' in file_floor.log()
    process.terminate()
    assert process.wait(PATIENCE) == 0, file_floor.log()
    assert imports(file_floor) == 3


def test_processes_are_started_anew_and_not_forked(file_floor: Floor) -> None:
    """Each is an interpreter of its own, with nothing of its supervisor but a line to it."""
    process = supervisor(file_floor)
    one, other = children(process)
    for pid in (one, other):
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        assert words[:3] == [sys.executable, "-m", "boundary.jobs"]
    lines = [_sockets(pid) for pid in (process.pid, one, other)]
    assert not lines[1] & lines[2]
    assert not (lines[1] | lines[2]) & lines[0]
    process.terminate()
    assert process.wait(PATIENCE) == 0


def _sockets(pid: int) -> set[str]:
    folder = Path(f"/proc/{pid}/fd")
    found = {os.readlink(one) for one in folder.iterdir()}  # noqa: PTH115 - no path, a name
    return {one for one in found if one.startswith("socket:")}


def test_as_many_processes_as_are_configured(file_floor: Floor) -> None:
    """Each with a health port of its own, one after another."""
    port = free_port()
    process = file_floor.worker(
        BOUNDARY_JOBS_WORKERS_COUNT="2", BOUNDARY_JOBS_WORKERS_HEALTH_PORT=str(port)
    )
    eventually("both are at work", lambda: f"2 {READY}" in file_floor.log())
    for number in (port, port + 1):
        assert ask(number, "/ready")[0] == 200
    assert ask(port + 2, "/live")[0] == 0
    process.terminate()
    assert process.wait(PATIENCE) == 0


def test_a_store_that_is_away_at_the_start_is_waited_for(tmp_path: Path) -> None:
    """With ever longer pauses, which it says; not ready until then, and at work from then on."""
    port = free_port()
    with Server() as server:
        server.kill()
        floor = Floor(tmp_path, server.url())
        try:
            worker = floor.worker("--health-port", str(port))
            eventually("it waits", lambda: floor.log().count("waiting for the store") >= 4)
            status, text = ask(port, "/ready")
            assert (status, text) == (503, "not ready: the store has not taken a heartbeat yet\n")
            assert ask(port, "/live") == (200, "alive\n")
            assert floor.log().count("waiting for the store") < 50
            server.restart()
            eventually("it is ready", lambda: ask(port, "/ready")[0] == 200)
            job = floor.jobs.enqueue("on_loop", {"seconds": 0.0})
            floor.jobs.result(job.id, timeout=PATIENCE)
            worker.terminate()
            assert worker.wait(PATIENCE) == 0, floor.log()
        finally:
            floor.close()
