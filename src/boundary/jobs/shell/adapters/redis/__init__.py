"""Redis and Valkey: the store many hosts share, on one server, behind sentinels or in a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boundary.jobs.shell.adapters.redis.store import RedisStore

if TYPE_CHECKING:
    from boundary.jobs.shell.adapters.redis.seed import (
        close_redis_pool,
        create_redis_job_queue,
        create_redis_job_stats,
        create_redis_job_store,
        create_redis_pool,
    )

__all__ = [
    "RedisStore",
    "close_redis_pool",
    "create_redis_job_queue",
    "create_redis_job_stats",
    "create_redis_job_store",
    "create_redis_pool",
]


def __getattr__(name: str) -> object:
    """The seed's factories, once somebody asks for one: no worker does, and has no room to give."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from boundary.jobs.shell.adapters.redis import seed

    return getattr(seed, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
