"""The embedded store: one SQLite file, many processes of one machine, no server."""

from boundary.jobs.shell.adapters.sqlite.backend import SqliteStore

__all__ = ["SqliteStore"]
