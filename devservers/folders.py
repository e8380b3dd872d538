"""Temporary folders that are gone afterwards, even if their process was killed.

What belongs here: making, removing and sweeping folders. What does not: what is in them.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
import weakref
from functools import cache
from pathlib import Path

PREFIX = "devservers-"
_LOCK = ".lock"
_YOUNG_SECONDS = 60
# The path of a unix socket has some 100 bytes.
_LONGEST_ROOT = 60


class Folder:
    """A folder until `close()`, or until nobody refers to it, or until the process ends."""

    def __init__(self) -> None:
        root = _root()
        _sweep(root)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
        lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        self._remove = weakref.finalize(self, _remove, self.path, lock, os.getpid())

    def close(self) -> None:
        """It is gone."""
        self._remove()


def _root() -> Path:
    root = Path(tempfile.gettempdir())
    return root if len(str(root)) <= _LONGEST_ROOT else Path("/tmp")  # noqa: S108 - mkdtemp follows


def _remove(path: Path, lock: int, owner: int) -> None:
    os.close(lock)
    if os.getpid() == owner:  # a forked child has the same finalizers
        shutil.rmtree(path, ignore_errors=True)


@cache
def _sweep(root: Path) -> None:
    """Folders of killed processes are gone: nobody holds their lock."""
    for path in root.glob(f"{PREFIX}*"):
        try:
            if time.time() - path.stat().st_mtime < _YOUNG_SECONDS:
                continue  # perhaps not locked yet
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            continue  # another user's, or being removed
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)
