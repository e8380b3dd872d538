"""What an operator should know of a store's file.

What belongs here: looking at the file and its disk. What does not: looking at jobs, changing
anything.
"""

from __future__ import annotations

import shutil
import sqlite3
import stat
from pathlib import Path

from boundary.jobs.ports import Finding

FREE_LIMIT = 512 * 1024 * 1024
"""Bytes a disk should have left."""


def examine(path: Path) -> list[Finding]:
    """As `ports.Store.examine`."""
    if not path.exists():
        return []
    engine = f"SQLite {sqlite3.sqlite_version}; enqueues and outcomes are flushed to the disk"
    return [Finding("engine", "ok", engine), _mode(path), _disk(path)]


def _mode(path: Path) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Finding(
            "file mode",
            "problem",
            f"{path} may be read by others (mode {mode:o}); arguments of jobs are in it: "
            f"chmod 600 {path}",
        )
    return Finding("file mode", "ok", f"{mode:o}: only its owner reads it")


def _disk(path: Path) -> Finding:
    free = shutil.disk_usage(path.parent).free
    used = f"{path.stat().st_size / 1e6:,.1f} MB used, {free / 1e9:,.1f} GB free"
    if free > FREE_LIMIT:
        return Finding("disk", "ok", used)
    remedy = "free some space, or enqueuing will fail with StoreFull"
    return Finding("disk", "problem", f"{used}; {remedy}")
