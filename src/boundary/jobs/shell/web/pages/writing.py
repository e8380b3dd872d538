"""How values are written on a page.

What belongs here: numbers, times and JSON for people, as markup that is escaped. What does not:
which of them a page shows.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from markupsafe import Markup

from boundary.jobs.core.values import JSON
from boundary.jobs.shell.web.pages.tracebacks import parts

SHORT: Final = 120
"""Characters of arguments in a list."""
SECOND: Final = 1_000
MINUTE: Final = 60
HOUR: Final = 60
DAYS: Final = 48
"""Where a duration goes on to the next unit."""
NONE: Final = "\N{EN DASH}"


def number(value: float) -> str:
    """With thousands set apart; from 100,000 on in thousands or millions."""
    for size, letter in ((1_000_000_000, "G"), (1_000_000, "M"), (100_000, "k")):
        if value >= size:
            return f"{value / (1_000 if letter == 'k' else size):.3g} {letter}"
    return f"{value:,.0f}"


def plain_number(value: float) -> str:
    """A number as one would type it."""
    return f"{value:g}" if value != int(value) else f"{value:.0f}"


def rate(value: float) -> str:
    """A number of things a minute; small ones with a decimal."""
    return f"{value:.1f}" if 0 < value < 10 else number(value)  # noqa: PLR2004


def span(milliseconds: float | None) -> str:
    """A duration in the one or two units people would say it in."""
    if milliseconds is None:
        return NONE
    if milliseconds < 1:
        return "<1 ms"
    if milliseconds < SECOND:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / SECOND
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), MINUTE)
    if minutes < HOUR:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, HOUR)
    if hours < DAYS:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d"


def between(begin: datetime | None, end: datetime | None) -> str:
    """How long it was from one instant to another."""
    return NONE if begin is None or end is None else span((end - begin).total_seconds() * 1_000)


def moment(at: datetime | None, form: str = "relative") -> Markup:
    """An instant, in UTC as it stands; a script writes it in the viewer's own way.

    Args:
        form: ``relative`` ("3 min ago"), ``clock`` (time of day), ``day`` or ``full``.
    """
    if at is None:
        return Markup('<span class="none">{}</span>').format(NONE)
    told = at.astimezone(UTC)
    plain = {"clock": f"{told:%H:%M:%S}", "day": f"{told:%d %b}", "axis": f"{told:%H:%M}"}.get(
        form, f"{told:%Y-%m-%d %H:%M:%S} UTC"
    )
    return Markup('<time datetime="{}" data-as="{}">{}</time>').format(
        told.isoformat(timespec="milliseconds"), form, plain
    )


def every(interval: timedelta) -> str:
    """An interval."""
    return span(interval.total_seconds() * 1_000)


def short(value: JSON) -> str:
    """Arguments in one line: ``to="a@b.c", count=3``."""
    if isinstance(value, dict):
        members = cast("dict[str, JSON]", value)
        text = ", ".join(f"{name}={_compact(each)}" for name, each in members.items())
    else:
        text = _compact(value)
    return text if len(text) <= SHORT else text[: SHORT - 1] + "…"


def _compact(value: JSON) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(", ", ": "), default=str)
    return text if len(text) <= SHORT else text[: SHORT - 1] + "…"


def pretty(value: JSON) -> Markup:
    """JSON over several lines, its keys, texts and other values told apart."""
    return _node(value, "")


def _node(value: JSON, indent: str) -> Markup:
    inner = indent + "  "
    if isinstance(value, dict) and value:
        members = cast("dict[str, JSON]", value)
        rows = [
            Markup('{}<span class="key">{}</span>: {}').format(
                inner, _quoted(name), _node(each, inner)
            )
            for name, each in members.items()
        ]
        return Markup("{{\n{}\n{}}}").format(Markup(",\n").join(rows), indent)
    if isinstance(value, list | tuple) and value:
        items = [
            Markup("{}{}").format(inner, _node(each, inner)) for each in cast("list[JSON]", value)
        ]
        return Markup("[\n{}\n{}]").format(Markup(",\n").join(items), indent)
    kind = "text" if isinstance(value, str) else "value"
    return Markup('<span class="{}">{}</span>').format(kind, _quoted(value))


def _quoted(value: JSON) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def plain_json(value: JSON) -> str:
    """JSON over several lines, to be edited."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def lines(text: str) -> int:
    """How many lines a text has."""
    return text.count("\n") + 1


def traceback(text: str) -> Markup:
    """A traceback, frames of libraries folded."""
    found: list[Markup] = []
    for part in parts(text):
        if part.frames:
            word = "frame" if part.frames == 1 else "frames"
            found.append(
                Markup("<details><summary>{} library {}</summary><pre>{}</pre></details>").format(
                    part.frames, word, part.text
                )
            )
        else:
            found.append(Markup("<pre>{}</pre>").format(part.text))
    return Markup("").join(found)


OUTCOMES: Final = {
    "succeed": "completed",
    "fail": "failed, will be retried",
    "exhaust": "failed for good",
    "discard": "discarded",
    "cancel": "cancelled",
    "crash": "worker lost",
    "quarantine": "cannot be read",
    "snooze": "put off",
    "release": "given back",
    "reclaim": "worker lost, taken back",
}
"""How a run ended, for people."""


FILTERS: Final[dict[str, Any]] = {
    "number": number,
    "plain_number": plain_number,
    "span": span,
    "moment": moment,
    "every": every,
    "short": short,
    "pretty": pretty,
    "plain_json": plain_json,
    "traceback": traceback,
    "rate": rate,
    "outcome": OUTCOMES.get,
    "lines": lines,
}
