"""How a run ends: `Settle`, alone or with the next claim.

What belongs here: cases of outcomes, accepted or not. What does not: how a hold goes on (`leases`).
"""

from __future__ import annotations

from msgspec.structs import replace

from boundary.jobs.core.operations import (
    Cancel,
    Claim,
    Reclaim,
    Settle,
    SettleAndClaim,
    Settling,
)
from boundary.jobs.testing.clock import FakeClock
from boundary.jobs.testing.contract.doors import Case, on_both_doors
from boundary.jobs.testing.contract.words import (
    HOUR,
    LEASE,
    LOW,
    claim,
    claim_one,
    counters,
    ended,
    enqueue,
    find,
    ident,
    load,
    named,
    run,
    settle,
    the,
    waiting,
)

ENDS: tuple[tuple[Settling, str], ...] = (
    ("succeed", "completed"),
    ("exhaust", "failed"),
    ("discard", "failed"),
    ("quarantine", "failed"),
    ("cancel", "cancelled"),
)
GOES_ON: tuple[Settling, ...] = ("fail", "snooze", "release")


class SettleCases:
    """Each outcome whose job this worker still holds under that token takes effect."""

    @on_both_doors
    def test_an_end_is_kept_with_its_trail(self, clock: FakeClock) -> Case:
        """S37, S38, S58."""
        for event, status in ENDS:
            record = yield from run(event, event, trail=b"\x80", retry_count=2, keep_ms=HOUR)
            job = yield from the(event)
            assert (job.status, job.ending, job.worker) == (status, event, None)
            assert (job.trail, job.retry_count, job.token) == (b"\x80", 2, record.token)
            assert (job.completed, job.updated) == (clock.now(), clock.now())
            assert (job.prune_at, job.started) == (clock.now() + HOUR, record.started)
            clock.advance(1)

    @on_both_doors
    def test_a_record_to_be_kept_for_no_time_is_gone(self, clock: FakeClock) -> Case:
        for event, _ in ENDS:
            yield from run(event, event, keep_ms=0)
            assert (yield from find(event)) is None
        assert (yield from counters()).succeeded == 1

    @on_both_doors
    def test_a_record_to_be_kept_for_good_has_no_end(self, clock: FakeClock) -> Case:
        yield from run("a", keep_ms=None)
        assert (yield from the("a")).prune_at is None

    @on_both_doors
    def test_a_failed_run_waits_for_its_retry(self, clock: FakeClock) -> Case:
        """S39, S57."""
        yield from run("a", "fail", trail=b"\x80", retry_count=1, delay_ms=1_000)
        job = yield from the("a")
        assert (job.status, job.retry_count, job.worker) == ("retrying", 1, None)
        assert (job.due, job.execute_at) == (clock.now() + 1_000, clock.now() + 1_000)
        assert (job.trail, job.completed, job.ending) == (b"\x80", None, "")
        clock.advance(0.999)
        assert (yield from claim()).jobs == ()
        clock.advance(0.001)
        record = yield from claim_one()
        assert (record.status, record.token, record.retry_count) == ("running", 2, 1)

    @on_both_doors
    def test_a_retry_that_is_due_becomes_pending(self, clock: FakeClock) -> Case:
        """S42."""
        yield from run("a", "fail", retry_count=1)
        assert (yield from the("a")).status == "retrying"
        yield from claim(0)
        assert (yield from the("a")).status == "pending"

    @on_both_doors
    def test_a_snoozed_job_is_pending_until_later(self, clock: FakeClock) -> Case:
        yield from run("a", "snooze", delay_ms=500)
        job = yield from the("a")
        assert (job.status, job.due) == ("pending", clock.now() + 500)
        assert (yield from load()).scheduled == 1

    @on_both_doors
    def test_a_released_job_goes_to_the_head_at_once(self, clock: FakeClock) -> Case:
        yield from enqueue("a b c", priority=LOW)
        record = yield from claim_one()
        yield from settle(ended(record, "release"))
        job = yield from the("a")
        assert (job.status, job.due, job.worker, job.started) == (
            "pending",
            None,
            None,
            record.started,
        )
        assert (yield from waiting()) == "a b c"

    @on_both_doors
    def test_a_job_released_for_later_waits_until_then(self, clock: FakeClock) -> Case:
        yield from enqueue("a b")
        record = yield from claim_one()
        yield from settle(ended(record, "release", delay_ms=10))
        assert (yield from the("a")).due == clock.now() + 10
        clock.advance(0.01)
        assert named((yield from claim()).jobs) == "b a"

    @on_both_doors
    def test_another_token_changes_nothing(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        stale = yield from claim_one()
        yield from settle(ended(stale, "release"))
        fresh = yield from claim_one()
        for event, _ in ENDS:
            assert (yield from settle(ended(stale, event))) == (False,)
        assert (yield from the("a")) == fresh
        assert (yield from counters()).succeeded == 0
        assert (yield from settle(ended(fresh))) == (True,)

    @on_both_doors
    def test_another_worker_changes_nothing(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        record = yield from claim_one()
        yield from claim(0, "w2")
        assert (yield from settle(ended(record), worker="w2")) == (False,)
        assert (yield from settle(ended(record), worker="nobody")) == (False,)
        assert (yield from the("a")) == record

    @on_both_doors
    def test_what_is_settled_or_not_there_is_not_accepted(self, clock: FakeClock) -> Case:
        record = yield from run("a")
        yield from enqueue("b")
        ghost = ended((yield from the("b")))
        assert (yield from settle(ended(record, "fail"), ghost)) == (False, False)
        assert (yield from the("a")).status == "completed"
        assert (yield from the("b")).status == "pending"

    @on_both_doors
    def test_each_outcome_stands_for_itself(self, clock: FakeClock) -> Case:
        yield from enqueue("a b c")
        a, b, c = (yield from claim()).jobs
        wrong = replace(ended(b), token=99)
        settled = yield Settle("w1", (ended(a), wrong, ended(c, "fail"), ended(a, "fail")))
        assert (settled.now, settled.accepted) == (clock.now(), (True, False, True, False))
        assert (yield from the("b")) == b

    @on_both_doors
    def test_after_the_lease_a_job_nobody_took_back_still_can_end(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        record = yield from claim_one()
        clock.advance(LEASE / 1000)
        assert (yield from settle(ended(record))) == (True,)

    @on_both_doors
    def test_after_it_was_taken_back_nothing_is_accepted(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        record = yield from claim_one()
        clock.advance(LEASE / 1000)
        yield Reclaim(3, None)
        assert (yield from settle(ended(record))) == (False,)
        assert (yield from the("a")).status == "pending"

    @on_both_doors
    def test_a_job_asked_to_stop_that_goes_on_is_cancelled(self, clock: FakeClock) -> Case:
        """S40."""
        for event in GOES_ON:
            yield from enqueue(event)
            record = yield from claim_one()
            yield Cancel((record.id,), keep_ms=None)
            yield from settle(ended(record, event, delay_ms=5, keep_ms=HOUR))
            job = yield from the(event)
            assert (job.status, job.ending, job.cancelling) == ("cancelled", "cancel", False)
            assert (job.prune_at, job.due) == (clock.now() + HOUR, None)
        assert (yield from counters()).retried == 0

    @on_both_doors
    def test_a_job_asked_to_stop_may_end_by_itself(self, clock: FakeClock) -> Case:
        for event, status in ENDS:
            yield from enqueue(event)
            record = yield from claim_one()
            yield Cancel((record.id,), keep_ms=None)
            yield from settle(ended(record, event))
            job = yield from the(event)
            assert (job.status, job.ending, job.cancelling) == (status, event, False)

    @on_both_doors
    def test_counters_follow_the_outcomes(self, clock: FakeClock) -> Case:
        """S113: a run that will be retried is counted apart."""
        counted: tuple[Settling, ...] = ("succeed", "exhaust", "discard", "quarantine", "fail")
        others: tuple[Settling, ...] = ("cancel", "snooze", "release")
        for number, event in enumerate(counted):
            yield from run(event, event, duration_ms=2.0**number, delay_ms=HOUR)
        for event in others:
            yield from run(event, event, duration_ms=1_000, delay_ms=HOUR)
        seen = yield from counters()
        assert (seen.succeeded, seen.failed, seen.retried) == (1, 3, 1)
        assert seen.duration_ms == 31.0

    @on_both_doors
    def test_counters_are_those_of_the_jobs_queue(self, clock: FakeClock) -> Case:
        yield from enqueue("a b", queue="mail")
        yield from enqueue("c")
        yield from settle(*(ended(job) for job in (yield from claim()).jobs))
        assert (yield from counters("mail")).succeeded == 2
        assert (yield from counters()).succeeded == 1

    @on_both_doors
    def test_settle_and_claim_are_one_step(self, clock: FakeClock) -> Case:
        yield from enqueue("a b c")
        a, b = (yield from claim(2)).jobs
        settled, claimed = yield SettleAndClaim(
            Settle("w1", (ended(a), ended(b, "release"))), Claim("w1", None, 1, LEASE)
        )
        assert settled.accepted == (True, True)
        assert [(one.id, one.token) for one in claimed.jobs] == [(ident("b"), 2)]
        assert (settled.now, claimed.now) == (clock.now(), clock.now())
        assert (yield from waiting()) == "c"

    @on_both_doors
    def test_settle_and_claim_of_a_lost_worker_bring_nothing(self, clock: FakeClock) -> Case:
        yield from enqueue("a b")
        record = yield from claim_one()
        clock.advance(LEASE / 1000)
        yield Reclaim(3, None)
        settled, claimed = yield SettleAndClaim(
            Settle("w1", (ended(record),)), Claim("w1", None, 9, LEASE)
        )
        assert (settled.accepted, claimed.alive, claimed.jobs) == ((False,), False, ())

    @on_both_doors
    def test_no_outcomes_are_none_accepted(self, clock: FakeClock) -> Case:
        settled = yield Settle("w1", ())
        assert (settled.now, settled.accepted) == (clock.now(), ())
