"""The life of a job as one table: which event leads from which status to which.

What belongs here: the table, what can be read off it, and the diagram of the docs, which is drawn
from it. What does not: anything else about a job. Every status that is ever stored went through
`after`.
"""

from __future__ import annotations

from typing import Final

from boundary.jobs.core.records import Status
from boundary.jobs.errors import IllegalTransition

TABLE: Final[dict[tuple[Status, str], Status]] = {
    ("pending", "claim"): "running",
    ("pending", "cancel"): "cancelled",
    ("running", "succeed"): "completed",
    ("running", "fail"): "retrying",
    ("running", "exhaust"): "failed",
    ("running", "discard"): "failed",
    ("running", "quarantine"): "failed",
    ("running", "crash"): "failed",
    ("running", "cancel"): "cancelled",
    ("running", "release"): "pending",
    ("running", "snooze"): "pending",
    ("running", "reclaim"): "pending",
    ("retrying", "promote"): "pending",
    ("retrying", "exhaust"): "failed",
    ("retrying", "cancel"): "cancelled",
    ("failed", "retry"): "pending",
}
"""(status, event) → status. What is not here does not happen.

claim: a worker takes it. fail: the run failed, a retry is left. exhaust: none is left. discard:
the handler gave it up. quarantine: the record cannot be read. crash: too many workers were lost.
release: handed back unbegun or unfinished. snooze: the handler wants it later. reclaim: its lease
ended. promote: its retry is due. retry: an operator wants it again.
"""

FINISHED: Final = frozenset[Status]({"completed", "failed", "cancelled"})
DEAD: Final = frozenset({"exhaust", "crash", "quarantine"})
"""Endings that make a dead letter; a discarded job failed, but nobody wants to see it again."""

ENDINGS: Final[dict[str, str]] = {
    "completed": "succeed",
    "failed": "exhaust",
    "cancelled": "cancel",
}
"""The usual ending of a finished status, for jobs that are stored finished."""

COUNTED: Final[dict[str, str]] = {
    "succeed": "succeeded",
    "exhaust": "failed",
    "discard": "failed",
    "crash": "failed",
    "quarantine": "failed",
    "fail": "retried",
}
"""The counter each event adds to; what is not here is not counted (a cancelled job, a release)."""

_UNFINISHED: Final = frozenset({"fail", "snooze", "release", "reclaim"})


def after(status: Status, event: str) -> Status:
    """The status an event leads to.

    Raises:
        IllegalTransition: The life cycle has no such step; the message lists those it has.
    """
    try:
        return TABLE[status, event]
    except KeyError:
        steps = ", ".join(sorted(allowed(status))) or "nothing: this is its end"
        raise IllegalTransition(
            f"a {status} job cannot {event}; what it can: {steps}", status=status, event=event
        ) from None


def allowed(status: Status) -> frozenset[str]:
    """The events a job of this status can meet."""
    return frozenset(event for before, event in TABLE if before == status)


def can_become(status: Status, target: Status) -> bool:
    """Whether one step leads from `status` to `target`."""
    return any(before == status and to == target for (before, _), to in TABLE.items())


def settling(event: str, *, cancelling: bool) -> str:
    """The event that takes place when a run ends with `event`.

    A job that was asked to stop and does not reach its end by itself is cancelled, so that it is
    not started again.
    """
    return "cancel" if cancelling and event in _UNFINISHED else event


def mermaid() -> str:
    """The diagram of the table, as Mermaid text."""
    steps: dict[tuple[str, str], list[str]] = {}
    for (before, event), to in TABLE.items():
        steps.setdefault((before, to), []).append(event)
    lines = [
        f"    {before} --> {to}: {' / '.join(events)}" for (before, to), events in steps.items()
    ]
    ends = [f"    {status} --> [*]" for status in sorted(FINISHED)]
    return "\n".join(["stateDiagram-v2", "    [*] --> pending: enqueue", *lines, *ends]) + "\n"
