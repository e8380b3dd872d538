"""What the ends of runs change, gathered so that many cost few statements.

What belongs here: the statements that end a hold, and what is counted of it. What does not: whose
outcome is accepted (`settling`), what leads where (`core.lifecycle`).
"""

from __future__ import annotations

from boundary.jobs.core import causes, lifecycle
from boundary.jobs.core import operations as ops
from boundary.jobs.core.stats import Counters
from boundary.jobs.core.wire import Millis
from boundary.jobs.shell.adapters.sqlite import statements as sql
from boundary.jobs.shell.adapters.sqlite.plans.lanes import before_all
from boundary.jobs.shell.adapters.sqlite.plans.steps import Ask, Do, Plan, Row


class Ending:
    """Collects what the outcomes of one batch change, statement by statement."""

    def __init__(self, now: Millis) -> None:
        self.now = now
        self._rows: dict[str, list[Row]] = {}
        self._finished: dict[Row, list[int]] = {}
        self._counts: dict[tuple[str, str], Counters] = {}
        self._heads = before_all()

    def finish(
        self,
        seq: int,
        event: str,
        trail: bytes,
        retry_count: int,
        keep_ms: int | None,
        cause: str | None = None,
    ) -> None:
        """The job reaches its end; a dead letter of this cause."""
        if keep_ms == 0:
            self._put(sql.FORGET, (seq,))
            return
        status = lifecycle.after("running", event)
        prune_at = None if keep_ms is None else self.now + keep_ms
        # Jobs that end alike (most do: completed, no result) are written by one statement.
        alike = (status, event, self.now, self.now, trail, retry_count, prune_at, cause)
        self._finished.setdefault(alike, []).append(seq)

    def postpone(self, seq: int, event: str, due: Millis, trail: bytes, retry_count: int) -> None:
        """The job waits for an instant."""
        status = lifecycle.after("running", event)
        self._put(sql.POSTPONE, (status, due, due, self.now, trail, retry_count, seq))

    def release(
        self, seq: int, lane: tuple[str, int], trail: bytes, retry_count: int
    ) -> Plan[None]:
        """The job is at the head of its lane."""
        place = yield from self._heads.next(*lane)
        self._put(sql.RELEASE, (place, self.now, trail, retry_count, seq))

    def count(
        self, queue: str, job_type: str, event: str, duration_ms: float = 0.0, wait_ms: int = 0
    ) -> None:
        """The event is counted, if it is one that is."""
        field = lifecycle.COUNTED.get(event)
        if field is not None:
            one = Counters(queue, **{field: 1}, duration_ms=duration_ms, wait_ms=float(wait_ms))
            was = self._counts.get((queue, job_type))
            self._counts[queue, job_type] = one if was is None else was.add(one)

    def write(self) -> Plan[None]:
        """Run what was collected."""
        for statement, rows in self._rows.items():
            yield Do(statement, rows)
        yield Do(sql.FINISH, [(*alike, str(seqs)) for alike, seqs in self._finished.items()])
        minute, hour = self.now // ops.MINUTE * ops.MINUTE, self.now // ops.HOUR * ops.HOUR
        for (queue, job_type), one in self._counts.items():
            counted = (one.succeeded, one.failed, one.retried, one.duration_ms, one.wait_ms)
            yield Ask(sql.COUNT, (queue, *counted))
            yield Ask(sql.COUNT_MINUTE, (minute, queue, job_type, *counted))
            yield Ask(sql.COUNT_HOUR, (hour, queue, job_type, *counted))

    def _put(self, statement: str, row: Row) -> None:
        self._rows.setdefault(statement, []).append(row)


def cause_of(ending: str, job_type: str, told: str) -> str | None:
    """The cause of a dead letter; None for any other end."""
    if ending not in lifecycle.DEAD:
        return None
    return told or causes.unnamed(ending, job_type)
