"""Life cycle, retries, priorities, names, statistics, steering, the store's time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from boundary.jobs import (
    Cancel,
    Discard,
    IllegalTransition,
    InvalidName,
    JobError,
    JobResult,
    Retry,
    RetryPolicy,
    Snooze,
    UsageError,
)
from boundary.jobs.core import lifecycle, outcome, priority, retry, stats, trails
from boundary.jobs.core.names import checked_name
from boundary.jobs.core.outcome import Keep
from boundary.jobs.core.steering import Steer, as_job_error, as_job_result
from boundary.jobs.core.storetime import store_now
from boundary.jobs.core.wire import Payload, Record, encode_payload, ready_since

ROOT = Path(__file__).parents[2]
SEED_STEPS = {
    ("pending", "running"),
    ("pending", "cancelled"),
    ("running", "completed"),
    ("running", "failed"),
    ("running", "retrying"),
    ("running", "cancelled"),
    ("retrying", "pending"),
    ("retrying", "failed"),
    ("failed", "pending"),
}
STATUSES = ("pending", "running", "completed", "failed", "retrying", "cancelled")


def test_the_seeds_steps_are_all_there() -> None:
    """S35-S44: and beside them only what a lost or stopping worker and an operator need."""
    ours = {(before, to) for (before, _), to in lifecycle.TABLE.items()}
    assert ours >= SEED_STEPS
    assert ours - SEED_STEPS == {("running", "pending"), ("retrying", "cancelled")}
    assert {to for _, to in ours} | {"pending"} == set(STATUSES)
    for before in STATUSES:
        for to in STATUSES:
            assert lifecycle.can_become(before, to) == ((before, to) in ours)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_an_end_is_an_end(status: str) -> None:
    """S37, S40."""
    assert lifecycle.allowed(status) == frozenset()  # type: ignore[arg-type]
    with pytest.raises(IllegalTransition, match="this is its end") as caught:
        lifecycle.after(status, "claim")  # type: ignore[arg-type]
    assert (caught.value.status, caught.value.event) == (status, "claim")


def test_a_refusal_names_what_is_allowed() -> None:
    with pytest.raises(
        IllegalTransition, match="a pending job cannot succeed; what it can: cancel, claim"
    ):
        lifecycle.after("pending", "succeed")


def test_what_was_asked_to_stop_does_not_come_back() -> None:
    assert lifecycle.settling("fail", cancelling=True) == "cancel"
    assert lifecycle.settling("succeed", cancelling=True) == "succeed"
    assert lifecycle.settling("fail", cancelling=False) == "fail"


def test_the_docs_diagram_is_drawn_from_the_table() -> None:
    assert lifecycle.mermaid() in (ROOT / "docs" / "lifecycle.md").read_text()


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("exponential", [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]),
        ("linear", [1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000]),
        ("constant", [1_000] * 8),
    ],
)
def test_delays_without_jitter_are_exact(strategy: str, expected: list[int]) -> None:
    """S49, S50, S52, S56, T3."""
    policy = RetryPolicy(strategy=strategy, jitter=False)  # type: ignore[arg-type]
    assert [retry.delay_ms(number, policy, 0.7) for number in range(1, 9)] == expected


@given(number=st.integers(1, 1_000), u=st.floats(0, 1, exclude_max=True))
def test_jitter_is_ten_percent_and_never_above_the_cap(number: int, u: float) -> None:
    """S54, S55, T4."""
    exact = retry.delay_ms(number, RetryPolicy(jitter=False, max_delay=1e8), 0.0)
    varied = retry.delay_ms(number, RetryPolicy(max_delay=1e8), u)
    assert exact == 100_000_000_000 or 0.899 * exact <= varied <= 1.101 * exact
    assert retry.delay_ms(number, RetryPolicy(), u) <= 60_000


def test_retries_are_counted_not_runs() -> None:
    """S51, S59, T1."""
    steps = [retry.next_step(used, 3) for used in range(4)]
    assert steps == ["retry", "retry", "retry", "exhausted"]
    assert retry.next_step(0, 0) == "exhausted"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"strategy": "quadratic"}, "'quadratic'; it is one of exponential, linear, constant"),
        ({"strategy": ["linear"]}, "no retry strategy"),
        ({"initial_delay": -1}, "initial_delay .* seconds from 0 to ten years, not -1"),
        ({"max_delay": float("inf")}, "max_delay .* not inf"),
        ({"initial_delay": "1"}, "initial_delay .* not '1'"),
        ({"initial_delay": float("nan")}, "initial_delay .* not nan"),
        ({"jitter": "false"}, "jitter .* not 'false'"),
    ],
)
def test_a_wrong_policy_is_refused_where_it_is_made(given: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        RetryPolicy(**given)
    with pytest.raises(UsageError, match=says):
        replace(RetryPolicy(), **given)


def test_a_retry_may_be_at_once() -> None:
    policy = RetryPolicy("constant", initial_delay=0, max_delay=0)
    assert retry.delay_ms(1, policy, 0.5) == 0


@pytest.mark.parametrize(
    ("strategy", "expected"), [("exponential", 60_000), ("linear", 60_000), ("constant", 1_000)]
)
def test_no_number_of_a_retry_is_too_large(strategy: str, expected: int) -> None:
    """S50: the cap, not an overflow."""
    policy = RetryPolicy(strategy=strategy, jitter=False)  # type: ignore[arg-type]
    assert retry.delay_ms(2**1_000, policy, 0.0) == expected
    assert retry.delay_ms(2**2_000, policy, 0.0) == expected


@pytest.mark.parametrize("number", [-1, 1_001, 1.5, "3", True, None])
def test_a_wrong_number_of_retries_is_refused(number: object) -> None:
    with pytest.raises(UsageError, match="max_retries"):
        retry.checked_retries(number)


def test_four_priorities_in_their_order() -> None:
    """S2, S47."""
    assert priority.PRIORITIES == ("critical", "high", "normal", "low")
    assert [priority.rank(name) for name in priority.PRIORITIES] == [0, 1, 2, 3]
    assert [priority.name(rank) for rank in (0, 1, 2, 3, 9, -1)] == [
        *priority.PRIORITIES,
        "normal",
        "normal",
    ]
    with pytest.raises(UsageError, match="critical, high, normal, low"):
        priority.rank("urgent")


@pytest.mark.parametrize("name", ["default", "a", "low-priority", "v1.2:x_Y", "x" * 128])
def test_names(name: str) -> None:
    assert checked_name("queue", name) is name


@pytest.mark.parametrize("name", ["", "a b", "{x}", "a\n", "ü", "x" * 129, "x" * 10_000, 7, None])
def test_wrong_names_are_named(name: object) -> None:
    with pytest.raises(InvalidName, match="cannot be the name of a queue") as caught:
        checked_name("queue", name)
    assert len(str(caught.value)) < 250


def test_totals_are_the_sums_over_queues() -> None:
    """S106-S112: the seed's own sample adds up."""
    rows = [
        stats.queue_stats(
            stats.Counters("default", 1_185, 15, 4, 300_000.0),
            ready=5,
            scheduled=1,
            running=2,
            paused=False,
        ),
        stats.queue_stats(
            stats.Counters("emails", 292, 8), ready=0, scheduled=0, running=0, paused=True
        ),
    ]
    found = stats.job_stats(rows, [])
    assert (found.total_processed, found.total_failed, found.total_succeeded) == (1_500, 23, 1_477)
    assert (found.queues[0].processed_total, found.queues[0].size) == (1_200, 5)
    assert found.queues[0].avg_duration_ms == pytest.approx(300_000 / 1_204)
    assert found.queues[1].avg_duration_ms == 0.0


def test_a_workers_note_comes_back_and_a_damaged_one_does_not_hurt() -> None:
    now = datetime.now(UTC)
    note = stats.encode_worker(queues=("a",), concurrency=3, host="h", pid=1, started_at=now)
    found = stats.worker_info("w", note, now, ())
    assert found is not None
    assert (found.status, found.queues, found.concurrency) == ("idle", ("a",), 3)
    damaged = stats.worker_info("w", b"\xc1", now, ())
    assert damaged is not None
    assert damaged.host == "unreadable"
    assert stats.worker_info("w", b"", now, ()) is None


def test_the_seeds_answers() -> None:
    """S76-S78."""
    assert as_job_result(JobResult.success(1)) == JobResult(result=1)
    assert JobResult.failure("m", "T", "s") == JobResult(error=JobError("m", "T", "s"))
    assert as_job_result({"success": True, "result": 2}) == JobResult(result=2)
    assert as_job_result({"success": True}) == JobResult()
    failed = as_job_result({"success": False, "error": {"message": "m", "type": "T"}})
    assert failed == JobResult(error=JobError("m", "T"))
    assert as_job_result({"success": False}) == JobResult(error=JobError("", "Error"))
    for plain in ({"success": True, "more": 1}, {"success": 1}, {"a": 1}, None, [], "x"):
        assert as_job_result(plain) is None
    with pytest.raises(UsageError, match="returned a Retry; raise it instead"):
        as_job_result(Retry(after=1))
    assert as_job_error(JobError("m", "T", "s")) == JobError("m", "T", "s")
    assert as_job_error({"message": "m", "type": "T", "stacktrace": 7}).stacktrace == "7"
    assert as_job_error("text") == JobError("text", "Error")


def test_a_snooze_of_ones_own_that_does_not_say_how_long_says_what_to_call() -> None:
    class Later(Snooze):
        def __init__(self) -> None: ...

    with pytest.raises(
        UsageError, match=r"Later does not say how long.*super\(\).__init__\(seconds\)"
    ):
        _ = Later().delay_ms


def test_answers_take_seconds_or_a_timedelta() -> None:
    assert Retry().after_ms is None
    assert Retry(after=30).after_ms == Retry(timedelta(seconds=30)).after_ms == 30_000
    assert Snooze(0.5).delay_ms == 500
    for wrong in (-1, float("inf"), float("nan"), 4e9):  # no store keeps an instant so far away
        with pytest.raises(UsageError, match="up to a hundred years"):
            Snooze(wrong)
        with pytest.raises(UsageError, match="up to a hundred years"):
            Retry(after=wrong)
    for wrong in ("the queue is full", datetime.now(UTC)):
        with pytest.raises(UsageError, match="takes a number of seconds or a timedelta, not"):
            Retry(wrong)  # type: ignore[arg-type]


RECORD = Record(1, b"\1" * 16, "send", "default", 2, b"", 0, 0, "running", started=1_000, token=4)


def ended(**payload: object) -> outcome.Run:
    fields = {"version": 1, "args": {}, "max_retries": 1, **payload}
    return outcome.Run(RECORD, Payload(**fields), 2_000, 12.5, 0.5, Keep(10, 20))  # type: ignore[arg-type]


def test_where_a_run_leads() -> None:
    assert outcome.kept(ended(keep_ms=7).payload, Keep(10, 20)) == 7
    assert outcome.kept(ended().payload, Keep(10, 20)) == 10
    done = outcome.succeeded(RECORD, {"a": 1}, 7, 12.5)
    assert (done.event, done.token, done.keep_ms, done.duration_ms) == ("succeed", 4, 7, 12.5)
    again = outcome.failed(ended(), JobError("m", "T"))
    assert (again.event, again.retry_count, again.delay_ms) == ("fail", 1, 1_000)
    assert outcome.failed(ended(), JobError("m", "T"), 5).delay_ms == 5
    dead = outcome.failed(ended(max_retries=0), JobError("m", "T"))
    assert (dead.event, dead.keep_ms) == ("exhaust", 20)
    assert trails.error_of(dead.trail) == JobError("m", "T")


@pytest.mark.parametrize(
    ("answer", "event"),
    [
        (Retry(after=3), "fail"),
        (Snooze(9), "snooze"),
        (Discard("d"), "discard"),
        (Cancel("c"), "cancel"),
        (Steer("plain"), "fail"),
    ],
)
def test_where_a_handler_steers_it(answer: Steer, event: str) -> None:
    assert outcome.steered(ended(), answer, JobError("m", "T")).event == event


def test_a_run_was_waited_for_since_it_was_wanted() -> None:
    """Since it came in, or its instant, or the end of the run before; of a second life unknown."""
    assert outcome.waited(RECORD) == 1_000
    assert outcome.waited(replace(RECORD, execute_at=600)) == 400
    assert outcome.waited(replace(RECORD, execute_at=1_600)) == 0
    assert outcome.waited(replace(RECORD, started=None)) == 0
    after = trails.ran(b"", (1, "w", 100, 900, "release"))
    assert outcome.waited(replace(RECORD, trail=after)) == 100
    assert outcome.waited(replace(RECORD, trail=trails.because(b"", "later"))) == 1_000
    dead = trails.ran(b"", (1, "w", 100, 900, "exhaust"))
    assert outcome.waited(replace(RECORD, trail=dead)) == 0
    assert ready_since(replace(RECORD, created=5, execute_at=9)) == 9


def test_a_run_that_costs_its_process_is_a_failed_one_and_a_crash() -> None:
    error = JobError("the process ended", "WorkerLost")
    first = outcome.lost(ended(max_retries=5), error, 3)
    assert (first.event, first.retry_count) == ("fail", 1)
    again = replace(ended(max_retries=5), record=replace(RECORD, trail=first.trail, retry_count=1))
    second = outcome.lost(again, error, 3)
    assert second.event == "fail"
    third = replace(again, record=replace(RECORD, trail=second.trail, retry_count=2))
    dead = outcome.lost(third, error, 3)
    assert (dead.event, dead.keep_ms) == ("exhaust", 20)
    told = trails.error_of(dead.trail)
    assert told is not None
    assert told.message == "the process ended (crash 3; max_crashes is 3)"


def test_a_run_broken_off_goes_back_and_is_remembered() -> None:
    back = outcome.interrupted(ended())
    assert (back.event, back.delay_ms, back.keep_ms) == ("release", 0, 10)
    assert trails.runs_of(back.trail)[0][4] == "release"
    assert outcome.released(RECORD, 5, 40).delay_ms == 40


def test_who_begins_too_late_does_not_begin() -> None:
    payload = ended(expires_ms=900).payload
    assert not outcome.expired(RECORD, ended().payload)
    assert not outcome.expired(replace(RECORD, started=None), payload)
    assert not outcome.expired(replace(RECORD, created=0, started=900), payload)
    assert outcome.expired(replace(RECORD, created=0, started=901), payload)


def test_a_job_nobody_can_run_waits_for_another_worker_and_not_for_ever() -> None:
    waits = outcome.unhandled(ended(), ("other",), 60_000)
    assert (waits.event, waits.retry_count) == ("release", RECORD.retry_count)
    assert 0 < waits.delay_ms <= 15_000
    later = replace(ended(), record=replace(RECORD, trail=waits.trail), now=2_000 + 60_000)
    dead = outcome.unhandled(later, (), 60_000)
    assert (dead.event, dead.keep_ms) == ("exhaust", 20)
    told = trails.error_of(dead.trail)
    assert told is not None
    assert told.type == "NoHandlerError"
    assert "for 60 s; this one knows none" in told.message
    assert "knows a, b" in trails.error_of(outcome.unhandled(later, ("a", "b"), 1).trail).message  # type: ignore[union-attr]


def test_arguments_nested_too_deep_are_run_by_nobody() -> None:
    def holding(levels: int) -> outcome.Run:
        value: Any = 1
        for _ in range(levels):
            value = [value]
        payload = replace(ended().payload, args={"value": value})
        record = replace(RECORD, payload=encode_payload(payload))
        return replace(ended(), record=record, payload=payload)

    most, more = holding(64), holding(65)
    assert not outcome.is_refused(most.record, most.payload)
    assert outcome.is_refused(more.record, more.payload)
    dead = outcome.refused(more)
    assert (dead.event, dead.keep_ms) == ("exhaust", 20)
    told = trails.error_of(dead.trail)
    assert told is not None
    assert told.type == "SerializationError"
    assert "nested in more than 64 levels, and it was not run" in told.message


def test_what_cannot_be_read_is_set_aside_with_its_bytes() -> None:
    aside = outcome.quarantined(replace(RECORD, trail=b"junk"), 20)
    assert (aside.event, aside.trail, aside.keep_ms) == ("quarantine", b"junk", 20)


def test_a_last_chance_is_the_run_before_too_many_crashes() -> None:
    crashed = [Record(1, b"", "a", "b", 2, b"", 0, 0, crashes=number) for number in range(4)]
    assert [outcome.on_last_chance(one, 3) for one in crashed] == [False, False, True, True]
    assert not outcome.on_last_chance(crashed[0], 1)


@given(
    walls=st.lists(st.integers(-100_000, 100_000), min_size=1),
    steps=st.lists(st.integers(0, 5_000), min_size=1),
)
def test_the_stores_time_never_goes_back(walls: list[int], steps: list[int]) -> None:
    """G12: whatever is done to the clock."""
    told = 0
    for wall, step in zip(walls, steps, strict=False):
        now = store_now(wall, told, step)
        assert now >= told
        assert now >= wall
        assert step < 2 or now > told
        told = now


def test_a_reboot_counts_as_no_time() -> None:
    assert store_now(10, 1_000, -5_000) == 1_000
