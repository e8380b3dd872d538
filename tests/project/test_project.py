"""The project itself: purity, pinned versions, docs that tell the truth."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.generate import PAGES

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PURE = [
    path
    for path in SOURCES
    if path.parent.name == "core" or path.name in {"plans.py", "statements.py"}
]
IMPURE_MODULES = {"time", "random", "os", "secrets", "socket", "threading", "asyncio", "logging"}
IMPURE_CALLS = {"open", "print", "input", "uuid1", "uuid4", "utcnow", "today"}


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.name)
def test_the_core_and_the_plans_are_pure(path: Path) -> None:
    """S7."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not {alias.name.partition(".")[0] for alias in node.names} & IMPURE_MODULES
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] not in IMPURE_MODULES
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", None) or getattr(node.func, "id", None)
            assert name not in IMPURE_CALLS
            assert ast.unparse(node.func) != "datetime.now"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_every_file_says_what_belongs_in_it(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_versions_are_pinned_without_an_address() -> None:
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"#.*|[A-Za-z0-9_.\-]+==[A-Za-z0-9_.+!\-]+", line), line
        assert "://" not in line


def test_importing_is_light() -> None:
    code = "import sys, boundary.jobs; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not {"sqlite3", "typer", "rich", "tomllib", "click", "hypothesis"} & set(loaded)


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_up_to_date(name: str) -> None:
    """`make docs` writes them anew."""
    assert (ROOT / "docs" / name).read_text() == PAGES[name]()


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda path: path.name
)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_the_ten_lines_of_the_readme_run(tmp_path: Path) -> None:
    code = re.search(r"```python\n(# tasks\.py.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert code is not None
    (tmp_path / "tasks.py").write_text(code[1])
    enqueue = re.search(r"python -c '(.*?)'\n", (ROOT / "README.md").read_text())
    assert enqueue is not None
    enqueued = [sys.executable, "-c", enqueue[1]]
    worker = [sys.executable, "-m", "boundary.jobs", "worker", "tasks", "--burst"]
    subprocess.run(enqueued, cwd=tmp_path, check=True, capture_output=True)
    done = subprocess.run(worker, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "to ada@example.com: Hi" in done.stdout
