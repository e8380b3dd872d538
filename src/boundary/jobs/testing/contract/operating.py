"""What operators ask: `Cancel`, `Retry`, `Delete`, `Edit`, `SetPaused`, `Purge`.

What belongs here: cases of changes that come from people and doors, not from workers.
"""

from __future__ import annotations

from msgspec.structs import replace

from boundary.jobs.core.operations import (
    Cancel,
    DeadLetters,
    Delete,
    Edit,
    Groups,
    Promote,
    Prune,
    Purge,
    Retry,
    SetPaused,
    Stats,
    Undone,
)
from boundary.jobs.testing.clock import FakeClock
from boundary.jobs.testing.contract.doors import Case, on_both_doors
from boundary.jobs.testing.contract.words import (
    HOUR,
    LOW,
    act,
    claim,
    claim_one,
    counters,
    ended,
    enqueue,
    find,
    ident,
    idents,
    load,
    run,
    same,
    settle,
    the,
    undo,
    waiting,
)


class OperatorCases:
    """Cancel, retry, delete, edit, pause, purge."""

    @on_both_doors
    def test_a_waiting_job_is_cancelled_and_never_runs(self, clock: FakeClock) -> Case:
        """S40."""
        yield from run("retrying", "fail", delay_ms=1_000)
        yield from enqueue("ready other")
        yield from enqueue("scheduled", delay_ms=1_000)
        yield from enqueue("parked", parked=True)
        names = "ready scheduled retrying parked"
        assert (yield Cancel(idents(names), keep_ms=HOUR)) == ("done",) * 4
        for name in names.split():
            job = yield from the(name)
            assert (job.status, job.ending, job.due) == ("cancelled", "cancel", None)
            assert (job.completed, job.updated) == (clock.now(), clock.now())
            assert (job.prune_at, job.parked) == (clock.now() + HOUR, False)
        clock.advance(10)
        assert (yield Promote()) == 0
        assert [one.id for one in (yield from claim()).jobs] == [ident("other")]

    @on_both_doors
    def test_a_running_job_is_asked_to_stop(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        record = yield from claim_one()
        assert (yield Cancel(idents("a"), keep_ms=None)) == ("requested",)
        assert (yield Cancel(idents("a"), keep_ms=None)) == ("requested",)
        job = yield from the("a")
        assert (job.status, job.cancelling, job.worker) == ("running", True, "w1")
        assert (job.token, job.updated) == (record.token, record.updated)

    @on_both_doors
    def test_a_finished_job_is_not_cancelled(self, clock: FakeClock) -> Case:
        yield from run("a")
        yield from run("b", "exhaust")
        yield from run("c", "cancel")
        before = yield from the("a")
        assert (yield Cancel(idents("a b c d"), None)) == (
            "refused",
            "refused",
            "refused",
            "missing",
        )
        assert (yield from the("a")) == before

    @on_both_doors
    def test_a_cancelled_job_kept_for_no_time_is_gone(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        assert (yield Cancel(idents("a a"), keep_ms=0)) == ("done", "missing")
        assert (yield from find("a")) is None
        assert (yield from claim()).jobs == ()

    @on_both_doors
    def test_a_cancelled_job_is_pruned_in_time(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        yield Cancel(idents("a"), keep_ms=1_000)
        clock.advance(1)
        assert (yield Prune()) == 1

    @on_both_doors
    def test_a_failed_job_gets_a_full_new_budget(self, clock: FakeClock) -> Case:
        """S73, S74, T5."""
        yield from enqueue("a", delay_ms=5, priority=LOW, queue="mail")
        clock.advance(1)
        record = yield from claim_one()
        yield from settle(ended(record, "exhaust", trail=b"\x80", retry_count=3, keep_ms=HOUR))
        yield from enqueue("b", priority=LOW, queue="mail")
        clock.advance(1)
        assert (yield Retry(idents("a"))) == ("done",)
        job = yield from the("a")
        assert (job.status, job.retry_count, job.crashes, job.ending) == ("pending", 0, 0, "")
        assert (job.execute_at, job.completed, job.prune_at) == (None, None, None)
        assert (job.trail, job.updated, job.token) == (b"\x80", clock.now(), 1)
        assert (yield from waiting("mail")) == "b a"
        assert (yield DeadLetters()) == ()
        assert (yield from claim()).jobs[1].token == 2

    @on_both_doors
    def test_only_a_failed_job_can_be_retried(self, clock: FakeClock) -> Case:
        yield from run("completed")
        yield from run("retrying", "fail", delay_ms=HOUR)
        yield from run("cancelled", "cancel")
        yield from run("failed", "discard")
        yield from enqueue("running")
        yield from claim()
        yield from enqueue("pending")
        names = "completed retrying cancelled running pending unknown failed failed"
        assert (yield Retry(idents(names))) == (*["refused"] * 5, "missing", "done", "refused")
        assert (yield from waiting()) == "pending failed"

    @on_both_doors
    def test_a_deleted_job_is_nowhere(self, clock: FakeClock) -> Case:
        """S67, T8: nothing is left behind."""
        yield from run("completed", keep_ms=HOUR)
        yield from run("dead", "exhaust")
        yield from run("retrying", "fail", delay_ms=1_000)
        yield from enqueue("running")
        record = yield from claim_one()
        yield from enqueue("ready")
        yield from enqueue("scheduled", delay_ms=1_000)
        yield from enqueue("parked", parked=True)
        names = "completed dead retrying running ready scheduled parked"
        assert (yield Delete(idents(f"{names} ready never"))) == (*[True] * 7, False, False)
        for name in names.split():
            assert (yield from find(name)) is None
        clock.advance(7_200)
        assert ((yield Promote()), (yield Prune())) == (0, 0)
        assert (yield from claim()).jobs == ()
        assert (yield DeadLetters()) == ()
        assert (yield from settle(ended(record))) == (False,)
        snapshot = yield Stats()
        assert snapshot.workers[0].held == ()
        seen = next(iter(snapshot.loads))
        assert (seen.ready, seen.scheduled, seen.running) == (0, 0, 0)

    @on_both_doors
    def test_a_queue_is_paused_and_resumed(self, clock: FakeClock) -> Case:
        changes: list[bool] = []
        for paused in (False, True, True, False, False):
            changes.append((yield SetPaused("mail", paused=paused)))
            yield from enqueue(f"job{len(changes)}", queue="mail")
            assert (yield from load("mail")).paused is paused
        assert changes == [False, True, False, True, False]

    @on_both_doors
    def test_a_paused_queue_still_takes_jobs_in(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        record = yield from claim_one()
        yield SetPaused("default", paused=True)
        yield from enqueue("b")
        yield from settle(ended(record, "release"))
        assert (yield from waiting()) == "a b"
        assert (yield from claim()).jobs == ()

    @on_both_doors
    def test_a_purge_takes_what_waits_and_nothing_else(self, clock: FakeClock) -> Case:
        yield from run("done")
        yield from run("dead", "exhaust")
        yield from run("retrying", "fail", delay_ms=1_000)
        yield from enqueue("running")
        yield from claim()
        yield from enqueue("ready")
        yield from enqueue("low", priority=LOW)
        yield from enqueue("scheduled", delay_ms=1_000)
        yield from enqueue("parked", parked=True)
        yield from enqueue("mail", queue="mail")
        assert (yield Purge("default")) == 4
        assert (yield Purge("default")) == 0
        assert (yield Purge("nothing")) == 0
        for name in ("retrying", "ready", "low", "scheduled"):
            assert (yield from find(name)) is None
        for name in ("done", "dead", "running", "parked", "mail"):
            assert (yield from find(name)) is not None
        clock.advance(10)
        assert (yield Promote()) == 0
        assert (yield from counters()).retried == 1

    @on_both_doors
    def test_a_purge_is_bounded(self, clock: FakeClock) -> Case:
        yield from enqueue("a b c")
        yield from enqueue("d e", delay_ms=HOUR)
        counts: list[int] = []
        while count := (yield Purge("default", limit=2)):
            counts.append(count)
        assert counts == [2, 2, 1]
        assert (yield from claim()).jobs == ()

    @on_both_doors
    def test_a_waiting_job_gets_another_payload_and_keeps_its_place(self, clock: FakeClock) -> Case:
        yield from enqueue("a b")
        before = yield from the("a")
        clock.advance(1)
        edit = Edit(before.id, before.token, before.updated, b"other", act("1", "edit"))
        assert (yield edit) == "done"
        after = yield from the("a")
        assert after == replace(before, payload=b"other", updated=clock.now())
        assert (yield from waiting()) == "a b"
        assert (yield edit) == "refused"
        assert (yield from undo("1")) == Undone("done", 1)
        assert (yield from the("a")).payload == before.payload
        assert (yield Edit(ident("none"), 0, 0, b"")) == "missing"

    @on_both_doors
    def test_a_dead_letter_gets_another_trail_too_and_its_own_when_undone(
        self, clock: FakeClock
    ) -> Case:
        yield from run("a", "exhaust", cause="boom", trail=b"what it said")
        before = yield from the("a")
        one = Edit(before.id, before.token, before.updated, b"p", act("1", "edit"), b"hidden")
        assert (yield one) == "done"
        after = yield from the("a")
        assert (after.status, after.payload, after.trail) == ("pending", b"p", b"hidden")
        clock.advance(1)
        two = Edit(after.id, after.token, after.updated, b"q", act("2", "edit"), b"")
        assert (yield two) == "done"
        assert (yield from the("a")).trail == b""
        assert (yield from undo("2")) == Undone("done", 1)
        assert (yield from the("a")).trail == b"hidden"

    @on_both_doors
    def test_a_dead_letter_gets_another_payload_and_waits(self, clock: FakeClock) -> Case:
        yield from run("a", "exhaust", cause="boom", retry_count=3)
        before = yield from the("a")
        edit = Edit(before.id, before.token, before.updated, b"other", act("1", "edit"))
        assert (yield edit) == "done"
        after = yield from the("a")
        assert (after.status, after.retry_count, after.payload) == ("pending", 0, b"other")
        assert (yield from waiting()) == "a"
        assert (yield from undo("1")) == Undone("done", 1)
        assert same((yield from the("a")), before)
        assert (yield Groups())[0].cause == "boom"

    @on_both_doors
    def test_what_runs_or_is_done_is_not_edited(self, clock: FakeClock) -> Case:
        yield from run("done")
        yield from enqueue("running")
        yield from claim()
        for name in ("done", "running"):
            record = yield from the(name)
            assert (yield Edit(record.id, record.token, record.updated, b"")) == "refused"
            assert (yield from the(name)) == record
