"""The yardstick: what bare SQLite does on this disk, in the same run."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path


def insert_commits(path: Path, count: int) -> float:
    """Single-row INSERT commits a second: WAL, synchronous=FULL, an index, 200 bytes."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE job (seq INTEGER PRIMARY KEY, payload BLOB)")
    payload = b"x" * 200
    began = time.perf_counter()
    for _ in range(count):
        connection.execute("INSERT INTO job (payload) VALUES (?)", (payload,))
    taken = time.perf_counter() - began
    connection.close()
    return count / taken
