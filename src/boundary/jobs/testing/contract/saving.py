"""What the seed's doors need of a store: `Take`, `Save`.

What belongs here: cases of these two operations.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from boundary.jobs.core.operations import (
    DeadLetters,
    History,
    Prune,
    Purge,
    Reclaim,
    Save,
    Stats,
    Verdict,
)
from boundary.jobs.core.operations import Take as TakeOne
from boundary.jobs.core.wire import Record
from boundary.jobs.testing.clock import FakeClock
from boundary.jobs.testing.contract.doors import Case, on_both_doors
from boundary.jobs.testing.contract.words import (
    HIGH,
    LEASE,
    LOW,
    PAYLOAD,
    Asking,
    claim,
    claim_one,
    ended,
    enqueue,
    find,
    ident,
    idents,
    named,
    run,
    settle,
    the,
    waiting,
)


def take(name: str, worker: str = "w1") -> Asking[Record | None]:
    """Claim this one job."""
    reply: Record | None = yield TakeOne(ident(name), worker, LEASE)
    return reply


def save(record: Record) -> Asking[Verdict]:
    """Store a whole record; the verdict."""
    reply: Verdict = yield Save(record, LEASE)
    return reply


def whole(name: str, clock: FakeClock, **fields: Any) -> Record:
    """A record as the seed's `save_job` hands it over."""
    now = clock.now()
    record = Record(0, ident(name), "send_email", "mail", HIGH, PAYLOAD, now, now)
    return replace(record, **fields)


class SaveCases:
    """Take one job by its id; store one as a whole."""

    @on_both_doors
    def test_a_waiting_job_can_be_taken_out_of_turn(self, clock: FakeClock) -> Case:
        yield from run("retrying", "fail", delay_ms=1_000)
        yield from enqueue("first ready")
        yield from enqueue("scheduled", delay_ms=1_000)
        yield from enqueue("parked", parked=True)
        for name in ("ready", "scheduled", "retrying", "parked"):
            token = (yield from the(name)).token
            job = yield from take(name)
            assert job is not None
            assert job == (yield from the(name))
            assert (job.status, job.worker, job.token) == ("running", "w1", token + 1)
            assert (job.started, job.due, job.parked) == (clock.now(), None, False)
            assert (yield from settle(ended(job))) == (True,)
        clock.advance(10)
        assert named((yield from claim()).jobs) == "first"

    @on_both_doors
    def test_taking_makes_the_worker_known(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        yield from take("a", "w7")
        (row,) = (yield Stats()).workers
        assert (row.worker, row.expires, row.held) == ("w7", clock.now() + LEASE, idents("a"))
        clock.advance(LEASE / 1000)
        assert (yield Reclaim(3, None)) == idents("a")

    @on_both_doors
    def test_what_does_not_wait_cannot_be_taken(self, clock: FakeClock) -> Case:
        yield from run("done")
        yield from run("dead", "exhaust")
        yield from enqueue("running")
        yield from claim()
        for name in ("done", "dead", "running", "unknown"):
            before = yield from find(name)
            assert (yield from take(name, "w2")) is None
            assert (yield from find(name)) == before

    @on_both_doors
    def test_an_unknown_pending_job_is_parked(self, clock: FakeClock) -> Case:
        """S69."""
        given = whole("a", clock, trail=b"\x80", retry_count=2, execute_at=5)
        assert (yield from save(given)) == "done"
        job = yield from the("a")
        assert replace(job, seq=0) == replace(given, parked=True)
        assert (yield from claim()).jobs == ()
        yield from enqueue("a", queue="mail", priority=LOW)
        assert (yield from waiting("mail")) == "a"
        assert (yield from the("a")).retry_count == 2

    @on_both_doors
    def test_an_unknown_retrying_job_waits(self, clock: FakeClock) -> Case:
        instant = clock.now() + 500
        yield from save(whole("a", clock, status="retrying", execute_at=instant))
        yield from save(whole("b", clock, status="retrying"))
        assert (yield from the("a")).due == instant
        job = yield from the("b")
        assert (job.due, job.execute_at) == (clock.now(), clock.now())
        assert named((yield from claim()).jobs) == "b"
        clock.advance(0.5)
        assert named((yield from claim()).jobs) == "a"

    @on_both_doors
    def test_an_unknown_running_job_is_held_under_a_lease(self, clock: FakeClock) -> Case:
        given = whole("a", clock, status="running", worker="w5", token=4, started=clock.now())
        yield from save(given)
        assert replace((yield from the("a")), seq=0) == given
        clock.advance(LEASE / 1000 - 0.001)
        assert (yield Reclaim(3, None)) == ()
        clock.advance(0.001)
        assert (yield Reclaim(3, None)) == idents("a")
        assert (yield from waiting("mail")) == "a"

    @on_both_doors
    def test_a_running_job_of_no_worker_gets_a_holder_of_its_own(self, clock: FakeClock) -> Case:
        yield from save(whole("a", clock, status="running", token=1))
        yield from save(whole("b", clock, status="running", token=1))
        a, b = (yield from the("a")).worker, (yield from the("b")).worker
        assert a is not None
        assert b is not None
        assert a != b
        assert (yield from settle(ended((yield from the("a"))), worker=a)) == (True,)
        clock.advance(LEASE / 1000)
        assert (yield Reclaim(3, None)) == idents("b")

    @on_both_doors
    def test_a_holders_lease_covers_what_is_saved_later(self, clock: FakeClock) -> Case:
        yield from claim(0, "w5", lease_ms=1)
        yield from save(whole("a", clock, status="running", worker="w5", token=1))
        clock.advance(1)
        assert (yield Reclaim(3, None)) == ()

    @on_both_doors
    def test_an_unknown_finished_job_is_finished(self, clock: FakeClock) -> Case:
        for status, ending in (
            ("completed", "succeed"),
            ("failed", "exhaust"),
            ("cancelled", "cancel"),
        ):
            given = whole(status, clock, status=status, completed=7, worker="w5", prune_at=50)
            yield from save(given)
            job = yield from the(status)
            assert replace(job, seq=0) == replace(given, ending=ending, worker=None)
        assert named((yield DeadLetters())) == "failed"
        assert len((yield History("send_email"))) == 3
        assert (yield Prune()) == 3

    @on_both_doors
    def test_a_finished_job_without_an_instant_ended_now(self, clock: FakeClock) -> Case:
        yield from save(whole("a", clock, status="completed"))
        job = yield from the("a")
        assert (job.completed, job.prune_at) == (clock.now(), None)

    @on_both_doors
    def test_what_a_status_does_not_have_is_not_stored(self, clock: FakeClock) -> Case:
        odd = whole(
            "a", clock, worker="w5", cancelling=True, due=9, prune_at=1, completed=1, ending="crash"
        )
        yield from save(odd)
        yield from save(replace(odd, id=ident("b"), status="retrying"))
        for name in ("a", "b"):
            job = yield from the(name)
            assert (job.worker, job.cancelling, job.prune_at, job.ending) == (None, False, None, "")
            assert job.completed is None
        assert (yield Prune()) == 0
        assert (yield DeadLetters()) == ()
        assert (yield History("send_email")) == ()

    @on_both_doors
    def test_a_known_job_of_the_same_status_is_amended(self, clock: FakeClock) -> Case:
        yield from enqueue("a b")
        held = yield from claim_one()
        clock.advance(1)
        given = replace(
            held,
            payload=b"new",
            trail=b"\x80",
            progress=b"p",
            started=3,
            updated=4,
            queue="other",
            priority=LOW,
            worker="w9",
            retry_count=9,
        )
        assert (yield from save(given)) == "done"
        assert (yield from the("a")) == replace(
            held, payload=b"new", trail=b"\x80", progress=b"p", started=3, updated=4
        )
        assert (yield from settle(ended(held))) == (True,)
        assert (yield from save(replace((yield from the("b")), payload=b"new"))) == "done"
        assert (yield from waiting()) == "b"

    @on_both_doors
    def test_a_known_job_of_another_status_or_token_is_refused(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        pending = yield from the("a")
        held = yield from claim_one()
        for given in (pending, replace(held, token=9), replace(held, status="completed")):
            assert (yield from save(given)) == "refused"
        assert (yield from the("a")) == held

    @on_both_doors
    def test_saved_jobs_that_wait_can_be_purged_or_not(self, clock: FakeClock) -> Case:
        yield from save(whole("a", clock))
        yield from save(whole("b", clock, status="retrying"))
        assert (yield Purge("mail")) == 1
        assert (yield from find("a")) is not None
