"""Redis and Valkey: the store many hosts share, on one server, behind sentinels or in a cluster."""

from boundary.jobs.shell.adapters.redis.seed import (
    close_redis_pool,
    create_redis_job_queue,
    create_redis_job_stats,
    create_redis_job_store,
    create_redis_pool,
)
from boundary.jobs.shell.adapters.redis.store import RedisStore

__all__ = [
    "RedisStore",
    "close_redis_pool",
    "create_redis_job_queue",
    "create_redis_job_stats",
    "create_redis_job_store",
    "create_redis_pool",
]
