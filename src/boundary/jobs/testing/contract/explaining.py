"""What decides when a job runs: `Explain`.

What belongs here: cases of the facts. What does not: what follows from them (`core.why`).
"""

from __future__ import annotations

from boundary.jobs.core.operations import (
    Delete,
    Explain,
    Facts,
    Glimpse,
    Heartbeat,
    Holding,
    SetPaused,
)
from boundary.jobs.testing.clock import FakeClock
from boundary.jobs.testing.contract.doors import Case, on_both_doors
from boundary.jobs.testing.contract.words import (
    CRITICAL,
    HOUR,
    LEASE,
    LOW,
    Asking,
    claim,
    enqueue,
    ident,
    idents,
    run,
    the,
)


def facts(name: str) -> Asking[Facts]:
    """The facts about a job that must be there."""
    found: Facts | None = yield Explain(ident(name))
    assert found is not None, f"no job {name!r} is stored"
    return found


class ExplainCases:
    """The facts of one moment."""

    @on_both_doors
    def test_no_such_job(self, clock: FakeClock) -> Case:
        assert (yield Explain(ident("none"))) is None

    @on_both_doors
    def test_the_record_and_the_moment(self, clock: FakeClock) -> Case:
        yield from enqueue("a", delay_ms=HOUR)
        found = yield from facts("a")
        assert found == Facts(clock.now(), (yield from the("a")), False, 0, ())

    @on_both_doors
    def test_how_many_come_before_it(self, clock: FakeClock) -> Case:
        yield from enqueue("gone")
        yield from enqueue("a b c d")
        yield from enqueue("low", priority=LOW)
        yield from enqueue("first", priority=CRITICAL)
        yield from enqueue("other", queue="mail")
        yield from enqueue("later", delay_ms=HOUR)
        yield from enqueue("parked", parked=True)
        yield Delete(idents("gone b"))
        ahead = {}
        for name in ("first", "a", "c", "d", "low", "other", "later", "parked"):
            ahead[name] = (yield from facts(name)).ahead
        assert ahead == {
            "first": 0,
            "a": 1,
            "c": 2,
            "d": 3,
            "low": 4,
            "other": 0,
            "later": 0,
            "parked": 0,
        }

    @on_both_doors
    def test_whether_its_queue_is_paused(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        yield SetPaused("mail", paused=True)
        assert not (yield from facts("a")).paused
        yield SetPaused("default", paused=True)
        assert (yield from facts("a")).paused

    @on_both_doors
    def test_who_is_alive_and_what_they_hold(self, clock: FakeClock) -> Case:
        yield from enqueue("a b c d e f g h")
        yield from claim(1, "lost", lease_ms=5)
        yield from claim(6, "w2")
        yield Heartbeat("w1", LEASE, b"said", join=True)
        clock.advance(0.005)
        found = yield from facts("h")
        began = clock.now() - 5
        some = tuple(Glimpse(id, "send_email", "default", began) for id in idents("b c d e f"))
        assert found.workers == (
            Holding("w1", b"said", began + LEASE, 0, ()),
            Holding("w2", b"", began + LEASE, 6, some),
        )
        assert found.ahead == 0

    @on_both_doors
    def test_a_finished_job_has_nothing_ahead(self, clock: FakeClock) -> Case:
        yield from run("a")
        found = yield from facts("a")
        assert (found.record.status, found.ahead) == ("completed", 0)
