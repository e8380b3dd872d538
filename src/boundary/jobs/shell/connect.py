"""From a URL to a store.

What belongs here: which scheme is which store, each imported only when it is asked for. What does
not: anything about a store itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from boundary.jobs.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from boundary.jobs.ports import Clock, Store
    from boundary.jobs.shell.settings import Settings


def checked_url(url: str) -> str:
    """The URL, if a store can be opened by it. Nothing is opened, no driver imported.

    Raises:
        UsageError: It cannot; the message does not show what may hold a password.
    """
    scheme = _scheme(url)
    if scheme not in _OPENERS:
        raise UsageError(
            f"{f'no store has URLs that begin with {scheme}://' if scheme else 'that is no URL'}; "
            f"there are {', '.join(f'{name}://' for name in _OPENERS)}"
        )
    if scheme == "sqlite":
        _path(url)
    elif scheme != "memory":
        from boundary.jobs.shell.adapters.redis.address import parse

        parse(url)
    return url


def in_memory(url: str) -> bool:
    """Whether the store is this process's own: another one that opens the URL has another store."""
    return _scheme(url) == "memory"


def same_place(one: str, other: str) -> bool:
    """Whether both URLs lead to one store, however they are written and whoever we are there.

    Raises:
        UsageError: As `checked_url`.
    """
    schemes = _scheme(checked_url(one)), _scheme(checked_url(other))
    if set(schemes) & {"sqlite", "memory"}:
        if schemes != ("sqlite", "sqlite"):
            return False  # what is in the memory of a process has no address
        from pathlib import Path

        return Path(_path(one)).resolve() == Path(_path(other)).resolve()
    from boundary.jobs.shell.adapters.redis.address import parse

    return parse(one).leads_to(parse(other))


def open_store(settings: Settings, clock: Clock | None = None) -> Store:
    """The store of the configured URL.

    Args:
        clock: Its time, for a store in this process or this machine; None: the machine's.

    Raises:
        UsageError: The URL is not one of ours, or what it needs is not installed.
    """
    return _OPENERS[_scheme(checked_url(settings.url))](settings, clock)


def foreign_script() -> str:
    """What other languages call to enqueue on Redis (docs/guides/other-languages.md)."""
    from boundary.jobs.shell.adapters.redis.scripts import script

    return script("admit").text


def _scheme(url: str) -> str:
    scheme, mark, _ = url.partition("://")
    return scheme.lower() if mark and scheme.replace("+", "").isalnum() else ""


def _memory(settings: Settings, clock: Clock | None) -> Store:
    from boundary.jobs.shell.adapters.memory import MemoryStore

    return MemoryStore(clock)


def missing_file(settings: Settings) -> Path | None:
    """The file the configured store is made in by the first who uses it; None: it is there, or a server."""
    path = _file(settings) if _scheme(settings.url) == "sqlite" else None
    return None if path is None or path.exists() else path


def _sqlite(settings: Settings, clock: Clock | None) -> Store:
    from boundary.jobs.shell.adapters.sqlite import SqliteStore

    return SqliteStore(_file(settings), clock=clock)


def _file(settings: Settings) -> Path:
    from pathlib import Path

    path = Path(_path(settings.url))
    if settings.namespace != DEFAULT_NAMESPACE:
        # A server keeps namespaces apart by their keys, files do it by their names.
        path = path.with_name(f"{path.stem}.{settings.namespace}{path.suffix}")
    return path


def _redis(settings: Settings, clock: Clock | None) -> Store:
    from boundary.jobs.shell.adapters.redis import RedisStore

    return RedisStore.of(settings.url, settings.redis, namespace=settings.namespace, clock=clock)


def _path(url: str) -> str:
    """The file of a SQLite URL: three slashes for a relative path, four for an absolute one."""
    from urllib.parse import unquote, urlsplit  # here: read with the first URL

    parts = urlsplit(url)
    path = unquote(parts.path)[1:]
    if parts.netloc or parts.query or not path:
        from boundary.jobs.shell.settings import shown_url

        raise UsageError(
            f"{shown_url(url)!r:.200} names no file; a SQLite URL is sqlite:///jobs.db (here) or "
            "sqlite:////var/lib/app/jobs.db (from the root), without options"
        )
    if path == ":memory:":
        raise UsageError("a store in memory is memory://, without SQLite")
    return path


DEFAULT_NAMESPACE = "jobs"

_OPENERS: dict[str, Callable[[Settings, Clock | None], Store]] = {
    "memory": _memory,
    "sqlite": _sqlite,
    "redis": _redis,
    "rediss": _redis,
    "unix": _redis,
    "redis+sentinel": _redis,
    "rediss+sentinel": _redis,
    "redis+cluster": _redis,
    "rediss+cluster": _redis,
}
