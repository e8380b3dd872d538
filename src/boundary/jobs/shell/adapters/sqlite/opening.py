"""From a path to a connection over a file of ours.

What belongs here: making the file, knowing ours from others', bringing an older one up to date,
and what each of SQLite's errors means to a caller. What does not: running operations (`backend`).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Generator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from boundary.jobs.core.operations import Enqueue, Fire, Operation, PutSchedule, Save
from boundary.jobs.errors import BackendError, BackendUnavailable, StoreFormatError, StoreFull

APPLICATION_ID: Final = 0x626A_6F62
"""Marks a file as ours ("bjob")."""

SCHEMA: Final = 3
MIGRATIONS: Final[Mapping[int, str]] = {
    1: """
        CREATE TABLE series (
            minute      INTEGER NOT NULL,
            queue       TEXT    NOT NULL,
            succeeded   INTEGER NOT NULL,
            failed      INTEGER NOT NULL,
            retried     INTEGER NOT NULL,
            duration_ms REAL    NOT NULL,
            PRIMARY KEY (minute, queue)
        ) STRICT, WITHOUT ROWID;
    """,
    2: """
        ALTER TABLE worker ADD COLUMN order_id BLOB;
        ALTER TABLE worker ADD COLUMN word TEXT;
        ALTER TABLE schedule RENAME TO schedule_2;
        CREATE TABLE schedule (
            name        TEXT    NOT NULL PRIMARY KEY,
            job_type    TEXT    NOT NULL,
            queue       TEXT    NOT NULL,
            priority    INTEGER NOT NULL,
            payload     BLOB    NOT NULL,
            next_at     INTEGER,
            cron        TEXT,
            every_ms    INTEGER,
            timezone    TEXT    NOT NULL,
            misfire     TEXT    NOT NULL DEFAULT 'once',
            misfire_cap INTEGER NOT NULL DEFAULT 100,
            declared    BLOB    NOT NULL DEFAULT x'',
            fired_at    INTEGER,
            last_job    BLOB
        ) STRICT, WITHOUT ROWID;
        INSERT INTO schedule (
            name, job_type, queue, priority, payload, next_at, cron, every_ms, timezone
        )
        SELECT name, job_type, queue, priority, payload, next_at, cron, every_ms, timezone
        FROM schedule_2;
        DROP TABLE schedule_2;
        CREATE INDEX tick ON schedule (next_at);
        ALTER TABLE job ADD COLUMN cause TEXT;
        UPDATE job SET cause = CASE ending WHEN 'crash' THEN 'WorkerLost'
            WHEN 'quarantine' THEN 'RecordError' ELSE 'Unknown' END || ':' || job_type
        WHERE ending IN ('exhaust', 'crash', 'quarantine');
        CREATE INDEX causes ON job (cause, completed, seq, queue, job_type, id)
            WHERE cause IS NOT NULL;
        ALTER TABLE counter ADD COLUMN wait_ms REAL NOT NULL DEFAULT 0;
        CREATE TABLE minutes (
            begin       INTEGER NOT NULL,
            queue       TEXT    NOT NULL,
            job_type    TEXT    NOT NULL,
            succeeded   INTEGER NOT NULL,
            failed      INTEGER NOT NULL,
            retried     INTEGER NOT NULL,
            duration_ms REAL    NOT NULL,
            wait_ms     REAL    NOT NULL,
            PRIMARY KEY (begin, queue, job_type)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE hours (
            begin       INTEGER NOT NULL,
            queue       TEXT    NOT NULL,
            job_type    TEXT    NOT NULL,
            succeeded   INTEGER NOT NULL,
            failed      INTEGER NOT NULL,
            retried     INTEGER NOT NULL,
            duration_ms REAL    NOT NULL,
            wait_ms     REAL    NOT NULL,
            PRIMARY KEY (begin, queue, job_type)
        ) STRICT, WITHOUT ROWID;
        INSERT INTO minutes
        SELECT minute, queue, '', succeeded, failed, retried, duration_ms, 0 FROM series;
        INSERT INTO hours
        SELECT minute / 3600000 * 3600000, queue, '', sum(succeeded), sum(failed), sum(retried),
               sum(duration_ms), 0
        FROM series GROUP BY 1, 2;
        DROP TABLE series;
        CREATE TABLE act (
            id         BLOB    NOT NULL PRIMARY KEY,
            at         INTEGER NOT NULL,
            actor      TEXT    NOT NULL,
            what       TEXT    NOT NULL,
            target     TEXT    NOT NULL,
            count      INTEGER NOT NULL,
            undo_until INTEGER,
            undone     INTEGER
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE aside (
            place  INTEGER PRIMARY KEY,
            act    BLOB    NOT NULL,
            until  INTEGER NOT NULL,
            record BLOB    NOT NULL,
            cause  TEXT    NOT NULL,
            gone   INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX kept ON aside (act, place);
        CREATE INDEX aside_until ON aside (until);
    """,
}
"""Schema version → the script that makes the next one of it."""

OLDEST_SQLITE: Final = (3, 37, 0)

RETRY: Final = 0.005
"""Seconds between tries to open a file that others open, make or leave."""

_PRAGMAS: Final = (
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 1000",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA cache_size = -2000",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA busy_timeout = 0",
)
"""FULL: what was told to be stored survives a power cut (the driver lowers it for what may be
forgotten). Waiting for a lock is the driver's."""


def connect(path: Path, timeout: float) -> sqlite3.Connection:
    """A connection to the store at `path`, which is made if there is none.

    Raises:
        StoreFormatError: The file is not ours, is damaged or of a newer version.
        BackendUnavailable: It cannot be opened or read.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise BackendUnavailable(
            f"SQLite {sqlite3.sqlite_version} is too old; boundary-jobs needs 3.37 or newer"
        )
    _make_private(path)
    end = time.monotonic() + timeout
    with meaning(path):
        while True:
            try:
                return _opened(path, timeout)
            except sqlite3.OperationalError as error:
                # Another process makes the file, or leaves it as the last: SQLite refuses to turn
                # to the log meanwhile without asking anybody to wait.
                if not is_busy(error) or time.monotonic() >= end:
                    raise
            time.sleep(RETRY)


def _opened(path: Path, timeout: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        timeout=timeout,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    try:
        _make_ours(connection, path, timeout)
        for pragma in _PRAGMAS:
            connection.execute(pragma)
    except BaseException:
        connection.close()
        raise
    return connection


def is_busy(error: BaseException) -> bool:
    """Whether another connection stood in the way; the same may work in a moment."""
    return isinstance(error, sqlite3.OperationalError) and _code(error) == sqlite3.SQLITE_BUSY


def _make_private(path: Path) -> None:
    """The file exists; if it did not, only its owner may read it (so -wal and -shm follow)."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if path.is_dir():
            raise BackendUnavailable(
                f"{path} is a folder; name a file in it, such as {path / 'jobs.db'}"
            ) from None
    except FileNotFoundError as error:
        raise BackendUnavailable(
            f"the folder {path.parent} does not exist, so {path.name} cannot be made in it; "
            "make the folder first"
        ) from error
    except OSError as error:
        raise BackendUnavailable(f"{path} cannot be made: {error.strerror}") from error


def _make_ours(connection: sqlite3.Connection, path: Path, timeout: float) -> None:
    # While another process makes the file, waiting here is the shortest way.
    connection.execute(f"PRAGMA busy_timeout = {round(timeout * 1000)}")
    # One look at one moment: while another process makes the file, its mark and its tables come
    # together, and half of that would look like somebody else's file.
    connection.execute("BEGIN")
    try:
        _check_owner(connection, path)
    finally:
        connection.execute("ROLLBACK")
    if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
        raise BackendUnavailable(
            f"{path} cannot use write-ahead logging, which several processes need; "
            "put it on a local disk"
        )
    if _version(connection) == SCHEMA:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        _check_owner(connection, path)
        _bring_up_to_date(connection)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _check_owner(connection: sqlite3.Connection, path: Path) -> None:
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if owner != APPLICATION_ID and (owner or tables or _version(connection)):
        raise StoreFormatError(
            f"{path} is an SQLite database of another program ({tables} tables); "
            "nothing was changed, name another file"
        )
    if owner == APPLICATION_ID and _version(connection) > SCHEMA:
        raise StoreFormatError(
            f"{path} has schema version {_version(connection)}, this library knows {SCHEMA}; "
            "run it with a newer boundary-jobs, nothing was changed"
        )


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Inside a transaction: the schema is the present one."""
    version = _version(connection)
    if version == 0:
        _run(
            connection,
            files("boundary.jobs.shell.adapters.sqlite").joinpath("schema.sql").read_text(),
        )
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        version = SCHEMA
    while version < SCHEMA:
        _run(connection, MIGRATIONS[version])
        version += 1
    connection.execute(f"PRAGMA user_version = {version}")


def _run(connection: sqlite3.Connection, script: str) -> None:
    """Each statement of a script, inside the transaction (`executescript` would end it)."""
    statement = ""
    for line in script.splitlines():
        statement += line.split("--", 1)[0] + "\n"
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""


@contextlib.contextmanager
def meaning(path: Path) -> Generator[None]:
    """SQLite's errors, as ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise translated(error, path) from error


def translated(
    error: sqlite3.Error, path: Path, operation: Operation[Any] | None = None
) -> BackendError:
    """What an error of SQLite means to a caller, who asked for this operation."""
    kind, text = _MEANINGS.get(_code(error), (BackendUnavailable, "{path} cannot be used: {error}"))
    if kind is StoreFull and not isinstance(operation, BRINGS_JOBS):
        kind = BackendUnavailable
    ours = kind(text.format(path=path, error=error))
    ours.__cause__ = error
    return ours


def is_undecodable(error: BaseException) -> bool:
    """Whether a text in the file is not UTF-8: SQLite keeps any bytes as text, Python does not."""
    return isinstance(error, sqlite3.OperationalError) and str(error).startswith(
        "Could not decode to UTF-8"
    )


def is_full(error: sqlite3.Error) -> bool:
    """Whether it says that there is no room, which leaves the connection sound."""
    return _code(error) == sqlite3.SQLITE_FULL


def _code(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


BRINGS_JOBS: Final = (Enqueue, Fire, PutSchedule, Save)
"""These add to a store, so a full one refuses them; to all others it is out of order."""


_MEANINGS: Final[dict[int, tuple[type[BackendError], str]]] = {
    sqlite3.SQLITE_BUSY: (
        BackendUnavailable,
        "{path} is locked by another process ({error}); if none of yours is stuck, try again",
    ),
    sqlite3.SQLITE_FULL: (
        StoreFull,
        "there is no room for {path} ({error}); free some disk space, nothing was lost",
    ),
    sqlite3.SQLITE_IOERR: (
        BackendUnavailable,
        "{path} cannot be read or written ({error}); look at its disk",
    ),
    sqlite3.SQLITE_NOTADB: (
        StoreFormatError,
        "{path} is not an SQLite database ({error}); nothing was changed, name another file",
    ),
    sqlite3.SQLITE_CORRUPT: (
        StoreFormatError,
        (
            "{path} is damaged ({error}); stop the workers, copy it, and restore a backup or try "
            "sqlite3's .recover"
        ),
    ),
    sqlite3.SQLITE_CANTOPEN: (
        BackendUnavailable,
        "{path} cannot be opened ({error}); look at its folder and permissions",
    ),
    sqlite3.SQLITE_READONLY: (
        BackendUnavailable,
        "{path} cannot be written ({error}); give this user the right to, in its folder too",
    ),
    sqlite3.SQLITE_PERM: (BackendUnavailable, "{path} may not be used by this user ({error})"),
}
