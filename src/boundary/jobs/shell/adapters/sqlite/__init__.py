"""The embedded store: one SQLite file, many processes of one machine, no server."""

from boundary.jobs.shell.adapters.sqlite.backend import SqliteStore
from boundary.jobs.shell.adapters.sqlite.seed import (
    close_sqlite_pool,
    create_sqlite_job_queue,
    create_sqlite_job_stats,
    create_sqlite_job_store,
    create_sqlite_pool,
)

__all__ = [
    "SqliteStore",
    "close_sqlite_pool",
    "create_sqlite_job_queue",
    "create_sqlite_job_stats",
    "create_sqlite_job_store",
    "create_sqlite_pool",
]
