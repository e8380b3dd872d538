"""What is released: a wheel and an sdist that work where nothing else is.

Slow, for environments are made and filled: `make soak` and CI run it.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import boundary.jobs
from tests.docs.test_tutorial import Follower, first_six_steps

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = {"dev", "docs", "examples", "release"}
"""Extras for those who work on it."""
EXTRAS = ("", *(name for name in PROJECT["optional-dependencies"] if name not in OURS))
PYTHONS = ("3.11", "3.12", "3.13", "3.14")

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900), pytest.mark.xdist_group("release")]


def run(*command: str | Path, **options: Any) -> str:
    """What a command printed; it ended well."""
    done = subprocess.run(
        [str(word) for word in command],
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
        **options,
    )
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-4_000:]
    return done.stdout


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `make release` would fill; the wheel is built from the sdist."""
    pytest.importorskip("build", reason="build is not installed: pip install -e '.[dev]'")
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    return folder


@pytest.fixture(scope="session")
def wheel(dist: Path) -> Path:
    (path,) = dist.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The Python of an environment with the wheel and one extra, and nothing else."""
    made: dict[tuple[str, str], Path] = {}

    def install(extra: str = "", python: str = sys.executable) -> Path:
        if (extra, python) not in made:
            folder = tmp_path_factory.mktemp(f"env-{extra or 'bare'}")
            run(python, "-m", "venv", folder)
            program = folder / "bin" / "python"
            what = f"{wheel}[{extra}]" if extra else str(wheel)
            pinned = ROOT / "constraints.txt"
            run(
                program,
                "-m",
                "pip",
                "install",
                "-q",
                "--disable-pip-version-check",
                "-c",
                pinned,
                what,
            )
            made[extra, python] = program
        return made[extra, python]

    return install


@pytest.fixture
def outside() -> dict[str, str]:
    """The environment of somebody who has never seen this repository."""
    ours = ("BOUNDARY_", "PYTHON", "COVERAGE", "PYTEST", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


# What is in it


def test_the_version_is_written_in_one_place(wheel: Path) -> None:
    version = boundary.jobs.__version__
    assert wheel.name.startswith(f"boundary_jobs-{version}-")
    assert importlib.metadata.version("boundary-jobs") == version
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()
    again = re.compile(rf"(?<![\d.]){re.escape(version)}(?![\d.])")
    for path in [ROOT / "pyproject.toml", *sorted((ROOT / "src").rglob("*.py"))]:
        if path.name != "version.py":
            assert not again.search(path.read_text()), path


def test_the_wheel_has_everything_that_runs_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    ours = {
        str(path.relative_to(ROOT / "src"))
        for path in (ROOT / "src").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if ".dist-info/" not in name} == ours
    assert "boundary/jobs/py.typed" in names
    assert "boundary/__init__.py" not in names, "the namespace is shared"
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_sdist_is_enough_to_build_and_no_more(dist: Path) -> None:
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        tops = {Path(name).parts[1] for name in archive.getnames() if len(Path(name).parts) > 1}
    assert tops >= {"src", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md"}
    assert not tops & {"tests", "benchmarks", ".git", ".venv", "constraints.txt"}


def test_what_the_package_says_of_itself(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [one for one in archive.namelist() if one.endswith(".dist-info/METADATA")]
        text = archive.read(name).decode()
    assert "Requires-Python: >=3.11" in text
    told = re.findall(
        r"^Classifier: Programming Language :: Python :: (3\.\d+)$", text, re.MULTILINE
    )
    assert tuple(told) == PYTHONS
    extras = set(re.findall(r"^Provides-Extra: (\S+)$", text, re.MULTILINE))
    assert extras == {*EXTRAS, *OURS} - {""}
    for extra in EXTRAS[1:]:
        assert f"extra == '{extra}'" in text


# Where nothing else is


def test_the_tutorial_is_followed_with_the_wheel_alone(
    installed: Callable[..., Path], tmp_path: Path
) -> None:
    first_six_steps(Follower(tmp_path, python=installed("web")))


QUICK_START = """
import asyncio, sys
from tasks import jobs, send_email

job = send_email.enqueue(to="ada@example.com", subject="Hi")
asyncio.run(jobs.worker().run(burst=True))
print(jobs.result(job.id, timeout=0), jobs.stats().total_succeeded)
assert "pytest" not in sys.modules
"""


def quick_start(python: Path, folder: Path, environ: dict[str, str]) -> None:
    """The README's ten lines, its commands, and the same in one process."""
    readme = (ROOT / "README.md").read_text()
    code = re.search(r"```python\n(# tasks\.py.*?)```", readme, re.DOTALL)
    enqueue = re.search(r"python -c '(.*?)'\n", readme)
    assert code is not None
    assert enqueue is not None
    folder.mkdir(exist_ok=True)
    (folder / "tasks.py").write_text(code[1])
    program = python.parent / "boundary-jobs"
    run(python, "-c", enqueue[1], cwd=folder, env=environ)
    said = run(program, "worker", "tasks", "--burst", cwd=folder, env=environ)
    assert "to ada@example.com: Hi" in said
    assert (
        json.loads(run(program, "stats", "--json", cwd=folder, env=environ))["total_succeeded"] == 1
    )
    again = run(python, "-c", QUICK_START, cwd=folder, env=environ)
    assert again.splitlines()[-1] == "{'message_id': 'msg-123'} 2"
    assert boundary.jobs.__version__ in run(program, "--version", cwd=folder, env=environ)


@pytest.mark.parametrize("extra", EXTRAS, ids=lambda extra: extra or "bare")
def test_it_installs_and_the_quick_start_runs(
    extra: str, installed: Callable[..., Path], tmp_path: Path, outside: dict[str, str]
) -> None:
    python = installed(extra)
    run(python, "-m", "pip", "check")
    quick_start(python, tmp_path / "first", outside)


def test_bare_it_brings_little(installed: Callable[..., Path], outside: dict[str, str]) -> None:
    python = installed()
    listed = json.loads(run(python, "-m", "pip", "list", "--format", "json", env=outside))
    names = {one["name"].lower() for one in listed} - {"pip", "setuptools", "wheel"}
    assert not names & {"redis", "starlette", "pytest", "uvloop", "opentelemetry-api"}
    assert len(names) <= 18, sorted(names)


def test_what_an_extra_would_bring_is_named(
    installed: Callable[..., Path], tmp_path: Path, outside: dict[str, str]
) -> None:
    code = "from boundary.jobs import Jobs; Jobs('redis://127.0.0.1:1').stats()"
    done = subprocess.run(
        [installed(), "-c", code],
        cwd=tmp_path,
        env=outside,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "boundary-jobs[redis]" in done.stderr


def test_the_kit_works_without_pytest(
    installed: Callable[..., Path], tmp_path: Path, outside: dict[str, str]
) -> None:
    code = (
        "from boundary.jobs.testing import JobsKit\n"
        "kit = JobsKit()\n"
        "work = kit.handler('work')(lambda: 7)\n"
        "job = work.enqueue()\n"
        "kit.drain()\n"
        "print(kit.result(job.id))\n"
    )
    assert run(installed(), "-c", code, cwd=tmp_path, env=outside).strip() == "7"


def test_all_that_is_public_has_a_type(
    installed: Callable[..., Path], tmp_path: Path, outside: dict[str, str]
) -> None:
    """`py.typed` is a promise; pyright checks it where a user would, on the installed wheel."""
    python = installed("redis")
    needed = [one for extra in EXTRAS[1:] for one in PROJECT["optional-dependencies"][extra]]
    run(python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", "pytest", *needed)
    checker = Path(sys.executable).parent / "pyright"
    environ = {
        **outside,
        "PATH": f"{python.parent}:{Path(sys.executable).parent}:{outside['PATH']}",
    }
    done = subprocess.run(
        [checker, "--verifytypes", "boundary.jobs", "--ignoreexternal", "--outputjson"],
        cwd=tmp_path,
        env=environ,
        check=False,
        capture_output=True,
        text=True,
    )
    found = json.loads(done.stdout)["typeCompleteness"]
    unknown = [
        f"{one['name']}: {each['message']}"
        for one in found["symbols"]
        if one["isExported"] and not one["isTypeKnown"]
        for each in one["diagnostics"]
    ]
    assert not unknown, "\n".join(unknown[:40])
    assert found["exportedSymbolCounts"]["withKnownType"] > 1_000
    assert found["completenessScore"] == 1.0


# Other Pythons


def of_version(version: str) -> str | None:
    """A Python of this version that starts, if this machine has one."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    found = shutil.which(f"python{version}")
    roots = [Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"]
    places = [found] if found else []
    places += [str(path) for root in roots for path in sorted(root.glob(f"{version}.*/bin/python"))]
    for place in places:
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        done = subprocess.run([place, "-c", code], check=False, capture_output=True, text=True)
        if done.stdout.strip() == version:
            return place
    return None


@pytest.mark.parametrize("version", PYTHONS)
def test_each_python_it_says_it_supports(
    version: str, installed: Callable[..., Path], tmp_path: Path, outside: dict[str, str]
) -> None:
    python = of_version(version)
    if python is None:
        pytest.skip(f"this machine has no Python {version}")
    quick_start(installed("", python), tmp_path / "first", outside)


# The bill of materials


def test_the_bill_of_materials_is_one_and_complete(wheel: Path, tmp_path: Path) -> None:
    """What `make sbom` writes: CycloneDX, of an environment with the wheel and its extras."""
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("make works with .venv, and this is another environment")
    pytest.importorskip("cyclonedx", reason="cyclonedx-bom is not installed")
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    shutil.copy(wheel, tmp_path)
    run("make", "sbom", f"DIST={tmp_path}", cwd=ROOT)
    text = (tmp_path / "sbom.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    parts = {one["name"].lower(): one["version"] for one in bill["components"]}
    needs = [*PROJECT["dependencies"]]
    needs += [one for extra in EXTRAS[1:] for one in PROJECT["optional-dependencies"][extra]]
    names = {re.split(r"[\[>=<; ]", one)[0].lower().replace("_", "-") for one in needs}
    assert names <= {name.replace("_", "-") for name in parts}, "the Makefile lists every extra"
    assert not {"pip", "setuptools", "pytest"} & parts.keys()
    about = bill["metadata"]["component"]
    assert (about["name"], about["version"]) == ("boundary-jobs", boundary.jobs.__version__)
    assert str(Path.home()) not in text, "of no machine"
    assert "file:" not in text
