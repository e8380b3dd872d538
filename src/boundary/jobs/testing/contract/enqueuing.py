"""How a job comes in: `Enqueue`, and the order in which jobs wait.

What belongs here: cases of `Enqueue`. What does not: how they are handed out (`claiming`).
"""

from __future__ import annotations

from boundary.jobs.core.operations import Enqueue, Stats
from boundary.jobs.testing.clock import FakeClock
from boundary.jobs.testing.contract.doors import Case, on_both_doors
from boundary.jobs.testing.contract.words import (
    CRITICAL,
    HIGH,
    LOW,
    NORMAL,
    PAYLOAD,
    claim,
    claim_one,
    ended,
    enqueue,
    find,
    ident,
    named,
    new,
    settle,
    the,
    waiting,
)


class EnqueueCases:
    """Each job is stored and waits."""

    @on_both_doors
    def test_a_new_job_is_stored_as_given_and_pending(self, clock: FakeClock) -> Case:
        """S25, S60."""
        reply = yield Enqueue((new("a", queue="mail", priority=HIGH, job_type="greet"),))
        assert (reply.now, reply.fresh) == (clock.now(), (True,))
        job = yield from the("a")
        assert (job.status, job.retry_count, job.token, job.crashes) == ("pending", 0, 0, 0)
        assert (job.queue, job.priority, job.job_type) == ("mail", HIGH, "greet")
        assert (job.payload, job.trail, job.progress, job.ending) == (PAYLOAD, b"", b"", "")
        assert (job.created, job.updated) == (clock.now(), clock.now())
        assert (job.due, job.execute_at, job.started, job.completed) == (None,) * 4
        assert (job.worker, job.cancelling, job.parked, job.prune_at) == (None, False, False, None)

    @on_both_doors
    def test_nothing_enqueued_is_nothing_stored(self, clock: FakeClock) -> Case:
        reply = yield Enqueue(())
        assert (reply.now, reply.fresh) == (clock.now(), ())
        assert (yield Stats()).loads == ()

    @on_both_doors
    def test_any_queue_works_without_declaration(self, clock: FakeClock) -> Case:
        """S21."""
        for queue in ("emails", "media", "bulk-operations", "a.b:c_D-9"):
            yield from enqueue(queue[:9], queue=queue)
            assert (yield from waiting(queue)) == queue[:9]

    @on_both_doors
    def test_an_id_the_store_holds_makes_no_second_job(self, clock: FakeClock) -> Case:
        yield from enqueue("a b")
        before = yield from the("a")
        clock.advance(1)
        again = (new("a", queue="other", priority=LOW, payload=b"x", delay_ms=5), new("c"))
        reply = yield Enqueue(again)
        assert reply.fresh == (False, True)
        assert (yield from the("a")) == before
        assert (yield from waiting()) == "a b c"
        assert (yield Stats("other")).loads == ()

    @on_both_doors
    def test_an_id_twice_in_one_call_makes_one_job(self, clock: FakeClock) -> Case:
        reply = yield Enqueue((new("a"), new("a", priority=LOW)))
        assert reply.fresh == (True, False)
        assert (yield from the("a")).priority == NORMAL

    @on_both_doors
    def test_an_id_that_runs_or_is_finished_makes_no_second_job(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        record = yield from claim_one()
        assert (yield from enqueue("a")).fresh == (False,)
        yield from settle(ended(record))
        assert (yield from enqueue("a")).fresh == (False,)
        assert (yield from the("a")).status == "completed"
        assert (yield from waiting()) == ""

    @on_both_doors
    def test_a_deleted_id_is_new_again(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        record = yield from claim_one()
        yield from settle(ended(record, keep_ms=0))
        assert (yield from find("a")) is None
        assert (yield from enqueue("a")).fresh == (True,)
        assert (yield from waiting()) == "a"

    @on_both_doors
    def test_a_parked_job_is_kept_in_no_queue(self, clock: FakeClock) -> Case:
        reply = yield from enqueue("a", parked=True)
        assert reply.fresh == (True,)
        job = yield from the("a")
        assert (job.status, job.parked) == ("pending", True)
        assert (yield from waiting()) == ""
        assert (yield from claim()).jobs == ()

    @on_both_doors
    def test_a_parked_job_that_is_enqueued_starts_to_wait(self, clock: FakeClock) -> Case:
        yield from enqueue("a", parked=True)
        yield from enqueue("b", queue="mail")
        clock.advance(1)
        reply = yield from enqueue("a", queue="mail", priority=NORMAL, payload=b"other")
        assert reply.fresh == (True,)
        assert (yield from waiting("mail")) == "b a"
        job = yield from the("a")
        assert (job.parked, job.queue, job.payload) == (False, "mail", PAYLOAD)
        assert job.updated == clock.now()

    @on_both_doors
    def test_a_parked_job_that_is_scheduled_waits_for_its_instant(self, clock: FakeClock) -> Case:
        yield from enqueue("a", parked=True)
        yield from enqueue("a", delay_ms=1_000)
        assert (yield from the("a")).due == clock.now() + 1_000
        assert (yield from enqueue("a")).fresh == (False,)
        clock.advance(1)
        assert named((yield from claim()).jobs) == "a"

    @on_both_doors
    def test_a_parked_job_parked_again_stays_as_it_is(self, clock: FakeClock) -> Case:
        yield from enqueue("a", parked=True)
        before = yield from the("a")
        assert (yield from enqueue("a", parked=True, queue="mail")).fresh == (False,)
        assert (yield from the("a")) == before

    @on_both_doors
    def test_priorities_come_out_critical_to_low(self, clock: FakeClock) -> Case:
        """S2, S45, S47."""
        yield from enqueue("low", priority=LOW)
        yield from enqueue("normal")
        yield from enqueue("critical", priority=CRITICAL)
        yield from enqueue("high", priority=HIGH)
        assert (yield from waiting()) == "critical high normal low"
        for expected in ("critical", "high", "normal", "low"):
            assert named((yield from claim(1)).jobs) == expected

    @on_both_doors
    def test_every_priority_is_first_in_first_out(self, clock: FakeClock) -> Case:
        """S46, T8: `low` too."""
        for rank in (CRITICAL, HIGH, NORMAL, LOW):
            names = f"{rank}a {rank}b {rank}c"
            yield from enqueue(names, priority=rank)
            yield from enqueue(f"{rank}d", priority=rank)
            assert named((yield from claim(3)).jobs) == names
            assert named((yield from claim(3)).jobs) == f"{rank}d"

    @on_both_doors
    def test_a_scheduled_job_is_not_ready_before_its_instant(self, clock: FakeClock) -> Case:
        """S3, S62."""
        instant = clock.now() + 60_000
        yield Enqueue((new("a", run_at=instant),))
        job = yield from the("a")
        assert (job.status, job.due, job.execute_at) == ("pending", instant, instant)
        clock.advance(59.999)
        assert (yield from claim()).jobs == ()
        clock.advance(0.001)
        (record,) = (yield from claim()).jobs
        assert (record.id, record.due, record.execute_at) == (ident("a"), None, instant)

    @on_both_doors
    def test_a_delay_counts_from_the_stores_clock(self, clock: FakeClock) -> Case:
        yield from enqueue("a", delay_ms=1)
        assert (yield from the("a")).due == clock.now() + 1

    @on_both_doors
    def test_an_instant_wins_over_a_delay(self, clock: FakeClock) -> Case:
        yield from enqueue("a", run_at=clock.now() + 5, delay_ms=1)
        assert (yield from the("a")).due == clock.now() + 5

    @on_both_doors
    def test_an_instant_that_is_past_is_ready_at_once(self, clock: FakeClock) -> Case:
        """S63."""
        for name, instant in (("past", clock.now() - 1), ("now", clock.now()), ("epoch", 0)):
            yield from enqueue(name, run_at=instant, delay_ms=9)
            job = yield from the(name)
            assert (job.due, job.execute_at) == (None, instant)
        assert (yield from waiting()) == "past now epoch"

    @on_both_doors
    def test_a_batch_of_250_keeps_its_order(self, clock: FakeClock) -> Case:
        names = " ".join(f"j{number:03}" for number in range(250))
        reply = yield from enqueue(names)
        assert reply.fresh == (True,) * 250
        assert (yield from waiting()) == names
