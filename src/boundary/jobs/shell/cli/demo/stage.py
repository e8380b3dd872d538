"""The stage of the demonstration: a folder, a store, a worker, and a picture of them.

What belongs here: starting and ending the processes, and the view of it all. What does not: what
happens on it (`story`).
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from boundary.jobs import Job, Jobs, JobsError
from boundary.jobs.shell.cli import serving, tables, writing
from boundary.jobs.shell.cli.terminal import Terminal

LEASE_MS = 2_000
PATIENCE = 20.0
ROOMY = 40
"""Lines a terminal needs to show everything; one with fewer gets the short form."""


class Demo:
    """One play: its folder, its store, its worker, and what was said so far."""

    def __init__(self, terminal: Terminal, folder: Path, *, quiet: bool) -> None:
        self.folder = folder
        self.url: str = terminal.url or f"sqlite:///{folder / 'shop.db'}"
        # In somebody's store the demo keeps to itself: his workers leave its jobs alone.
        self.namespace: str | None = f"demo-{os.getpid()}" if terminal.url else None
        if self.namespace is not None:
            os.environ["BOUNDARY_JOBS_NAMESPACE"] = self.namespace
        os.environ |= {
            "BOUNDARY_JOBS_URL": self.url,
            "BOUNDARY_JOBS_WORKERS_LEASE": str(LEASE_MS),
            "SHOP_FOLDER": str(folder),
        }
        for name in ("outbox", "pictures", "reports"):
            (folder / name).mkdir(exist_ok=True)
        from boundary.jobs.shell.cli.demo import shop

        shop.folder = folder
        self.shop = shop
        self.jobs: Jobs = shop.jobs
        self.console: Console = terminal.out
        self.said: list[Text] = []
        self.worker: subprocess.Popen[bytes] | None = None
        self.dashboard: subprocess.Popen[str] | None = None
        self.address: str = ""
        self._live: Live | None = None
        self._quiet = quiet
        self._began = time.monotonic()

    # Speaking and showing

    def say(self, markup: str) -> None:
        """One line of the story."""
        line = Text.from_markup(f"[dim]{time.monotonic() - self._began:5.1f} s[/dim]  {markup}")
        self.said.append(line)
        if self._live is None:
            self.console.print(line, soft_wrap=True)
        else:
            self.refresh()

    def view(self) -> Group:
        """How things stand, and as much of the story's end as the terminal has room for."""
        pictures = self._pictures(roomy=self.console.height >= ROOMY)
        room = self.console.height - 4 - sum(self._lines(each) for each in pictures)
        story: list[Text] = []
        for line in reversed(self.said):
            room -= self._lines(line)
            if room < 0:
                break
            story.insert(0, line)
        title = Text("boundary-jobs demo: half a minute in a small shop\n", style="bold")
        return Group(title, *story, Text(""), *pictures)

    def _lines(self, part: RenderableType) -> int:
        return len(self.console.render_lines(part))

    def _pictures(self, *, roomy: bool) -> list[RenderableType]:
        """Queues, workers and the latest jobs; in a small terminal, less of them."""
        stats = self.jobs.stats()
        found = [job for job in self.jobs.search(limit=12) if job.job_type != "count_stock"]
        latest = writing.table(
            "Latest jobs",
            ("type", "status", ">run", "when", "~note"),
            [
                (
                    job.job_type,
                    writing.status(job.status),
                    job.retry_count + 1,
                    writing.ago(job.updated_at),
                    _note(job),
                )
                for job in found[: 6 if roomy else 3]
            ],
        )
        queues = tables.queues(stats.queues)
        if roomy:
            return [queues, tables.workers(stats.workers), latest]
        for each in (queues, latest):
            if isinstance(each, Table):
                each.show_edge = False
        return [queues, Text(""), latest]

    def refresh(self) -> None:
        """The picture is up to date."""
        if self._live is not None:
            self._live.update(self.view(), refresh=True)

    @contextlib.contextmanager
    def shown(self) -> Generator[None]:
        """A live picture, if somebody looks at a terminal."""
        if self._quiet:
            yield
            return
        with Live(self.view(), console=self.console, auto_refresh=False, transient=True) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def wait(self, what: str, look: Callable[[], Any]) -> Any:
        """The first true answer; the picture moves meanwhile."""
        end = time.monotonic() + PATIENCE
        while not (answer := look()):
            if time.monotonic() > end:
                raise RuntimeError(f"the demo waited {PATIENCE:g} s in vain for {what}")
            self.refresh()
            time.sleep(0.1)
        self.refresh()
        return answer

    def ended(self, job: Job) -> Job:
        """The job, once it has reached its end."""
        return cast("Job", self.wait(job.job_type, lambda: self._at_its_end(job)))

    def _at_its_end(self, job: Job) -> Job | None:
        found = self.jobs.find(job.id)
        return found if found is not None and found.completed_at is not None else None

    def place(self) -> str:
        """Where the jobs are, in words."""
        if self.namespace is None:
            return "No server: the store is one SQLite file."
        return f"The store is [bold]{escape(self.jobs.store.url)}[/bold]."

    def clear(self) -> None:
        """No job and no schedule of the demo is left in the store, if it can be reached."""
        with contextlib.suppress(JobsError):
            for one in self.jobs.schedules():
                self.jobs.unschedule(one.name)
            while page := self.jobs.search(limit=200).jobs:
                for job in page:
                    self.jobs.delete(job.id)

    # The worker

    def start_worker(self) -> int:
        """A worker in a process of its own; its process id."""
        with (self.folder / "worker.log").open("ab") as log:
            self.worker = subprocess.Popen(
                [sys.executable, "-m", "boundary.jobs", "worker", f"{__package__}.shop"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        pid = self.worker.pid
        self.wait("the worker", lambda: any(one.pid == pid for one in self.jobs.workers()))
        return pid

    def start_dashboard(self) -> None:
        """The dashboard is served by a process of its own, and its address said."""
        if (
            importlib.util.find_spec("uvicorn") is None
            or importlib.util.find_spec("jinja2") is None
        ):
            self.say(
                "With its dashboard it would be in your browser, too: pip install 'boundary-jobs[[web]'"
            )
            return
        for port in (serving.PORT, 0):
            with (self.folder / "dashboard.log").open("ab") as log:
                self.dashboard = subprocess.Popen(
                    [sys.executable, "-m", "boundary.jobs", "dashboard", "--port", str(port)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,
                    text=True,
                )
            assert self.dashboard.stdout is not None
            ready, _, _ = select.select([self.dashboard.stdout], [], [], PATIENCE)
            word, _, address = (
                self.dashboard.stdout.readline().strip().partition(" ") if ready else ("", "", "")
            )
            if word == "dashboard":
                self.address = address
                self.say(f"Watch it in your browser: [bold]{address}[/bold]")
                return
            self.stop_dashboard()  # somebody else has the port
        self.say("The dashboard did not start; the demo goes on without it.")

    def stop_dashboard(self) -> None:
        """The dashboard is gone."""
        dashboard, self.dashboard = self.dashboard, None
        if dashboard is not None:
            dashboard.terminate()
            try:
                dashboard.wait(10)
            except subprocess.TimeoutExpired:
                dashboard.kill()
                dashboard.wait()
            assert dashboard.stdout is not None
            dashboard.stdout.close()

    def stop_worker(self, number: int = signal.SIGTERM) -> None:
        """The worker is gone."""
        worker, self.worker = self.worker, None
        if worker is not None:
            worker.send_signal(number)
            try:
                worker.wait(10)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()


def _note(job: Job) -> Text:
    if job.progress is not None and job.status == "running":
        return _bar(job.progress.fraction, job.progress.message or "")
    if job.error is not None:
        return writing.text(f"{job.error.type}: {job.error.message}"[:44], "red")
    if job.status == "pending" and job.execute_at is not None:
        return writing.text(f"due {writing.ago(job.execute_at)}", "dim")
    return writing.text("" if job.result is None else str(job.result)[:44], "dim")


def _bar(fraction: float, message: str) -> Text:
    full = round(fraction * 12)
    return Text.assemble(("━" * full, "blue"), ("━" * (12 - full), "dim"), f" {message}"[:32])
