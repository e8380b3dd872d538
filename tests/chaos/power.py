"""Power cuts: files as they would be found when the power comes back.

What belongs here: reading what `power.c` logged, and putting files into the state that a cut could
leave them in. What does not: who loses power and what is checked (`test_power.py`).
"""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from tests.chaos.building import library

HEAD = struct.Struct("<5Q")
MAGIC = struct.pack("<Q", 0x7C1E5B0F93D2A846)
SECTOR = 512
"""What a disk writes whole."""

Torn = Literal["sectors", "tail"]


class Entry(NamedTuple):
    """A write ("W"), a new length ("T"), a flush ("S") or the file's end ("U").

    Attributes:
        place: Where it stands in the log.
        offset: Of a write; the new length; or how far the log was flushed.
        at: When it was done (ns).
    """

    place: int
    kind: str
    offset: int
    content: bytes
    at: int


class Found(NamedTuple):
    """What a cut did to a file.

    Attributes:
        flushed: When the last write was done that a flush was of (ms); 0 if there was none.
        gone: Bytes that were written and not flushed, and did not reach the disk.
    """

    path: Path
    flushed: float
    gone: int


class Written(NamedTuple):
    """What was done to a file: its content before, what was flushed, what was not."""

    content: bytes
    lasting: list[Entry]
    pending: list[Entry]

    def survivors(self, chance: random.Random, torn: Torn) -> list[Entry]:
        """What happens to be on the disk of that which was not flushed."""
        return list((_sectors if torn == "sectors" else _tail)(self.pending, chance))

    def image(self, survivors: list[Entry]) -> bytes:
        """The file with these."""
        image = bytearray(self.content)
        for one in (*self.lasting, *survivors):
            _apply(image, one)
        return bytes(image)


class Power:
    """The power supply of one folder; processes get at it with `environ`."""

    def __init__(self, root: Path, logs: Path) -> None:
        self.root = root.resolve()
        self.logs = logs
        self._base: dict[str, tuple[bytes, int]] = {}
        root.mkdir(exist_ok=True)
        logs.mkdir()

    @property
    def environ(self) -> dict[str, str]:
        """What a process needs to lose its power."""
        return {
            "LD_PRELOAD": str(library("power")),
            "POWER_ROOT": str(self.root),
            "POWER_LOGS": str(self.logs),
        }

    def on(self) -> None:
        """All that is in the folder now counts as flushed; nobody is writing there."""
        self._base = {
            _log_name(path): (path.read_bytes(), self._log_length(path)) for path in self._files()
        }

    def cut(self, chance: random.Random, torn: Torn) -> list[Found]:
        """The files are as a cut could leave them; every process that wrote them is gone.

        Args:
            torn: Of what was not flushed, any sectors may be there ("sectors"), or the beginning
                of it, up to any byte ("tail"), as file systems leave a file that only grows.
        """
        found = []
        for path in self._files():
            if path.name.endswith("-shm"):
                path.unlink()  # shared memory, which nobody flushes
            elif written := self._written(path):
                survivors = written.survivors(chance, torn)
                path.write_bytes(written.image(survivors))
                gone = _size(written.pending) - _size(survivors)
                found.append(Found(path, _last(written.lasting), gone))
        self._forget()
        return found

    def looked_at(self) -> list[Found]:
        """Who wrote is gone, but no power was lost: all writes that were made last."""
        found = [
            Found(path, _last([*written.lasting, *written.pending]), 0)
            for path in self._files()
            if (written := self._written(path))
        ]
        self._forget()
        return found

    def _forget(self) -> None:
        for log in self.logs.iterdir():
            log.unlink()

    def _written(self, path: Path) -> Written | None:
        """What was done to the file since `on`; None: nobody has opened it."""
        log = self.logs / _log_name(path)
        if not log.exists():
            return None
        content, start = self._base.get(log.name, (b"", 0))
        entries = list(_entries(log.read_bytes()))
        ends = [one.place for one in entries if one.kind == "U"]
        if ends and ends[-1] >= start:
            content, start = b"", ends[-1] + 1
        entries = [one for one in entries if one.place >= start]
        if ends and not entries:
            return None  # another file has its inode, and was written by means not seen here
        until = max((one.offset for one in entries if one.kind == "S"), default=start)
        changes = [one for one in entries if one.kind in "WT"]
        lasting = [one for one in changes if one.place < until]
        return Written(content, lasting, changes[len(lasting) :])

    def _files(self) -> list[Path]:
        return sorted(path for path in self.root.rglob("*") if path.is_file())

    def _log_length(self, path: Path) -> int:
        log = self.logs / _log_name(path)
        return log.stat().st_size if log.exists() else 0


def _log_name(path: Path) -> str:
    known = path.stat()
    return f"{known.st_dev}-{known.st_ino}"


def _entries(log: bytes) -> Iterator[Entry]:
    """What is whole; of a process that was killed while it wrote an entry, a part may be there."""
    place = 0
    while (place := log.find(MAGIC, place)) >= 0 and place + HEAD.size <= len(log):
        _, kind, offset, length, at = HEAD.unpack_from(log, place)
        end = place + HEAD.size + (length if chr(kind) == "W" else 0)
        if end == len(log) or log[end : end + len(MAGIC)] == MAGIC:
            yield Entry(place, chr(kind), offset, log[place + HEAD.size : end], at)
            place = end
        else:
            place += len(MAGIC)


def _apply(image: bytearray, entry: Entry) -> None:
    if entry.kind == "T":
        image[entry.offset :] = bytes(max(0, entry.offset - len(image)))
    elif entry.kind == "W":
        image.extend(bytes(max(0, entry.offset - len(image))))
        image[entry.offset : entry.offset + len(entry.content)] = entry.content


def _size(entries: list[Entry]) -> int:
    return sum(len(one.content) for one in entries)


def _last(entries: list[Entry]) -> float:
    """When the last of these writes was done (ms)."""
    return max((one.at for one in entries if one.kind == "W"), default=0) / 1e6


def _sectors(pending: list[Entry], chance: random.Random) -> Iterator[Entry]:
    """Any of what was under way: none of it, all of it, or here and there a sector."""
    share = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
    for one in pending:
        if one.kind == "T":
            if chance.random() < share:
                yield one
            continue
        for sector in re.finditer(rb"(?s).{1,%d}" % SECTOR, one.content):
            if chance.random() < share:
                yield one._replace(offset=one.offset + sector.start(), content=sector[0])


def _tail(pending: list[Entry], chance: random.Random) -> Iterator[Entry]:
    """Up to a byte, nothing after it."""
    left = round(_size(pending) * chance.choice((0.0, chance.random())))
    for one in pending:
        content = one.content[:left]
        left -= len(content)
        if one.kind == "T" or content:
            yield one._replace(content=content)
        if len(content) < len(one.content):
            return
