"""Taking an act back: `Undo`.

What belongs here: cases of what comes back, and of what stays. What does not: undoing an edit
(`operating`), the log (`acting`).
"""

from __future__ import annotations

from boundary.jobs.core.operations import (
    Audit,
    Cancel,
    DeadLetters,
    Delete,
    Groups,
    History,
    Prune,
    Purge,
    Retry,
    SetPaused,
    Undone,
)
from boundary.jobs.core.wire import Record
from boundary.jobs.testing.clock import FakeClock
from boundary.jobs.testing.contract.doors import Case, on_both_doors
from boundary.jobs.testing.contract.words import (
    HOUR,
    LOW,
    act,
    claim,
    claim_one,
    ended,
    enqueue,
    find,
    ident,
    idents,
    load,
    named,
    run,
    same,
    settle,
    the,
    undo,
    waiting,
)


class UndoCases:
    """What an act changed is as it was, as far as nobody has touched it since."""

    @on_both_doors
    def test_waiting_jobs_that_were_cancelled_wait_again(self, clock: FakeClock) -> Case:
        yield from run("retrying", "fail", delay_ms=HOUR, trail=b"t", retry_count=1)
        yield from enqueue("scheduled", delay_ms=HOUR)
        yield from enqueue("low", priority=LOW)
        yield from enqueue("running")
        yield from claim(1)
        yield from enqueue("ready")
        yield from enqueue("parked", parked=True)
        names = ["retrying", "scheduled", "low", "ready", "parked"]
        before: dict[str, Record] = {}
        for name in names:
            before[name] = yield from the(name)
        ids = idents("retrying scheduled low running ready parked")
        yield Cancel(ids, HOUR, act("1", "cancel"))
        clock.advance(1)
        assert (yield from undo("1")) == Undone("done", 5)
        for name in names:
            assert same((yield from the(name)), before[name]), name
        assert (yield from waiting()) == "ready low"
        assert (yield from the("running")).cancelling
        seen = yield from load()
        assert (seen.ready, seen.scheduled, seen.running) == (2, 2, 1)
        assert (yield from undo("1")) == Undone("already")
        clock.advance(2 * 3_600)
        assert (yield Prune()) == 0
        claimed = yield from claim(10, "w2")
        assert named(claimed.jobs) == "ready retrying scheduled low"

    @on_both_doors
    def test_deleted_jobs_come_back_but_not_those_that_ran(self, clock: FakeClock) -> Case:
        yield from run("old", keep_ms=HOUR)
        clock.advance(1)
        yield from run("new", keep_ms=HOUR)
        yield from run("dead", "exhaust", cause="boom")
        yield from enqueue("running")
        yield from claim(1)
        yield from enqueue("ready taken")
        names = "old dead running ready taken"
        yield Delete(idents(names), act("1", "delete"))
        yield from enqueue("taken", queue="mail")
        assert (yield from undo("1")) == Undone("done", 3, 1)
        assert (yield from find("running")) is None
        assert (yield from the("taken")).queue == "mail"
        assert named((yield History("send_email"))) == "dead new old"
        assert named((yield DeadLetters())) == "dead"
        (group,) = yield Groups()
        assert (group.cause, group.count) == ("boom", 1)
        assert (yield from waiting()) == "ready"
        clock.advance(2 * 3_600)
        assert (yield Prune()) == 2

    @on_both_doors
    def test_what_comes_back_after_its_retention_is_pruned(self, clock: FakeClock) -> Case:
        yield from run("retried", "exhaust", keep_ms=1_000)
        yield from run("deleted", keep_ms=1_000)
        yield Retry(idents("retried"), act=act("1", "retry"))
        yield Delete(idents("deleted"), act("2", "delete"))
        clock.advance(2)
        assert (yield Prune()) == 0
        assert (yield from undo("1")) == Undone("done", 1)
        assert (yield from undo("2")) == Undone("done", 1)
        assert (yield Prune()) == 2
        assert (yield from find("retried")) is None

    @on_both_doors
    def test_a_purge_is_undone(self, clock: FakeClock) -> Case:
        yield from enqueue("a b c")
        yield from enqueue("later", delay_ms=HOUR)
        for _ in range(2):
            yield Purge("default", 2, act("1", "purge"))
        assert (yield from load()).ready == 0
        assert (yield from undo("1", 3)) == Undone("done", 3, 0, 1)
        assert (yield from undo("1", 3)) == Undone("done", 1)
        assert (yield from waiting()) == "a b c"
        assert (yield from load()).scheduled == 1

    @on_both_doors
    def test_dead_letters_are_retried_in_a_while_and_it_is_undone(self, clock: FakeClock) -> Case:
        for name in ("a", "b", "c"):
            yield from run(name, "exhaust", cause="boom", keep_ms=HOUR)
        before = yield from the("c")
        assert (yield Retry(idents("a b c"), (0, 1_000, 2_000), act("1", "retry"))) == (
            "done",
            "done",
            "done",
        )
        assert (yield from waiting()) == "a"
        assert (yield from the("c")).due == clock.now() + 2_000
        assert (yield Groups()) == ()
        record = yield from claim_one()
        assert record.id == ident("a")
        clock.advance(1)
        assert named((yield from claim(0)).jobs) == ""
        assert (yield from waiting()) == "b"
        assert (yield from undo("1")) == Undone("done", 2, 1)
        assert same((yield from the("c")), before)
        assert (yield from waiting()) == ""
        (group,) = yield Groups()
        assert (group.cause, group.count) == ("boom", 2)
        yield from settle(ended(record))
        assert named((yield History("send_email"))).startswith("a")

    @on_both_doors
    def test_acts_on_one_job_are_undone_the_last_one_first(self, clock: FakeClock) -> Case:
        yield from run("a", "exhaust", cause="boom")
        dead = yield from the("a")
        yield Retry(idents("a"), (0,), act("1", "retry"))
        waits = yield from the("a")
        yield Cancel(idents("a"), HOUR, act("2", "cancel"))
        cancelled = yield from the("a")
        yield Delete(idents("a"), act("3", "delete"))
        for number, before in (("3", cancelled), ("2", waits), ("1", dead)):
            clock.advance(1)
            assert (yield from undo(number)) == Undone("done", 1), number
            assert same((yield from the("a")), before), number
        (group,) = yield Groups()
        assert (group.cause, group.count) == ("boom", 1)

    @on_both_doors
    def test_a_pause_is_undone_and_so_is_its_end(self, clock: FakeClock) -> Case:
        yield SetPaused("mail", paused=True, act=act("1", "pause", "mail"))
        assert (yield from undo("1")) == Undone("done", 1)
        assert not (yield from load("mail")).paused
        yield SetPaused("mail", paused=True)
        yield SetPaused("mail", paused=False, act=act("2", "resume", "mail"))
        assert (yield from undo("2")) == Undone("done", 1)
        assert (yield from load("mail")).paused

    @on_both_doors
    def test_not_for_ever(self, clock: FakeClock) -> Case:
        yield from enqueue("a b")
        yield Cancel(idents("a"), None, act("1", "cancel"))
        yield Delete(idents("b"), act("2", "delete", undo_ms=0))
        assert (yield from undo("2")) == Undone("refused")
        clock.advance(60)
        clock.advance(0.001)
        assert (yield from undo("1")) == Undone("late")
        yield Prune()
        assert (yield from undo("1")) == Undone("late")
        assert (yield from the("a")).status == "cancelled"

    @on_both_doors
    def test_one_part_without_undo_makes_the_whole_one_for_good(self, clock: FakeClock) -> Case:
        yield from enqueue("a b")
        yield Delete(idents("a"), act("1", "delete"))
        yield Delete(idents("b"), act("1", "delete", undo_ms=0))
        assert (yield from undo("1")) == Undone("refused")
        (entry,) = yield Audit()
        assert (entry.count, entry.undo_until) == (2, None)

    @on_both_doors
    def test_what_somebody_else_changed_since_stays(self, clock: FakeClock) -> Case:
        yield from run("a", "exhaust")
        yield Retry(idents("a"), act=act("1", "retry"))
        yield Cancel(idents("a"), HOUR)
        assert (yield from undo("1")) == Undone("done", 0, 1)
        assert (yield from the("a")).status == "cancelled"
