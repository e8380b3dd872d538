"""What an operator should know of a store's file.

What belongs here: looking at the file and its disk. What does not: looking at jobs, changing
anything.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import stat
from pathlib import Path
from urllib.parse import quote

from boundary.jobs.ports import Finding

FREE_LIMIT = 512 * 1024 * 1024
"""Bytes a disk should have left."""

NAMED = 3
"""Damages that are named."""


def examine(path: Path) -> list[Finding]:
    """As `ports.Store.examine`."""
    if not path.exists():
        return []
    pages = _integrity(path)
    if pages is None:
        return []
    engine = f"SQLite {sqlite3.sqlite_version}; enqueues and outcomes are flushed to the disk"
    return [Finding("engine", "ok", engine), _mode(path), _disk(path), *pages]


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


def _integrity(path: Path) -> list[Finding] | None:
    """What SQLite says of its own pages and indexes; nothing where it cannot be asked.

    None: the file is no database, as whoever opens the store says; its mode is not our business.
    """
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True)
        ) as connection:
            rows = connection.execute("PRAGMA integrity_check").fetchall()
    except sqlite3.DatabaseError as error:
        code = error.sqlite_errorcode & 0xFF
        if code == sqlite3.SQLITE_NOTADB:
            return None
        if code != sqlite3.SQLITE_CORRUPT:
            return []  # whoever opens the store says so
        rows = [(str(error),)]
    if rows == [("ok",)]:
        return [Finding("integrity", "ok", "SQLite finds pages and indexes sound")]
    told = [text for (text,) in rows]
    more = f" and {len(told) - NAMED} more" if len(told) > NAMED else ""
    return [
        Finding(
            "integrity",
            "problem",
            f"{path} is damaged ({'; '.join(told[:NAMED])}{more}). Stop the workers and copy the "
            "file; if only indexes are named, run REINDEX in sqlite3, else its .recover, or "
            "restore a backup",
        )
    ]
