"""What the pages of the site show is what happens, and what there is, they name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml
from typer.main import get_command

import boundary.jobs
from boundary.jobs import EventType
from boundary.jobs.shell.cli.app import app
from docs import generate
from tests.docs.pages import DOCS, ROOT, blocks, compiled, run

ELSEWHERE = {"tutorial", "testing", "other-languages"}
"""Pages with tests of their own, beside those for who comes from elsewhere."""

BEFORE = {
    "schedules": """
        from boundary.jobs import Jobs
        jobs = Jobs()
        @jobs.handler
        def report(kind: str) -> None: ...
    """,
    "dashboard": """
        from fastapi import FastAPI
        from starlette.applications import Starlette as get_asgi_application
        from boundary.jobs import Jobs
        jobs, fastapi_app = Jobs(), FastAPI()
        def who(request): return None
    """,
    "executors": "from boundary.jobs import Context, Jobs\njobs = Jobs()",
}
"""What a page takes for granted."""

PAGES = sorted(
    page
    for page in DOCS.rglob("*.md")
    if "```python" in page.read_text()
    and page.stem not in ELSEWHERE | {"observability"}
    and not page.stem.startswith("coming-from-")
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(
    page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In order, in one module, on a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BOUNDARY_JOBS_URL", raising=False)
    given: dict[str, object] = {"__name__": page.stem}
    exec(re.sub(r"^ {8}", "", BEFORE.get(page.stem, ""), flags=re.MULTILINE), given)
    run(page, given)
    assert blocks(page)[0]


def test_the_code_of_what_one_can_see_is_code() -> None:
    """It follows events without end and needs others' packages; `tests/telemetry` does as it says."""
    page = DOCS / "observability.md"
    for line, code in blocks(page)[0]:
        compiled(page, line, code)


def everything() -> str:
    return "\n".join(page.read_text() for page in sorted(DOCS.rglob("*.md")))


def test_what_there_is_is_named() -> None:
    """Every command with every option, setting, error, event and public name."""
    parts = re.split(r"^### (.+)$", (DOCS / "cli.md").read_text(), flags=re.MULTILINE)
    told = dict(zip(parts[1::2], parts[2::2], strict=True))
    for name, command in get_command(app).commands.items():
        for one in command.params:
            for option in (one.opts[0], *one.secondary_opts):
                if option.startswith("--") and option != "--help" and not one.hidden:
                    assert option in told[name], f"{name} {option}"
    settings = (DOCS / "reference" / "configuration.md").read_text()
    from boundary.jobs.shell import config

    for key in config.known_keys():
        assert f"| `{key}` |" in settings, key
    codes = (DOCS / "reference" / "errors.md").read_text()
    for kind in generate.error_types():
        assert f"| `{kind.code}` | `{kind.__name__}` |" in codes, kind
    from boundary.jobs.shell.web.problems import CODES

    for code in CODES:
        assert f"| `{code}` |" in codes, code
    for event in get_args(EventType):
        assert f"| `{event}` |" in (DOCS / "observability.md").read_text(), event
    names = (DOCS / "reference" / "api.md").read_text()
    for name in boundary.jobs.__all__:
        assert f"boundary.jobs.{name}\n" in names or f"- `{name}` is" in names, name


def test_every_option_of_a_handler_is_in_the_guide() -> None:
    from boundary.jobs.shell.options import EnqueueOptions, HandlerOptions

    table = (DOCS / "guides" / "jobs.md").read_text().partition("## Options")[2]
    named = set(re.findall(r"`(\w+)`", table.partition("\n## ")[0]))
    assert {*HandlerOptions.__annotations__, *EnqueueOptions.__annotations__} <= named


def test_the_commands_pages_show_exist() -> None:
    commands = get_command(app).commands
    for line in re.findall(r"boundary-jobs ([a-z][a-z-]+ [^`\n]*)[`\n]", everything()):
        name, *words = line.partition("#")[0].split()
        if name not in commands:
            assert not words or not words[0].startswith("-"), line  # prose
            continue
        known = {opt for one in commands[name].params for opt in (*one.opts, *one.secondary_opts)}
        for word in words:
            if re.fullmatch(r"--?[a-z][a-z-]*", word):
                assert word in {*known, "--url", "--config", "--no-color"}, line


def test_figures_beside_peers_are_the_benchmarks() -> None:
    """docs/why.md takes no figure from elsewhere."""
    table = (DOCS / "why.md").read_text().partition("## How fast")[2]
    measured = (DOCS / "benchmarks.md").read_text()
    rows = re.findall(
        r"^\| ([\w-]+) \| ([\d,]+).*? \| ([\d,.]+) \| ([\d.]+) \|$", table, re.MULTILINE
    )
    assert len(rows) == 8
    peers = re.split(r"^## .*, beside peers.*$", measured, maxsplit=1, flags=re.MULTILINE)[1]
    for name, *figures in rows:
        lines = [line for line in peers.splitlines() if re.match(rf"\| {name}(-stream)? ", line)]
        shown = " ".join(lines[:3])
        assert lines
        for figure in figures:
            assert figure in shown, (name, figure)


class _Loader(yaml.SafeLoader):
    """MkDocs' own files name functions."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: None)


def test_every_page_of_the_navigation_is_there() -> None:
    settings = yaml.load((ROOT / "mkdocs.yml").read_text(), _Loader)
    from docs.outside import GUESTS, pages

    for page in pages(settings["nav"]):
        assert (DOCS / page).exists() or page in GUESTS.values(), page
    for source in GUESTS:
        assert (ROOT / source).exists()
