"""What happened, as seen from outside: the words a history is written in.

What belongs here: events and what was found at the end, as plain records. What does not: a
judgement (`checker`), and who wrote it down: a simulation, or handlers into a journal beside a
real store. Instants are milliseconds of one clock; a job goes by its id as text.

A history is complete where it says so: one with `store_told` has every claim and every outcome
the store accepted; a journal of real processes has only what handlers, clients and whoever killed
them saw, and the checker then asks for less.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

ENDS = frozenset({"succeed", "exhaust", "discard", "cancel", "quarantine", "crash"})
"""Events that end a job."""

AGAIN = frozenset({"fail", "snooze", "release"})
"""Events after which it runs again."""

FATAL = frozenset({"kill", "crash", "sigterm"})
"""Faults after which a worker's runs do not go on; the others it outlives."""


class Asked(NamedTuple):
    """Somebody wanted this job.

    Attributes:
        known: The store said yes (True) or no (False); None: no answer came.
        not_before: It must not begin earlier.
        retries: Runs that may fail and be followed by another.
    """

    job: str
    at: float
    known: bool | None = True
    payload: bytes | None = None
    not_before: float = 0.0
    retries: int = 3


class Stored(NamedTuple):
    """The store has the job, which it had not before: it begins anew."""

    job: str
    at: float
    not_before: float = 0.0


class Claimed(NamedTuple):
    """The store gave the job away."""

    job: str
    token: int
    by: str
    at: float


class Began(NamedTuple):
    """A handler was called."""

    job: str
    token: int
    by: str
    at: float
    payload: bytes | None = None


class Ended(NamedTuple):
    """A handler came to its end; `how` is an event, or "stopped"."""

    job: str
    token: int
    by: str
    at: float
    how: str


class Accepted(NamedTuple):
    """The store took an outcome; the job must not begin before `not_before`."""

    job: str
    token: int
    by: str
    at: float
    event: str
    not_before: float = 0.0


class TakenBack(NamedTuple):
    """The store took the job from its worker.

    Attributes:
        why: "lease" (reclaimed), "crash" (reclaimed once too often), "cancel" (reclaimed or given
            back, with a stop asked for), "left" (the worker's name was given up) or "release"
            (it goes on as its heir, which does not know of the job).
        until: When the lease ended, as it was last granted.
    """

    job: str
    token: int
    by: str
    at: float
    why: str
    until: float = 0.0


class Stopped(NamedTuple):
    """Somebody cancelled the job: "done" (it waited) or "requested" (it ran)."""

    job: str
    at: float
    answer: str


class Revived(NamedTuple):
    """An operator's retry: a dead job has a full budget again."""

    job: str
    at: float


class Fired(NamedTuple):
    """A schedule made its job for a tick (ms)."""

    schedule: str
    tick: float
    at: float


class Removed(NamedTuple):
    """The job was deleted, purged or pruned."""

    job: str
    at: float


class Fault(NamedTuple):
    """Something was done to a worker ("*": to the store, and so to all).

    Attributes:
        kind: "kill", "crash", "sigterm", "pause", "block", or whatever befell its calls.
        until: When it was over; `at` if it was a moment.
    """

    kind: str
    by: str
    at: float
    until: float = 0.0


class RolledBack(NamedTuple):
    """A power cut: nothing of what the store did from `since` on has happened."""

    at: float
    since: float


Event: TypeAlias = (
    Asked
    | Stored
    | Claimed
    | Began
    | Ended
    | Accepted
    | TakenBack
    | Stopped
    | Revived
    | Removed
    | Fired
    | Fault
    | RolledBack
)


class Kept(NamedTuple):
    """A job as the store has it in the end.

    Attributes:
        settled: The token under which its outcome was produced, where the handler says so.
    """

    job: str
    status: str
    token: int = 0
    retries: int = 0
    crashes: int = 0
    payload: bytes | None = None
    settled: int | None = None


class Counted(NamedTuple):
    """The store's counters, over all queues."""

    succeeded: int
    failed: int
    retried: int


class Bounds(NamedTuple):
    """What the history is held to.

    Attributes:
        max_crashes: Workers a job may lose.
        tolerance: How far (ms) clocks of different witnesses may be apart.
        overlap: How long a run may go on beside its successor, once its worker runs and its lease
            is over; None: nobody asks.
        reach: How long before a lease ended the fault may lie that ended it; where the store does
            not tell of leases, how long before a run began.
    """

    max_crashes: int = 3
    tolerance: float = 0.0
    overlap: float | None = None
    reach: float = 0.0


class History(NamedTuple):
    """Events in the order of their instants, and what was found after the last one.

    Attributes:
        left: What is still there after every job was drained and pruned.
        store_told: Whether every claim and accepted outcome is among the events.
    """

    events: list[Event]
    kept: list[Kept]
    counted: Counted | None = None
    left: tuple[str, ...] = ()
    bounds: Bounds = Bounds()
    store_told: bool = False
