"""How a worker's hold on its jobs goes on and is given up: `Heartbeat`, `Inherit`, `Depart`, `Report`.

What belongs here: cases of what a worker says of itself and of its own jobs. What does not: what
others do when it says nothing (`duties`).
"""

from __future__ import annotations

from boundary.jobs.core.operations import (
    Beat,
    Cancel,
    Claim,
    Depart,
    Heartbeat,
    Inherit,
    Reclaim,
    Report,
    Snapshot,
    Stats,
)
from boundary.jobs.testing.clock import FakeClock
from boundary.jobs.testing.contract.doors import Case, on_both_doors
from boundary.jobs.testing.contract.words import (
    HOUR,
    LEASE,
    claim,
    claim_one,
    ended,
    enqueue,
    ident,
    idents,
    settle,
    spell,
    the,
    waiting,
)


class LeaseCases:
    """A worker holds what it claimed until it says otherwise, or nothing."""

    @on_both_doors
    def test_a_heartbeat_renews_the_lease(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        yield from claim()
        clock.advance(LEASE / 1000 - 1)
        assert (yield Heartbeat("w1", LEASE, b"info")) == Beat(clock.now(), alive=True)
        clock.advance(2)
        assert (yield Reclaim(3, None)) == ()
        snapshot: Snapshot = yield Stats()
        (row,) = snapshot.workers
        assert (row.info, row.expires) == (b"info", clock.now() - 2_000 + LEASE)
        assert row.held == idents("a")

    @on_both_doors
    def test_a_heartbeat_of_a_worker_not_known(self, clock: FakeClock) -> Case:
        assert (yield Heartbeat("w1", LEASE, b"")) == Beat(clock.now(), alive=False)
        assert (yield Stats()).workers == ()
        assert (yield Heartbeat("w1", LEASE, b"", join=True)).alive
        (row,) = (yield Stats()).workers
        assert (row.worker, row.expires, row.held) == ("w1", clock.now() + LEASE, ())

    @on_both_doors
    def test_a_heartbeat_never_shortens_the_lease(self, clock: FakeClock) -> Case:
        yield Heartbeat("w1", 50_000, b"", join=True)
        yield Heartbeat("w1", 1_000, b"")
        assert (yield Stats()).workers[0].expires == clock.now() + 50_000

    @on_both_doors
    def test_a_heartbeat_hears_what_was_asked_to_stop(self, clock: FakeClock) -> Case:
        yield from enqueue("a b")
        yield from claim()
        yield Cancel(idents("b"), keep_ms=None)
        assert spell((yield Heartbeat("w1", LEASE, b"")).cancelling) == "b"

    @on_both_doors
    def test_a_worker_that_departs_gives_back_in_order(self, clock: FakeClock) -> Case:
        yield from enqueue("a b c d")
        yield from claim(3)
        assert (yield Depart("w1", keep_ms=None)) == 3
        assert (yield from waiting()) == "a b c d"
        job = yield from the("a")
        assert (job.status, job.worker, job.crashes, job.token) == ("pending", None, 0, 1)
        assert (yield Stats()).workers == ()
        assert not (yield Heartbeat("w1", LEASE, b"")).alive

    @on_both_doors
    def test_what_was_asked_to_stop_is_cancelled_at_departure(self, clock: FakeClock) -> Case:
        yield from enqueue("a b")
        yield from claim()
        yield Cancel(idents("a"), keep_ms=None)
        assert (yield Depart("w1", keep_ms=HOUR)) == 2
        job = yield from the("a")
        assert (job.status, job.prune_at) == ("cancelled", clock.now() + HOUR)
        assert (yield from waiting()) == "b"

    @on_both_doors
    def test_a_departure_not_known_gives_back_nothing(self, clock: FakeClock) -> Case:
        assert (yield Depart("w1", keep_ms=None)) == 0
        yield from claim(0)
        assert (yield Depart("w1", keep_ms=None)) == 0

    @on_both_doors
    def test_an_heir_has_what_was_known_and_the_rest_goes_back(self, clock: FakeClock) -> Case:
        yield from enqueue("a b c")
        claimed = yield from claim()
        known = tuple((one.id, one.token) for one in claimed.jobs[:1])
        assert (yield Inherit("w1", "w2", known, LEASE, b"", None)).alive
        job = yield from the("a")
        assert (job.status, job.worker, job.token) == ("running", "w2", 1)
        assert (yield from waiting()) == "b c"
        assert not (yield Claim("w1", None, 10, LEASE)).alive
        assert (yield Inherit("w1", "w2", known, LEASE, b"", None)).alive
        assert (yield from settle(ended(job), worker="w1")) == (False,)
        assert (yield from settle(ended(job), worker="w2")) == (True,)

    @on_both_doors
    def test_a_job_that_came_again_under_a_later_token_is_not_known(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        first = yield from claim_one()
        yield from settle(ended(first, "release"))
        yield from claim_one()
        known = ((first.id, first.token),)
        assert (yield Inherit("w1", "w2", known, LEASE, b"", None)).alive
        assert (yield from waiting()) == "a"

    @on_both_doors
    def test_neither_worker_nor_heir_is_known(self, clock: FakeClock) -> Case:
        assert not (yield Inherit("w1", "w2", (), LEASE, b"", None)).alive

    @on_both_doors
    def test_a_report_is_the_progress_of_a_running_job(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        assert not (yield Report(ident("a"), 0, b"p"))
        record = yield from claim_one()
        assert (yield Report(record.id, record.token, b"half"))
        assert (yield from the("a")).progress == b"half"
        assert not (yield Report(record.id, record.token + 1, b"other"))
        assert not (yield Report(ident("b"), 1, b"other"))
        assert (yield from the("a")).progress == b"half"
        yield from settle(ended(record))
        assert not (yield Report(record.id, record.token, b"late"))
        assert (yield from the("a")).progress == b"half"
