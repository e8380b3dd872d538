"""A worker's command is read without the command's libraries, and means the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from boundary.jobs.shell.cli import app as whole
from boundary.jobs.shell.cli import plain
from boundary.jobs.shell.cli import run as running
from boundary.jobs.shell.cli.plain import FLAGS, NUMBERS, PATHS, TEXTS, understood
from boundary.jobs.shell.cli.working import Orders

HEAVY = {"typer", "rich", "pydantic", "click", "email"}


def read_by_the_whole(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> Orders | None:
    """The orders the command makes of it; None: it ends otherwise."""
    found: list[Orders] = []

    def note(orders: Orders) -> int:
        found.append(orders)
        return 0

    monkeypatch.setattr(running, "work", note)
    whole.run(arguments)
    return found[0] if found else None


UNDERSTOOD = (
    "worker tasks",
    "worker tasks --burst",
    "--url sqlite:///a.db worker app.tasks:jobs",
    "worker tasks.py --url=redis://h:1/2 -c 7 -p 3 --no-color",
    "worker --queues critical:6,default:3 tasks --concurrency=auto:2-20",
    "worker tasks --queue-concurrency reports=2 --max-jobs 0 --max-memory 2G --reload",
    "worker tasks --log-level debug --log-format json --health-port 65535 --processes=1000",
    "--config jobs.toml worker tasks",
)

LEFT = (
    "",
    "worker",
    "worker --help",
    "worker tasks more",
    "worker tasks -c4",
    "worker tasks -p 0",
    "worker tasks -p 1001",
    "worker tasks -p two",
    "worker tasks --max-jobs -1",
    "worker tasks --health-port 0",
    "worker tasks --queues",
    "worker tasks --queues --burst",
    "worker tasks --burst=yes",
    "worker tasks --nonsense 3",
    "worker -- tasks",
    "stats",
    "demo tasks",
)


@pytest.mark.parametrize("line", UNDERSTOOD)
def test_what_is_understood_means_what_the_command_makes_of_it(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = understood(line.split())
    assert orders is not None
    assert orders == read_by_the_whole(line.split(), monkeypatch)


@pytest.mark.parametrize("line", LEFT)
def test_all_else_is_left_to_the_command(line: str) -> None:
    assert understood(line.split()) is None


def test_every_option_of_a_worker_is_known_with_its_bounds() -> None:
    group: Any = typer.main.get_command(whole.app)
    options: dict[str, Any] = {}
    for parameter in (*group.commands["worker"].params, *group.params):
        if parameter.param_type_name == "option":
            options |= dict.fromkeys(parameter.opts, parameter)
    ours = {*FLAGS, *TEXTS, *NUMBERS, *PATHS}
    assert ours == options.keys() - {"--help", "-h", "--version"}
    for name, (_, least, most) in NUMBERS.items():
        assert (options[name].min, options[name].max) == (least, most), name
    assert {name for name in ours if options[name].is_flag} == set(FLAGS)


def test_it_says_what_is_wrong_and_how_the_command_does(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "boundary.jobs", "worker", "nowhere", "--max-memory", "much"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "error: there is no module 'nowhere' here" in done.stderr


def test_a_worker_carries_none_of_the_commands_libraries(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(
        "import sys\n"
        "from boundary.jobs import Jobs\n"
        "jobs = Jobs('sqlite:///jobs.db')\n"
        "@jobs.handler\n"
        "async def loaded() -> list[str]:\n"
        "    return sorted({name.partition('.')[0] for name in sys.modules})\n"
        "if __name__ == '__main__':\n"
        "    job = loaded.enqueue()\n"
        "    import subprocess\n"
        "    command = [sys.executable, '-m', 'boundary.jobs', 'worker', 'tasks', '--burst']\n"
        "    subprocess.run(command, check=True, timeout=60)\n"
        "    print(*jobs.result(job.id, timeout=0))\n"
    )
    done = subprocess.run(
        [sys.executable, "tasks.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "boundary" in loaded
    assert not loaded & HEAVY


def test_the_module_that_reads_it_says_so() -> None:
    assert plain.COMMAND[0] == running.worker.__name__
