"""How the live view looks: a screen of exactly so many lines, whatever there is to show.

What belongs here: which rows have room, and their cells. What does not: what is shown (`glimpse`,
`brain`). Whatever comes from a store is shown as text (`writing.text`). What colours say, words and
signs say too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.segment import SegmentLines
from rich.table import Table
from rich.text import Text

from boundary.jobs.core.records import Job
from boundary.jobs.core.stats import QueueStats, WorkerInfo
from boundary.jobs.shell.cli import tables, writing
from boundary.jobs.shell.cli.top.brain import State, worker_name
from boundary.jobs.shell.cli.top.glimpse import KINDS, Glimpse, Kind, Opened, Row, rows
from boundary.jobs.shell.logs import one_line

HELP: Final = """\
[bold]Move[/bold]
  up down, k j       a row; in a job a line
  page up, down      ten of them; home end, g G: the first, the last
  tab, shift-tab     to the next kind of rows

[bold]Look[/bold]
  enter              open a job: why it is where it is, its runs, its traceback
                     of a queue or a worker: show only what is its
  /                  show only rows with a text: queue, type, id, worker, error; esc: all again
  esc, q             close the job

[bold]Act[/bold]  what you do is in the log of acts (boundary-jobs audit)
  p                  pause or resume the queue; in a job, its queue
  r                  retry a dead letter
  c                  cancel a job; asks first
  u                  undo what you did last, within a minute

[bold]q[/bold], ctrl-c  leave    [bold]?[/bold]  this help    ctrl-z  to the shell, fg: back"""

KEYS: Final = "enter open  p pause  r retry  c cancel  u undo  / filter  ? help  q quit"
JOB_KEYS: Final = "esc back  up down scroll  r retry  c cancel  p pause its queue  u undo  ? help"

TITLES: Final[dict[Kind, str]] = {
    "queue": "Queues",
    "worker": "Workers",
    "running": "Running",
    "dead": "Dead letters",
}
NONE: Final[dict[Kind, str]] = {
    "queue": "no queue has had a job yet",
    "worker": "no worker is alive; start one: boundary-jobs worker MODULE",
    "running": "nothing runs",
    "dead": "none",
}
COLUMNS: Final[dict[Kind, tuple[tuple[str, int], ...]]] = {
    "queue": (
        (">ready", 9), (">later", 9), (">runs", 7), (">oldest", 7), (">/min", 8), (">failed", 9), (">avg ms", 9),
    ),
    "worker": (("status", 9), (">jobs", 9), ("queues", -6), (">since", 10)),
    "running": (("queue", -2), ("worker", -3), (">for", 7), ("said", -4)),
    "dead": (("queue", -2), ("error", -7), (">when", 10)),
}  # fmt: skip
"""The columns after the first, which bears the title, and their widths: of a number, always the same,
so that nothing moves while it changes; below 0 a share of what is left. ``>``: to the right."""

WIDE: Final = 140
"""Columns from which on ids are shown."""
AIRY: Final = 18
"""Lines for rows from which on their kinds stand apart."""
NARROW: Final = 100
"""Columns below which a queue's last one is left out."""
SMALL: Final = 76
"""Columns below which another one is, so that its name can be read; the head tells what failed."""
LEAST: Final = 14
"""Characters of a queue's or worker's name below which other columns make room for it."""
NAME_SHARE: Final = 3
"""The part of what is left that a name has, as columns say theirs (below 0)."""
FRAME: Final = 4
"""Lines of the screen that are no rows: two at its head, two at its foot."""


def screen(state: State, glimpse: Glimpse, store: str, away: str, console: Console) -> Group:
    """The whole screen.

    Args:
        store: What is looked at.
        away: Why the latest look failed; empty: it did not.
    """
    width, height = console.size
    room = max(1, height - FRAME)
    if state.helping:
        middle = _stretch(Text.from_markup(HELP), state.scroll, room, console)
    elif state.opened is not None:
        middle = _stretch(_job(state.opened, glimpse.opened), state.scroll, room, console)
    else:
        middle = _list(state, glimpse, room, width)
    return Group(
        _head(glimpse, store, width), _totals(glimpse), middle, *_foot(state, glimpse, away)
    )


def snapshot(glimpse: Glimpse, store: str, width: int) -> Group:
    """All there is, once."""
    found = rows(glimpse)
    parts = [_part(kind, found, None, len(found), width) for kind in KINDS]
    spaced = [one for part in parts for one in (Text(), part)]
    return Group(_head(glimpse, store, width), _totals(glimpse), *spaced)


def _line(text: Text) -> Text:
    text.no_wrap = True
    text.overflow = "ellipsis"
    return text


def _head(glimpse: Glimpse, store: str, width: int) -> Text:
    clock = _clock(glimpse)
    name = writing.text(store)
    name.truncate(max(10, width - len(clock) - 17))
    head = Text.assemble(("boundary-jobs  ", "bold"), (name.plain, "dim"))
    head.pad_right(max(1, width - head.cell_len - len(clock)))
    return _line(head.append(clock, style="dim"))


def _clock(glimpse: Glimpse) -> str:
    return f"{glimpse.at.astimezone():%H:%M:%S}"


def _totals(glimpse: Glimpse) -> Text:
    queues, workers = glimpse.stats.queues, glimpse.stats.workers
    slots = sum(one.concurrency for one in workers)
    failed = glimpse.stats.total_failed
    return _line(
        Text.assemble(
            (f"{sum(row.size for row in queues):,}", "bold"),
            f" ready  {sum(row.scheduled for row in queues):,} later  ",
            (f"{sum(row.running for row in queues):,}", "bold"),
            f" running of {slots:,} slots  ",
            (f"{sum(row.per_minute for row in queues):,.0f}", "bold"),
            "/min  ",
            (f"{failed:,} failed", "red" if failed else ""),
            f"  {glimpse.stats.total_retried:,} retries",
        )
    )


def _foot(state: State, glimpse: Glimpse, away: str) -> tuple[Text, Text]:
    keys = JOB_KEYS if state.opened else KEYS
    return _line(_said(state, glimpse, away)), _line(Text(keys, style="dim"))


def _said(state: State, glimpse: Glimpse, away: str) -> Text:
    if state.asking is not None:
        return Text.assemble(writing.text(state.asking.question), (" y/n ", "reverse"))
    if state.typing:
        return Text.assemble("show only: ", writing.text(state.sought), ("▏", "bold"))
    if away:
        return writing.text(f"this was at {_clock(glimpse)}; trying again: {away}", "bold red")
    if state.said is not None:
        return writing.text(state.said.text, "red" if state.said.bad else "green")
    if state.sought:
        return Text.assemble("only: ", (writing.text(state.sought).plain, "bold"), "  esc: all")
    return Text()


# A list


def shares(wanted: Sequence[int], room: int) -> list[int]:
    """How many of its rows each part shows: as evenly as may be, and no more than it has."""
    given = [0] * len(wanted)
    left = room
    while left > 0 and given != list(wanted):
        for place, most in enumerate(wanted):
            if given[place] < most and left > 0:
                given[place] += 1
                left -= 1
    return given


def _list(state: State, glimpse: Glimpse, room: int, width: int) -> RenderableType:
    """The parts below each other, apart where there is room for it, and empty lines to the end."""
    found = rows(glimpse, state.sought)
    counts = [max(1, sum(row.kind == kind for row in found)) for kind in KINDS]
    gaps = len(KINDS) - 1 if room >= AIRY else 0
    given = shares(counts, max(len(KINDS), room - len(KINDS) - gaps))
    lines: list[RenderableType] = []
    for kind, most in zip(KINDS, given, strict=True):
        lines += [Text()] if lines and gaps else []
        lines.append(_part(kind, found, state, most, width))
    lines += [Text()] * (room - sum(given) - len(KINDS) - gaps)
    return Group(*lines)


def _part(kind: Kind, found: tuple[Row, ...], state: State | None, most: int, width: int) -> Table:
    mine = [row for row in found if row.kind == kind]
    chosen = None if state is None else state.selected
    place = next((place for place, row in enumerate(mine) if row.place == chosen), 0)
    first = max(0, min(place - most // 2, len(mine) - most))
    shown = mine[first : first + most]
    title = TITLES[kind] if len(shown) == len(mine) else f"{TITLES[kind]} {len(mine)}"
    part = _grid(kind, title, width, empty=not mine)
    for row in shown:
        part.add_row(*_cells(row, width, chosen=row.place == chosen), style=_style(row, chosen))
    if not mine:
        sought = state is not None and state.sought
        part.add_row(Text(f"  {'nothing with this text' if sought else NONE[kind]}", style="dim"))
    return part


def _grid(kind: Kind, title: str, width: int, *, empty: bool) -> Table:
    grid = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, expand=True, header_style="dim")
    grid.add_column(Text(title, style="bold"), no_wrap=True, overflow="ellipsis", ratio=NAME_SHARE)
    for name, room in () if empty else _columns(kind, width):
        grid.add_column(
            name.lstrip(">"),
            justify="right" if name.startswith(">") else "left",
            no_wrap=True,
            overflow="ellipsis",
            ratio=-room if room < 0 else None,
            width=room if room > 0 else None,
        )
    return grid


def _columns(kind: Kind, width: int) -> tuple[tuple[str, int], ...]:
    """Those there is room for."""
    columns = COLUMNS[kind]
    if kind == "queue" and width < NARROW:
        columns = columns[: -2 if width < SMALL else -1]
    if kind in {"running", "dead"}:
        return (*columns, ("id", 36)) if width >= WIDE else columns
    while len(columns) > 1 and _name_room(columns, width) < LEAST:
        columns = columns[:-1]
    return columns


def _name_room(columns: tuple[tuple[str, int], ...], width: int) -> float:
    """Characters that are left for a row's name beside these."""
    fixed = sum([room + 1 for _, room in columns if room > 0])
    shares = NAME_SHARE - sum([room for _, room in columns if room < 0])
    return (width - fixed) * NAME_SHARE / shares


def _style(row: Row, chosen: tuple[Kind, str] | None) -> str:
    return "reverse" if row.place == chosen else ""


def _cells(row: Row, width: int, *, chosen: bool) -> list[Text]:
    name, *others = [*_OF[row.kind](row.about), writing.text(row.key, "dim")]
    cells = [
        Text.assemble("▸ " if chosen else "  ", name),
        *others[: len(_columns(row.kind, width))],
    ]
    # A row that is selected is one stripe; its signs and words say what its colours did.
    return [Text(cell.plain) for cell in cells] if chosen else cells


def _queue_cells(row: QueueStats) -> list[Text]:
    name = writing.text(row.queue_name)
    return [
        Text.assemble(name, (" paused", "yellow")) if row.paused else name,
        Text(f"{row.size:,}", style="bold" if row.size else ""),
        Text(f"{row.scheduled:,}"),
        Text(f"{row.running:,}"),
        Text(writing.ago(row.oldest_ready_at).removesuffix(" ago")),
        Text(f"{row.per_minute:,.1f}"),
        Text(f"{row.failed_total:,}", style="red" if row.failed_total else ""),
        Text(f"{row.avg_duration_ms:,.1f}"),
    ]


def _worker_cells(row: WorkerInfo) -> list[Text]:
    return [
        writing.text(worker_name(row)),
        writing.status(row.status),
        Text(f"{len(row.running):,}/{row.concurrency:,}"),
        writing.text(",".join(row.queues) or "all"),
        Text(writing.ago(row.started_at)),
    ]


def _running_cells(job: Job) -> list[Text]:
    said = ""
    if job.cancel_requested:
        said = "asked to stop"
    elif job.progress is not None:
        said = f"{job.progress.fraction:.0%} {job.progress.message or ''}"
    return [
        writing.text(job.job_type),
        writing.text(job.queue),
        writing.text(":".join((job.worker or "-").split(":")[:2])),
        Text(writing.ago(job.started_at).removesuffix(" ago")),
        writing.text(said),
    ]


def _dead_cells(job: Job) -> list[Text]:
    error = "" if job.error is None else f"{job.error.type}: {job.error.message}"
    return [
        writing.text(job.job_type),
        writing.text(job.queue),
        writing.text(error, "red"),
        Text(writing.ago(job.completed_at)),
    ]


_OF: Final[dict[Kind, Callable[..., list[Text]]]] = {
    "queue": _queue_cells,
    "worker": _worker_cells,
    "running": _running_cells,
    "dead": _dead_cells,
}


# One thing, longer than the screen


def _job(id: str, opened: Opened | None) -> RenderableType:
    if opened is None or (opened.job is not None and str(opened.job.id) != id):
        return Text(f"looking for {id} …", style="dim")
    if opened.job is None or opened.why is None:
        return Text("this job has gone: deleted, or past its retention", style="yellow")
    said = Text.assemble(writing.status(opened.job.status), "  ")
    said.append(one_line(opened.why.sentence), style="bold")
    following = Text(one_line(opened.why.next_step), style="green")
    return Group(said, following, Text(), tables.job(opened.job))


def _stretch(shown: RenderableType, scroll: int, room: int, console: Console) -> RenderableType:
    """So many lines of it; past its end there is nothing to scroll to."""
    lines = console.render_lines(shown, console.options.update(height=None), pad=True)
    first = min(scroll, max(0, len(lines) - room))
    part = lines[first : first + room]
    return SegmentLines([*part, *([[]] * (room - len(part)))], new_lines=True)
