"""A size means the same wherever it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from boundary.jobs import Jobs
from boundary.jobs.errors import UsageError
from boundary.jobs.shell.cli.working import Orders, made
from boundary.jobs.shell.options import isolation

SIZES = {
    "536870912": 512 << 20,
    "512M": 512 << 20,
    "512m": 512 << 20,
    "512 MB": 512 << 20,
    "512MiB": 512 << 20,
    "512Mi": 512 << 20,
    "524288k": 512 << 20,
    "2G": 2 << 30,
    "1.5 GiB": 3 << 29,
}


@pytest.mark.parametrize("text", SIZES)
def test_a_limit_and_an_option_of_the_command_are_read_alike(tmp_path: Path, text: str) -> None:
    kept, _ = isolation({"isolation": "process", "memory_limit": text})
    assert kept is not None
    with Jobs(f"sqlite:///{tmp_path}/jobs.db") as jobs:
        worker = made(jobs, Orders(arguments=(), target="tasks", max_memory=text))
        assert (kept.memory_limit, worker.setup.max_memory) == (SIZES[text], SIZES[text])


@pytest.mark.parametrize("text", ["", "M", "much", "1T", "-1M", "1e3M", "1 M i", "9" * 5_000])
def test_what_is_no_size_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="memory_limit is a number of bytes or a text such as"):
        isolation({"isolation": "process", "memory_limit": text})
    with (
        Jobs(f"sqlite:///{tmp_path}/jobs.db") as jobs,
        pytest.raises(UsageError, match="--max-memory is a size such as 512M"),
    ):
        made(jobs, Orders(arguments=(), target="tasks", max_memory=text))
