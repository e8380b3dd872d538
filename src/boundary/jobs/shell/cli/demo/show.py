"""Shows the demonstration from its beginning to what one may try next.

What belongs here: setting up, clearing away, and what is said at the end. What does not: the story
(`story`).
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

from rich.console import Console, Group
from rich.text import Text

from boundary.jobs import UsageError
from boundary.jobs.shell.cli import tables
from boundary.jobs.shell.cli.demo.stage import Demo
from boundary.jobs.shell.cli.demo.story import play
from boundary.jobs.shell.cli.terminal import Terminal, interactive
from boundary.jobs.shell.connect import in_memory
from boundary.jobs.shell.settings import shown_url


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
