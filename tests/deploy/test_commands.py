"""The commands under deploy/ run: in a folder with nothing but the application, on a real Redis."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from boundary.jobs import Jobs
from devservers import ports
from devservers.single import Server
from devservers.waiting import until
from tests.deploy.test_files import DEPLOY, HEALTH, UNIT, instructions
from tests.waiting import PATIENCE

pytestmark = pytest.mark.long

PROGRAM = str(Path(sys.executable).parent / "boundary-jobs")
HAS_WEB = importlib.util.find_spec("boundary.jobs.web") is not None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As the image has it."""
    return Path(shutil.copytree(DEPLOY / "app", tmp_path / "app"))


@pytest.fixture
def environ(redis_server: Server, redis_url: str) -> dict[str, str]:
    """As compose has it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BOUNDARY_")}
    return {
        **kept,
        "REDIS_HOST": redis_server.host,
        "REDIS_PORT": str(redis_server.port),
        "WORKER_COUNT": "1",
        "BOUNDARY_JOBS_WORKERS_SHUTDOWN_TIMEOUT": "30000",
    }


@contextlib.contextmanager
def running(
    command: list[str], folder: Path, environ: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def default_command() -> list[str]:
    said = dict(instructions())
    entry, command = json.loads(said["ENTRYPOINT"]), json.loads(said["CMD"])
    assert entry == ["boundary-jobs"]
    return [PROGRAM, *command]


def test_three_replicas_of_the_default_command_work_together(
    folder: Path, environ: dict[str, str], redis_url: str
) -> None:
    """S120-S123: each job once, all three at it; SIGTERM lets a running job end."""
    with Jobs(redis_url) as jobs, contextlib.ExitStack() as stack:
        workers = [
            stack.enter_context(running(default_command(), folder, environ)) for _ in range(3)
        ]
        until(lambda: len(jobs.workers()) == 3, "three workers are known", 60)
        ids = [jobs.enqueue("crunch", {"seconds": 0.02}, queue="default").id for _ in range(120)]
        ids.append(jobs.enqueue("send_email", {"to": "a@b.c", "subject": "Hi"}, queue="emails").id)
        until(lambda: jobs.stats().total_succeeded == len(ids), "all have run", 60)
        done = [jobs.find(one) for one in ids]
        assert all(job is not None and job.fencing_token == 1 for job in done)
        last = jobs.enqueue("crunch", {"seconds": 1.0})
        until(lambda: getattr(jobs.find(last.id), "progress", None) is not None, "it runs", 60)
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        assert [worker.wait(timeout=40) for worker in workers] == [0, 0, 0]
        assert jobs.result(last.id, timeout=0) == 1.0
        assert jobs.workers() == []
    lines = [
        json.loads(line) for line in (folder / "log").read_text().splitlines() if line[0] == "{"
    ]
    assert Counter(line["message"].split()[0] for line in lines)["crunch"] > 0


def test_the_line_of_the_procfile_is_a_worker(
    folder: Path, environ: dict[str, str], redis_url: str
) -> None:
    lines = dict(
        line.split(": ", 1) for line in (DEPLOY / "Procfile").read_text().splitlines() if line
    )
    assert lines.keys() == {"worker", "dashboard"}
    environ |= {"PATH": f"{Path(PROGRAM).parent}:{os.environ['PATH']}", "CONCURRENCY": "3"}
    with Jobs(redis_url) as jobs:
        job = jobs.enqueue("crunch", {"seconds": 0})
        with running(["sh", "-c", f"exec {lines['worker']}"], folder, environ):
            assert jobs.result(job.id, timeout=PATIENCE) == 0
            (worker,) = jobs.workers()
    assert worker.concurrency == 3


def test_the_line_of_the_unit_is_a_worker(
    folder: Path, environ: dict[str, str], redis_url: str
) -> None:
    found = re.search(r"^ExecStart=\S+ (.*)$", UNIT.read_text(), re.MULTILINE)
    assert found is not None
    with Jobs(redis_url) as jobs:
        job = jobs.enqueue("crunch", {"seconds": 0})
        with running([PROGRAM, *shlex.split(found[1])], folder, environ):
            assert jobs.result(job.id, timeout=PATIENCE) == 0


def test_the_image_answers_to_its_health_check(
    folder: Path, environ: dict[str, str], redis_url: str
) -> None:
    check = json.loads(dict(instructions())["HEALTHCHECK"].partition("CMD ")[2])
    port = str(ports.free())
    command = [sys.executable, *(word.replace("8080", port) for word in check[1:])]
    with Jobs(redis_url) as jobs, running(default_command(), folder, {**environ, HEALTH: port}):
        until(lambda: len(jobs.workers()) == 1, "the worker is known", 30)
        subprocess.run(command, check=True, timeout=10)
        ready = f"import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}/ready')"
        subprocess.run([sys.executable, "-c", ready], check=True, timeout=10)


@pytest.mark.skipif(not HAS_WEB, reason="no dashboard yet")
def test_the_dashboard_of_compose_answers(folder: Path, environ: dict[str, str]) -> None:
    import yaml

    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["dashboard"]
    port = str(ports.free())
    command = [PROGRAM, *(word.replace("8210", port) for word in service["command"])]
    environ |= {"BOUNDARY_JOBS_DASHBOARD_TOKEN": "correct horse battery staple"}
    with running(command, folder, environ) as process:

        def answers() -> bool:
            assert process.poll() is None, (folder / "log").read_text()
            socket.create_connection(("127.0.0.1", int(port)), 2).close()
            return True

        until(answers, "the dashboard listens", 30)
