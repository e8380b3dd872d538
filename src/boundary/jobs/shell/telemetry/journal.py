"""What a worker says of the jobs it ran: the log lines of their life.

What belongs here: one line a job where somebody reads along, one line a burst where nobody could.
What does not: how a line looks (`logs`). Arguments are never logged.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from boundary.jobs.core import trails
from boundary.jobs.core.happenings import Ended, Started
from boundary.jobs.shell.logs import labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from boundary.jobs.core.happenings import Happening
    from boundary.jobs.core.operations import Outcome
    from boundary.jobs.core.wire import Record

log: logging.Logger = logging.getLogger("boundary.jobs")

SECOND = 1_000

FEW = 8
"""So many jobs in one exchange are told one by one at INFO; a burst is summed up."""


class Journal:
    """A subscriber that writes to the logger `boundary.jobs`; DEBUG shows each step of each job."""

    def __repr__(self) -> str:
        return "the journal"

    def __call__(self, happening: Happening) -> None:
        """It is in the log, if it is worth a line."""
        if isinstance(happening, Ended):
            self.settled(happening.runs, happening.accepted)
        elif isinstance(happening, Started):
            self.claimed(happening.records)

    def claimed(self, records: Sequence[Record]) -> None:
        """These jobs came in."""
        if log.isEnabledFor(logging.DEBUG):
            for record in records:
                log.debug(
                    "%s claimed, token %d", record.job_type, record.token, extra=labels(record)
                )

    def settled(self, done: Sequence[tuple[Record, Outcome]], accepted: Sequence[bool]) -> None:
        """These outcomes were handed in; those not accepted came after the lease was lost."""
        if not log.isEnabledFor(logging.ERROR):
            return
        completed = logging.INFO if len(done) <= FEW else logging.DEBUG
        one_by_one = log.isEnabledFor(completed)
        for (record, outcome), taken in zip(done, accepted, strict=True):
            if not taken:
                self._refused(record, outcome)
            elif outcome.event != "succeed":
                self._not_completed(record, outcome)
            elif one_by_one:
                log.log(
                    completed,
                    "%s completed in %s",
                    record.job_type,
                    _span(outcome.duration_ms),
                    extra=labels(record),
                )
        if not one_by_one and log.isEnabledFor(logging.INFO):
            self._sum_up(done)

    def _sum_up(self, done: Sequence[tuple[Record, Outcome]]) -> None:
        types = Counter(record.job_type for record, outcome in done if outcome.event == "succeed")
        if types:
            each = ", ".join(f"{name} {count}" for name, count in types.most_common(5))
            log.info("completed %d jobs: %s", types.total(), each)

    def _refused(self, record: Record, outcome: Outcome) -> None:
        log.warning(
            "%s ended (%s) after its lease was lost; another run decides",
            record.job_type,
            outcome.event,
            extra=labels(record),
        )

    def _not_completed(self, record: Record, outcome: Outcome) -> None:
        level, text = _ENDS[outcome.event]
        error = trails.error_of(outcome.trail)
        why = "" if error is None else f": {error.type}: {error.message}"
        wait = f" in {_span(outcome.delay_ms)}" if outcome.event in {"fail", "snooze"} else ""
        runs = record.retry_count + 1
        log.log(
            level,
            "%s %s%s (run %d)%s",
            record.job_type,
            text,
            wait,
            runs,
            why,
            extra=labels(record),
        )


_ENDS: dict[str, tuple[int, str]] = {
    "fail": (logging.WARNING, "failed, next try"),
    "exhaust": (logging.ERROR, "failed for good and is a dead letter"),
    "quarantine": (logging.ERROR, "cannot be read and is a dead letter"),
    "discard": (logging.WARNING, "discarded"),
    "cancel": (logging.INFO, "cancelled"),
    "snooze": (logging.INFO, "snoozed, again"),
    "release": (logging.INFO, "released to other workers"),
}


def _span(ms: float) -> str:
    return f"{ms:.0f} ms" if ms < SECOND else f"{ms / SECOND:.1f} s"
