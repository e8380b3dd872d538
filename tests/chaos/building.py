"""Libraries in C that are preloaded into real processes, compiled where a test asks for them.

What belongs here: finding a compiler and calling it. What does not: what the libraries do
(`power.c`, `clock.c`).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@cache
def library(name: str) -> Path:
    """The library made of `name`.c; the test is skipped where that cannot be done."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or sys.platform != "linux":
        pytest.skip(f"{name}.c needs Linux and a C compiler; apt-get install gcc libc6-dev")
    made = Path(tempfile.mkdtemp(prefix="boundary-jobs-")) / f"{name}.so"
    words = [compiler, "-O2", "-Wall", "-shared", "-fPIC", "-o", made, HERE / f"{name}.c", "-ldl"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return made
