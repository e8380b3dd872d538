"""What operators ask of workers: `Instruct`.

What belongs here: cases of orders, from giving them to hearing of them. What does not: what a worker
does with one (the dispatcher).
"""

from __future__ import annotations

from boundary.jobs.core.operations import (
    Act,
    Audit,
    Beat,
    Depart,
    Entry,
    Heartbeat,
    Inherit,
    Instruct,
    Order,
    Undo,
    Undone,
)
from boundary.jobs.testing.clock import FakeClock
from boundary.jobs.testing.contract.doors import Case, on_both_doors
from boundary.jobs.testing.contract.words import LEASE, Asking, claim, enqueue

QUIET = Order(b"a" * 16, "quiet")
DRAIN = Order(b"b" * 16, "drain")


def beat(worker: str = "w1", info: bytes = b"it", *, join: bool = True) -> Asking[Beat]:
    """A heartbeat of a worker; the answer."""
    reply: Beat = yield Heartbeat(worker, LEASE, info, join)
    return reply


class OrderCases:
    """Instruct."""

    @on_both_doors
    def test_a_worker_hears_its_latest_order_with_each_beat(self, clock: FakeClock) -> Case:
        assert (yield from beat()).order is None
        yield from beat("w2")
        assert (yield Instruct(QUIET, ("w1",))) == ("w1",)
        assert (yield from beat()).order == QUIET
        assert (yield from beat()).order == QUIET
        assert (yield from beat("w2")).order is None
        assert (yield Instruct(DRAIN, ("w2", "w1"))) == ("w1", "w2")
        assert (yield from beat()).order == DRAIN
        assert (yield from beat("w2")).order == DRAIN

    @on_both_doors
    def test_an_order_to_all_reaches_those_that_beat(self, clock: FakeClock) -> Case:
        yield from beat("w2")
        yield from beat("w1")
        yield from beat("speechless", b"")
        yield from enqueue("a")
        yield from claim(worker="passing")
        yield Heartbeat("lost", 100, b"it", True)
        clock.advance(0.1)
        assert (yield Instruct(QUIET)) == ("w1", "w2")
        assert (yield from beat("speechless")).order is None
        assert (yield from beat("lost")).order is None
        assert (yield Instruct(QUIET, ("nobody", "lost"))) == ("lost",)
        assert (yield Instruct(QUIET, ())) == ()

    @on_both_doors
    def test_an_order_that_somebody_gave_is_in_the_log(self, clock: FakeClock) -> Case:
        yield from beat("w1")
        yield from beat("w2")
        told = Act(b"1" * 16, "ada", "quiet", "every worker")
        assert (yield Instruct(QUIET, None, told)) == ("w1", "w2")
        again = Act(b"2" * 16, "ada", "quiet", "every worker")
        assert (yield Instruct(QUIET, ("w1",), again)) == ("w1",), "it had this order"
        assert (yield Instruct(DRAIN, ("nobody",), again)) == ()
        assert (yield Instruct(DRAIN, ("w2",))) == ("w2",)
        now = clock.now()
        assert (yield Audit()) == (Entry(b"1" * 16, now, "ada", "quiet", "every worker", 2),)
        assert (yield Undo(b"1" * 16, Act(b"3" * 16, "bob", "undo", "it"))) == Undone("refused")

    @on_both_doors
    def test_an_order_ends_with_its_worker(self, clock: FakeClock) -> Case:
        yield from beat()
        yield Instruct(QUIET)
        yield Depart("w1", None)
        assert (yield from beat()).order is None

    @on_both_doors
    def test_an_heir_has_the_order(self, clock: FakeClock) -> Case:
        yield from beat()
        yield Instruct(QUIET)
        inherited = yield Inherit("w1", "heir", (), LEASE, b"it", None)
        assert (inherited.alive, inherited.order) == (True, QUIET)
        again = yield Inherit("w1", "heir", (), LEASE, b"it", None)
        assert again.order == QUIET
        assert (yield from beat("heir")).order == QUIET
        assert not (yield from beat(join=False)).alive

    @on_both_doors
    def test_what_an_heir_was_told_itself_stays(self, clock: FakeClock) -> Case:
        yield from beat()
        yield from beat("heir")
        yield Instruct(QUIET, ("heir",))
        assert (yield Inherit("w1", "heir", (), LEASE, b"it", None)).order == QUIET
