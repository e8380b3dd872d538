"""Plays the shop's story: a real worker, real jobs, a kill -9, and a view of it all.

What belongs here: the story and its picture. What does not: handlers (`shop`).
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from boundary.jobs import Job, Jobs, JobsError, UsageError
from boundary.jobs.shell.cli import serving, tables
from boundary.jobs.shell.cli.demo import pictures
from boundary.jobs.shell.cli.terminal import Terminal, interactive
from boundary.jobs.shell.connect import in_memory
from boundary.jobs.shell.settings import shown_url

LEASE_MS = 2_000
PATIENCE = 20.0
ROOMY = 40
"""Lines a terminal needs to show everything; one with fewer gets the short form."""
CUSTOMERS = (
    ("Ada", "ada@example.com"),
    ("Grace", "grace@example.com"),
    ("Alan", "alan@example.com"),
)
PICTURES = ("tea", "cups", "garden")


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
        latest = tables.table(
            "Latest jobs",
            ("type", "status", ">run", "when", "~note"),
            [
                (
                    job.job_type,
                    tables.status(job.status),
                    job.retry_count + 1,
                    tables.ago(job.updated_at),
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
        return tables.text(f"{job.error.type}: {job.error.message}"[:44], "red")
    if job.status == "pending" and job.execute_at is not None:
        return tables.text(f"due {tables.ago(job.execute_at)}", "dim")
    return tables.text("" if job.result is None else str(job.result)[:44], "dim")


def _bar(fraction: float, message: str) -> Text:
    full = round(fraction * 12)
    return Text.assemble(("━" * full, "blue"), ("━" * (12 - full), "dim"), f" {message}"[:32])


def play(demo: Demo) -> None:
    """The story."""
    jobs, shop = demo.jobs, demo.shop
    pid = demo.start_worker()
    demo.say(f"A worker has started, process [bold]{pid}[/bold]. {demo.place()}")
    demo.start_dashboard()
    reminder = shop.reminder.using(delay=9).enqueue(about="water the plants")
    demo.say(
        "A [bold]reminder[/bold] is scheduled for nine seconds from now; a cron counts the stock every three."
    )
    _morning(demo)
    _payment(demo)
    _dead_letter(demo)
    _kill(demo)
    done = demo.ended(reminder)
    assert done.started_at is not None
    assert done.execute_at is not None
    late = (done.started_at - done.execute_at).total_seconds() * 1000
    demo.say(f"The [bold]reminder[/bold] went out {late:.0f} ms after its moment.")
    ticks = len(jobs.history("count_stock"))
    demo.say(f"The cron has ticked [bold]{ticks}[/bold] times, each tick once, through the kill.")


def _morning(demo: Demo) -> None:
    """Mails, pictures and a report, all at once."""
    shop = demo.shop
    for number, name in enumerate(PICTURES):
        pictures.write(
            demo.folder / "pictures" / f"{name}.png", pictures.draw(320, 200, 40 * number)
        )
    mails = [shop.welcome_mail.enqueue(to=to, name=name) for name, to in CUSTOMERS]
    resized = [
        shop.resize.enqueue(picture=f"{name}.png", widths=[160, 80, 32]) for name in PICTURES
    ]
    report = shop.sales_report.enqueue(orders=4_000)
    demo.say(
        "Enqueued: three [bold]welcome mails[/bold], three [bold]pictures[/bold] to resize, a [bold]sales report[/bold]."
    )
    for job in (*mails, *resized):
        demo.ended(job)
    demo.say("[green]Done[/green]: three mails in the outbox, nine smaller pictures.")
    result = demo.ended(report).result
    demo.say(
        f"[green]Done[/green]: the report, {result['orders']:,} orders, {result['total']:,.2f} in all."
    )


def _payment(demo: Demo) -> None:
    """A failure that heals by itself."""
    job = demo.shop.charge.enqueue(order=1017, amount=49.9)
    demo.say(
        "A [bold]payment[/bold]. This bank refuses twice; the job is retried with growing delays."
    )
    done = demo.ended(job)
    tries = len(done.errors) + 1
    demo.say(f"[green]Paid[/green] in run {tries}: nobody had to do anything.")


def _dead_letter(demo: Demo) -> None:
    """A failure that needs a person."""
    job = demo.shop.sync_warehouse.enqueue(articles=12)
    dead = demo.ended(job)
    assert dead.error is not None
    demo.say(
        f"The [bold]warehouse sync[/bold] is a [red]dead letter[/red] after {len(dead.errors)} runs: {dead.error.message}"
    )
    (demo.folder / "warehouse.online").touch()
    if interactive() and demo.console.is_terminal:
        demo.say("You switch the warehouse on. Press [bold]Enter[/bold] to retry it (or wait).")
        _key_or(6.0, demo)
    else:
        demo.say("The warehouse is switched on, and the job retried (boundary-jobs retry ID).")
    demo.jobs.retry(job.id)
    demo.ended(job)
    demo.say("[green]Synced[/green]: a dead letter comes back with a full budget of retries.")


def _key_or(seconds: float, demo: Demo) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ready, _, _ = select.select([sys.stdin], [], [], 0.1)
        if ready:
            sys.stdin.readline()
            return
        demo.refresh()


def _kill(demo: Demo) -> None:
    """The worst that can happen to a worker."""
    job = demo.shop.pack_order.enqueue(order=1018)
    demo.wait("packing to begin", lambda: (found := demo.jobs.find(job.id)) and found.progress)
    assert demo.worker is not None
    pid = demo.worker.pid
    demo.stop_worker(signal.SIGKILL)
    demo.say(
        f"[bold red]kill -9 {pid}[/bold red], in the middle of packing an order. Another worker starts."
    )
    fresh = demo.start_worker()
    done = demo.ended(job)
    demo.say(
        f"[green]Packed[/green] by process {fresh}: the lost worker's lease ended after "
        f"{LEASE_MS // 1000} s and the job was taken back ({done.crash_count} crash, nothing lost)."
    )


def run_demo(terminal: Terminal, *, folder: Path | None, keep: bool, capture: Path | None) -> None:
    """The whole demonstration; stops cleanly at Ctrl-C.

    Args:
        folder: Where its files go; None: a temporary folder, removed unless `keep`.
        capture: Write `demo.svg` and `demo.txt` into this folder.
    """
    terminal.refuse_config("the demo")
    if terminal.url is not None and in_memory(terminal.url):
        raise UsageError(
            "the demo's worker is a process of its own and cannot see a memory:// store; leave "
            "out --url, and the demo makes an SQLite file"
        )
    with contextlib.ExitStack() as stack:
        stack.enter_context(_ends_like_ctrl_c())
        if folder is None and not keep:
            made = stack.enter_context(tempfile.TemporaryDirectory(prefix="boundary-jobs-demo-"))
            folder = Path(made)
        elif folder is None:
            folder = Path(tempfile.mkdtemp(prefix="boundary-jobs-demo-"))
        folder.mkdir(parents=True, exist_ok=True)
        live = terminal.out.is_terminal and capture is None
        demo = Demo(terminal, folder.absolute(), quiet=not live)
        kept = keep or "boundary-jobs-demo-" not in str(folder)
        stack.callback(demo.jobs.close)
        if demo.namespace is not None and not kept:
            stack.callback(demo.clear)
        stack.callback(demo.stop_worker)
        stack.callback(demo.stop_dashboard)
        try:
            with demo.shown():
                play(demo)
            demo.stop_worker()
        except KeyboardInterrupt:
            terminal.out.print("\nstopped; no process is left behind")
            return  # as asked: whoever stops a show has not failed, nor has `make demo`
        except RuntimeError as error:
            log = (folder / "worker.log").read_text(errors="replace")
            terminal.err.print(log[-2000:], markup=False)
            terminal.fail(f"{error}; above is the worker's log")
        _ending(demo, kept=kept)
        if demo.address and live and interactive():
            _leave_open(demo)
        if capture is not None:
            _capture(demo, capture)


def _leave_open(demo: Demo) -> None:
    """The dashboard stays until somebody has seen enough of it."""
    demo.console.print(
        f"\nThe dashboard is still open: [bold]{demo.address}[/bold]  Press [bold]Enter[/bold] to end."
    )
    with contextlib.suppress(KeyboardInterrupt):
        sys.stdin.readline()


@contextlib.contextmanager
def _ends_like_ctrl_c() -> Generator[None]:
    """A closed terminal or a `kill` stops the demo's worker and clears its folder, too."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _ending(demo: Demo, *, kept: bool) -> None:
    """What came of it, and what to try next."""
    out = demo.console
    if demo.said and out.is_terminal:
        for line in demo.said:
            out.print(line, soft_wrap=True)
    out.print()
    out.print(_summary(demo, kept=kept))
    for line in _next_steps(demo, kept=kept):
        out.print(line, soft_wrap=True)  # a line break of ours would be copied with the command


def _summary(demo: Demo, *, kept: bool) -> Group:
    stats = demo.jobs.stats()
    files = sorted(
        str(path.relative_to(demo.folder))
        for name in ("outbox", "pictures", "reports")
        for path in (demo.folder / name).iterdir()
    )
    counts = (
        f"{stats.total_succeeded} jobs completed, {stats.total_retried} retries, "
        f"{len(demo.jobs.failed())} dead letters left; {len(files)} files written"
    )
    where = f" in {demo.folder}" if kept else " (gone now; --keep leaves them)"
    return Group(tables.queues(stats.queues), Text(counts + where))


def _next_steps(demo: Demo, *, kept: bool) -> list[Text]:
    """Commands to copy, each on a line of its own."""
    at = shlex.quote(shown_url(demo.url))
    command = "boundary-jobs"
    if demo.namespace is not None:
        command = f"BOUNDARY_JOBS_NAMESPACE={demo.jobs.settings.namespace} boundary-jobs"
    look = (
        ("look at this shop", f"{command} stats --url {at}"),
        ("its jobs", f"{command} search --url {at}"),
        ("its payments", f"{command} search --type charge --url {at}"),
    )
    again = "boundary-jobs demo --keep" + (f" --url {at}" if demo.namespace is not None else "")
    commands = (
        *(look if kept else (("look around in it", again),)),
        ("how fast is this machine", "boundary-jobs bench"),
        ("your own, in ten lines", "see README.md, then: boundary-jobs worker tasks"),
    )
    return [
        Text("\nNow try", style="bold"),
        *(Text.assemble((f"  {why:26}", "dim"), (what, "bold")) for why, what in commands),
    ]


def _capture(demo: Demo, folder: Path) -> None:
    """The story as a picture and as text, for the docs."""
    picture = Console(record=True, width=108, file=open(os.devnull, "w"), highlight=False)  # noqa: SIM115, PTH123
    with picture.file:
        picture.print(Text("$ boundary-jobs demo", style="bold"))
        for line in demo.said:
            picture.print(line)
        picture.print()
        picture.print(_summary(demo, kept=False))
        for line in _next_steps(demo, kept=False):
            picture.print(line)
        text = picture.export_text(clear=False)
        (folder / "demo.txt").write_text(
            "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
        )
        picture.save_svg(str(folder / "demo.svg"), title="boundary-jobs demo")
