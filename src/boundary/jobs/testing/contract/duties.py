"""What any worker does for all: `Promote`, `Reclaim`, `Prune`; and `Repair`, of a sound store.

What belongs here: cases of the duties, asked for by themselves. What does not: promotion as a
part of a claim (`claiming`).
"""

from __future__ import annotations

import pytest

from boundary.jobs.core.conversion import job_of
from boundary.jobs.core.operations import (
    Cancel,
    DeadLetters,
    Enqueue,
    Find,
    Heartbeat,
    Promote,
    Prune,
    Reclaim,
    Repair,
    Retry,
    SetPaused,
    Stats,
)
from boundary.jobs.errors import UsageError
from boundary.jobs.testing.clock import FakeClock
from boundary.jobs.testing.contract.doors import Case, on_both_doors
from boundary.jobs.testing.contract.words import (
    HIGH,
    HOUR,
    LEASE,
    LOW,
    Asking,
    claim,
    claim_one,
    counters,
    ended,
    enqueue,
    find,
    ident,
    idents,
    load,
    named,
    new,
    run,
    settle,
    the,
    waiting,
)

MAX_CRASHES = 3
REPAIRED = "done dead again runs stops gone later saved a b c"


def lose(clock: FakeClock, *, keep_ms: int | None = None) -> Asking[set[bytes]]:
    """Let every lease end and take back what is lost; the ids."""
    clock.advance(LEASE / 1000)
    return set((yield Reclaim(MAX_CRASHES, keep_ms)))


class DutyCases:
    """Promote, reclaim and prune."""

    @on_both_doors
    def test_what_is_due_is_promoted_to_the_tail(self, clock: FakeClock) -> Case:
        yield from enqueue("late", delay_ms=200)
        yield from enqueue("soon", delay_ms=100)
        yield from enqueue("ready")
        yield from enqueue("tomorrow", delay_ms=24 * HOUR)
        assert (yield Promote()) == 0
        clock.advance(0.2)
        assert (yield Promote()) == 2
        assert (yield from waiting()) == "ready soon late"
        job = yield from the("soon")
        assert (job.status, job.due, job.updated) == ("pending", None, clock.now())
        assert (yield Promote()) == 0

    @on_both_doors
    def test_promotion_is_bounded(self, clock: FakeClock) -> Case:
        yield from enqueue("a b c", delay_ms=1)
        clock.advance(1)
        assert (yield Promote(2)) == 2
        assert (yield from waiting()) == "a b"
        assert (yield Promote(2)) == 1
        assert (yield from waiting()) == "a b c"

    @on_both_doors
    def test_promotion_goes_on_in_a_paused_queue(self, clock: FakeClock) -> Case:
        yield SetPaused("default", paused=True)
        yield from enqueue("a", delay_ms=1)
        clock.advance(1)
        assert (yield Promote()) == 1

    @on_both_doors
    def test_a_lease_that_has_not_ended_is_left_alone(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        yield from claim()
        clock.advance(LEASE / 1000 - 0.001)
        assert (yield Reclaim(MAX_CRASHES, None)) == ()
        assert (yield from the("a")).status == "running"

    @on_both_doors
    def test_a_lost_workers_jobs_are_back_at_the_head(self, clock: FakeClock) -> Case:
        yield from enqueue("a b c d")
        yield from claim(3)
        assert (yield from lose(clock)) == set(idents("a b c"))
        assert (yield from waiting()) == "a b c d"
        job = yield from the("a")
        assert (job.status, job.crashes, job.worker, job.retry_count) == ("pending", 1, None, 0)
        assert (job.token, job.updated) == (1, clock.now())
        assert (yield from counters()).failed == 0

    @on_both_doors
    def test_jobs_of_several_lost_workers_are_back_in_order(self, clock: FakeClock) -> Case:
        yield from enqueue("a b c d e")
        for worker in ("w1", "w2", "w1", "w2"):
            yield from claim(1, worker)
        yield from lose(clock)
        assert (yield from waiting()) == "a b c d e"

    @on_both_doors
    def test_reclaimed_jobs_keep_queue_and_priority(self, clock: FakeClock) -> Case:
        """T8."""
        yield from enqueue("low", priority=LOW)
        yield from enqueue("high", priority=HIGH)
        yield from enqueue("mail", queue="mail", priority=LOW)
        yield from claim()
        yield from enqueue("normal")
        yield from lose(clock)
        assert (yield from waiting()) == "high normal low"
        assert (yield from waiting("mail")) == "mail"
        assert (yield from the("low")).priority == LOW

    @on_both_doors
    def test_reclaim_is_bounded_and_goes_on(self, clock: FakeClock) -> Case:
        yield from enqueue("a b c d")
        yield from claim()
        clock.advance(LEASE / 1000)
        first = yield Reclaim(MAX_CRASHES, None, limit=3)
        second = yield Reclaim(MAX_CRASHES, None, limit=3)
        assert (len(first), len(second)) == (3, 1)
        assert {*first, *second} == set(idents("a b c d"))
        assert (yield from waiting()) == "a b c d"
        assert (yield Reclaim(MAX_CRASHES, None)) == ()

    @on_both_doors
    def test_lost_workers_have_their_turn_one_after_another(self, clock: FakeClock) -> Case:
        """By the end of their lease, then by name: no call looks at all that a fleet held."""
        yield from enqueue("a b c d e f")
        for worker in ("w3", "w1", "w2", "w3", "w1", "w2"):
            yield from claim(1, worker)
        yield Heartbeat("w1", LEASE + 1, b"")
        clock.advance(LEASE / 1000 + 0.001)
        assert (yield Reclaim(MAX_CRASHES, None, limit=3)) == idents("f d c")
        assert sorted(row.worker for row in (yield Stats()).workers) == ["w1", "w3"]
        assert (yield Reclaim(MAX_CRASHES, None, limit=3)) == idents("e b a")
        assert (yield from waiting()) == "a b e c d f"
        assert (yield Stats()).workers == ()

    @on_both_doors
    def test_a_worker_with_something_left_stays_known(self, clock: FakeClock) -> Case:
        yield from enqueue("a b")
        yield from claim()
        clock.advance(LEASE / 1000)
        yield Reclaim(MAX_CRASHES, None, limit=1)
        (row,) = (yield Stats()).workers
        assert len(row.held) == 1
        yield Reclaim(MAX_CRASHES, None, limit=1)
        assert (yield Stats()).workers == ()

    @on_both_doors
    def test_a_lost_worker_that_held_nothing_is_forgotten(self, clock: FakeClock) -> Case:
        yield Heartbeat("w1", LEASE, b"", join=True)
        yield Heartbeat("w2", LEASE + 1, b"", join=True)
        assert (yield from lose(clock)) == set()
        assert [row.worker for row in (yield Stats()).workers] == ["w2"]

    @on_both_doors
    def test_a_job_that_crashes_too_often_is_a_dead_letter(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        for crashes in range(1, MAX_CRASHES):
            yield from claim_one(f"w{crashes}")
            yield from lose(clock)
            assert (yield from the("a")).crashes == crashes
        yield from claim_one("w9")
        assert (yield from lose(clock, keep_ms=HOUR)) == {ident("a")}
        job = yield from the("a")
        assert (job.status, job.ending, job.crashes) == ("failed", "crash", MAX_CRASHES)
        assert (job.completed, job.prune_at) == (clock.now(), clock.now() + HOUR)
        assert named((yield DeadLetters())) == "a"
        error = job_of(job).error
        assert error is not None
        assert error.type == "WorkerLost"
        assert (yield from counters()).failed == 1
        assert (yield from waiting()) == ""

    @on_both_doors
    def test_a_dead_letter_kept_for_no_time_is_gone(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        yield from claim()
        clock.advance(LEASE / 1000)
        assert (yield Reclaim(1, 0)) == idents("a")
        assert (yield from find("a")) is None
        assert (yield from counters()).failed == 1

    @on_both_doors
    def test_crashes_outlast_good_runs_until_an_operators_retry(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        yield from claim()
        yield from lose(clock)
        record = yield from claim_one()
        yield from settle(ended(record, "exhaust"))
        assert (yield from the("a")).crashes == 1
        yield Retry(idents("a"))
        assert (yield from the("a")).crashes == 0

    @on_both_doors
    def test_a_lost_job_asked_to_stop_is_cancelled(self, clock: FakeClock) -> Case:
        yield from enqueue("a b")
        yield from claim()
        yield Cancel(idents("a"), keep_ms=None)
        assert (yield from lose(clock, keep_ms=HOUR)) == set(idents("a b"))
        job = yield from the("a")
        assert (job.status, job.ending, job.crashes) == ("cancelled", "cancel", 1)
        assert (job.cancelling, job.prune_at) == (False, clock.now() + HOUR)
        assert (yield from waiting()) == "b"

    @on_both_doors
    def test_a_stop_asked_for_wins_over_too_many_crashes(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        yield from claim()
        yield Cancel(idents("a"), keep_ms=None)
        clock.advance(LEASE / 1000)
        yield Reclaim(1, None)
        assert (yield from the("a")).status == "cancelled"
        assert (yield from counters()).failed == 0

    @on_both_doors
    def test_what_is_past_its_retention_is_pruned(self, clock: FakeClock) -> Case:
        yield from run("a", keep_ms=1_000)
        yield from run("b", "exhaust", keep_ms=2_000)
        yield from run("c", keep_ms=None)
        clock.advance(0.999)
        assert (yield Prune()) == 0
        clock.advance(0.001)
        assert (yield Prune()) == 1
        assert (yield from find("a")) is None
        clock.advance(1_000_000)
        assert (yield Prune()) == 1
        assert (yield from find("b")) is None
        assert (yield from the("c")).status == "completed"
        assert (yield from counters()).succeeded == 2

    @on_both_doors
    def test_pruning_is_bounded(self, clock: FakeClock) -> Case:
        for name in ("a", "b", "c"):
            yield from run(name, keep_ms=1)
        clock.advance(1)
        assert (yield Prune(2)) == 2
        assert (yield Prune(2)) == 1
        assert (yield Prune(2)) == 0

    @on_both_doors
    def test_a_retried_job_is_not_pruned(self, clock: FakeClock) -> Case:
        yield from run("a", "exhaust", keep_ms=1_000)
        yield Retry(idents("a"))
        clock.advance(10)
        assert (yield Prune()) == 0
        assert (yield from waiting()) == "a"

    @on_both_doors
    def test_an_id_that_came_again_is_not_pruned(self, clock: FakeClock) -> Case:
        yield from run("a", keep_ms=1_000)
        clock.advance(1)
        assert (yield Prune()) == 1
        yield Enqueue((new("a"),))
        clock.advance(10)
        assert (yield Prune()) == 0
        assert (yield from load()).ready == 1

    @on_both_doors
    def test_a_sound_store_has_nothing_to_repair(self, clock: FakeClock) -> Case:
        yield from run("done", keep_ms=HOUR)
        yield from run("dead", "exhaust")
        yield from run("again", "fail", delay_ms=HOUR)
        yield from enqueue("runs stops")
        yield from claim()
        yield Cancel((ident("stops"),), None)
        yield from enqueue("gone")
        yield Cancel((ident("gone"),), HOUR)
        yield from enqueue("later", delay_ms=HOUR)
        yield from enqueue("saved", parked=True)
        yield from enqueue("a b c")
        clock.advance(1)
        before = (yield Find(idents(REPAIRED))), (yield Stats())
        for limit in (1, 4, 250):
            for mend in (False, True):
                looked, cursor = 0, None
                while looked == 0 or cursor is not None:
                    step = yield Repair(cursor, limit, mend)
                    assert step.amiss == ()
                    looked, cursor = looked + step.looked, step.cursor
                assert looked == len(REPAIRED.split())
        assert ((yield Find(idents(REPAIRED))), (yield Stats())) == before
        assert (yield from waiting()) == "a b c"

    @on_both_doors
    def test_a_repair_refuses_a_strange_cursor(self, clock: FakeClock) -> Case:
        with pytest.raises(UsageError, match="cursor 'elsewhere'"):
            yield Repair("elsewhere")
