"""Redis and Valkey: the store many hosts share, on one server, behind sentinels or in a cluster."""

from boundary.jobs.shell.adapters.redis.store import RedisStore

__all__ = ["RedisStore"]
