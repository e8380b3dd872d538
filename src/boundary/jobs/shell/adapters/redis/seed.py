"""The seed's factories for Redis and Valkey.

What belongs here: the seed's names, each a door of one expression.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from boundary.jobs.shell import config as configuration
from boundary.jobs.shell.adapters.redis.store import RedisStore
from boundary.jobs.shell.seed import JobQueue, JobStats, JobStore, Pool
from boundary.jobs.shell.settings import RedisSettings, Settings


def create_redis_pool(config: Mapping[str, Any]) -> Pool:
    """Connections to a server, opened as they are needed.

    Args:
        config: `host`, `port`, `password`, `database`, `max_total`, `max_idle`, `min_idle` and
            `timeout` (milliseconds), or another key of the section ``redis``; each may be left
            out.

    Raises:
        ConfigError: A key is unknown, or its value is not one it may have.
        UsageError: The Redis client is not installed.
    """
    return _pool(configuration.redis_settings(config, "the config of a Redis pool"))


def _pool(settings: RedisSettings) -> Pool:
    return Pool(RedisStore.of(settings.url(), settings), Settings(redis=settings))


def create_redis_job_queue(pool: Pool) -> JobQueue:
    """The queue of its jobs."""
    return JobQueue(pool)


def create_redis_job_store(pool: Pool) -> JobStore:
    """The store of its jobs."""
    return JobStore(pool)


def create_redis_job_stats(pool: Pool) -> JobStats:
    """The statistics of its jobs."""
    return JobStats(pool)


def close_redis_pool(pool: Pool) -> None:
    """Its connections are closed."""
    pool.close()
