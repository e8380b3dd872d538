"""The health port of real worker processes, and what they write to their logs."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import urllib.error
import urllib.request
from uuid import uuid4

import pytest
from prometheus_client.parser import text_string_to_metric_families

from devservers.single import Server
from tests.processes.conftest import Floor
from tests.waiting import PATIENCE, eventually


def free_port() -> int:
    """One that no system gives to who asks for any, so that it is still free when it is used."""
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def ask(port: int, path: str, timeout: float = PATIENCE) -> tuple[int, str]:
    """The status and the text; 0 while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=timeout) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def value(text: str, name: str, **labels: str) -> float:
    """The sum of all samples of this name that have these labels."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def test_a_worker_tells_how_it_is_and_what_it_did(floor: Floor) -> None:
    port = free_port()
    worker = floor.worker("--health-port", str(port))
    eventually("it is ready", lambda: ask(port, "/ready")[0] == 200)
    assert ask(port, "/live") == (200, "alive\n")
    status, text = ask(port, "/nothing")
    assert (status, text) == (404, "there are /live, /ready and /metrics\n")
    floor.jobs.pause("later")
    floor.jobs.enqueue("in_thread", {"seconds": 0}, queue="later")
    for _ in range(20):
        floor.jobs.enqueue("on_loop", {"seconds": 0.02})
    canary = f"canary-{uuid4()}"
    floor.jobs.enqueue("fails", {"secret": canary}, max_retries=0)

    def done() -> bool:
        text = ask(port, "/metrics")[1]
        return value(text, "boundary_jobs_runs_total") >= 21

    eventually("all are counted", done)

    def waited() -> float:
        text = ask(port, "/metrics")[1]
        return value(text, "boundary_jobs_queue_oldest_seconds", queue="later")

    eventually("what is shown of the store has followed", lambda: waited() >= 5)
    text = ask(port, "/metrics")[1]
    loop = {"job_type": "on_loop", "queue": "default"}
    assert value(text, "boundary_jobs_runs_total", **loop, outcome="succeeded") == 20
    assert value(text, "boundary_jobs_runs_total", job_type="fails", outcome="dead") == 1
    assert value(text, "boundary_jobs_run_seconds_count", **loop) == 20
    assert value(text, "boundary_jobs_run_seconds_sum", **loop) >= 0.4
    assert value(text, "boundary_jobs_run_seconds_bucket", **loop, le="0.01") == 0
    assert value(text, "boundary_jobs_wait_seconds_count", **loop) == 20
    assert value(text, "boundary_jobs_queue_jobs", queue="later", state="ready") == 1
    assert value(text, "boundary_jobs_queue_paused", queue="later") == 1
    assert value(text, "boundary_jobs_in_flight") == 0
    assert value(text, "boundary_jobs_store_up") == 1
    assert value(text, "boundary_jobs_store_seconds_count") > 0
    assert canary not in text
    worker.terminate()
    assert worker.wait(PATIENCE) == 0
    assert ask(port, "/live") == (0, "")
    assert canary not in floor.log()


def test_it_answers_while_a_handler_blocks_the_loop(floor: Floor) -> None:
    port = free_port()
    floor.worker("--health-port", str(port), "--concurrency", "2")
    eventually("it is ready", lambda: ask(port, "/ready")[0] == 200)
    floor.jobs.enqueue("hogs", {"seconds": 600})
    eventually("it runs", floor.lines)
    for path in ("/live", "/ready", "/metrics"):
        assert ask(port, path)[0] == 200
    assert value(ask(port, "/metrics")[1], "boundary_jobs_in_flight") == 1
    assert [line.phase for line in floor.lines()] == ["start"]


def test_a_port_in_use_is_an_error_at_the_start(floor: Floor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        worker = floor.worker("--health-port", str(port))
        assert worker.wait(PATIENCE) == 2
        said = " ".join(floor.log().split())
        assert f"the health port 127.0.0.1:{port} cannot be used (Address already in use)" in said
        assert "Traceback" not in said


def test_the_environment_gives_the_port(floor: Floor) -> None:
    port = free_port()
    floor.worker(BOUNDARY_JOBS_WORKERS_HEALTH_PORT=str(port))
    eventually("it is ready", lambda: ask(port, "/ready")[0] == 200)


def test_it_is_not_ready_while_the_store_is_away(tmp_path) -> None:
    port = free_port()
    with Server() as server:
        url = server.url()
    floor = Floor(tmp_path, url)
    try:
        floor.worker("--health-port", str(port))
        eventually("it lives", lambda: ask(port, "/live")[0] == 200)
        status, text = ask(port, "/ready")
        assert (status, text) == (503, "not ready: the store has not taken a heartbeat yet\n")

        def failed() -> float:
            text = ask(port, "/metrics")[1]
            assert value(text, "boundary_jobs_store_up") == 0
            return value(text, "boundary_jobs_store_errors_total", operation="Heartbeat")

        eventually("a heartbeat failed", failed)
        assert ask(port, "/ready")[0] == 503
    finally:
        floor.close()


def test_logs_are_json_where_nobody_reads_along(floor: Floor) -> None:
    """One event, one line, and no argument in any of them."""
    canary = f"canary-{uuid4()}"
    for _ in range(3):
        floor.jobs.enqueue("fails", {"secret": canary}, max_retries=0)
    worker = floor.worker("--burst", "--log-level", "debug")
    assert worker.wait(PATIENCE) == 0
    text = floor.log()
    assert canary not in text
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert not any("forged" in line for line in lines)
    dead = [line for line in lines if "dead letter" in line["message"]]
    assert len(dead) == 3
    assert {line["level"] for line in dead} == {"error"}
    assert {line["job_type"] for line in dead} == {"fails"}
    assert "\x1b" not in text


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_form_of_logs_can_be_asked_for(tmp_path, form: str) -> None:
    floor = Floor(tmp_path, f"sqlite:///{tmp_path}/jobs.db")
    try:
        floor.jobs.enqueue("on_loop", {"seconds": 0})
        worker = floor.worker("--burst", "--log-format", form)
        assert worker.wait(PATIENCE) == 0
        (line,) = [line for line in floor.log().splitlines() if "completed" in line]
        assert line.startswith("{") == (form == "json")
    finally:
        floor.close()
