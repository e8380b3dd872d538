"""Plans, records and keys, which need no server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from boundary.jobs.core import lifecycle
from boundary.jobs.core import operations as ops
from boundary.jobs.core.wire import Record
from boundary.jobs.errors import UsageError
from boundary.jobs.shell.adapters.redis import keys, plans, records, scripts
from boundary.jobs.shell.adapters.redis.plans import enqueuing
from boundary.jobs.shell.adapters.redis.plans.calls import Partitions
from boundary.jobs.testing.contract.words import ident, new

NOW = 1_767_225_600_000
RECORD = Record(7, ident("a"), "send", "mail", 1, b"payload", NOW, NOW)

ACT = ops.Act(ident("undo"), "ada", "undo", "x")

OPERATIONS: list[ops.Operation[Any]] = [
    ops.Enqueue((new("a"), new("b", queue="mail"))),
    ops.Claim("w", None, 10, 1_000),
    ops.Settle("w", (ops.Outcome(ident("a"), 1, "succeed"),)),
    ops.SettleAndClaim(
        ops.Settle("w", (ops.Outcome(ident("a"), 1, "succeed"),)), ops.Claim("w", None, 10, 1_000)
    ),
    ops.Heartbeat("w", 1_000, b""),
    ops.Inherit("w", "heir", (), 1_000, b"", None),
    ops.Depart("w", None),
    ops.Report(ident("a"), 1, b""),
    ops.Promote(),
    ops.Reclaim(3, None),
    ops.Prune(),
    ops.Schedules(),
    ops.RemoveSchedule("s"),
    ops.PutSchedule(ops.Schedule("s", "send", "mail", 2, b"", NOW, cron="@daily")),
    ops.Fire("s", NOW, NOW + 1, new("a")),
    ops.Cancel((ident("a"),), None),
    ops.Retry((ident("a"),)),
    ops.Delete((ident("a"),)),
    ops.SetPaused("mail", paused=True),
    ops.Purge("mail"),
    ops.Edit(ident("a"), 0, 1, b""),
    ops.Undo(ident("act"), ACT),
    ops.Audit(),
    ops.Take(ident("a"), "w", 1_000),
    ops.Time(),
    ops.Find((ident("a"),)),
    ops.Peek("mail"),
    ops.Search(),
    ops.DeadLetters(),
    ops.Groups(),
    ops.Members("c"),
    ops.History("send"),
    ops.Stats(),
    ops.Explain(ident("a")),
    ops.Series(),
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: type(one).__name__)
def test_an_operation_begins_with_one_call_in_one_partition(operation) -> None:
    (call,) = next(plans.plan(operation, Partitions()))
    assert call.partition == 0
    assert scripts.script(call.script).name == call.script


def test_calls_to_several_partitions_go_out_together() -> None:
    calls = next(plans.plan(ops.Stats(), Partitions(3)))
    assert [call.partition for call in calls] == [0, 1, 2]
    jobs = tuple(new(f"j{number}") for number in range(50))
    calls = next(plans.plan(ops.Enqueue(jobs), Partitions(3)))
    assert {call.partition for call in calls} == {0, 1, 2}
    assert {keys.partition_of(job.id, 3) for job in jobs} == {0, 1, 2}


@pytest.mark.parametrize("far", [2**53, -(2**53), 2**60])
def test_an_instant_no_script_can_hold_is_refused(far) -> None:
    with pytest.raises(UsageError, match="further away"):
        next(plans.plan(ops.Enqueue((new("a", run_at=far),)), Partitions()))


@given(st.lists(st.integers(1, 700), min_size=1, max_size=6), st.data())
def test_merged_enqueues_are_told_apart(sizes, data) -> None:
    names = iter(range(10_000))
    given_ = [ops.Enqueue(tuple(new(f"{next(names)}") for _ in range(size))) for size in sizes]
    parts = enqueuing.merged(given_)
    assert all(len(part.jobs) <= ops.ENQUEUE_BATCH for part in parts)
    assert [job for part in parts for job in part.jobs] == [
        job for one in given_ for job in one.jobs
    ]
    known = {job.id: data.draw(st.booleans()) for job in parts[0].jobs[:5]}
    replies = [
        ops.Enqueued(NOW, tuple(known.get(job.id, True) for job in part.jobs)) for part in parts
    ]
    for one, reply in zip(given_, enqueuing.shared(given_, replies), strict=True):
        assert reply.fresh == tuple(known.get(job.id, True) for job in one.jobs)


instants = st.none() | st.integers(-(2**52), 2**52)


@given(
    st.sampled_from(records.STATUSES),
    st.sampled_from(["", *records.EVENTS]),
    instants,
    instants,
    st.binary(max_size=40),
    st.none() | st.text("abc:.-", min_size=1, max_size=100),
    st.booleans(),
)
def test_a_record_survives_its_bytes(status, ending, due, completed, blob, worker, flag) -> None:
    record = replace(
        RECORD,
        status=status,
        ending=ending,
        due=due,
        completed=completed,
        payload=blob,
        trail=blob,
        progress=blob,
        worker=worker,
        cancelling=flag,
        parked=not flag,
        token=4_000_000_000,
    )
    data = records.encode_static(record) + records.encode_state(record)
    assert records.decode(record.id, data) == record


GOLDEN_STATIC = "0100000024000000000007019b76daa80006046d61696c3a3173656e647061796c6f6164"
GOLDEN_STATE = (
    "0100010200030000019b76daa801ffe0000000000001ffe0000000000001ffe0000000000001"
    "0000000500010000019b76daa8020000019b76daa80300000001773170747261696c"
)
"""A record of format 1, its static part and its state. It must be read for ever."""


def test_records_of_the_first_format_are_read() -> None:
    static, state = bytes.fromhex(GOLDEN_STATIC), bytes.fromhex(GOLDEN_STATE)
    assert records.decode(RECORD.id, static) == RECORD
    running = replace(
        RECORD,
        status="running",
        cancelling=True,
        retry_count=3,
        updated=NOW + 1,
        token=5,
        crashes=1,
        execute_at=NOW + 2,
        started=NOW + 3,
        worker="w1",
        progress=b"p",
        trail=b"trail",
    )
    assert records.decode(RECORD.id, static + state) == running
    assert records.encode_static(running) + records.encode_state(running) == static + state


GOLDEN_SCHEDULE = (
    "001f93ab2a2f35202a202a202a202ac0b04575726f70652f416d7374657264616d97a473656e64a4"
    "6d61696c01c4077061796c6f6164ab2a2f35202a202a202a202ac0b04575726f70652f416d7374657264616d"
)
"""A schedule as it was stored before it had a misfire policy. It must be read for ever."""


def test_schedules_of_the_first_format_are_read() -> None:
    stored = bytes.fromhex(GOLDEN_SCHEDULE)
    asking = plans.plan(ops.Schedules(), Partitions())
    next(asking)
    with pytest.raises(StopIteration) as end:
        asking.send([[[b"old", str(NOW).encode(), stored, None]]])
    old = ops.Schedule(
        "old", "send", "mail", 1, b"payload", NOW, cron="*/5 * * * *", timezone="Europe/Amsterdam"
    )
    assert end.value.value == (old,)


def answered(operation: ops.Operation[Any], *replies: Any) -> Any:
    """What an operation comes to with these replies to its calls, one call at a time."""
    asking = plans.plan(operation, Partitions())
    next(asking)
    *earlier, last = replies
    for reply in earlier:
        asking.send([reply])
    with pytest.raises(StopIteration) as end:
        asking.send([last])
    return end.value.value


def test_a_schedule_another_one_changed_at_the_same_moment_is_looked_at_again() -> None:
    put = ops.PutSchedule(ops.Schedule("s", "send", "mail", 1, b"", NOW, every_ms=1_000))
    assert answered(put, [], 0, [], 1) is True
    other = [b"s", str(NOW).encode(), bytes.fromhex(GOLDEN_SCHEDULE), None]
    assert answered(put, [], 0, [other]) is False


def test_records_that_were_set_aside_are_shown_as_that() -> None:
    lane = records.lane("mail", 1)
    aside = bytes([len(lane)]) + lane + b"junk"
    (found,) = answered(ops.Find((RECORD.id,)), [[aside]])
    assert (found.status, found.ending, found.queue) == ("failed", "quarantine", "mail")
    assert found.payload == b"junk"
    dead = ops.DeadLetters()
    (shown,) = answered(dead, [b"", [], -1, [[RECORD.id, aside]]])
    assert shown == found
    assert answered(replace(dead, queue="other"), [b"", [], -1, [[RECORD.id, aside]]]) == ()
    (cut,) = answered(ops.Find((RECORD.id,)), [b"x"])
    assert (cut.ending, cut.payload) == ("quarantine", b"x")


def test_a_look_at_a_queue_goes_on_from_the_entry_it_came_to() -> None:
    steps = plans.plan(ops.Peek("mail", limit=2), Partitions())
    ((first,),) = [next(steps)]
    assert first.args == ("mail", 2, b"")
    ((second,),) = [steps.send([([], [], ident("a"))])]
    assert second.args == ("mail", 2, ident("a"))
    with pytest.raises(StopIteration) as end:
        steps.send([([], [], b"")])
    assert end.value.value == ()


def test_scripts_know_every_event_by_which_a_hold_ends() -> None:
    ends = {event for status, event in lifecycle.TABLE if status == "running"}
    assert set(records.EVENTS) == ends
    text = scripts.script("settle").text
    assert all(f"counter = '{name}'" in text for name in set(lifecycle.COUNTED.values()))


def test_keys_of_a_partition_share_a_slot() -> None:
    assert keys.prefix("jobs", 2) == "{jobs:2}:"
    # The example of the cluster specification.
    assert keys.crc_hqx(b"123456789", 0) == 0x31C3
