"""Takes the pictures of the dashboard anew: `python -m docs.pictures` (needs a Chromium).

A store with a plausible day, a worker that runs, each page in the light and the dark, wide and narrow.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import sync_playwright
from rich.console import CONSOLE_SVG_FORMAT, Console
from rich.terminal_theme import SVG_EXPORT_THEME

from boundary.jobs import Jobs
from boundary.jobs.shell.cli.top import brain, drawing, glimpse
from boundary.jobs.web import create_app
from tests.web import browsing

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "img"
URL = "sqlite:///shop.db"
SIZES = {"wide": (1440, 900), "narrow": (390, 844)}


def main() -> None:
    """The pictures are in docs/img."""
    FOLDER.mkdir(exist_ok=True)
    with shop_folder() as folder:
        # Tracebacks and the store's address show where the shop is; so it is somewhere plain.
        text = (ROOT / "tests" / "web" / "scene.py").read_text().partition("\nif __name__")[0]
        (folder / "tasks.py").write_text(text + "\n\njobs = Jobs()\nregister(jobs)\n")
        os.chdir(folder)
        sys.path.insert(0, str(folder))
        tasks = importlib.import_module("tasks")
        tasks.history(URL, 1.0, timedelta(hours=1), timedelta(minutes=15))
        tasks.history(URL, 1 / 24, timedelta(0), timedelta(seconds=30))
        with Jobs(URL) as jobs:
            tasks.register(jobs)
            tasks.today(jobs)
            for month in ("2026-10", "2026-11"):
                jobs.enqueue("sales_report", {"month": month})
            with worker(), browsing.served(create_app(jobs)) as address:
                time.sleep(4)
                dead = jobs.search(status="failed", job_type="welcome_mail").jobs[0]
                synced = jobs.search(status="failed", job_type="sync_warehouse").jobs[0]
                jobs.retry(synced.id, by="ada")
                jobs.pause("media", by="grace")
                jobs.resume("media", by="grace")
                take(address, f"/jobs/{dead.id}")
                terminal(jobs)


@contextlib.contextmanager
def shop_folder() -> Iterator[Path]:
    """A folder for the shop, in memory where there is such a thing."""
    plain = Path("/dev/shm/shop")  # noqa: S108 - made here and removed
    if not plain.parent.is_dir() or plain.exists():
        plain = Path(tempfile.mkdtemp())
    plain.mkdir(exist_ok=True)
    try:
        yield plain
    finally:
        os.chdir("/")
        shutil.rmtree(plain)


@contextlib.contextmanager
def worker() -> Iterator[None]:
    """A worker of the shop."""
    queues = "mail,media,payments,reports,stock"
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "boundary.jobs", "worker", "tasks", "-c", "8", "--queues", queues],
        env={**os.environ, "BOUNDARY_JOBS_URL": URL},
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def terminal(jobs: Jobs) -> None:
    """`boundary-jobs top` with a row selected, as it draws itself."""
    console = Console(record=True, file=io.StringIO(), width=120, height=34, force_terminal=True)
    seen = glimpse.look(jobs)
    found = glimpse.rows(seen)
    row = next(one for one in found if one.kind == "dead")
    said = brain.Said("media is served again")
    state = brain.settled(brain.State(selected=row.place, said=said), seen)
    console.print(drawing.screen(state, seen, URL, "", console))
    # Without its fonts from elsewhere: the reader's own monospaced one does.
    plain = re.sub(r"@font-face \{\{.*?\n    \}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    path = str(FOLDER / "top.svg")
    console.save_svg(path, title="boundary-jobs top", theme=SVG_EXPORT_THEME, code_format=plain)


def take(address: str, job: str) -> None:
    """Each page, four times."""
    pages = {
        "overview": "/", "jobs": "/jobs?status=failed", "job": job, "dead": "/dead", "queues": "/queues",
        "schedules": "/schedules", "workers": "/workers", "audit": "/audit",
    }  # fmt: skip
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browsing.chromium(), args=["--no-sandbox"]
        )
        for scheme in ("light", "dark"):
            for size, (width, height) in SIZES.items():
                context = browser.new_context(
                    viewport={"width": width, "height": height},
                    color_scheme=scheme,  # type: ignore[arg-type]
                )
                page = context.new_page()
                for name, path in pages.items():
                    page.goto(address + path)
                    page.wait_for_timeout(1_200)
                    page.screenshot(path=FOLDER / f"{name}-{size}-{scheme}.png")
                context.close()
        browser.close()


if __name__ == "__main__":
    main()
