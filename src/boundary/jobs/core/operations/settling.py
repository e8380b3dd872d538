"""How a run ends: `Settle`, alone or with the next claim.

What belongs here: how a run ended, and the operations that hand it in. What does not: how that is
decided (`core.outcome`), what leads where (`core.lifecycle`).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from boundary.jobs.core.operations.claiming import Claim, Claimed
from boundary.jobs.core.operations.operation import Operation
from boundary.jobs.core.wire import Millis

Settling: TypeAlias = Literal[
    "succeed", "fail", "exhaust", "discard", "cancel", "release", "snooze", "quarantine"
]
"""The life-cycle events by which a worker ends its hold on a job."""


class Outcome(Struct, frozen=True, gc=False):
    """How a run ended.

    Attributes:
        token: From the claim; another token means the job was taken back meanwhile.
        event: `succeed`, `exhaust`, `discard`, `cancel`, `quarantine` end the job; `fail` makes it
            `retrying` and `snooze` `pending`, due after `delay_ms`; `release` makes it `pending`,
            at the head of its queue at once, or due after `delay_ms` if that is above 0.
        trail: Replaces the record's trail.
        retry_count: Replaces the record's.
        keep_ms: How long the record stays if this ends the job; 0: not at all; None: for good.
        duration_ms: How long the run took, for the statistics.
        wait_ms: How long it was waited for, for the same.
        cause: If this makes it a dead letter, the fingerprint of why (`core.causes`); empty: the
            store names one by the ending.
    """

    id: bytes
    token: int
    event: Settling
    trail: bytes = b""
    retry_count: int = 0
    delay_ms: int = 0
    keep_ms: int | None = None
    duration_ms: float = 0.0
    wait_ms: int = 0
    cause: str = ""


class Settled(Struct, frozen=True, gc=False):
    """For each outcome, whether it was accepted."""

    now: Millis
    accepted: tuple[bool, ...]
    watched: bool = False


class Settle(Operation[Settled], frozen=True):
    """Each outcome whose job this worker still holds under that token takes effect; others none.

    A job that was asked to stop and does not end by itself here (`fail`, `snooze`, `release`)
    becomes `cancelled`. Counters of the queue grow by succeeded (`succeed`), failed (`exhaust`,
    `discard`, `quarantine`) and retried (`fail`), with the duration and the wait of each of these;
    so do those of the queue and job type in this minute and this hour.
    """

    worker: str
    outcomes: tuple[Outcome, ...]


class SettleAndClaim(Operation[tuple[Settled, Claimed]], frozen=True):
    """`settle`, then `claim`, as one step: what one round trip of a busy worker does."""

    settle: Settle
    claim: Claim
