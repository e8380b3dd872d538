"""Processes that die with their parent, however it dies.

What belongs here: starting a process so. What does not: which process, and when it is ready.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

# Not preexec_fn, which Python warns of in a process with threads. 1 is PR_SET_PDEATHSIG, 9 SIGKILL.
_WRAPPER = """\
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


def spawn(
    command: Sequence[str | Path],
    folder: Path,
    log: Path,
    environ: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """A process in `folder` that writes to `log`. Where Linux offers it, it dies with this one.

    Args:
        environ: What it has beside the variables of this process.
    """
    words = [str(word) for word in command]
    if sys.platform == "linux":
        words = [sys.executable, "-I", "-S", "-c", _WRAPPER, str(os.getpid()), *words]
    return _nursery(os.getpid()).submit(_start, words, folder, log, environ or {}).result()


@cache
def _nursery(pid: int) -> ThreadPoolExecutor:
    """The thread that starts all processes: to Linux it is the parent, and it lives to the end."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"devservers-{pid}")


def _start(
    words: list[str], folder: Path, log: Path, environ: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            words,
            cwd=folder,
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
