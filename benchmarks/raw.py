"""The yardstick: what bare SQLite does on this disk, in the same run."""

from __future__ import annotations

import sqlite3
import statistics
import time
from pathlib import Path

INSERT = "INSERT INTO job (payload) VALUES (?)"
PAYLOAD = b"x" * 200


def insert_commits(path: Path, count: int) -> float:
    """Single-row INSERT commits a second: WAL, synchronous=FULL, an index, 200 bytes."""
    connection = _opened(path)
    began = time.perf_counter()
    for _ in range(count):
        connection.execute(INSERT, (PAYLOAD,))
    taken = time.perf_counter() - began
    connection.close()
    return count / taken


def insert_after_idle(path: Path, count: int) -> float:
    """Milliseconds such a commit takes after 20 ms in which the process slept, p50.

    Processor and disk have gone to sleep too: the least any enqueue into an idle system takes.
    """
    connection = _opened(path)
    taken: list[float] = []
    for _ in range(count):
        time.sleep(0.02)
        began = time.perf_counter()
        connection.execute(INSERT, (PAYLOAD,))
        taken.append(time.perf_counter() - began)
    connection.close()
    return 1000 * statistics.median(taken)


def insert_and_take_after_idle(path: Path, count: int) -> float:
    """Milliseconds of such an INSERT, flushed, and an UPDATE of its row, not flushed, p50.

    What enqueue and claim are at least where each is a transaction of its own.
    """
    one, other = _opened(path), sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA synchronous=NORMAL")
    taken: list[float] = []
    for number in range(1, count + 1):
        time.sleep(0.02)
        began = time.perf_counter()
        one.execute(INSERT, (PAYLOAD,))
        other.execute("UPDATE job SET payload = x'' WHERE seq = ?", (number,))
        taken.append(time.perf_counter() - began)
    one.close()
    other.close()
    return 1000 * statistics.median(taken)


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE job (seq INTEGER PRIMARY KEY, payload BLOB)")
    return connection
