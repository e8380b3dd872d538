"""How the figures are shown: aligned tables in the terminal, Markdown, JSON."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

Row = dict[str, Any]

THROUGHPUT = {
    "enqueue": "enqueue, blocking",
    "aenqueue": "enqueue, asyncio",
    "producers": "100 producers",
    "bulk": "bulk",
    "drain1": "drain, 1 process",
    "drain2": "drain, 2 processes",
    "sleepers": "50 ms sleepers, 100 at once",
    "due": "due at one instant",
}
LATENCY = {
    "start_p50": "to start p50, ms",
    "start_p99": "to start p99, ms",
    "result_p50": "to result p50, ms",
    "idle_commands": "idle commands/s (scripts' too)",
    "idle_cpu": "idle CPU, %",
    "rss_idle": "RSS idle, MB",
    "rss_after": "RSS after the drain, MB",
}
COST = {
    "bytes": "Redis bytes/job",
    "enqueue_cpu_us": "server CPU µs/enqueue",
    "settle_cpu_us": "server CPU µs/claim+settle",
    "enqueue_us": "scripts µs/enqueue",
    "bulk_us": "scripts µs/job in bulk",
    "settle_us": "scripts µs/claim+settle",
    "due_s": "due: s until all are done",
}
TABLES = {"Jobs a second": THROUGHPUT, "An idle worker": LATENCY, "What a job costs": COST}


def medians(samples: Iterable[dict[str, float]]) -> dict[str, Row]:
    """By figure: its median over the rounds, the least, the greatest."""
    found: dict[str, list[float]] = {}
    for sample in samples:
        for name, value in sample.items():
            found.setdefault(name, []).append(value)
    return {
        name: {"median": statistics.median(row), "min": min(row), "max": max(row)}
        for name, row in found.items()
    }


def number(value: float) -> str:
    """As many digits as say something."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that is aligned in a terminal and is Markdown."""
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]

    def line(row: Sequence[str]) -> str:
        first, *others = row
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        return "| " + " | ".join(cells) + " |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(head), line(rule), *(line(row) for row in rows)])


def redis(found: Row) -> str:
    """The report of the Redis suite."""
    parts = [f"## Redis: {found['server']}, {found['rounds']} round(s), medians", ""]
    for title, columns in TABLES.items():
        used = [key for key in columns if any(key in peer["figures"] for peer in found["peers"])]
        rows = []
        for peer in found["peers"]:
            figures = peer["figures"]
            cells = [number(figures[key]["median"]) if key in figures else "–" for key in used]
            rows.append([peer["name"], *cells])
        parts += [f"### {title}", "", table(["queue", *(columns[key] for key in used)], rows), ""]
    if found["raw"]:
        rows = [[name, number(row["median"])] for name, row in found["raw"].items()]
        parts += [
            "### The bare server: redis-benchmark at its defaults, and a PING over a plain socket",
            "",
            table(["command", "requests/s, or ms"], rows),
            "",
        ]
        rows = [[name, number(row["median"])] for name, row in found["ratios"].items()]
        parts += ["### Ours by the bare server's, in this run", "", table(["ratio", "×"], rows), ""]
    failures = [
        f"- {peer['name']}: {name}: {why}"
        for peer in found["peers"]
        for name, why in peer["failures"].items()
    ]
    parts += ["### What did not run", "", *(failures or ["Everything ran."]), ""]
    parts += ["### Versions and settings", ""]
    for peer in found["peers"]:
        info = peer["info"]
        versions = ", ".join(f"{k} {v}" for k, v in info.get("versions", {}).items())
        settings = "; ".join(f"{k} = {v}" for k, v in info.get("settings", {}).items())
        parts.append(f"- {peer['name']}: {versions or 'not installed'}. {settings}")
    return "\n".join(parts) + "\n"


def worker(rows: list[Row]) -> str:
    """The report of the worker suite, with what was to be reached."""
    lines = [
        [row["figure"], *(f"{row[key]:,.2f}" for key in ("median", "min", "max")), row["asked"]]
        for row in rows
    ]
    head = ["figure", "median", "min", "max", "to reach"]
    return "## A worker in production\n\n" + table(head, lines) + "\n"


def sqlite(rows: list[Row]) -> str:
    """The report of the SQLite suite."""
    lines = [
        [row["figure"], *(f"{row[key]:,.2f}" for key in ("median", "min", "max"))] for row in rows
    ]
    head = ["figure", "median", "min", "max"]
    return "## SQLite and memory\n\n" + table(head, lines) + "\n"
