"""What operators tell workers, by the command and by the client, while they are at work."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter

import pytest

from boundary.jobs.shell.cli.app import run
from tests.processes.conftest import Floor
from tests.processes.test_supervisor import children, is_alive, pids, starts, status, supervisor
from tests.waiting import PATIENCE, Pressure, eventually


def tell(floor: Floor, *words: str) -> int:
    """The exit code of the command."""
    return run([*words, "--url", floor.url])


def statuses(floor: Floor) -> Counter[str]:
    return Counter(one.status for one in floor.jobs.workers())


def test_one_worker_or_all_by_the_command(floor: Floor, capsys: pytest.CaptureFixture[str]) -> None:
    """Quiet, unquiet, restart, drain: each looked for in the store after it was told."""
    process = supervisor(floor)
    one, other = sorted(pids(floor))
    assert tell(floor, "quiet", str(one)) == 0
    eventually("one is quiet", lambda: statuses(floor) == {"quiet": 1, "idle": 1})
    job = floor.jobs.enqueue("on_loop", {"seconds": 0.0})
    floor.jobs.result(job.id, timeout=PATIENCE)
    assert {line.pid for line in floor.lines()} == {other}
    assert tell(floor, "quiet") == 0
    eventually("both are", lambda: statuses(floor) == {"quiet": 2})
    assert tell(floor, "unquiet") == 0
    eventually("neither is", lambda: statuses(floor) == {"idle": 2})
    assert tell(floor, "restart", str(one)) == 0
    eventually("it is another", lambda: one not in pids(floor) and len(pids(floor)) == 2)
    assert other in pids(floor)
    assert tell(floor, "drain", str(other)) == 0
    eventually("it has left", lambda: not is_alive(other) and len(pids(floor)) == 1)
    assert tell(floor, "quiet", "1") == 1
    assert "no worker 1 is alive" in capsys.readouterr().err
    assert tell(floor, "drain", "--yes") == 0
    assert process.wait(PATIENCE) == 0, floor.log()
    assert tell(floor, "unquiet") == 1
    assert "no worker is alive" in capsys.readouterr().err


def test_pause_and_resume_take_effect_within_a_second(floor: Floor) -> None:
    """Under load: nothing of the queue begins a second later, other queues go on."""
    process = supervisor(floor)
    stop, pressure = threading.Event(), Pressure()

    def produce() -> None:
        while not stop.wait(0.01):
            floor.jobs.enqueue("on_loop", {"seconds": 0.01}, queue="held")
            floor.jobs.enqueue("on_loop", {"seconds": 0.01}, queue="free")
            pressure.note()

    producer = threading.Thread(target=produce)
    producer.start()
    try:
        eventually("jobs run", lambda: len(starts(floor)) > 20)
        floor.jobs.pause("held")
        paused = time.time()
        eventually("they wait", lambda: floor.jobs.queue_stats("held").size > 50)
        assert floor.jobs.queue_stats("held").running == 0
        floor.jobs.resume("held")
        resumed = time.time()
        eventually("they run again", lambda: _starts_of(floor, "held", resumed))
    finally:
        stop.set()
        producer.join()
    pressure.note()
    late = [at for at in _starts_of(floor, "held", paused) if at < resumed]
    assert all(pressure.took(paused, at) < 1.0 for at in late)
    assert [at for at in _starts_of(floor, "free", paused) if at < resumed]
    assert pressure.took(resumed, min(_starts_of(floor, "held", resumed))) < 1.0
    process.terminate()
    assert process.wait(PATIENCE) == 0, floor.log()
    assert set(Counter(starts(floor)).values()) == {1}


def _starts_of(floor: Floor, queue: str, since: float) -> list[float]:
    """When jobs of the queue began, after this moment."""
    lines = [one for one in floor.lines() if one.phase == "start" and one.at / 1000 > since]
    found = [(line, floor.jobs.find(line.job)) for line in lines]
    return [line.at / 1000 for line, job in found if job is not None and job.queue == queue]


def test_a_process_with_too_much_memory_ends_its_jobs_first(file_floor: Floor) -> None:
    job = file_floor.jobs.enqueue("in_thread", {"seconds": 3.0})
    process = file_floor.worker("--processes", "1", "--max-memory", "1M")
    eventually("it runs", lambda: starts(file_floor))
    (first,) = {line.pid for line in file_floor.lines()}
    eventually("it has left", lambda: not is_alive(first))
    assert status(file_floor, job) == "completed"
    assert len(starts(file_floor)) == 1
    process.terminate()
    assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("killer", ["quits", pytest.param("breaks", marks=pytest.mark.long)])
def test_a_job_that_kills_its_process_is_dead_after_three_and_the_others_go_on(
    file_floor: Floor, killer: str
) -> None:
    """G10, under a supervisor: `os._exit` and a segmentation fault, each followed by a process."""
    file_floor.short_lease()
    process = supervisor(file_floor, BOUNDARY_JOBS_WORKERS_MAX_CRASHES="3")
    bad = file_floor.jobs.enqueue(killer, {})
    good = [file_floor.jobs.enqueue("on_loop", {"seconds": 0.05}) for _ in range(20)]
    eventually("it is dead", file_floor.jobs.failed, 2 * PATIENCE)
    for job in good:
        file_floor.jobs.result(job.id, timeout=PATIENCE)
    (dead,) = file_floor.jobs.failed()
    assert dead.id == bad.id
    assert dead.error is not None
    assert (dead.error.type, dead.crash_count) == ("WorkerLost", 3)
    eventually("two are at work", lambda: len(children(process)) == 2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0, file_floor.log()
