"""Dead letters by cause: `Groups` and `Members`.

What belongs here: cases of what is grouped, and of how it leaves its group.
"""

from __future__ import annotations

from typing import Any

from boundary.jobs.core.operations import (
    Cancel,
    Delete,
    Group,
    Groups,
    Members,
    Prune,
    Reclaim,
    Retry,
    Settling,
)
from boundary.jobs.testing.clock import FakeClock
from boundary.jobs.testing.contract.doors import Case, on_both_doors
from boundary.jobs.testing.contract.words import (
    Asking,
    claim,
    claim_one,
    ended,
    enqueue,
    ident,
    idents,
    run,
    settle,
    spell,
)


def die(name: str, cause: str = "boom", queue: str = "default", **fields: Any) -> Asking[None]:
    """A job that is dead, of this cause."""
    yield from enqueue(name, queue=queue)
    record = yield from claim_one()
    yield from settle(ended(record, "exhaust", cause=cause, **fields))


class GroupCases:
    """What has one cause is one group."""

    @on_both_doors
    def test_nothing_is_dead(self, clock: FakeClock) -> Case:
        yield from run("a")
        yield from run("b", "discard", cause="not a dead letter")
        assert (yield Groups()) == ()
        assert (yield Members("boom")) == ()

    @on_both_doors
    def test_the_sample_is_of_the_type_that_is_told(self, clock: FakeClock) -> Case:
        yield from enqueue("a b", job_type="read")
        yield from enqueue("c", job_type="send")
        dead = (yield from claim()).jobs
        yield from settle(*[ended(record, "exhaust", cause="boom") for record in dead])
        (of_all,) = yield Groups()
        assert (of_all.job_type, of_all.sample) == ("send", ident("c"))
        (of_one,) = yield Groups(job_type="read")
        assert (of_one.job_type, of_one.sample) == ("read", ident("b"))

    @on_both_doors
    def test_count_first_last_and_sample(self, clock: FakeClock) -> Case:
        first = clock.now()
        yield from die("a")
        clock.advance(1)
        yield from die("b", queue="mail")
        yield from die("c", "other")
        clock.advance(1)
        yield from die("d")
        boom = Group("boom", "send_email", ("default", "mail"), 3, first, first + 2_000, ident("d"))
        other = Group(
            "other", "send_email", ("default",), 1, first + 1_000, first + 1_000, ident("c")
        )
        assert (yield Groups()) == (boom, other)
        assert (yield Groups(limit=1)) == (boom,)
        assert (yield Groups(job_type="read")) == ()
        (mail,) = yield Groups("mail")
        assert (mail.cause, mail.count, mail.queues) == ("boom", 1, ("mail",))
        late = yield Groups(since=first + 1_000)
        assert [(one.cause, one.count, one.first) for one in late] == [
            ("boom", 2, first + 1_000),
            ("other", 1, first + 1_000),
        ]
        assert (yield Groups(cause="other", limit=1)) == (other,)
        (mail,) = yield Groups("mail", cause="boom")
        assert mail.count == 1
        assert (yield Groups("mail", cause="other")) == (yield Groups(cause="none")) == ()

    @on_both_doors
    def test_members_that_which_ended_first_first(self, clock: FakeClock) -> Case:
        for name, queue in (("a", "default"), ("b", "mail"), ("c", "default")):
            yield from die(name, queue=queue)
            clock.advance(1)
        assert spell((yield Members("boom"))) == "a b c"
        assert spell((yield Members("boom", limit=2))) == "a b"
        assert spell((yield Members("boom", "default"))) == "a c"
        assert spell((yield Members("boom", until=clock.now() - 2_000))) == "a b"

    @on_both_doors
    def test_what_leaves_is_counted_no_more(self, clock: FakeClock) -> Case:
        first = clock.now()
        yield from die("a")
        clock.advance(1)
        yield from die("b", keep_ms=500)
        clock.advance(1)
        yield from die("c")
        yield from die("d")
        assert (yield Retry(idents("d"))) == ("done",)
        assert (yield Delete(idents("c"))) == (True,)
        (left,) = yield Groups()
        assert (left.count, left.last, left.sample) == (2, first + 1_000, ident("b"))
        assert (yield Prune()) == 1
        (left,) = yield Groups()
        assert (left.count, left.last, left.sample) == (1, first, ident("a"))
        yield Delete(idents("a"))
        assert (yield Groups()) == ()

    @on_both_doors
    def test_it_may_die_again_of_something_else(self, clock: FakeClock) -> Case:
        yield from die("a")
        yield Retry(idents("a"))
        record = yield from claim_one()
        yield from settle(ended(record, "exhaust", cause="other"))
        (group,) = yield Groups()
        assert (group.cause, group.count) == ("other", 1)

    @on_both_doors
    def test_where_nobody_says_why_the_ending_names_the_cause(self, clock: FakeClock) -> Case:
        ends: tuple[Settling, ...] = ("exhaust", "quarantine")
        for event in ends:
            yield from run(event, event)
        yield from enqueue("crashed")
        yield from claim(worker="w2", lease_ms=1)
        clock.advance(1)
        yield Reclaim(1, None)
        assert {one.cause for one in (yield Groups())} == {
            "Unknown:send_email",
            "RecordError:send_email",
            "WorkerLost:send_email",
        }

    @on_both_doors
    def test_one_that_was_asked_to_stop_and_died_keeps_its_cause(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        record = yield from claim_one()
        yield Cancel(idents("a"), None)
        yield from settle(ended(record, "exhaust", cause="boom"))
        (group,) = yield Groups()
        assert group.cause == "boom"
