"""Type checkers accept right calls of the doors and refuse wrong ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"


def test_mypy_says_of_every_call_what_it_should() -> None:
    pytest.importorskip("mypy")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--explicit-package-bases",
            "--config-file=",
            str(HERE / "doors.py"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MYPYPATH": str(SOURCE)},
    )
    assert [line for line in done.stdout.splitlines() if "doors.py" in line] == []
    assert done.stdout.splitlines()[-1].startswith(("Found", "Success")), done.stderr
