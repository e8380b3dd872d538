"""The seed's factories for SQLite.

What belongs here: the seed's names, each a door of one expression.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from boundary.jobs.errors import ConfigError
from boundary.jobs.shell.adapters.sqlite.backend import SqliteStore
from boundary.jobs.shell.seed import JobQueue, JobStats, JobStore, Pool


def create_sqlite_pool(config: Mapping[str, Any]) -> Pool:
    """An opened file of jobs.

    Args:
        config: `path` of the file.

    Raises:
        ConfigError: It has another key, or no path.
    """
    if set(config) != {"path"}:
        raise ConfigError(f"the config of a SQLite pool has the one key 'path', not {set(config)}")
    return Pool(SqliteStore(config["path"]))


def create_sqlite_job_queue(pool: Pool) -> JobQueue:
    """The queue of its jobs."""
    return JobQueue(pool)


def create_sqlite_job_store(pool: Pool) -> JobStore:
    """The store of its jobs."""
    return JobStore(pool)


def create_sqlite_job_stats(pool: Pool) -> JobStats:
    """The statistics of its jobs."""
    return JobStats(pool)


def close_sqlite_pool(pool: Pool) -> None:
    """Files are let go."""
    pool.close()
