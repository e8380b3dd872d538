"""The plans of `Time`, `Find`, `Peek`, `Search`, `DeadLetters` and `History`.

What belongs here: jobs found by what they are. What does not: numbers (`statistics`), causes
(`grouping`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from boundary.jobs.core import operations as ops
from boundary.jobs.core.wire import Millis, Record
from boundary.jobs.shell.adapters.redis import records
from boundary.jobs.shell.adapters.redis.plans.calls import (
    LONGEST,
    SCANNED,
    Call,
    Partitions,
    Plan,
    by_id,
    decoded,
    everywhere,
    question,
)

SEARCHED: Final = 1_000
"""Jobs one call of a search looks at, so that it holds up no other for long."""
CANDIDATES: Final = 100
"""Jobs one call of a search for a text brings, at least, for the text to be looked for in each."""


def time(operation: ops.Time, partitions: Partitions) -> Plan[Millis]:
    (now,) = yield [Call("time")]
    return int(now)


def find(operation: ops.Find, partitions: Partitions) -> Plan[tuple[Record | None, ...]]:
    answers = yield from by_id("find", operation.ids, partitions)
    return tuple([as_found(id, answer) for id, answer in zip(operation.ids, answers, strict=True)])


def as_found(id: bytes, answer: bytes | list[bytes] | None) -> Record | None:
    """What the script says of an id, even where its record cannot be read."""
    if answer is None:
        return None
    if isinstance(answer, list):
        return records.quarantined(id, records.broken(answer[0]))
    return records.readable(id, answer)


def peek(operation: ops.Peek, partitions: Partitions) -> Plan[tuple[Record, ...]]:
    found: list[Record] = []
    for number in partitions.all():
        found += yield from _peek(operation.queue, operation.limit - len(found), number)
        if len(found) >= operation.limit:
            break
    return tuple(found)


def _peek(queue: str, limit: int, number: int) -> Plan[list[Record]]:
    """Those of a partition, in as many calls as it takes to come past what was left behind."""
    found: dict[bytes, Record] = {}
    at = b""
    while True:
        ((ids, data, at),) = yield [Call("peek", (queue, limit - len(found), at), number)]
        # A call may see some again, if the place it was to go on from was taken out meanwhile.
        found.update({one.id: one for one in decoded(ids, data)})
        if not at or len(found) >= limit:
            return list(found.values())


class _Stretch(Struct):
    """How far a search has come in a partition."""

    below: int
    found: list[tuple[int, Record]]


def search(operation: ops.Search, partitions: Partitions) -> Plan[ops.Page]:
    stretches = [_Stretch(below, []) for below in _cursor(operation.cursor, partitions)]
    left = operation.scan
    for number, one in enumerate(stretches):
        while one.below > 1 and left > 0 and len(one.found) <= operation.limit:
            args = _conditions(operation, one, min(left, SEARCHED))
            ((ids, data, seqs, down_to, looked),) = yield [Call("search", args, number)]
            found = zip(seqs, decoded(ids, data), strict=True)
            one.found += [row for row in found if operation.mentioned_by(row[1])]
            one.below = down_to + 1
            left -= looked
    return _page(operation, stretches)


def _conditions(operation: ops.Search, one: _Stretch, scan: int) -> tuple[bytes, ...]:
    at_most = operation.limit + 1 - len(one.found)
    ask = question(
        below=one.below,
        scan=scan,
        limit=at_most if operation.text is None else max(at_most, CANDIDATES),
        status=None if operation.status is None else records.STATUS[operation.status],
        kind=operation.job_type,
        queue=operation.queue,
        since=operation.since,
        before=operation.until,
    )
    return (ask, *operation.needles)


def _cursor(cursor: str | None, partitions: Partitions) -> list[int]:
    """Below which seq a search goes on, in each partition."""
    if cursor is None:
        return [LONGEST] * partitions.count
    positions = [ops.cursor_position(part) for part in cursor.split(".")]
    if len(positions) != partitions.count:
        ops.cursor_position("another number of partitions")
    return [min(position or 0, LONGEST) for position in positions]


def _page(operation: ops.Search, stretches: Sequence[_Stretch]) -> ops.Page:
    """The newest of what the partitions found, and where each goes on."""
    rows = [(row, number) for number, one in enumerate(stretches) for row in one.found]
    if len(stretches) > 1:
        rows.sort(key=lambda row: (row[0][1].created, row[0][0]), reverse=True)
    shown, spare = rows[: operation.limit], rows[operation.limit :]
    for (seq, _), number in reversed(spare):
        stretches[number].below = max(stretches[number].below, seq + 1)
    more = spare or any(one.below > 1 for one in stretches)
    cursor = ".".join(str(one.below) for one in stretches) if more else None
    return ops.Page(tuple([record for (_, record), _ in shown]), cursor)


def _latest(found: Iterable[Record], limit: int, partitions: Partitions) -> tuple[Record, ...]:
    rows = list(found)
    if partitions.count > 1:
        rows.sort(key=lambda one: (one.completed or 0, one.seq), reverse=True)
    return tuple(rows[:limit])


def dead_letters(operation: ops.DeadLetters, partitions: Partitions) -> Plan[tuple[Record, ...]]:
    found: list[Record] = []
    aside: list[Record] = []
    for number in partitions.all():
        here: list[Record] = []
        start = 0
        while start >= 0 and len(here) < operation.limit:
            ask = question(
                limit=operation.limit - len(here),
                scan=SCANNED,
                queue=operation.queue,
                kind=operation.job_type,
                **{"from": start},
            )
            ((ids, data, start, broken),) = yield [Call("dead_letters", (ask,), number)]
            aside += [_set_aside(*row) for row in broken]
            here += decoded(ids, data)
        found += here
    # When one was set aside its record does not tell: they come first, so that none is overlooked.
    shown = [one for one in aside if operation.queue in {None, one.queue}]
    return (*shown, *_latest(found, operation.limit, partitions))[: operation.limit]


def _set_aside(id: bytes, data: bytes) -> Record:
    return records.quarantined(id, records.broken(data))


def history(operation: ops.History, partitions: Partitions) -> Plan[tuple[Record, ...]]:
    args = (operation.job_type, operation.limit)
    replies = yield everywhere(partitions, "history", *args)
    found = [record for ids, data in replies for record in decoded(ids, data)]
    return _latest(found, operation.limit, partitions)
