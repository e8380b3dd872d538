"""What the doctor makes of what a server says of itself; real servers are in `tests/cli`."""

from __future__ import annotations

from typing import Any

import pytest

from boundary.jobs.shell.adapters.redis.address import Node, parse
from boundary.jobs.shell.adapters.redis.examining import About
from boundary.jobs.shell.adapters.redis.terms import Terms

HEALTHY = {
    "redis_version": "7.2.4",
    "role": "master",
    "connected_slaves": "0",
    "maxmemory_policy": "noeviction",
    "used_memory": "1000000",
    "maxmemory": "0",
    "aof_enabled": "1",
    "aof_last_write_status": "ok",
    "rdb_last_bgsave_status": "ok",
}
DENIED = PermissionError("NOPERM")


def findings(
    changed: dict[str, str] | None = None, fsync: Any = "everysec", save: Any = ""
) -> dict[str, tuple[str, str]]:
    """What is found, by what was looked at, of a server that says this."""
    told = {**HEALTHY, **(changed or {})}
    info = "# Server\r\n" + "".join(f"{name}:{value}\r\n" for name, value in told.items())

    def setting(name: bytes, value: Any) -> Any:
        return value if isinstance(value, Exception) else [name, value.encode()]

    replies = [info.encode(), setting(b"appendfsync", fsync), setting(b"save", save), b"sha", []]
    about = About(Node("127.0.0.1", 6379), Terms(address=parse("redis://127.0.0.1")))
    return {one.what: (one.state, one.text) for one in about.findings(replies)}


def test_a_healthy_server() -> None:
    found = findings()
    assert {state for state, _ in found.values()} == {"ok"}
    assert "disk" not in found


@pytest.mark.parametrize(
    ("fsync", "state", "text"),
    [
        ("always", "ok", "a power cut loses nothing"),
        ("everysec", "ok", "a power cut the last second or two"),
        ("no", "note", "a power cut loses some 30 s; appendfsync everysec"),
        (DENIED, "note", "how often it is flushed the server does not tell our user"),
    ],
)
def test_how_often_a_server_flushes(fsync: Any, state: str, text: str) -> None:
    found = findings(fsync=fsync)["persistence"]
    assert found[0] == state
    assert text in found[1]


def test_an_append_only_file_that_cannot_be_written() -> None:
    found = findings({"aof_last_write_status": "err"})
    assert found["disk"] == (
        "problem",
        "the append-only file could not be written; is its disk full?",
    )


@pytest.mark.parametrize(
    ("save", "text"),
    [
        ("", "loses every job. CONFIG SET appendonly yes"),
        ("3600 1", "loses all since the last snapshot (save 3600 1)."),
        (DENIED, "loses all since the last snapshot, if it makes any."),
    ],
)
def test_a_server_without_an_append_only_file(save: Any, text: str) -> None:
    found = findings({"aof_enabled": "0"}, save=save)
    assert found["persistence"][0] == "note"
    assert text in found["persistence"][1]
    assert "disk" not in found


def test_a_snapshot_that_failed() -> None:
    found = findings({"aof_enabled": "0", "rdb_last_bgsave_status": "err"}, save="3600 1")
    assert found["disk"] == ("problem", "the last snapshot failed; is its disk full?")


def test_a_server_that_is_nearly_full() -> None:
    assert findings({"maxmemory": "2000000"})["memory"] == ("ok", "1.0 of 2.0 MB used")
    state, text = findings({"maxmemory": "1100000"})["memory"]
    assert state == "problem"
    assert "enqueuing fails with StoreFull" in text
