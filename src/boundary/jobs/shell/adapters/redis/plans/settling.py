"""The plans of `Settle`, alone and with a claim.

What belongs here: outcomes as the script reads them. What does not: what they do
(`lua/parts/settling.lua`).
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct as Layout
from typing import Final

from boundary.jobs.core import operations as ops
from boundary.jobs.shell.adapters.redis import records
from boundary.jobs.shell.adapters.redis.plans import claiming
from boundary.jobs.shell.adapters.redis.plans.calls import (
    ONE,
    Call,
    Partitions,
    Plan,
    encode,
    grouped,
)

_OUTCOME = Layout(">16sIdII")
_LONGEST_WAIT: Final = 0xFFFFFFFF


def _outcomes(outcomes: Sequence[ops.Outcome]) -> tuple[tuple[bytes, ...], list[int]]:
    """Outcomes in groups that are alike, as `lua/parts/settling.lua` reads them.

    Returns:
        What the script is given, and the places of the outcomes in its order.
    """
    groups: dict[tuple[str, int, int, int | None, str], list[int]] = {}
    for place, one in enumerate(outcomes):
        alike = (one.event, one.retry_count, one.delay_ms, one.keep_ms, one.cause)
        groups.setdefault(alike, []).append(place)
    heads: list[dict[str, int | str]] = []
    blobs: list[bytes] = []
    pack = _OUTCOME.pack
    for (event, retry, delay, keep, cause), places in groups.items():
        head: dict[str, int | str] = {
            "event": records.EVENT[event],
            "retry": retry,
            "delay": delay,
        }
        if keep is not None:
            head["keep"] = keep
        if cause:
            head["cause"] = cause
        heads.append(head)
        parts: list[bytes] = []
        for place in places:
            one = outcomes[place]
            trail = one.trail
            wait = min(one.wait_ms, _LONGEST_WAIT)
            parts.append(pack(one.id, records.token(one.token), one.duration_ms, wait, len(trail)))
            if trail:
                parts.append(trail)
        blobs.append(b"".join(parts))
    order = [place for places in groups.values() for place in places]
    return (encode(heads), *blobs), order


def _accepted(flags: bytes, order: Sequence[int]) -> tuple[bool, ...]:
    """Which outcomes were accepted, in the order they were given."""
    if not flags:
        return (True,) * len(order)
    accepted = [False] * len(order)
    for place, flag in zip(order, flags, strict=True):
        accepted[place] = flag == ONE
    return tuple(accepted)


def settle(operation: ops.Settle, partitions: Partitions) -> Plan[ops.Settled]:
    outcomes = operation.outcomes
    places = grouped([one.id for one in outcomes], partitions) or {0: []}
    made = [_outcomes([outcomes[place] for place in mine]) for mine in places.values()]
    replies = yield [
        Call("settle", (operation.worker, *args), number)
        for number, (args, _) in zip(places, made, strict=True)
    ]
    accepted = [True] * len(outcomes)
    now, watched = 0, False
    for mine, (_, order), (told, flags, seen) in zip(places.values(), made, replies, strict=True):
        now, watched = max(now, told), watched or bool(seen)
        for place, flag in zip(mine, _accepted(flags, order), strict=True):
            accepted[place] = flag
    return ops.Settled(now, tuple(accepted), watched)


def settle_and_claim(
    operation: ops.SettleAndClaim, partitions: Partitions
) -> Plan[tuple[ops.Settled, ops.Claimed]]:
    first, then = operation.settle, operation.claim
    if partitions.count > 1 or first.worker != then.worker:
        settled = yield from settle(first, partitions)
        return settled, (yield from claiming.claim(then, partitions, quiet=True))
    args, order = _outcomes(first.outcomes)
    call = Call("exchange", (claiming.claim_args(then, then.slots, quiet=True), *args))
    ((now, flags, reply),) = yield [call]
    claimed = claiming.as_claimed(reply)
    return ops.Settled(now, _accepted(flags, order), bool(reply[-1])), claimed
