"""`boundary-jobs dashboard`: where it listens, what it refuses, how it ends."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

COMMAND = [sys.executable, "-m", "boundary.jobs", "dashboard"]


def refused(folder: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=folder, capture_output=True, text=True, timeout=50, check=False
    )
    return done.returncode, done.stderr


def test_it_serves_until_ctrl_c_also_while_somebody_watches(tmp_path: Path) -> None:
    serving = subprocess.Popen(
        [*COMMAND, "--port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert serving.stdout is not None
    told = re.fullmatch(r"dashboard (http://127\.0\.0\.1:\d+/)\n", serving.stdout.readline())
    assert told is not None
    assert httpx.get(told[1] + "api/admin/jobs/health").json()["status"] == "ok"
    with httpx.stream("GET", told[1] + "api/admin/jobs/events") as events:
        first = next(events.iter_lines())
        assert first == "event: stats"
        serving.send_signal(signal.SIGINT)
        _, said = serving.communicate(timeout=10)
    assert serving.returncode == 0
    assert "Traceback" not in said


def test_other_machines_need_a_token(tmp_path: Path) -> None:
    code, said = refused(tmp_path, "--host", "0.0.0.0")
    assert code == 2
    assert "--token" in said
    assert refused(tmp_path, "--viewer-token", "x")[0] == 2


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, said = refused(tmp_path, "--port", str(taken.getsockname()[1]))
    assert code == 1
    assert "is in use" in said


def test_a_store_in_memory_is_refused(tmp_path: Path) -> None:
    code, said = refused(tmp_path, "--url", "memory://")
    assert code == 2
    assert "create_app" in said


@pytest.mark.parametrize("missing", ["starlette", "uvicorn", "jinja2"])
def test_without_the_extra_it_says_how_to_get_it(tmp_path: Path, missing: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from boundary.jobs.shell.cli.app import run\n"
        "sys.exit(run(['dashboard', '--port', '0']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install 'boundary-jobs[web]'" in done.stderr
