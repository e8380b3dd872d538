"""How values are written in a terminal, and tables of them.

What belongs here: texts, times, and a table that fits. What does not: which values of a record are
shown (`tables`). Whatever comes from a store is shown as text: no control characters, no markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from boundary.jobs.shell.logs import one_line

STYLES = {
    "pending": "cyan",
    "running": "bold blue",
    "completed": "green",
    "failed": "red",
    "retrying": "yellow",
    "cancelled": "dim",
    "idle": "dim",
}

MINUTE, HOUR, DAY = 60, 3600, 86_400


def text(value: object, style: str = "") -> Text:
    """Stored text, made harmless."""
    return Text(one_line(str(value)), style=style, overflow="ellipsis", no_wrap=True)


def status(value: str) -> Text:
    """A status in its colour."""
    return Text(value, style=STYLES.get(value, ""))


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """``12 s ago`` or ``in 3 min``; a dash for none."""
    if moment is None:
        return "-"
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    return f"{span(seconds)} ago" if seconds >= 0 else f"in {span(-seconds)}"


def span(seconds: float) -> str:
    """A duration in its largest sensible unit."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for limit, unit, name in ((MINUTE, 1, "s"), (HOUR, MINUTE, "min"), (2 * DAY, HOUR, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / DAY:.0f} d"


def local(moment: datetime | None) -> str:
    """An instant in the local zone, with how long ago it was."""
    if moment is None:
        return "-"
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S %Z} ({ago(moment)})"


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """A plain table.

    A column whose name starts with ``>`` is aligned to the right; one whose name starts with
    ``~`` gives way where the terminal is narrow.
    """
    made = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        header_style="dim",
    )
    for name in columns:
        made.add_column(
            name.lstrip(">~"),
            justify="right" if name.startswith(">") else "left",
            no_wrap=not name.startswith("~"),
        )
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else text(cell) for cell in row))
    return made


class Fitting:
    """A table that leaves columns out, the first of `least` first, until the others can be read.

    Without it a narrow terminal takes the width from the columns that may give way, to nothing:
    the names and errors one came for.
    """

    def __init__(
        self,
        title: str,
        columns: Sequence[str],
        rows: Iterable[Sequence[Any]],
        least: Sequence[str],
    ) -> None:
        self._title = title
        self._columns = tuple(columns)
        self._rows = [
            tuple(cell if isinstance(cell, Text) else text(cell) for cell in row) for row in rows
        ]
        self._least = tuple(least)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table in the width there is."""
        kept = list(range(len(self._columns)))
        for name in self._least:
            if self._needs(kept) <= options.max_width:
                break
            kept.remove(self._columns.index(name))
        columns = [self._columns[at] for at in kept]
        yield table(self._title, columns, ([row[at] for at in kept] for row in self._rows))

    def _needs(self, kept: Sequence[int]) -> int:
        """The columns (of a terminal) without which something is cut."""
        return sum(self._width(at) for at in kept) + BETWEEN * (len(kept) - 1) + EDGES

    def _width(self, at: int) -> int:
        name = self._columns[at]
        widths = [cell_len(row[at].plain) for row in self._rows]
        widest = max([cell_len(name.lstrip(">~")), *widths])
        return min(widest, READABLE) if name.startswith("~") else widest


BETWEEN, EDGES = 3, 2
"""What `table` puts between two columns, and at both ends together."""

READABLE = 16
"""So wide a column that gives way still can be read."""
