"""How a store tells that something happened: listeners.

What belongs here: cases of `Backend.listen`. A notice is a hint: it may come late, twice or
never; but of these, which nothing disturbs, each must come.
"""

from __future__ import annotations

from boundary.jobs.core.operations import Cancel, Enqueue, Operation, SetPaused, Time, Topic
from boundary.jobs.core.operations import Settle as SettleAll
from boundary.jobs.testing.clock import FakeClock
from boundary.jobs.testing.contract.doors import (
    LONG,
    SHORT,
    Case,
    Close,
    Elsewhere,
    Listen,
    Wait,
    WaitAndClose,
    WaitWhile,
    on_both_doors,
)
from boundary.jobs.testing.contract.words import claim_one, ended, enqueue, idents, new


class ListenCases:
    """An ear for notices of some topics, from its creation on."""

    @on_both_doors
    def test_a_notice_from_before_the_wait_counts(self, clock: FakeClock) -> Case:
        listener = yield Listen((Topic.WORK,))
        yield from enqueue("a")
        assert (yield Wait(listener, LONG)) is True
        yield Close(listener)

    @on_both_doors
    def test_a_notice_ends_a_wait_under_way(self, clock: FakeClock) -> Case:
        listener = yield Listen((Topic.WORK,))
        assert (yield WaitWhile(listener, Enqueue((new("a"),)))) is True
        yield Close(listener)

    @on_both_doors
    def test_another_backend_of_the_store_is_heard(self, clock: FakeClock) -> Case:
        listener = yield Listen((Topic.WORK,))
        yield Elsewhere(Enqueue((new("a"),)))
        assert (yield Wait(listener, LONG)) is True
        yield Close(listener)

    @on_both_doors
    def test_every_listener_is_told(self, clock: FakeClock) -> Case:
        first = yield Listen((Topic.WORK,))
        second = yield Listen((Topic.RESULT, Topic.WORK))
        yield from enqueue("a")
        assert (yield Wait(first, LONG)) is True
        assert (yield Wait(second, LONG)) is True
        yield Close(first)
        yield Close(second)

    @on_both_doors
    def test_each_topic_is_told_of(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        record = yield from claim_one()
        happenings: tuple[tuple[Topic, Operation[object]], ...] = (
            (Topic.WORK, Enqueue((new("b"),))),
            (Topic.WORK, SetPaused("default", paused=True)),
            (Topic.CONTROL, Cancel(idents("a"), None)),
            (Topic.RESULT, Cancel(idents("b"), None)),
            (Topic.RESULT, SettleAll("w1", (ended(record),))),
        )
        for topic, operation in happenings:
            listener = yield Listen((topic,))
            yield operation
            assert (yield Wait(listener, LONG)) is True
            yield Close(listener)

    @on_both_doors
    def test_silence_ends_a_wait_with_its_time(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        listener = yield Listen(tuple(Topic))
        yield Time()
        assert (yield Wait(listener, SHORT)) is False
        assert (yield Wait(listener, 0)) is False
        yield Close(listener)

    @on_both_doors
    def test_many_notices_count_as_one(self, clock: FakeClock) -> Case:
        listener = yield Listen((Topic.WORK,))
        yield from enqueue("a")
        yield from enqueue("b")
        assert (yield Wait(listener, LONG)) is True
        assert (yield Wait(listener, SHORT)) is False
        yield from enqueue("c")
        assert (yield Wait(listener, LONG)) is True
        yield Close(listener)

    @on_both_doors
    def test_closing_ends_a_wait_under_way(self, clock: FakeClock) -> Case:
        listener = yield Listen((Topic.WORK,))
        assert (yield WaitAndClose(listener)) is False

    @on_both_doors
    def test_a_closed_listener_hears_nothing(self, clock: FakeClock) -> Case:
        listener = yield Listen((Topic.WORK,))
        yield Close(listener)
        yield from enqueue("a")
        assert (yield Wait(listener, LONG)) is False
