"""Several real processes under one command: real signals, and the store looked at after each."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from boundary.jobs import Job
from boundary.jobs.shell.signals import ECHO
from tests.processes.conftest import SHORT_LEASE_MS, Floor
from tests.waiting import PATIENCE, Pressure, Stopwatch, eventually

READY = "worker processes are at work"


def supervisor(floor: Floor, *options: str, **environ: str) -> subprocess.Popen[bytes]:
    """A command with two processes, both at work."""
    process = floor.worker("--processes", "2", *options, **environ)
    eventually("both are at work", lambda: READY in floor.log())
    return process


def pids(floor: Floor) -> set[int]:
    """The processes the store knows as workers."""
    return {worker.pid for worker in floor.jobs.workers()}


def children(process: subprocess.Popen[bytes]) -> set[int]:
    """Those the supervisor has started and not lost."""
    text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return {int(pid) for pid in text.split()}


def is_alive(pid: int) -> bool:
    """Whether a process is there, and not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def status(floor: Floor, job: Job) -> str:
    """What became of a job so far."""
    found = floor.jobs.find(job.id)
    assert found is not None
    return found.status


def starts(floor: Floor) -> list[str]:
    """The ids of the jobs that have begun, one for each run."""
    return [line.job for line in floor.lines() if line.phase == "start"]


def test_two_processes_work_and_sigterm_lets_them_finish(floor: Floor) -> None:
    process = supervisor(floor, "--concurrency", "2")
    jobs = [floor.jobs.enqueue("in_thread", {"seconds": 1.0}) for _ in range(4)]
    eventually("all four run", lambda: len(starts(floor)) == 4)
    assert len({line.pid for line in floor.lines()}) == 2
    process.terminate()
    assert process.wait(PATIENCE) == 0, floor.log()
    assert {status(floor, job) for job in jobs} == {"completed"}
    assert floor.jobs.workers() == []


def test_a_second_sigterm_ends_all_at_once_and_gives_the_jobs_back(floor: Floor) -> None:
    jobs = [floor.jobs.enqueue("stubborn", {}) for _ in range(2)]
    process = supervisor(floor, "--concurrency", "1")
    eventually("both run", lambda: len(starts(floor)) == 2)
    process.terminate()
    eventually("it was heard", lambda: "once more stops" in floor.log())
    time.sleep(ECHO)
    asked = Stopwatch()
    process.terminate()
    assert process.wait(PATIENCE) == 0, floor.log()
    assert asked.took() < 3.0
    assert {status(floor, job) for job in jobs} == {"pending"}


def test_a_signal_that_is_heard_twice_within_a_moment_is_one(floor: Floor) -> None:
    """Who sends it to a process and to its group means one."""
    process = supervisor(floor, "--concurrency", "1")
    job = floor.jobs.enqueue("in_thread", {"seconds": 0.5})
    eventually("it runs", lambda: starts(floor))
    for _ in range(2):
        process.terminate()
        time.sleep(0.002)
    assert process.wait(PATIENCE) == 0, floor.log()
    assert status(floor, job) == "completed"


def test_a_process_that_hears_late_hears_both_signals(file_floor: Floor) -> None:
    """Two that are alike and not heard yet are one: it would go on with its job until it is killed."""
    job = file_floor.jobs.enqueue("stubborn", {})
    process = supervisor(file_floor, "--concurrency", "1")
    eventually("it runs", lambda: starts(file_floor))
    (busy,) = {line.pid for line in file_floor.lines()}
    os.kill(busy, signal.SIGSTOP)
    for count in (1, 2):
        process.terminate()
        eventually(
            "it is passed on",
            lambda count=count: file_floor.log().count("SIGTERM: every process") == count,
        )
        time.sleep(ECHO)
    os.kill(busy, signal.SIGCONT)
    assert process.wait(PATIENCE) == 0, file_floor.log()
    assert "stopping at once, running jobs go back" in file_floor.log()
    assert status(file_floor, job) == "pending"


def test_a_killed_process_is_followed_by_another(floor: Floor) -> None:
    process = supervisor(floor.short_lease())
    before = children(process)
    os.kill(min(before), signal.SIGKILL)
    eventually("another has come", lambda: len(pids(floor) - before) == 1)
    assert "died (SIGKILL); its jobs are taken back" in floor.log()
    process.terminate()
    assert process.wait(PATIENCE) == 0, floor.log()


def test_processes_do_not_outlive_their_supervisor(floor: Floor) -> None:
    job = floor.jobs.enqueue("in_thread", {"seconds": 0.5})
    process = supervisor(floor)
    workers = children(process)
    eventually("it runs", lambda: starts(floor))
    process.kill()
    process.wait()
    eventually("they have left", lambda: not any(map(is_alive, workers)))
    assert status(floor, job) == "completed"
    assert "the supervisor is gone: finishing what runs" in floor.log()
    assert floor.jobs.workers() == []


def test_a_process_that_starts_while_its_supervisor_dies_leaves(floor: Floor) -> None:
    process = floor.worker("--processes", "2")
    eventually("the first has loaded", lambda: "process 2 starts" in floor.log())
    workers = children(process)
    process.kill()
    process.wait()
    eventually("they have left", lambda: not any(map(is_alive, workers)))
    assert floor.jobs.workers() == []


def test_quiet_and_unquiet_take_effect_within_a_second(floor: Floor) -> None:
    """By signal and through the store."""
    process = supervisor(floor)

    def quiet() -> int:
        return sum(one.status == "quiet" for one in floor.jobs.workers())

    process.send_signal(signal.SIGTSTP)
    eventually("both are quiet", lambda: quiet() == 2)
    job = floor.jobs.enqueue("on_loop", {"seconds": 0.0})
    asked = Stopwatch()
    assert floor.jobs.unquiet_workers() == 2
    floor.jobs.result(job.id, timeout=PATIENCE)
    eventually("neither is quiet", lambda: quiet() == 0)
    assert asked.took() < 1.0
    asked = Stopwatch()
    assert floor.jobs.quiet_workers() == 2
    eventually("both are quiet again", lambda: quiet() == 2)
    assert asked.took() < 1.0
    waiting = floor.jobs.enqueue("on_loop", {"seconds": 0.0})
    time.sleep(1.5)  # longer than any look for work
    assert status(floor, waiting) == "pending"
    assert floor.jobs.unquiet_workers() == 2
    floor.jobs.result(waiting.id, timeout=PATIENCE)
    process.terminate()
    assert process.wait(PATIENCE) == 0


def test_draining_one_through_the_store_leaves_the_other(floor: Floor) -> None:
    process = supervisor(floor)
    one, other = floor.jobs.workers()
    assert floor.jobs.drain_workers(one.id) == 1
    eventually("it has left", lambda: pids(floor) == {other.pid})
    eventually("it has ended", lambda: not is_alive(one.pid))
    assert floor.jobs.drain_workers(str(other.pid)) == 1
    assert process.wait(PATIENCE) == 0, floor.log()
    assert floor.jobs.drain_workers() == 0


def test_a_rolling_restart_under_load_has_no_gap(floor: Floor) -> None:
    """SIGHUP, then through the store: no job lost, doubled or late by more than a second."""
    process = supervisor(floor)
    first = children(process)
    stop = threading.Event()
    waits: list[tuple[Job, float]] = []
    pressure, at_work = Pressure(), [2]

    def produce() -> None:
        while not stop.wait(0.02):
            waits.append((floor.jobs.enqueue("on_loop", {"seconds": 0.05}), time.time()))
            pressure.note()
            at_work.append(len(floor.jobs.workers()))

    producer = threading.Thread(target=produce)
    producer.start()
    try:
        process.send_signal(signal.SIGHUP)
        eventually("all are new", lambda: not first & pids(floor))
        eventually("the old ones have left", lambda: len(pids(floor)) == 2)
        second = pids(floor)
        assert floor.jobs.restart_workers() == 2
        eventually("all are new again", lambda: not second & pids(floor))
    finally:
        stop.set()
        producer.join()
    for job, _ in waits:
        floor.jobs.result(job.id, timeout=PATIENCE)
    pressure.note()
    process.terminate()
    assert process.wait(PATIENCE) == 0, floor.log()
    assert min(at_work) == 2
    runs = Counter(starts(floor))
    assert set(runs.values()) == {1}
    assert runs.keys() == {str(job.id) for job, _ in waits}
    late = [
        pressure.took(at, found.started_at.timestamp())
        for job, at in waits
        if (found := floor.jobs.find(job.id)) and found.started_at
    ]
    assert len(late) == len(waits) > 20
    assert max(late) < 1.0


def test_a_worn_process_is_replaced_between_jobs(file_floor: Floor) -> None:
    """max_jobs: it is not ended in the middle of one."""
    process = supervisor(file_floor, "--max-jobs", "5", "--concurrency", "1")
    first = children(process)
    jobs = [file_floor.jobs.enqueue("on_loop", {"seconds": 0.01}) for _ in range(40)]
    for job in jobs:
        file_floor.jobs.result(job.id, timeout=PATIENCE)
    eventually("all were replaced", lambda: not first & pids(file_floor))
    assert "max_jobs is 5" in file_floor.log()
    process.terminate()
    assert process.wait(PATIENCE) == 0
    assert Counter(Counter(starts(file_floor)).values()) == {1: 40}


def test_one_that_has_too_much_memory_is_replaced(file_floor: Floor) -> None:
    process = file_floor.worker("--max-memory", "1M")
    eventually(
        "it was replaced",
        lambda: re.search(r"replacing process 1: it has \d+ MiB of memory", file_floor.log()),
    )
    process.terminate()
    assert process.wait(PATIENCE) == 0


def test_a_lone_worker_starts_anew_in_its_own_place(file_floor: Floor) -> None:
    job = file_floor.jobs.enqueue("in_thread", {"seconds": 0.5})
    process = file_floor.worker()
    eventually("it runs", lambda: starts(file_floor))
    process.send_signal(signal.SIGHUP)
    eventually(
        "it has started anew", lambda: file_floor.log().count(f"process {process.pid};") == 2
    )
    assert status(file_floor, job) == "completed"
    again = file_floor.jobs.enqueue("on_loop", {"seconds": 0.0})
    file_floor.jobs.result(again.id, timeout=PATIENCE)
    process.terminate()
    assert process.wait(PATIENCE) == 0


def test_sigttin_tells_what_runs_and_where(file_floor: Floor) -> None:
    process = supervisor(file_floor)
    file_floor.jobs.enqueue("in_thread", {"seconds": 600})
    file_floor.jobs.enqueue("on_loop", {"seconds": 600})
    eventually("both run", lambda: len(starts(file_floor)) == 2)
    process.send_signal(signal.SIGTTIN)
    log = file_floor.folder / "log"
    for line in ("time.sleep(seconds)", "await asyncio.sleep(seconds)"):
        eventually(f"{line} is told", lambda line=line: line in log.read_text())
    assert re.search(
        r"job [0-9a-f-]{36} in_thread in default, run 1, for \d+\.\d s", log.read_text()
    )


def test_a_worker_whose_loop_is_blocked_leaves_in_time_and_gives_its_jobs_back(
    floor: Floor,
) -> None:
    job = floor.jobs.enqueue("hogs", {"seconds": 600})
    worker = floor.worker(BOUNDARY_JOBS_WORKERS_SHUTDOWN_TIMEOUT="300")
    eventually("it runs", lambda: starts(floor))
    asked = Stopwatch()
    worker.terminate()
    assert worker.wait(PATIENCE) == 1, floor.log()
    assert asked.took() < 4.0
    assert "the event loop is blocked" in floor.log()
    assert "def hogs" not in floor.log()
    assert status(floor, job) == "pending"


BROKEN = "raise RuntimeError('this module is broken')\n"
GOOD = """
from boundary.jobs import Jobs
jobs = Jobs()
@jobs.handler
def answer() -> str:
    return {answer!r}
"""


def in_folder(floor: Floor, *options: str) -> subprocess.Popen[bytes]:
    """A command for the module `mine` of the floor's folder."""
    return floor.python("-m", "boundary.jobs", "worker", "mine", *options)


def test_a_module_that_does_not_import_is_told_of_once(file_floor: Floor) -> None:
    (file_floor.folder / "mine.py").write_text(BROKEN)
    process = in_folder(file_floor, "--processes", "4")
    assert process.wait(PATIENCE) == 2
    assert file_floor.log().count("RuntimeError: this module is broken") == 1
    assert f'{file_floor.folder}/mine.py", line 1' in file_floor.log()
    assert "boundary/jobs" not in file_floor.log().split("Traceback")[1]


def test_new_code_that_does_not_start_replaces_nothing(file_floor: Floor) -> None:
    (file_floor.folder / "mine.py").write_text(GOOD.format(answer="old"))
    process = in_folder(file_floor, "--processes", "2")
    eventually("both are at work", lambda: READY in file_floor.log())
    (file_floor.folder / "mine.py").write_text(BROKEN)
    process.send_signal(signal.SIGHUP)
    eventually("it is told", lambda: "the old ones go on" in file_floor.log())
    job = file_floor.jobs.enqueue("answer", {})
    assert file_floor.jobs.result(job.id, timeout=PATIENCE) == "old"
    (file_floor.folder / "mine.py").write_text(GOOD.format(answer="new"))
    before = pids(file_floor)
    process.send_signal(signal.SIGHUP)
    eventually("both are new", lambda: not before & pids(file_floor))
    job = file_floor.jobs.enqueue("answer", {})
    assert file_floor.jobs.result(job.id, timeout=PATIENCE) == "new"
    process.terminate()
    assert process.wait(PATIENCE) == 0, file_floor.log()


POISON = """
import os
from boundary.jobs import Jobs

jobs = Jobs()

@jobs.handler
async def answer() -> str:
    return "here"

@jobs.handler
async def poison() -> None:
    os._exit(1)
"""


@pytest.mark.long
def test_jobs_that_end_their_processes_do_not_end_the_command(file_floor: Floor) -> None:
    """One after another, each soon after its process started."""
    (file_floor.folder / "mine.py").write_text(POISON)
    command = ("-m", "boundary.jobs", "worker", "mine", "--processes", "2", "--concurrency", "1")
    process = file_floor.python(
        *command,
        BOUNDARY_JOBS_WORKERS_LEASE=str(SHORT_LEASE_MS),
        BOUNDARY_JOBS_WORKERS_MAX_CRASHES="1",
    )
    eventually("both are at work", lambda: READY in file_floor.log())
    poison = [file_floor.jobs.enqueue("poison", {}) for _ in range(12)]
    healthy = file_floor.jobs.enqueue("answer", {}, priority="low")

    def is_over() -> bool:
        assert process.poll() is None, file_floor.log()
        return all(status(file_floor, job) == "failed" for job in poison)

    eventually("the poison is dead letters", is_over, 240)
    assert file_floor.jobs.result(healthy.id, timeout=120) == "here"
    process.terminate()
    assert process.wait(PATIENCE) == 0, file_floor.log()


NO_RESOURCES = """
from contextlib import asynccontextmanager
from boundary.jobs import Jobs

jobs = Jobs()

@jobs.lifespan
@asynccontextmanager
async def resources():
    raise RuntimeError("no database")
    yield
"""


@pytest.mark.long
def test_a_lifespan_that_fails_is_a_start_that_fails(file_floor: Floor) -> None:
    """A worker is ready when its handlers' resources are; the whole gives up after some tries."""
    (file_floor.folder / "mine.py").write_text(NO_RESOURCES)
    process = in_folder(file_floor, "--processes", "2")
    assert process.wait(120) == 1
    assert "no worker process starts" in file_floor.log()
    assert READY not in file_floor.log()


def test_reload_follows_the_code(file_floor: Floor) -> None:
    pytest.importorskip("watchfiles")
    (file_floor.folder / "mine.py").write_text(BROKEN)
    process = in_folder(file_floor, "--reload")
    eventually("it waits", lambda: "waiting for a change" in file_floor.log())
    (file_floor.folder / "mine.py").write_text(GOOD.format(answer="first"))
    job = file_floor.jobs.enqueue("answer", {})
    assert file_floor.jobs.result(job.id, timeout=PATIENCE) == "first"
    (file_floor.folder / "mine.py").write_text(GOOD.format(answer="second"))
    eventually("mine.py changed", lambda: "mine.py changed" in file_floor.log())

    def answers() -> bool:
        job = file_floor.jobs.enqueue("answer", {})
        return file_floor.jobs.result(job.id, timeout=PATIENCE) == "second"

    eventually("the new code answers", answers)
    process.terminate()
    assert process.wait(PATIENCE) == 0, file_floor.log()


def test_systemd_is_told_how_the_service_is(file_floor: Floor) -> None:
    told: list[str] = []
    address = str(file_floor.folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(address)
        ear.settimeout(20)
        process = file_floor.worker("--processes", "2", NOTIFY_SOCKET=address)
        told.append(ear.recv(4096).decode())
        process.send_signal(signal.SIGHUP)
        told += [ear.recv(4096).decode() for _ in range(2)]
        process.terminate()
        told.append(ear.recv(4096).decode())
        assert process.wait(PATIENCE) == 0
        ear.setblocking(False)
        with pytest.raises(BlockingIOError):
            ear.recv(4096)
    assert [one.split("\n")[0] for one in told] == [
        "READY=1",
        "RELOADING=1",
        "READY=1",
        "STOPPING=1",
    ]


def test_more_processes_than_cores_are_warned_of(file_floor: Floor) -> None:
    process = file_floor.worker("--processes", "200")
    eventually("it is said", lambda: "200 processes on" in file_floor.log())
    process.terminate()
    process.wait(PATIENCE)
