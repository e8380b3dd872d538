"""A version of this library that is not there yet: what it would store, and what it could read.

What belongs here: how records of that version look, and a worker and a client of it, each a process
of its own. What does not: what becomes of its records among today's processes (`test_versions`).

    python -m tests.chaos.newer worker WORDS...    as `boundary-jobs worker` takes them
    python -m tests.chaos.newer client WORDS...    as `tests.chaos.stumbling` takes them

It appends two fields to each payload, and writes a key into each trail that counts how often it has
written there. Every fifth payload is of version 2, which has another shape: arguments are two
lists. It reads both versions.
"""

from __future__ import annotations

import sys
from typing import Any

from msgspec import msgpack
from msgspec.structs import astuple

from boundary.jobs.core import trails, wire
from boundary.jobs.core.wire import Payload

APPENDED = ("group of a newer version", {"span": [1, 2.5, None]})
WRITTEN = "written_by_newer"
"""A key of a trail."""
EVERY = 5

_read_one = wire._decode_payload
_encode = wire.encode


def two(payload: Payload) -> bytes:
    """A payload as version 2 has it."""
    _, args, *rest = astuple(payload)
    return msgpack.encode([2, [[*args], [*args.values()]], *rest, *APPENDED])


def is_two(data: bytes) -> bool:
    """Whether a payload is of version 2."""
    return bool(msgpack.decode(data)[0] == 2)


def read(data: bytes) -> Payload:
    """A payload of either version."""
    fields = msgpack.decode(data)
    if fields[0] == 2:
        fields[:2] = 1, dict(zip(*fields[1], strict=True))
    return _read_one(msgpack.encode(fields))


def write(payload: Payload) -> bytes:
    """A payload, in either version."""
    write.count += 1
    if write.count % EVERY == 0:
        return two(payload)
    return msgpack.encode([*astuple(payload), *APPENDED])


write.count = 0


def write_trail(kept: dict[str, Any]) -> bytes:
    """A trail, with the key that today's version does not know."""
    return _encode({**kept, WRITTEN: kept.get(WRITTEN, 0) + 1})


def install() -> None:
    """This process is of the newer version."""
    wire._decode_payload = read
    wire.encode_payload = write
    trails.encode = write_trail


def main(role: str, *words: str) -> None:
    """As the part it takes does."""
    install()
    if role == "worker":
        from boundary.jobs.shell.cli import main as run

        sys.argv = ["boundary-jobs", "worker", *words]
        run()
    else:
        from tests.chaos.stumbling import client

        client(*words)


if __name__ == "__main__":
    main(*sys.argv[1:])
