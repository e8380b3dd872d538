"""The embedded store: one SQLite file, many processes of one machine, no server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boundary.jobs.shell.adapters.sqlite.backend import SqliteStore

if TYPE_CHECKING:
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


def __getattr__(name: str) -> object:
    """The seed's factories, once somebody asks for one: no worker does, and has no room to give."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from boundary.jobs.shell.adapters.sqlite import seed

    return getattr(seed, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
