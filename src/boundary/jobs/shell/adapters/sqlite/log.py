"""The write-ahead log of a store's file, flushed behind its commits and not in them.

What belongs here: what makes a commit last. What does not: which need it (`plans`).

`synchronous=FULL` flushes the log within the commit: with the write lock held, and before anybody
sees the new rows. A commit with `NORMAL` only writes; others go on with what it brought, and its
callers are told when the log is flushed: what FULL promises them. The log is one file, so a flush
makes all that was committed before it last, whoever did. SQLite flushes the log itself before it moves
pages of it into the file, and the file before the log begins anew (sqlite.org/wal.html).
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

_FLUSH = getattr(os, "fdatasync", os.fsync)  # macOS has the one only


class Log:
    """The log of the file at `path`, opened when it is first flushed. For any thread.

    It is closed with the connection that writes to it, and before the next one: as long as there is
    one, SQLite neither removes nor replaces the log.
    """

    def __init__(self, path: Path) -> None:
        self._path = f"{path}-wal"
        self._file: int | None = None
        self._using = threading.Lock()

    def flush(self) -> None:
        """What was committed is on the disk.

        Raises:
            OSError: It could not be; whether it is there after a power cut is not known.
        """
        with self._using, suppress(FileNotFoundError):
            # Without a log, the last connection has moved all of it into the file, and flushed that.
            if self._file is None:
                # To be written too: not every system flushes through a descriptor that only reads.
                self._file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            _FLUSH(self._file)

    def close(self) -> None:
        """Not before a flush that is under way has ended; the next one opens it."""
        with self._using:
            file, self._file = self._file, None
            if file is not None:
                os.close(file)

    def __del__(self) -> None:
        # Of a store nobody closed: its connection goes by itself, a number of a file would not.
        # Without the lock, since nobody else knows of it, and a fork may have left it taken.
        if self._file is not None:
            os.close(self._file)
