"""The store on Redis or Valkey: opens backends with the terms a URL and the settings give.

What belongs here: from settings to terms. What does not: talking to a server.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from boundary.jobs.errors import UsageError
from boundary.jobs.shell.adapters.redis.address import Address, parse
from boundary.jobs.shell.adapters.redis.terms import Terms

if TYPE_CHECKING:
    from boundary.jobs.ports import Clock, Finding
    from boundary.jobs.shell.adapters.redis.backend import AsyncRedisBackend, RedisBackend
    from boundary.jobs.shell.settings import RedisSettings


class RedisStore:
    """The jobs of one namespace on a server, behind sentinels or in a cluster.

    Args:
        terms: As they are; `of` makes them from settings.
    """

    def __init__(self, terms: Terms) -> None:
        self.terms = terms

    @classmethod
    def of(
        cls,
        url: str | Address,
        settings: RedisSettings,
        *,
        namespace: str = "jobs",
        clock: Clock | None = None,
    ) -> RedisStore:
        """The store a URL names; user and password are the settings' where the URL has none.

        Raises:
            UsageError: It is not one of ours, or the client library is not installed.
        """
        if find_spec("redis") is None or find_spec("hiredis") is None:
            raise UsageError("a Redis store needs the extra: pip install 'boundary-jobs[redis]'")
        address = parse(url) if isinstance(url, str) else url
        return cls(
            Terms(
                address=address.logged_in(settings.username, settings.password),
                namespace=namespace,
                partitions=settings.partitions,
                timeout=settings.timeout / 1000,
                replicas=settings.replicas if settings.durability == "replicated" else 0,
                max_total=settings.max_total,
                max_idle=settings.max_idle,
                min_idle=settings.min_idle,
                clock=clock,
            )
        )

    @property
    def url(self) -> str:
        """Where it is, without credentials."""
        return self.terms.address.shown()

    def blocking(self) -> RedisBackend:
        """A door for callers that block, with connections of its own."""
        from boundary.jobs.shell.adapters.redis.backend import RedisBackend

        return RedisBackend(self.terms)

    def asynchronous(self) -> AsyncRedisBackend:
        """A door for callers on an event loop, with connections of its own."""
        from boundary.jobs.shell.adapters.redis.backend import AsyncRedisBackend

        return AsyncRedisBackend(self.terms)

    def examine(self) -> list[Finding]:
        """As `ports.Store.examine`."""
        from boundary.jobs.shell.adapters.redis.examining import examine

        return examine(self.terms)
