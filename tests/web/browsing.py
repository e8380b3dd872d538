"""A real browser and a real dashboard, for tests and pictures.

What belongs here: finding Chromium, and serving an app on a port of its own. What does not: a test.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn
from playwright.sync_api import Page

from devservers.waiting import until

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
ROOT = Path(__file__).parents[2]


def chromium() -> str | None:
    """Where a browser is: `CHROMIUM`, or one of the usual names, or the one Playwright installed."""
    named = os.environ.get("CHROMIUM")
    found = [named] if named else [shutil.which(name) for name in NAMES]
    usable = [path for path in found if path and Path(path).exists()]
    return usable[0] if usable else _playwrights()


def _playwrights() -> str | None:
    from playwright.sync_api import sync_playwright

    with contextlib.suppress(Exception), sync_playwright() as playwright:
        path = playwright.chromium.executable_path
        return path if Path(path).exists() else None
    return None


@contextlib.contextmanager
def served(app: Any) -> Iterator[str]:
    """The address of the app, served from a thread."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="error", lifespan="on", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        app.state.hub.end()
        server.should_exit = True
        thread.join(10)
        listening.close()


PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
LOADED = """[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .map((one) => [one.name, one.decodedBodySize])"""


class Opened(NamedTuple):
    """What a browser tells of a page it opened.

    Attributes:
        painted_ms: When something of it was first seen.
        files: What was loaded, and its bytes.
    """

    painted_ms: float
    files: dict[str, int]


def open_page(page: Page, address: str) -> Opened:
    """The page is open, and painted."""
    page.goto(address, wait_until="load")
    until(lambda: page.evaluate(PAINTED) > 0, "something to be painted", 20)
    return Opened(page.evaluate(PAINTED), dict(page.evaluate(LOADED)))


@contextlib.contextmanager
def worker_process(url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker of the scene in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "boundary.jobs",
        "worker",
        "tests.web.shop",
        "--log-level",
        "error",
    ]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "BOUNDARY_JOBS_URL": url}, start_new_session=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)
