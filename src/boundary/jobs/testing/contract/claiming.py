"""How jobs reach a worker: `Claim`.

What belongs here: cases of `Claim`. What does not: how the hold on a job ends (`settling`,
`duties`).
"""

from __future__ import annotations

from boundary.jobs.core.operations import (
    Cancel,
    Claim,
    Claimed,
    Reclaim,
    Report,
    SetPaused,
    Snapshot,
    Stats,
)
from boundary.jobs.testing.clock import FakeClock
from boundary.jobs.testing.contract.doors import Case, Elsewhere, on_both_doors
from boundary.jobs.testing.contract.words import (
    CRITICAL,
    HIGH,
    LEASE,
    LOW,
    Asking,
    claim,
    claim_one,
    ended,
    enqueue,
    ident,
    idents,
    named,
    settle,
    spell,
    the,
    waiting,
)


def lease_of(worker: str = "w1") -> Asking[int | None]:
    """When the worker's lease ends; None: it is not known."""
    snapshot: Snapshot = yield Stats()
    return next((row.expires for row in snapshot.workers if row.worker == worker), None)


class ClaimCases:
    """Jobs that are ready are held by this worker under its lease."""

    @on_both_doors
    def test_an_empty_store_gives_nothing(self, clock: FakeClock) -> Case:
        """S65."""
        assert (yield from claim()) == Claimed(clock.now(), ())

    @on_both_doors
    def test_a_claimed_job_runs_under_a_new_token(self, clock: FakeClock) -> Case:
        """S36, S84."""
        yield from enqueue("a")
        clock.advance(2)
        claimed = yield from claim()
        (job,) = claimed.jobs
        assert (job.status, job.worker, job.token) == ("running", "w1", 1)
        assert (job.started, job.updated, claimed.now) == (clock.now(),) * 3
        assert job == (yield from the("a"))
        assert (yield from waiting()) == ""

    @on_both_doors
    def test_the_token_grows_and_traces_of_the_last_run_go(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        record = yield from claim_one()
        yield Report(record.id, record.token, b"\x92\xcb?\xe0\0\0\0\0\0\0\xc0")
        yield from settle(ended(record, "release"))
        clock.advance(1)
        again = yield from claim_one("w2")
        assert (again.token, again.progress, again.cancelling) == (2, b"", False)
        assert (again.started, again.worker) == (clock.now(), "w2")

    @on_both_doors
    def test_no_job_is_handed_out_twice(self, clock: FakeClock) -> Case:
        """S1, S66."""
        yield from enqueue("a b c d")
        first = yield from claim(2)
        second: Claimed = yield Elsewhere(Claim("w2", None, 5, LEASE, join=True))
        third = yield from claim()
        assert [named(one.jobs) for one in (first, second, third)] == ["a b", "c d", ""]

    @on_both_doors
    def test_no_more_jobs_than_slots(self, clock: FakeClock) -> Case:
        yield from enqueue("a b c")
        assert (yield from claim(0)).jobs == ()
        assert named((yield from claim(2)).jobs) == "a b"
        assert (yield from waiting()) == "c"

    @on_both_doors
    def test_queues_are_served_in_the_order_given(self, clock: FakeClock) -> Case:
        """S48: strictly, whatever the priorities."""
        yield from enqueue("a", queue="one", priority=LOW)
        yield from enqueue("b c", queue="two", priority=CRITICAL)
        yield from enqueue("d", queue="three", priority=CRITICAL)
        claimed = yield from claim(3, queues=("one", "two", "none"))
        assert named(claimed.jobs) == "a b c"
        assert named((yield from claim(queues=("two", "one"))).jobs) == ""
        assert (yield from waiting("three")) == "d"

    @on_both_doors
    def test_a_queue_named_twice_is_served_once(self, clock: FakeClock) -> Case:
        yield from enqueue("a b")
        claimed = yield from claim(queues=("default", "default"))
        assert [(one.id, one.token) for one in claimed.jobs] == [(ident("a"), 1), (ident("b"), 1)]

    @on_both_doors
    def test_every_queue_the_default_one_first_then_by_name(self, clock: FakeClock) -> Case:
        for name, queue in (("z", "zoo"), ("b", "beta"), ("d", "default"), ("a", "alpha")):
            yield from enqueue(name, queue=queue)
        assert named((yield from claim()).jobs) == "d a b z"

    @on_both_doors
    def test_no_queues_are_no_jobs(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        assert (yield from claim(queues=())).jobs == ()

    @on_both_doors
    def test_no_more_of_a_queue_than_its_limit(self, clock: FakeClock) -> Case:
        """Over its priorities; a queue that is full keeps nobody behind it from being served."""
        yield from enqueue("a", queue="few", priority=CRITICAL)
        yield from enqueue("b c d", queue="few", priority=LOW)
        yield from enqueue("e f", queue="many")
        yield from enqueue("g", queue="none")
        limits = (("few", 2), ("none", 0), ("unknown", 3))
        claimed = yield from claim(9, queues=("none", "few", "many"), limits=limits)
        assert named(claimed.jobs) == "a b e f"
        assert (yield from waiting("few")) == "c d"
        assert named((yield from claim(9, limits=(("few", 1),))).jobs) == "c g"

    @on_both_doors
    def test_slots_and_ahead_bound_a_queue_with_a_limit_too(self, clock: FakeClock) -> Case:
        yield from enqueue("a b c d e f", queue="fast")
        claimed = yield from claim(1, ahead=(("fast", 4),), limits=(("fast", 3),))
        assert named(claimed.jobs) == "a b c"
        claimed = yield from claim(1, limits=(("fast", 3),))
        assert named(claimed.jobs) == "d"

    @on_both_doors
    def test_ahead_adds_to_the_slots_for_its_queue(self, clock: FakeClock) -> Case:
        yield from enqueue("a b c d", queue="fast")
        yield from enqueue("e f", queue="slow")
        claimed = yield from claim(1, queues=("fast", "slow"), ahead=(("fast", 2),))
        assert named(claimed.jobs) == "a b c"

    @on_both_doors
    def test_ahead_is_measured_by_what_was_taken_in_all(self, clock: FakeClock) -> Case:
        yield from enqueue("a", queue="slow")
        yield from enqueue("b c d e", queue="fast")
        claimed = yield from claim(2, queues=("slow", "fast"), ahead=(("fast", 1),))
        assert named(claimed.jobs) == "a b c"
        claimed = yield from claim(0, queues=("slow", "fast"), ahead=(("fast", 1), ("slow", 9)))
        assert named(claimed.jobs) == "d"

    @on_both_doors
    def test_paused_queues_are_passed_over(self, clock: FakeClock) -> Case:
        yield from enqueue("a", queue="one")
        yield from enqueue("b", queue="two")
        yield SetPaused("one", paused=True)
        assert named((yield from claim(queues=("one", "two"))).jobs) == "b"
        assert (yield from claim()).jobs == ()
        yield SetPaused("one", paused=False)
        assert named((yield from claim()).jobs) == "a"

    @on_both_doors
    def test_due_jobs_join_the_tail_in_order_of_their_instant(self, clock: FakeClock) -> Case:
        yield from enqueue("late", delay_ms=300)
        yield from enqueue("soon", delay_ms=100)
        yield from enqueue("soon2", delay_ms=100)
        yield from enqueue("ready")
        clock.advance(1)
        claimed = yield from claim()
        assert named(claimed.jobs) == "ready soon soon2 late"
        assert claimed.next_due is None

    @on_both_doors
    def test_promotion_keeps_queue_and_priority(self, clock: FakeClock) -> Case:
        yield from enqueue("low", delay_ms=1, priority=LOW)
        yield from enqueue("high", delay_ms=2, priority=HIGH)
        yield from enqueue("mail", delay_ms=1, queue="mail")
        clock.advance(1)
        yield from claim(0)
        assert (yield from waiting()) == "high low"
        assert (yield from waiting("mail")) == "mail"

    @on_both_doors
    def test_an_id_that_came_again_waits_as_it_came(self, clock: FakeClock) -> Case:
        """Nothing of a deleted job stands in the order of those that wait."""
        instant = clock.now() + 100
        yield from enqueue("a b", run_at=instant)
        yield Cancel(idents("a"), keep_ms=0)
        yield from enqueue("a", run_at=instant)
        clock.advance(1)
        assert named((yield from claim()).jobs) == "b a"

    @on_both_doors
    def test_no_more_are_promoted_than_asked_for(self, clock: FakeClock) -> Case:
        yield from enqueue("a b c", delay_ms=100)
        due = clock.now() + 100
        clock.advance(1)
        claimed = yield from claim(promote=2)
        assert (named(claimed.jobs), claimed.next_due) == ("a b", due)

    @on_both_doors
    def test_without_promotion_what_is_due_stays(self, clock: FakeClock) -> Case:
        """S104."""
        yield from enqueue("a", delay_ms=100)
        clock.advance(1)
        claimed = yield from claim(promote=0)
        assert (claimed.jobs, claimed.next_due) == ((), None)
        assert (yield from the("a")).due is not None

    @on_both_doors
    def test_next_due_is_the_earliest_instant_that_waits(self, clock: FakeClock) -> Case:
        yield from enqueue("a", delay_ms=900, queue="elsewhere")
        assert (yield from claim(0, queues=("default",))).next_due == clock.now() + 900
        yield from enqueue("b", delay_ms=500)
        assert (yield from claim(0)).next_due == clock.now() + 500
        yield Cancel(idents("b"), keep_ms=None)
        assert (yield from claim(0)).next_due == clock.now() + 900
        yield Cancel(idents("a"), keep_ms=None)
        assert (yield from claim(0)).next_due is None

    @on_both_doors
    def test_a_worker_that_is_not_known_gets_nothing(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        claimed = yield from claim(join=False)
        assert claimed == Claimed(clock.now(), (), alive=False)
        assert (yield from waiting()) == "a"
        assert (yield from lease_of()) is None

    @on_both_doors
    def test_a_worker_that_joined_stays_known(self, clock: FakeClock) -> Case:
        yield from claim(0)
        yield from enqueue("a")
        claimed = yield from claim(join=False)
        assert (claimed.alive, named(claimed.jobs)) == (True, "a")

    @on_both_doors
    def test_a_worker_whose_jobs_were_taken_back_is_told(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        yield from claim()
        clock.advance(LEASE / 1000)
        yield Reclaim(3, None)
        claimed = yield from claim(join=False)
        assert (claimed.alive, claimed.jobs) == (False, ())

    @on_both_doors
    def test_a_claim_renews_the_lease(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        yield from claim()
        clock.advance(20)
        yield from claim(0)
        assert (yield from lease_of()) == clock.now() + LEASE
        clock.advance(20)
        assert (yield Reclaim(3, None)) == ()

    @on_both_doors
    def test_a_claim_leaves_a_lease_alone_while_half_of_it_is_left(self, clock: FakeClock) -> Case:
        yield from claim(0)
        end = clock.now() + LEASE
        clock.advance(LEASE / 2_000)
        yield from claim(0)
        assert (yield from lease_of()) == end
        clock.advance(0.001)
        yield from claim(0)
        assert (yield from lease_of()) == clock.now() + LEASE

    @on_both_doors
    def test_a_claim_never_shortens_the_lease(self, clock: FakeClock) -> Case:
        yield from claim(0, lease_ms=50_000)
        yield from claim(0, lease_ms=1_000)
        assert (yield from lease_of()) == clock.now() + 50_000

    @on_both_doors
    def test_it_hears_which_of_its_jobs_were_asked_to_stop(self, clock: FakeClock) -> Case:
        yield from enqueue("a b c")
        yield from claim(2)
        yield from claim(1, "w2")
        yield Cancel(idents("b c"), keep_ms=None)
        assert spell((yield from claim(0)).cancelling) == "b"
        assert spell((yield from claim(0, "w2")).cancelling) == "c"

    @on_both_doors
    def test_what_ended_is_no_longer_asked_to_stop(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        record = yield from claim_one()
        yield Cancel(idents("a"), keep_ms=None)
        yield from settle(ended(record))
        assert (yield from claim(0)).cancelling == ()
