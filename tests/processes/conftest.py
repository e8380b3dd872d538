"""A shop floor: one store, a journal beside it, and worker processes to start and kill."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

import pytest

from boundary.jobs import Jobs
from devservers.single import Server
from tests.processes.moments import EPOCH, epoch
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
LEASE_MS = 600_000
"""Nothing that happens within a test's patience is the lease's or a heartbeat's doing."""
SHORT_LEASE_MS = 2_000
"""For what is about a lease that runs out; a worker that is not given a processor for so long loses
its jobs, as it should."""


class Line(NamedTuple):
    """What a run wrote: its phase, job, fencing token and process, and when (ms).

    Attributes:
        args: What its handler was called with, as JSON; "" where it does not say.
    """

    phase: str
    job: str
    token: int
    pid: int
    at: float
    args: str = ""


class Floor:
    """Starts workers on one store; nothing it starts outlives it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.journal = folder / "journal"
        self.journal.touch()
        self.environ = {
            **os.environ,
            "BOUNDARY_JOBS_URL": self.url,
            "BOUNDARY_JOBS_WORKERS_LEASE": str(LEASE_MS),
            "BOUNDARY_JOBS_WORKERS_MAX_CRASHES": "1000",
            "JOURNAL": str(self.journal),
            EPOCH: repr(epoch()),
            "PYTHONPATH": str(ROOT),
        }
        self.jobs = Jobs(self.url)
        self._started: list[subprocess.Popen[bytes]] = []

    def short_lease(self) -> Self:
        """Its workers hold their jobs for `SHORT_LEASE_MS`."""
        self.environ["BOUNDARY_JOBS_WORKERS_LEASE"] = str(SHORT_LEASE_MS)
        return self

    def python(self, *arguments: str, **environ: str) -> subprocess.Popen[bytes]:
        """A Python process of this floor, its output in the log."""
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                env={**self.environ, **environ},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self._started.append(process)
        return process

    def worker(self, *options: str, **environ: str) -> subprocess.Popen[bytes]:
        """A worker process, as the command starts it."""
        return self.python(
            "-m", "boundary.jobs", "worker", "tests.processes.tasks", *options, **environ
        )

    def lines(self) -> list[Line]:
        """The journal so far."""
        rows = (line.split(" ", 5) for line in self.journal.read_text().splitlines())
        return [
            Line(phase, job, int(token), int(pid), float(at), *args)
            for phase, job, token, pid, at, *args in rows
        ]

    def is_writable(self) -> bool:
        """Whether nobody holds the store for writing (a Redis server never is held)."""
        path = self.url.removeprefix("sqlite:///")
        if path == self.url:
            return True
        with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as file:
            try:
                file.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            file.execute("ROLLBACK")
        return True

    def pause(self, worker: subprocess.Popen[bytes]) -> None:
        """SIGSTOP, at a moment when the process does not hold the file.

        One that is stopped within a write keeps SQLite's lock, and nobody else writes until it
        goes on or is killed: a lock of the kernel, which no timeout of ours can take away.
        """

        def paused() -> bool:
            worker.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, worker.pid, os.WSTOPPED)
            if self.is_writable():
                return True
            worker.send_signal(signal.SIGCONT)
            return False

        eventually("the worker is stopped between two transactions", paused, patience=60)

    def log(self) -> str:
        """What the processes said, its end."""
        return (self.folder / "log").read_text(errors="replace")[-40_000:]

    def close(self) -> None:
        """Everything is gone."""
        for process in self._started:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self.jobs.close()
        print(self.log())  # pytest shows it if the test failed


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with Server() as made:
        yield made


@pytest.fixture(params=["sqlite", "redis"])
def floor(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Floor]:
    url = f"sqlite:///{tmp_path}/jobs.db"
    if request.param == "redis":
        made = request.getfixturevalue("server")
        made.call("FLUSHALL")
        url = made.url()
    floor = Floor(tmp_path, url)
    yield floor
    floor.close()


@pytest.fixture
def file_floor(tmp_path: Path) -> Iterator[Floor]:
    """For what is about processes, and the same on every store."""
    floor = Floor(tmp_path, f"sqlite:///{tmp_path}/jobs.db")
    yield floor
    floor.close()


@pytest.fixture
def redis_floor(tmp_path: Path, server: Server) -> Iterator[Floor]:
    server.call("FLUSHALL")
    floor = Floor(tmp_path, server.url())
    yield floor
    floor.close()
