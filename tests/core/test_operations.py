"""Who is told of what: the notices of each operation."""

from __future__ import annotations

import pytest

from boundary.jobs.core.operations import (
    Beat,
    Cancel,
    Claim,
    Claimed,
    Delete,
    Depart,
    Enqueue,
    Enqueued,
    Find,
    Fire,
    Heartbeat,
    Operation,
    Outcome,
    Promote,
    Purge,
    PutSchedule,
    Reclaim,
    Retry,
    Schedule,
    Search,
    SetPaused,
    Settle,
    SettleAndClaim,
    Settled,
    Settling,
    Topic,
    as_watched,
    notices,
    queue_order,
)
from boundary.jobs.core.wire import NewJob

ID = b"a" * 16
JOB = NewJob(ID, "send", "default", 2, b"")
WORK, RESULT, CONTROL = Topic.WORK, Topic.RESULT, Topic.CONTROL
CLAIM = Claim("w1", None, 1, 1_000)
CLAIMED = Claimed(5, ())
TICKING = Schedule("beat", "send", "default", 2, b"", 5, every_ms=1)


def settle(*events: Settling) -> Settle:
    """A settle of runs that ended so."""
    return Settle("w1", tuple(Outcome(ID, 1, event) for event in events))


@pytest.mark.parametrize(
    ("operation", "reply", "topics"),
    [
        (Enqueue((JOB,)), Enqueued(5, (True,)), {WORK}),
        (settle("succeed", "exhaust"), Settled(5, (True, True)), {RESULT}),
        (settle("succeed", "fail"), Settled(5, (True, True)), {RESULT, WORK}),
        (settle("release"), Settled(5, (True,)), {RESULT, WORK}),
        (settle("snooze"), Settled(5, (True,)), {RESULT, WORK}),
        (settle(), Settled(5, ()), set()),
        (SettleAndClaim(settle(), CLAIM), (Settled(5, ()), CLAIMED), set()),
        (SettleAndClaim(settle("fail"), CLAIM), (Settled(5, (True,)), CLAIMED), {RESULT, WORK}),
        (CLAIM, CLAIMED, set()),
        (Heartbeat("w1", 5, b""), None, set()),
        (Find((ID,)), (None,), set()),
        (Search(), None, set()),
        (Fire("beat", 1, 2, JOB), True, {WORK}),
        (Fire("beat", 1, 2, JOB), False, set()),
        (PutSchedule(TICKING), True, {WORK}),
        (PutSchedule(TICKING), False, set()),
        (SetPaused("mail", paused=False), True, {WORK}),
        (SetPaused("mail", paused=False), False, set()),
        (Promote(), 3, {WORK}),
        (Promote(), 0, set()),
        (Reclaim(3, None), (ID,), {WORK, RESULT}),
        (Reclaim(3, None), (), set()),
        (Depart("w1", None), 0, set()),
        (Depart("w1", None), 2, {WORK, RESULT}),
        (Cancel((ID,), None), ("requested",), {RESULT, CONTROL}),
        (Delete((ID,)), (True,), {RESULT, CONTROL}),
        (Retry((ID,)), ("done",), {WORK}),
        (Purge("mail"), 4, {RESULT}),
    ],
)
def test_who_is_told(operation: Operation[object], reply: object, topics: set[Topic]) -> None:
    assert notices(operation, reply) == topics


def test_a_worker_of_every_queue_serves_the_default_one_first() -> None:
    assert queue_order(["b", "default", "a"]) == ["default", "a", "b"]
    assert queue_order(["b", "a"]) == ["a", "b"]
    assert queue_order([]) == []


def test_replies_that_can_say_so_say_that_somebody_watches() -> None:
    settled, claimed = Settled(1, ()), Claimed(1, ())
    for one in (Enqueued(1, ()), claimed, settled, Beat(1, alive=True)):
        assert as_watched(one).watched
    assert all(one.watched for one in as_watched((settled, claimed)))
    for reply in (3, (), ((1, 2),), (b"id",), None):
        assert as_watched(reply) == reply
