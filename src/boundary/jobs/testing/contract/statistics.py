"""Numbers: `Stats` and `Series`.

What belongs here: what a snapshot shows, and the invariants of its counters.
"""

from __future__ import annotations

from boundary.jobs.core.operations import (
    HOURS,
    MINUTE,
    SERIES,
    Cancel,
    Claim,
    Delete,
    Heartbeat,
    Promote,
    Prune,
    QueueLoad,
    Series,
    SetPaused,
    Settling,
    Snapshot,
    Stats,
    Tally,
    WorkerRow,
)
from boundary.jobs.core.stats import Counters
from boundary.jobs.testing.clock import FakeClock
from boundary.jobs.testing.contract.doors import Case, on_both_doors
from boundary.jobs.testing.contract.words import (
    HOUR,
    LEASE,
    LOW,
    claim,
    ended,
    enqueue,
    idents,
    load,
    run,
    settle,
)


class StatsCases:
    """A store at one moment."""

    @on_both_doors
    def test_an_empty_store(self, clock: FakeClock) -> Case:
        assert (yield Stats()) == Snapshot(clock.now(), (), (), ())
        assert (yield Stats("none")) == Snapshot(clock.now(), (), (), ())

    @on_both_doors
    def test_where_jobs_stand(self, clock: FakeClock) -> Case:
        """S68: over all priorities."""
        yield from run("retrying", "fail", delay_ms=HOUR)
        yield from run("done")
        yield from enqueue("r1 r2")
        yield from claim()
        yield from enqueue("a b")
        yield from enqueue("c", priority=LOW)
        yield from enqueue("later", delay_ms=HOUR)
        yield from enqueue("parked", parked=True)
        assert (yield from load()) == QueueLoad("default", 3, 2, 2, False, clock.now())

    @on_both_doors
    def test_since_when_the_first_in_line_is_ready(self, clock: FakeClock) -> Case:
        assert (yield from load()).oldest is None
        began = clock.now()
        yield from enqueue("low", priority=LOW)
        clock.advance(10)
        yield from enqueue("a b")
        yield from enqueue("soon", delay_ms=5_000, queue="mail")
        assert (yield from load()).oldest == began
        assert (yield from load("mail")).oldest is None
        clock.advance(7)
        yield Promote()
        assert (yield from load("mail")).oldest == began + 17_000
        yield Cancel(idents("low"), None)
        assert (yield from load()).oldest == began + 10_000
        yield Delete(idents("a"))
        assert (yield from load()).oldest == began + 10_000
        yield Delete(idents("b"))
        assert (yield from load()).oldest is None

    @on_both_doors
    def test_every_queue_that_has_something_by_name(self, clock: FakeClock) -> Case:
        yield from enqueue("a", queue="z")
        yield from enqueue("b", queue="counted")
        yield from settle(*(ended(job, keep_ms=0) for job in (yield from claim(1)).jobs))
        yield SetPaused("paused", paused=True)
        snapshot: Snapshot = yield Stats()
        assert snapshot.loads == (
            QueueLoad("counted", 0, 0, 0, paused=False),
            QueueLoad("paused", 0, 0, 0, paused=True),
            QueueLoad("z", 1, 0, 0, False, clock.now()),
        )
        assert snapshot.counters == (Counters("counted", succeeded=1),)

    @on_both_doors
    def test_each_minute_by_itself_for_a_day(self, clock: FakeClock) -> Case:
        yield from run("a", duration_ms=250.5)
        first = clock.now() // MINUTE * MINUTE
        yield from run("b", "exhaust", duration_ms=1.0)
        clock.advance(60)
        yield from run("c", "fail", duration_ms=2.0)
        yield from enqueue("d", queue="mail")
        yield from run("e")
        found: tuple[Tally, ...] = yield Series(2)
        assert found == (
            Tally(first, Counters("default", succeeded=1, failed=1, duration_ms=251.5)),
            Tally(first + MINUTE, Counters("default", succeeded=1, retried=1, duration_ms=2.0)),
        )
        assert (yield Series(1)) == found[1:]
        assert (yield Series(2, "mail")) == ()
        clock.advance(SERIES * 60 - 60)
        yield Prune()
        assert (yield Series(SERIES)) == found[1:]
        clock.advance(60)
        yield Prune()
        assert (yield Series(SERIES)) == ()

    @on_both_doors
    def test_since_when_the_oldest_ready_job_is_ready(self, clock: FakeClock) -> Case:
        first = clock.now()
        yield from enqueue("gone")
        yield from enqueue("a", priority=LOW)
        clock.advance(1)
        yield from enqueue("b")
        assert (yield from load()).oldest == first
        yield Delete(idents("gone"))
        assert (yield from load()).oldest == first
        yield Delete(idents("a"))
        assert (yield from load()).oldest == first + 1_000
        yield from claim()
        assert (yield from load()).oldest is None

    @on_both_doors
    def test_series_by_queue_and_by_type_with_waits(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        yield from enqueue("b", job_type="read")
        yield from enqueue("c", job_type="read", queue="mail")
        claimed = yield from claim()
        for record, wait in zip(claimed.jobs, (5, 7, 11), strict=True):
            yield from settle(ended(record, duration_ms=2.0, wait_ms=wait))
        begin, hour = clock.now() // MINUTE * MINUTE, clock.now() // HOUR * HOUR
        both = Counters("default", succeeded=2, duration_ms=4.0, wait_ms=12.0)
        mail = Counters("mail", succeeded=1, duration_ms=2.0, wait_ms=11.0)
        assert (yield Series(1)) == (Tally(begin, both), Tally(begin, mail))
        assert (yield Series(1, hourly=True)) == (Tally(hour, both), Tally(hour, mail))
        read = Counters("", succeeded=2, duration_ms=4.0, wait_ms=18.0)
        send = Counters("", succeeded=1, duration_ms=2.0, wait_ms=5.0)
        assert (yield Series(1, by="job_type")) == (
            Tally(begin, read, "read"),
            Tally(begin, send, "send_email"),
        )
        assert (yield Series(1, job_type="send_email", hourly=True)) == (
            Tally(hour, Counters("default", succeeded=1, duration_ms=2.0, wait_ms=5.0)),
        )
        assert (yield Series(1, "mail", by="job_type")) == (
            Tally(begin, Counters("", succeeded=1, duration_ms=2.0, wait_ms=11.0), "read"),
        )
        assert (yield Series(1, "mail", "send_email")) == ()
        assert (yield Stats("default")).counters == (both,)

    @on_both_doors
    def test_each_hour_by_itself_for_thirty_days(self, clock: FakeClock) -> Case:
        yield from run("a")
        first = clock.now() // HOUR * HOUR
        clock.advance(3_600)
        yield from run("b")
        one = Counters("default", succeeded=1)
        both = (Tally(first, one), Tally(first + HOUR, one))
        assert (yield Series(2, hourly=True)) == both
        clock.advance((HOURS - 1) * 3_600)
        yield Prune()
        assert (yield Series(HOURS, hourly=True)) == both[1:]
        clock.advance(3_600)
        yield Prune()
        assert (yield Series(HOURS, hourly=True)) == ()

    @on_both_doors
    def test_one_queue_leaves_out_the_others_and_the_workers(self, clock: FakeClock) -> Case:
        """S111."""
        yield from run("a", duration_ms=250.5)
        yield from enqueue("b", queue="mail")
        snapshot: Snapshot = yield Stats("default")
        assert snapshot.loads == (QueueLoad("default", 0, 0, 0, paused=False),)
        assert snapshot.counters == (Counters("default", succeeded=1, duration_ms=250.5),)
        assert snapshot.workers == ()
        assert (yield Stats("mail")).counters == ()

    @on_both_doors
    def test_workers_by_name_with_what_they_hold(self, clock: FakeClock) -> Case:
        """S110, S123."""
        yield from enqueue("a b c")
        yield from claim(1, "w2")
        yield from claim(2, "w1", lease_ms=5)
        yield Heartbeat("w3", LEASE, b"three", join=True)
        snapshot: Snapshot = yield Stats()
        assert snapshot.workers == (
            WorkerRow("w1", b"", clock.now() + 5, idents("b c")),
            WorkerRow("w2", b"", clock.now() + LEASE, idents("a")),
            WorkerRow("w3", b"three", clock.now() + LEASE, ()),
        )

    @on_both_doors
    def test_totals_are_the_ends_of_jobs(self, clock: FakeClock) -> Case:
        """S106, S107, S108, S112: processed = succeeded + failed, each job once."""
        good: tuple[Settling, ...] = ("succeed", "succeed", "succeed")
        ends: tuple[Settling, ...] = (*good, "exhaust", "discard", "quarantine")
        for queue in ("one", "two"):
            names = " ".join(f"{queue}{number}" for number in range(len(ends)))
            yield from enqueue(names, queue=queue)
            retried = yield Claim("w1", (queue,), 99, LEASE, join=True)
            yield from settle(*(ended(job, "fail") for job in retried.jobs))
            claimed = yield Claim("w1", (queue,), 99, LEASE)
            outcomes = zip(claimed.jobs, ends, strict=True)
            yield from settle(*(ended(job, event) for job, event in outcomes))
        snapshot: Snapshot = yield Stats()
        assert [(one.succeeded, one.failed, one.retried) for one in snapshot.counters] == [
            (3, 3, 6),
            (3, 3, 6),
        ]

    @on_both_doors
    def test_a_cancelled_job_is_not_counted(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        yield Cancel(idents("a"), keep_ms=None)
        yield from run("b", "cancel", duration_ms=5)
        assert (yield Stats()).counters == ()
