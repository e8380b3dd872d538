"""Hands in a store's own data: every field it keeps, and bytes that do not belong there.

What belongs here: finding the fields of a populated store, and harming and mending one. What does
not: what has to hold meanwhile (`test_damage`).
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from redis import Redis

LONG = 100_000
FOREIGN: tuple[bytes, ...] = (
    b"",
    b"\x00",
    b"\xff\xfe\x80",
    b"garbage",
    b"\x1b[31m\n{}",
    b"[]",
    b"null",
    b"-1",
    b"9" * 40,
    b"[" * LONG,
    b"x" * LONG,
)
"""What may stand where bytes or text are kept."""
NUMBERS = (-1, 0, 99, 2**53 + 1, 2**63 - 1, -(2**63))
REALS = (-1.0, 1e308, float("inf"))


class Spot(NamedTuple):
    """One field and one damage.

    Attributes:
        place: Which field, in words.
        put: What is put there, in words.
        harm: Puts it there; False: the store's own rules keep it out.
        mend: As it was.
        job: Whose record it is part of, if it is one job's alone.
    """

    place: str
    put: str
    harm: Callable[[], bool]
    mend: Callable[[], None]
    job: str | None = None


def changed(original: bytes) -> Iterator[bytes]:
    """The original, cut off or with a bit turned over."""
    if original:
        yield original[: len(original) // 2]
        for at in {0, len(original) // 2, len(original) - 1}:
            yield original[:at] + bytes([original[at] ^ 0x41]) + original[at + 1 :]
        yield original + b"\x00more"


def turned(original: bytes) -> Iterator[bytes]:
    """Every byte of it another, in turn; and cut off at every place."""
    for at, byte in enumerate(original):
        yield original[:at] + bytes([byte ^ 0xFF]) + original[at + 1 :]
        yield original[:at]


def shown(value: object) -> str:
    """A value in a few letters."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:30]}... ({len(text)})"


# SQLite


class SqliteHand:
    """A connection to the file, beside the library's."""

    def __init__(self, path: str) -> None:
        self.file = sqlite3.connect(path, isolation_level=None, timeout=10)
        self.file.text_factory = bytes

    def close(self) -> None:
        """The file is let go."""
        self.file.close()

    def spots(self) -> Iterator[Spot]:
        """Every column of every table, in a row of each kind there is."""
        names = self.file.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in names:
            table = name.decode()
            columns = self.file.execute(f"PRAGMA table_info({table})").fetchall()
            for key, row in self._rows(table, columns):
                for _, column, kind, _, _, _ in columns:
                    yield from self._column(
                        table, columns, key, row, column.decode(), kind.decode()
                    )

    def damages(self, table: str) -> Iterator[tuple[str, str, object]]:
        """Each column with each value; how that is written into a statement."""
        for _, column, kind, _, _, key in self.file.execute(
            f"PRAGMA table_info({table})"
        ).fetchall():
            if not key:
                for cast, put in _values(kind.decode(), None):
                    yield column.decode(), cast, put

    def _rows(self, table: str, columns: list[Any]) -> Iterator[tuple[tuple[Any, ...], Any]]:
        keys = [one[1].decode() for one in columns if one[5]]
        group = "GROUP BY status, cancelling" if table == "job" else "LIMIT 1"
        for row in self.file.execute(
            f"SELECT {', '.join(keys)}, * FROM {table} {group}"
        ).fetchall():
            yield row[: len(keys)], row[len(keys) :]

    def _column(
        self, table: str, columns: list[Any], key: Any, row: Any, column: str, kind: str
    ) -> Iterator[Spot]:
        names = [one[1].decode() for one in columns]
        keys = [one[1].decode() for one in columns if one[5]]
        where = " AND ".join(f"{one} = ?" for one in keys)
        value = row[names.index(column)]
        job = row[names.index("id")].hex() if table == "job" else None
        told = f"{table}.{column}"
        if table == "job":
            told += f" of a {row[names.index('status')].decode()} one"
        marks = ", ".join("?" * len(names))

        def harm(cast: str, given: object) -> bool:
            statement = f"UPDATE {table} SET {column} = {cast} WHERE {where}"
            try:
                return self.file.execute(statement, (given, *key)).rowcount > 0
            except sqlite3.IntegrityError:
                return False

        def mend(given: object) -> None:
            with contextlib.suppress(sqlite3.IntegrityError):
                if column in keys:
                    self.file.execute(f"DELETE FROM {table} WHERE {column} IS ?", (given,))
                self.file.execute(f"DELETE FROM {table} WHERE {where}", key)
                typed = [
                    one.decode() if col[2] == b"TEXT" and isinstance(one, bytes) else one
                    for one, col in zip(row, columns, strict=True)
                ]
                self.file.execute(f"INSERT INTO {table} VALUES ({marks})", typed)

        for cast, given in _values(kind, value):
            yield Spot(
                told,
                shown(given),
                lambda cast=cast, given=given: harm(cast, given),
                lambda given=given: mend(given),
                job,
            )


def _values(kind: str, value: object) -> Iterator[tuple[str, object]]:
    """Each with how it is written into a statement."""
    yield "?", None
    if kind == "INTEGER":
        yield from (("?", one) for one in NUMBERS)
    elif kind == "REAL":
        yield from (("?", one) for one in REALS)
    else:
        cast = "CAST(? AS TEXT)" if kind == "TEXT" else "?"
        original = changed(value) if isinstance(value, bytes) else ()
        yield from ((cast, one) for one in (*FOREIGN, *original))


# Redis


class RedisHand:
    """A connection to the server, beside the library's."""

    def __init__(self, url: str) -> None:
        self.server: Redis = Redis.from_url(url)

    def close(self) -> None:
        """The connection is gone."""
        self.server.close()

    def spots(self) -> Iterator[Spot]:
        """Every key, as another type and without its content; and in each what is foreign there."""
        for key in sorted(self.server.keys("{jobs:*")):
            kind = self.server.type(key).decode()
            yield self._whole(key, "another type", lambda key=key: self._retype(key))
            if not key.endswith(b":job"):  # without its records no store has any jobs
                yield self._whole(key, "nothing", lambda key=key: self.server.delete(key))
            yield from getattr(self, f"_{kind}")(key)

    def _whole(self, key: bytes, put: str, harm: Callable[[], object]) -> Spot:
        """A damage to the key itself."""
        before: list[bytes | None] = []

        def harmed() -> bool:
            before.append(self.server.dump(key))
            harm()
            return True

        def mended() -> None:
            dump = before.pop()
            self.server.delete(key)
            if dump is not None:
                self.server.restore(key, 0, dump, replace=True)

        return Spot(_name(key), put, harmed, mended)

    def _retype(self, key: bytes) -> None:
        kind = self.server.type(key)
        self.server.delete(key)
        if kind == b"string":
            self.server.rpush(key, "x")
        else:
            self.server.set(key, "x")

    def _string(self, key: bytes) -> Iterator[Spot]:
        for one in (*FOREIGN, *changed(self.server.get(key) or b"")):
            yield self._whole(key, shown(one), lambda one=one: self.server.set(key, one))

    def _hash(self, key: bytes) -> Iterator[Spot]:
        is_job = key.endswith(b":job")
        fields = self.server.hgetall(key)
        for field, value in list(fields.items())[: 12 if is_job else 1]:
            for one in (*FOREIGN, *changed(value)):
                yield self._field(key, field, one, field.hex() if is_job else None)
        for one in FOREIGN:
            yield self._added(key, one, "x", " a new field", "HSET", "HDEL")

    def _field(self, key: bytes, field: bytes, one: bytes, job: str | None) -> Spot:
        before: list[bytes | None] = []

        def harmed() -> bool:
            before.append(self.server.hget(key, field))
            return before[-1] is not None and self.server.hset(key, field, one) == 0

        def mended() -> None:
            value = before.pop()
            if value is not None:
                self.server.hset(key, field, value)

        return Spot(f"{_name(key)} a field", shown(one), harmed, mended, job)

    def _added(
        self, key: bytes, one: bytes, with_it: Any, place: str, add: str, remove: str
    ) -> Spot:
        """Something foreign beside what is there."""

        def harmed() -> bool:
            words = (with_it, one) if add == "ZADD" else (one, *((with_it,) if with_it else ()))
            return bool(self.server.execute_command(add, key, *words))

        def mended() -> None:
            count = (0,) if remove == "LREM" else ()
            self.server.execute_command(remove, key, *count, one)

        put = f"{shown(one)} at {with_it}" if add == "ZADD" else shown(one)
        return Spot(f"{_name(key)}{place}", put, harmed, mended)

    def _list(self, key: bytes) -> Iterator[Spot]:
        for one in FOREIGN:
            yield self._added(key, one, None, " at the left", "LPUSH", "LREM")
            yield self._added(key, one, None, " at the right", "RPUSH", "LREM")

    def _set(self, key: bytes) -> Iterator[Spot]:
        for one in FOREIGN:
            yield self._added(key, one, None, "", "SADD", "SREM")

    def _zset(self, key: bytes) -> Iterator[Spot]:
        for one in FOREIGN:
            for score in ("-inf", "0", "1e15", "inf"):
                yield self._added(key, one, score, "", "ZADD", "ZREM")


def _name(key: bytes) -> str:
    return key.split(b"}:")[1].decode(errors="backslashreplace")
