"""The project itself: purity, pinned versions, docs that tell the truth."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from boundary.jobs import Jobs
from boundary.jobs import errors as jobs_errors
from docs.generate import PAGES
from tests.chaos.scorecard import Scorecard
from tests.docs import pages
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PURE = [
    path
    for path in SOURCES
    if {"core", "plans"} & set(path.relative_to(ROOT).parts) or path.name == "statements.py"
]
IMPURE_MODULES = {
    *("asyncio", "concurrent", "http", "io", "logging", "multiprocessing", "os", "pathlib"),
    *("random", "redis", "secrets", "select", "shutil", "socket", "sqlite3", "ssl"),
    *("subprocess", "tempfile", "threading", "time", "urllib"),
}
IMPURE_CALLS = {
    *("input", "now", "open", "print", "today", "utcnow", "uuid1", "uuid4"),
    *("read_bytes", "read_text", "write_bytes", "write_text", "import_module", "__import__"),
}


def impurities(code: str) -> list[str]:
    """What code imports or calls that is a clock, chance, a loop, a log or I/O."""
    found: list[str] = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names = {alias.name.partition(".")[0] for alias in node.names}
            found += sorted(names & IMPURE_MODULES)
        elif isinstance(node, ast.ImportFrom):
            if node.module == "pathlib" and {one.name for one in node.names} == {"PurePath"}:
                continue  # which asks no disk
            found += {(node.module or "").partition(".")[0]} & IMPURE_MODULES
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", None) or getattr(node.func, "id", None)
            found += [ast.unparse(node.func)] if name in IMPURE_CALLS else []
    return found


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_the_core_and_the_plans_are_pure(path: Path) -> None:
    """S7."""
    assert impurities(path.read_text()) == []


@pytest.mark.parametrize(
    "code",
    [
        "from time import monotonic",
        "import urllib.request",
        "from redis.connection import Connection",
        "from datetime import datetime\ndatetime.now(UTC)",
        "import datetime as dt\ndt.datetime.now()",
        "import datetime as dt\ndt.date.today()",
        "from pathlib import Path, PurePath",
        "place.joinpath('x').open()",
        "place.read_text()",
    ],
)
def test_what_is_not_pure_is_seen(code: str) -> None:
    assert len(impurities(code)) == 1


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_every_file_says_what_belongs_in_it(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


CODE_BY_NAME = {
    "shell/signature.py": {"eval"},  # annotations in the source of a handler
    "shell/isolation/address.py": {"import_module"},  # where a registered handler was defined
    "shell/isolation/cell.py": {"import_module"},  # modules of registered handlers
    "shell/cli/processes.py": {"import_module"},  # an optional package
    "shell/cli/working.py": {"import_module"},  # the module somebody names at the prompt
    "shell/loops.py": {"import_module"},  # an optional package
    "testing/kit.py": {"import_module"},  # the module of somebody's test options
}
"""Who makes code out of a text, and none of these texts comes from a store."""

MAKE_CODE = {"eval", "exec", "compile", "import_module", "__import__", "run_path", "run_module"}
UNPACK_CODE = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "yaml", "runpy", "code"}


def test_code_is_made_of_texts_at_the_known_places_only() -> None:
    """SECURITY.md: nothing is imported by a name from the store, nothing is unpickled."""
    found: dict[str, set[str]] = {}
    for path in SOURCES:
        name = path.relative_to(ROOT / "src/boundary").as_posix().removeprefix("jobs/")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Name | ast.Attribute):
                named = node.id if isinstance(node, ast.Name) else node.attr
                of_re = isinstance(node, ast.Attribute) and ast.unparse(node.value) == "re"
                if named in MAKE_CODE and not of_re:
                    found.setdefault(name, set()).add(named)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                modules = {alias.name for alias in node.names}
                if isinstance(node, ast.ImportFrom):
                    modules = {node.module or ""}
                assert not {one.partition(".")[0] for one in modules} & UNPACK_CODE, name
    assert found == CODE_BY_NAME


def test_every_error_is_made_somewhere() -> None:
    """Else somebody catches it in vain."""
    made = {
        node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    }
    errors: list[type] = [getattr(jobs_errors, name) for name in jobs_errors.__all__]
    kinds = {base for one in errors for base in one.__bases__}
    assert [one.__name__ for one in errors if one not in kinds and one.__name__ not in made] == []


def test_versions_are_pinned_without_an_address() -> None:
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"#.*|[A-Za-z0-9_.\-]+==[A-Za-z0-9_.+!\-]+", line), line
        assert "://" not in line


def test_importing_is_light() -> None:
    code = "import sys, boundary.jobs; print(*sys.modules)"
    # What measures this process would measure that one too, and loads a lot for it.
    alone = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=alone
    ).stdout.split()
    others = {
        "sqlite3",
        "typer",
        "rich",
        "tomllib",
        "click",
        "hypothesis",
        "asyncio",
        "urllib.parse",
    }
    assert not others & set(loaded)
    # What a quick start can do without, and takes 2 ms each.
    assert not {"hashlib", "logging", "secrets", "calendar"} & set(loaded)


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_up_to_date(name: str) -> None:
    """`make docs` writes them anew."""
    assert (ROOT / "docs" / name).read_text() == PAGES[name]()


def _anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub makes them, and those set by hand."""
    text = page.read_text()
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}
    return made | set(re.findall(r'<a id="([^"]+)">', text))


@pytest.mark.parametrize(
    "path",
    [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_links_lead_somewhere(path: Path) -> None:
    """In the repository as on the site: to a file, and to a heading of it."""
    for target in re.findall(r"\]\(([^):]+)\)", path.read_text()):
        name, _, anchor = target.partition("#")
        page = path.parent / name if name else path
        assert page.exists(), target
        if anchor:
            assert anchor in _anchors(page), target


LUA = ROOT / "src" / "boundary" / "jobs" / "shell" / "adapters" / "redis" / "lua"


def test_every_key_of_the_scripts_is_documented() -> None:
    """docs/redis.md has a row for each key, and none for another."""
    texts = [path.read_text() for path in LUA.rglob("*.lua")]
    # What is published has a channel, not a key.
    own = r"(?<!'PUBLISH', )P \.\. '([a-z]+:?)'"
    used = {key for text in texts for key in re.findall(own, text)}
    table = (ROOT / "docs" / "redis.md").read_text().partition("## Keys")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \| (.*?) \|", table, re.MULTILINE)
    keys = re.findall(r"`([a-z]+:?)", " ".join(name for name, _ in rows))
    assert used | {"job"} == set(keys)
    kinds = {name for _, kinds in rows for name in kinds.split(", ")}
    assert kinds <= {"type", "hash", "list", "set", "sorted set", "string", "---"}


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(LUA.rglob("*.lua")) if path.parent.name != "parts"],
    ids=lambda path: path.stem,
)
def test_every_script_says_what_it_takes_and_gives(path: Path) -> None:
    """Its head: what is true afterwards, ARGV if it reads any, Returns, Cost, flags, parts."""
    text = path.read_text()
    head = re.match(r"(?:--.*\n)+", text)
    assert head is not None
    first = head[0].splitlines()[0]
    assert re.fullmatch(r"-- [A-Z].*[.:;,a-z]", first), first
    for word in ("Returns", "Cost", "@flags", "@include"):
        assert re.search(rf"^--\s?{word}\b", head[0], re.MULTILINE), word
    reads = {int(number) for number in re.findall(r"ARGV\[(\d)\]", text[head.end() :])} - {1}
    told = re.findall(r"^-- ARGV\[(\d)(?:\.\.(\d?))?\]", head[0], re.MULTILINE)
    spans = [range(int(low), int(high or low) + 1) for low, high in told]
    assert reads <= {number for span in spans for number in span}
    assert bool(told) == ("ARGV" in text[head.end() :])


@pytest.mark.parametrize("path", sorted((LUA / "parts").glob("*.lua")), ids=lambda path: path.stem)
def test_every_part_of_scripts_says_what_belongs_in_it(path: Path) -> None:
    assert path.read_text().startswith("-- ")


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


def test_what_else_the_readme_shows_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its second block too, beside a worker, with addresses of ours and a job that has failed."""
    page = ROOT / "README.md"
    url = f"sqlite:///{tmp_path}/jobs.db"
    monkeypatch.setenv("BOUNDARY_JOBS_URL", url)
    (tmp_path / "tasks.py").write_text(pages.blocks(page)[0][0][1])
    worker = subprocess.Popen(
        [sys.executable, "-m", "boundary.jobs", "worker", "tasks"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with Jobs(url) as jobs:
            bad = jobs.enqueue("send_email", {"whom": "Ada"}, queue="emails", max_retries=0)
            eventually("it has failed", jobs.failed)
            shown = pages.run(page, {"addresses": ["bob@example.com", "eve@example.com"]})
            reminder, again = jobs.find(shown["reminder"].id), jobs.find(bad.id)
            assert reminder is not None
            assert again is not None
            assert (reminder.status, again.status) == ("cancelled", "pending")
            assert jobs.find(shown["job"].id).result == {"message_id": "msg-123"}
    finally:
        worker.kill()
        worker.wait()


def test_each_number_of_the_seeds_checklist_is_named_in_a_test() -> None:
    """From the first to the last, each requirement has a test that says it shows it."""
    named: set[int] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for first, last in re.findall(r"\bS(\d+)(?:-S?(\d+))?\b", path.read_text()):
            named |= set(range(int(first), int(last or first) + 1))
    assert set(range(1, 129)) - named == set()


def test_the_scorecard_that_is_shown_is_clean() -> None:
    """G1-G16: nothing lost, nothing unexplained, no experiment that failed, for an hour."""
    score = Scorecard.read(ROOT / "docs" / "scorecard.json")
    assert score.length == "hour"
    assert score.minutes >= 60
    assert score.is_clean, [one.text for one in score.failures]
