"""What an `Act` adds to other plans, and the plan of `Audit`.

What belongs here: the log, and jobs kept aside for an undoing. What does not: the undoing
(`undoing`).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from boundary.jobs.core import operations as ops
from boundary.jobs.core.wire import Millis, Record
from boundary.jobs.shell.adapters.sqlite import statements as sql
from boundary.jobs.shell.adapters.sqlite.plans.steps import Ask, Do, Plan, Row, record


class Acting:
    """What an act of an operator leaves in the log, beside what it does."""

    def __init__(self, act: ops.Act | None, now: Millis) -> None:
        self._act = act
        self._now = now
        self._asides: list[Row] = []

    def look(self, id: bytes, *, gone: bool) -> Plan[Row | None]:
        """The job before it is changed, as `keep` takes it; None: nobody will want it back."""
        if self._act is None or not self._act.undo_ms:
            return None
        rows = yield Ask(sql.BY_ID_WITH_CAUSE, (id,))
        if not rows:
            return None
        *fields, cause = rows[0]
        return _encode_record(record(tuple(fields))), cause or "", gone

    def keep(self, aside: Row | None) -> None:
        """The job can be brought back."""
        if aside is not None:
            self._asides.append(aside)

    def log(self, count: int) -> Plan[None]:
        """So many jobs were changed."""
        act = self._act
        if act is None or count == 0:
            return
        until = self._now + act.undo_ms if act.undo_ms else None
        told = (act.id, self._now, act.by, act.what, act.target, count, until)
        ((until,),) = yield Ask(sql.LOG, told)
        if until is None:
            yield Ask("DELETE FROM aside WHERE act = ?", (act.id,))
        else:
            yield Do(sql.PUT_ASIDE, [(act.id, until, *aside) for aside in self._asides])
        yield Ask(sql.FORGET_ACTS, (ops.AUDIT,))


_encode_record = msgspec.msgpack.Encoder().encode
decode_record: Callable[[bytes], Record] = msgspec.msgpack.Decoder(Record).decode


def audit(operation: ops.Audit, now: Millis) -> Plan[tuple[ops.Entry, ...]]:
    rows = yield Ask(sql.AUDIT, (operation.before, operation.limit))
    return tuple([ops.Entry(*row) for row in rows])
