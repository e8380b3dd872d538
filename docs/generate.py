"""Writes the pages of docs/ that say what the code says: `make docs`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from boundary.jobs.core import lifecycle
from boundary.jobs.shell.cli.app import COMMANDS, app

HERE = Path(__file__).parent


def command_page() -> str:
    """docs/cli.md: every command with its arguments and options."""
    group: Any = typer.main.get_command(app)
    lines = [
        "# The command",
        "",
        "`boundary-jobs`, or `python -m boundary.jobs`. Every look has `--json`. Exit codes: 0 done,",
        "1 not found or refused, 2 usage, 3 the store cannot be reached. `NO_COLOR=1` turns colours off.",
        "Options of the whole command may stand anywhere:",
        "",
        *_parameters(group),
    ]
    for panel, functions in COMMANDS.items():
        lines += ["", f"## {panel}"]
        for function in functions:
            command = group.commands[function.__name__.replace("_", "-")]
            lines += ["", f"### {command.name}", "", (function.__doc__ or "").strip(), ""]
            lines += _parameters(command)
    return "\n".join(lines).rstrip() + "\n"


def _parameters(command: Any) -> list[str]:
    rows = []
    for one in command.params:
        if getattr(one, "hidden", False) or one.name == "help":
            continue
        name = (
            ", ".join(one.opts)
            if one.opts[0].startswith("-")
            else (one.metavar or one.name.upper())
        )
        rows.append(f"- `{name}`: {one.help or ''}".rstrip())
    return rows


def lifecycle_page() -> str:
    """docs/lifecycle.md: the diagram, drawn from the table."""
    rows = [f"| {before} | {event} | {to} |" for (before, event), to in lifecycle.TABLE.items()]
    return "\n".join(
        [
            "# A job's life",
            "",
            "Drawn from the table in `core/lifecycle.py`; nothing else happens to a job. A scheduled job is",
            "`pending` with `execute_at` ahead. Dead letters are the failed jobs that ended by exhaust, crash",
            "or quarantine.",
            "",
            "```mermaid",
            lifecycle.mermaid().rstrip(),
            "```",
            "",
            "| from | event | to |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


PAGES: dict[str, Callable[[], str]] = {"cli.md": command_page, "lifecycle.md": lifecycle_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page())
        print(f"docs/{name}")
