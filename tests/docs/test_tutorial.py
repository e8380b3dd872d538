"""docs/tutorial.md, followed command by command in an empty folder, up to a real Redis."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.docs.pages import DOCS
from tests.waiting import PATIENCE, eventually

PAGE = (DOCS / "tutorial.md").read_text()
SOURCES = re.findall(r"^```python\n(# tasks\.py\n.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
]


class Follower:
    """Somebody with a folder, a terminal and a Python."""

    def __init__(
        self, folder: Path, url: str | None = None, python: str | Path = sys.executable
    ) -> None:
        self.folder = folder
        self.python = str(python)
        hidden = ("BOUNDARY_JOBS_", "PYTHONPATH")
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
        if url is not None:
            self.environ["BOUNDARY_JOBS_URL"] = url

    def arguments(self, command: str) -> list[str]:
        """The command of the page under this Python."""
        assert command in COMMANDS
        if found := re.fullmatch(r"python -c '(.*)'", command):
            return [self.python, "-c", found[1]]
        word, *rest = command.split()
        assert word == "boundary-jobs"
        return [self.python, "-m", "boundary.jobs", *rest]

    def types(self, command: str) -> str:
        """What a command of the page prints; it exits with 0."""
        done = subprocess.run(
            self.arguments(command),
            cwd=self.folder,
            env=self.environ,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextlib.contextmanager
    def leaves_running(self, command: str, *more: str) -> Iterator[subprocess.Popen[str]]:
        """It runs in another terminal, until Ctrl-C, which ends it well."""
        with subprocess.Popen(
            [*self.arguments(command), *more],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.send_signal(signal.SIGINT)
                assert process.wait(PATIENCE) == 0

    def looks(self, *words: str) -> Any:
        command = [self.python, "-m", "boundary.jobs", *words, "--json"]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environ, check=True, capture_output=True
        )
        return json.loads(done.stdout)


GREET, RESULT, FAIL = [line for line in COMMANDS if line.startswith("python")]
WORK = "boundary-jobs worker tasks"


def first_six_steps(me: Follower) -> None:
    first, mended = SOURCES
    tasks = me.folder / "tasks.py"
    tasks.write_text(first)
    me.types(GREET)
    assert "1" in me.types("boundary-jobs stats")
    with me.leaves_running(WORK):
        assert me.types(RESULT).strip() == "Hello, Grace"
        with me.leaves_running("boundary-jobs dashboard", "--port", "0") as dashboard:
            assert dashboard.stdout is not None
            address = re.search(r"http://\S+", dashboard.stdout.readline())
            assert address is not None
            with urllib.request.urlopen(address[0]) as page:
                assert b"boundary-jobs" in page.read()
        me.types(FAIL)
        eventually("it has failed", lambda: me.looks("failed"))
        assert "ZeroDivisionError" in me.types("boundary-jobs failed")
    tasks.write_text(mended)
    with me.leaves_running(WORK):
        me.types("boundary-jobs retry --all --yes")
        eventually(
            "it is done after all",
            lambda: "completed" in me.types("boundary-jobs search --type price"),
        )


def test_the_first_six_steps(tmp_path: Path) -> None:
    first_six_steps(Follower(tmp_path))


def test_the_seventh_step(tmp_path: Path, redis_url: str) -> None:
    assert any(line.startswith("export BOUNDARY_JOBS_URL=redis://") for line in COMMANDS)
    (tmp_path / "tasks.py").write_text(SOURCES[1])
    me = Follower(tmp_path, redis_url)
    with me.leaves_running(WORK):
        assert me.types(RESULT).strip() == "Hello, Grace"
    assert not list(tmp_path.glob("*.db"))


def test_nothing_on_the_page_is_left_out() -> None:
    followed = {
        GREET,
        RESULT,
        FAIL,
        WORK,
        "boundary-jobs stats",
        "boundary-jobs dashboard",
        "boundary-jobs failed",
        "boundary-jobs retry --all --yes",
        "boundary-jobs search --type price",
    }
    of_the_machine = {line for line in COMMANDS if line.startswith(("pip ", "export "))}
    assert set(COMMANDS) - followed - of_the_machine == {"boundary-jobs doctor"}
