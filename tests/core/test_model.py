"""What the reference queue promises beyond the contract every store keeps."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from boundary.jobs.core import model, operations
from boundary.jobs.core.model import acting
from boundary.jobs.core.operations import (
    Cancel,
    Claim,
    Enqueue,
    Find,
    Heartbeat,
    Operation,
    Promote,
    Prune,
    PutSchedule,
    Schedule,
    Search,
    SetPaused,
    Settle,
    Stats,
)
from boundary.jobs.core.wire import NewJob
from boundary.jobs.errors import UsageError

T0 = 1_700_000_000_000
ID, OTHER = b"a" * 16, b"b" * 16
JOB = NewJob(ID, "send", "default", 2, b"payload")
CLAIM = Claim("w1", None, 9, 1_000, join=True)


def after(*steps: Operation[object]) -> model.State:
    """A state in which these were asked, all at one instant."""
    state = model.State()
    for operation in steps:
        state, _ = model.step(state, operation, T0)
    return state


def test_every_operation_has_a_meaning() -> None:
    known = {
        one
        for one in vars(operations).values()
        if isinstance(one, type) and issubclass(one, Operation) and one is not Operation
    }
    assert known == set(model._ARMS)


def test_a_copy_goes_its_own_way() -> None:
    """A simulated crash rolls back to a copy."""
    schedule = Schedule("beat", "t", "default", 2, b"", T0, every_ms=5)
    late = replace(JOB, id=OTHER, delay_ms=500)
    paused = SetPaused("mail", paused=True)
    state = after(Enqueue((JOB, late)), CLAIM, PutSchedule(schedule), paused)
    kept = state.copy()
    held = state.jobs[ID]
    changes = (
        Heartbeat("w1", 9_000, b"later"),
        Settle("w1", (operations.Outcome(ID, held.token, "succeed", keep_ms=1),)),
        Promote(),
        Enqueue((replace(JOB, id=b"c" * 16, queue="z"),)),
        SetPaused("mail", paused=False),
        PutSchedule(replace(schedule, every_ms=6)),
        Cancel((OTHER,), None),
        Prune(),
    )
    fresh = kept.copy()
    for operation in changes:
        model.step(state, operation, T0 + 600)
    assert kept == fresh
    assert kept != state
    assert kept.jobs[ID] == held
    model.step(kept, changes[1], T0 + 600)
    assert kept.jobs[ID].status == "completed"
    assert fresh.jobs[ID] == held


def test_the_same_steps_end_in_the_same_state() -> None:
    """S34."""
    steps = (Enqueue((JOB, replace(JOB, id=OTHER))), CLAIM, Cancel((ID,), None))
    assert after(*steps) == after(*steps)


def test_a_step_that_raises_changes_nothing() -> None:
    state = after(Enqueue((JOB,)), CLAIM)
    kept = state.copy()
    with pytest.raises(UsageError, match="cursor"):
        model.step(state, Search(cursor="nonsense"), T0 + 5)
    assert state == kept


def test_what_only_looks_changes_nothing() -> None:
    state = after(Enqueue((JOB, replace(JOB, id=OTHER, delay_ms=5))), CLAIM)
    kept = state.copy()
    for operation in (Find((ID, OTHER)), Search(), Stats(), operations.Peek("default", 5)):
        model.step(state, operation, T0 + 10)
    assert state == kept


def test_entries_a_job_left_behind_are_passed_over() -> None:
    """The heap of instants may still hold what was cancelled, taken or put off."""
    again = replace(JOB, delay_ms=100)
    state = after(Enqueue((again,)), operations.Take(ID, "w1", 1_000))
    snooze = operations.Outcome(ID, 1, "snooze", delay_ms=300)
    state, _ = model.step(state, Settle("w1", (snooze,)), T0)
    state, count = model.step(state, Promote(), T0 + 299)
    assert count == 0
    state, count = model.step(state, Promote(), T0 + 300)
    assert count == 1
    assert state.due == []


def test_the_log_keeps_the_newest_acts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acting, "AUDIT", 2)
    changes = [
        operations.SetPaused(
            "mail",
            paused=number % 2 == 0,
            act=operations.Act(bytes([number] * 16), "ada", "pause", "mail", 60_000),
        )
        for number in range(3)
    ]
    state = after(*changes)
    _, kept = model.step(state, operations.Audit(), T0)
    assert [entry.id[0] for entry in kept] == [2, 1]


def test_a_deleted_jobs_aside_goes_with_its_act(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acting, "AUDIT", 1)
    first, second = (
        operations.Act(bytes([number] * 16), "ada", "delete", "it", 60_000) for number in (1, 2)
    )
    state = after(
        Enqueue((JOB, replace(JOB, id=OTHER))),
        operations.Delete((ID,), first),
        operations.Delete((OTHER,), second),
    )
    assert set(state.asides) == {second.id}
    _, undone = model.step(state, operations.Undo(first.id, second), T0)
    assert undone.verdict == "missing"


def test_who_watches_is_no_part_of_a_state() -> None:
    assert model.step(model.State(), operations.Announce((b"frame",)), T0) == (model.State(), False)
