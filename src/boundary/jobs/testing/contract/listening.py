"""How a store tells that something happened: listeners.

What belongs here: cases of `Backend.listen`. A notice is a hint: it may come late, twice or
never; but of these, which nothing disturbs, each must come.
"""

from __future__ import annotations

from boundary.jobs.core.operations import (
    Cancel,
    Claim,
    Claimed,
    Enqueue,
    Heartbeat,
    Instruct,
    Interest,
    Operation,
    Order,
    SetPaused,
    Time,
    Topic,
)
from boundary.jobs.core.operations import Settle as SettleAll
from boundary.jobs.testing.clock import FakeClock
from boundary.jobs.testing.contract.doors import (
    LONG,
    SHORT,
    Case,
    ClaimWhenTold,
    Close,
    Elsewhere,
    Listen,
    Wait,
    WaitAndClose,
    WaitWhile,
    on_both_doors,
)
from boundary.jobs.testing.contract.words import (
    LEASE,
    claim_one,
    ended,
    enqueue,
    idents,
    named,
    new,
)

SOON = 1.0
"""Seconds a case waits for what comes on one door only."""


class ListenCases:
    """An ear for notices of some topics, from its creation on."""

    @on_both_doors
    def test_a_notice_from_before_the_wait_counts(self, clock: FakeClock) -> Case:
        listener = yield Listen(Interest(Topic.WORK))
        yield from enqueue("a")
        assert (yield Wait(listener, LONG)) is True
        yield Close(listener)

    @on_both_doors
    def test_a_notice_ends_a_wait_under_way(self, clock: FakeClock) -> Case:
        listener = yield Listen(Interest(Topic.WORK))
        assert (yield WaitWhile(listener, Enqueue((new("a"),)))) is True
        yield Close(listener)

    @on_both_doors
    def test_another_backend_of_the_store_is_heard(self, clock: FakeClock) -> Case:
        listener = yield Listen(Interest(Topic.WORK))
        yield Elsewhere(Enqueue((new("a"),)))
        assert (yield Wait(listener, LONG)) is True
        yield Close(listener)

    @on_both_doors
    def test_every_listener_for_a_result_is_told(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        (id,) = idents("a")
        first = yield Listen(Interest(Topic.RESULT))
        second = yield Listen(Interest(Topic.RESULT, job=id))
        yield Cancel((id,), None)
        assert (yield Wait(first, LONG)) is True
        assert (yield Wait(second, LONG)) is True
        yield Close(first)
        yield Close(second)

    @on_both_doors
    def test_who_is_told_of_work_and_leaves_some_tells_the_next(self, clock: FakeClock) -> Case:
        first = yield Listen(Interest(Topic.WORK))
        second = yield Listen(Interest(Topic.WORK, queues=("default",)))
        yield from enqueue("a b")
        assert (yield Wait(first, LONG)) is True
        yield from claim_one()
        assert (yield Wait(second, LONG)) is True
        yield Close(first)
        yield Close(second)

    @on_both_doors
    def test_a_claim_waits_for_a_notice_and_is_made_then(self, clock: FakeClock) -> Case:
        yield Heartbeat("w1", LEASE, b"", join=True)
        look = Claim("w1", None, 5, LEASE)
        yield ClaimWhenTold(look, SHORT)
        assert not ((yield ClaimWhenTold(look, SHORT)) or Claimed(0, ())).jobs
        yield Elsewhere(Enqueue((new("a"),)))
        claimed = yield ClaimWhenTold(look, SOON)
        assert claimed is not None
        assert named(claimed.jobs) == "a"
        assert claimed.jobs[0].worker == "w1"
        assert not ((yield ClaimWhenTold(look, SHORT)) or Claimed(0, ())).jobs

    @on_both_doors
    def test_who_comes_to_wait_finds_what_came_before(self, clock: FakeClock) -> Case:
        """Between a worker's last claim and its first wait nothing is lost."""
        yield Heartbeat("w1", LEASE, b"", join=True)
        look = Claim("w1", None, 5, LEASE)
        assert not (yield look).jobs
        yield Elsewhere(Enqueue((new("a"),)))
        claimed = yield ClaimWhenTold(look, SOON)
        assert claimed is not None
        assert named(claimed.jobs) == "a"

    @on_both_doors
    def test_each_topic_is_told_of(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        record = yield from claim_one()
        yield Heartbeat("w1", LEASE, b"it")
        yield SetPaused("default", paused=True)
        happenings: tuple[tuple[Topic, Operation[object]], ...] = (
            (Topic.WORK, Enqueue((new("b"),))),
            (Topic.WORK, SetPaused("default", paused=False)),
            (Topic.CONTROL, Cancel(idents("a"), None)),
            (Topic.CONTROL, Instruct(Order(b"o" * 16, "quiet"))),
            (Topic.RESULT, Cancel(idents("b"), None)),
            (Topic.RESULT, SettleAll("w1", (ended(record),))),
        )
        for topic, operation in happenings:
            listener = yield Listen(Interest(topic))
            yield operation
            assert (yield Wait(listener, LONG)) is True
            yield Close(listener)

    @on_both_doors
    def test_silence_ends_a_wait_with_its_time(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        yield from claim_one()
        for topic in Topic:
            listener = yield Listen(Interest(topic))
            yield Time()
            yield Wait(listener, SHORT)
            assert (yield Wait(listener, SHORT)) is False
            assert (yield Wait(listener, 0)) is False
            yield Close(listener)

    @on_both_doors
    def test_many_notices_count_as_one(self, clock: FakeClock) -> Case:
        listener = yield Listen(Interest(Topic.WORK))
        yield from enqueue("a")
        yield from enqueue("b")
        assert (yield Wait(listener, LONG)) is True
        assert (yield Wait(listener, SHORT)) is False
        yield from enqueue("c")
        assert (yield Wait(listener, LONG)) is True
        yield Close(listener)

    @on_both_doors
    def test_closing_ends_a_wait_under_way(self, clock: FakeClock) -> Case:
        listener = yield Listen(Interest(Topic.WORK))
        assert (yield WaitAndClose(listener)) is False

    @on_both_doors
    def test_a_closed_listener_hears_nothing(self, clock: FakeClock) -> Case:
        listener = yield Listen(Interest(Topic.WORK))
        yield Close(listener)
        yield from enqueue("a")
        assert (yield Wait(listener, LONG)) is False
