"""A copy of an example in a folder of its own, to be run as its README says."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devservers import ports
from devservers.waiting import until

EXAMPLES = Path(__file__).parents[2] / "examples"


class Place:
    """An example's files, and the processes that are started there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder}/jobs.db"
        self.environ = {**os.environ, "BOUNDARY_JOBS_URL": self.url}

    def run(self, *arguments: str, **environ: str) -> str:
        """What `python arguments…` printed; it ended well."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**self.environ, **environ},
            check=False,
            capture_output=True,
            text=True,
            timeout=50,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def own_tests(self) -> str:
        """What the example's own suite printed."""
        del self.environ["BOUNDARY_JOBS_URL"]
        out = self.run("-m", "pytest", "-q", "-p", "no:cacheprovider")
        assert not list(self.folder.glob("*.db*")), "a test reached the real store"
        return out

    def worker(self, target: str, *options: str, **environ: str) -> str:
        """A worker process runs what is ready."""
        return self.run("-m", "boundary.jobs", "worker", target, "--burst", *options, **environ)

    @contextlib.contextmanager
    def started(
        self, *arguments: str, ready: Callable[[], bool], **environ: str
    ) -> Iterator[subprocess.Popen[bytes]]:
        """`python arguments…` goes on while the block lasts, from when it is ready."""
        log = self.folder / "log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=self.folder,
                env={**self.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            until(lambda: process.poll() is not None or ready(), f"{arguments} is ready", 30)
            assert process.poll() is None, log.read_text()
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @contextlib.contextmanager
    def served(self, *arguments: str, **environ: str) -> Iterator[str]:
        """As `started`, a web server; its address. `{port}` in an argument is its port."""
        httpx = pytest.importorskip("httpx")
        port = str(ports.free())
        address = f"http://127.0.0.1:{port}"

        def ready() -> bool:
            try:
                httpx.get(address, timeout=1)
            except httpx.TransportError:
                return False
            return True

        filled = [one.replace("{port}", port) for one in arguments]
        with self.started(*filled, ready=ready, **environ):
            yield address


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """The example that the test's marker `example` names; skipped if what it needs is not here."""
    marker = request.node.get_closest_marker("example")
    name, *needed = marker.args
    for module in needed:
        pytest.importorskip(
            module, reason=f"{module} is not installed: pip install -e '.[examples]'"
        )
    ignored = shutil.ignore_patterns("__pycache__", ".pytest_cache", "*.db*")
    return Place(Path(shutil.copytree(EXAMPLES / name, tmp_path / name, ignore=ignored)))
