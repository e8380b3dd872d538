"""What the pages for those who come from elsewhere show is what happens."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from boundary.jobs import Jobs
from boundary.jobs.testing import jobs_under_test
from tests.docs.pages import DOCS, blocks, run

PAGES = sorted(DOCS.glob("coming-from-*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_our_code_of_a_page_runs(
    page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In order, in one module, on a file; its tests run with the kit."""
    monkeypatch.setenv("BOUNDARY_JOBS_URL", f"sqlite:///{tmp_path}/jobs.db")
    space = run(page)
    for name in [one for one in space if one.startswith("test_")]:
        with jobs_under_test(space["jobs"]) as kit:
            space[name](kit)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_what_one_looks_for(page: Path) -> None:
    """Side by side: each block of theirs is followed by one of ours, and the pitfalls are named."""
    text = page.read_text()
    ours, theirs = blocks(page)
    assert len(theirs) >= 5
    assert len(ours) >= len(theirs)
    for heading in ("## Word for word", "## What will surprise you", "## Moving over"):
        assert heading in text
    for code in theirs:
        compile(code, "theirs", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    assert len(rows) >= 18


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_exist(page: Path) -> None:
    from typer.main import get_command

    from boundary.jobs.shell.cli.app import app

    known = {one.name or one.callback.__name__ for one in app.registered_commands if one.callback}
    used = set(re.findall(r"`boundary-jobs (\w+)", page.read_text()))
    assert used
    assert used <= known
    worker = get_command(app).commands["worker"]
    options = {name for one in worker.params for name in (*one.opts, *one.secondary_opts)}
    for line in re.findall(r"`boundary-jobs worker ([^`]*)`", page.read_text()):
        for option in re.findall(r"(?<!\S)(--?[a-z][a-z-]*)", line):
            assert option in options, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_name_of_the_doors_on_a_page_exists(page: Path) -> None:
    """`jobs.x` and `jobs.aio.x` in the text are things a `Jobs` has."""
    jobs = Jobs("memory://")
    text = re.sub(r"\]\([^)]*\)", "]", page.read_text())  # guides/jobs.md is no name of a `Jobs`
    for name in set(re.findall(r"\bjobs\.aio\.(\w+)", text)):
        assert hasattr(jobs.aio, name), name
    kit = {"assert_enqueued", "drain"}
    for name in set(re.findall(r"\bjobs\.(\w+)", text)) - kit:
        assert hasattr(jobs, name), name


def test_the_pages_are_found_from_the_readme() -> None:
    readme = (DOCS.parent / "README.md").read_text()
    assert len(PAGES) == 4
    for page in PAGES:
        assert f"docs/{page.name}" in readme
