"""What has grown very large holds up nobody, and is refused to nobody."""

from __future__ import annotations

from contextlib import closing

import pytest

from boundary.jobs import Jobs
from boundary.jobs.core.operations import Cancel, Claim, Enqueue, Find, Outcome, Settle, Stats
from boundary.jobs.testing.contract.words import ident, new

LARGEST = 2**63 - 1
PASSED = 10_000
"""Entries without a job that one claim passes over, as `claiming.lua` says."""


def left_behind(door, number, **fields):
    """So many jobs were cancelled where they waited."""
    for first in range(0, number, 250):
        jobs = tuple(new(f"gone{first + n}", **fields) for n in range(250))
        door.execute(Enqueue(jobs))
        door.execute(Cancel(tuple(one.id for one in jobs), keep_ms=0))


@pytest.mark.parametrize("spent", [LARGEST, LARGEST - 1_000])
def test_a_sum_of_durations_stays_at_the_largest_number(opened, redis_server, namespace, spent):
    """No outcome is refused for it: of a thousand slots it is the work of four months."""
    with closing(opened(redis_server.url()).blocking()) as door:
        door.execute(Enqueue((new("a"),)))
        (job,) = door.execute(Claim("w1", None, 1, 30_000, join=True)).jobs
        redis_server.call("HSET", f"{{{namespace}:0}}:counters", "default:d", spent)
        done = Outcome(job.id, job.token, "succeed", duration_ms=5.0)
        assert door.execute(Settle("w1", (done,))).accepted == (True,)
        (found,) = door.execute(Find((ident("a"),)))
        assert found.status == "completed"
        (counted,) = door.execute(Stats()).counters
        assert (counted.succeeded, counted.duration_ms) == (1, LARGEST / 1_000_000)


def test_very_many_cancelled_jobs_hold_up_no_claim(opened, redis_server):
    """One claim passes over some of them, says that there is more, and the next goes on."""
    claim = Claim("w1", None, 3, 30_000, join=True)
    with closing(opened(redis_server.url(), timeout=5_000).blocking()) as door:
        left_behind(door, PASSED + 250, priority=1)
        door.execute(Enqueue((new("urgent", priority=1), new("other", priority=2))))
        first = door.execute(claim)
        assert (first.jobs, first.next_due) == ((), first.now)
        second = door.execute(claim)
        assert [one.id for one in second.jobs] == [ident("urgent"), ident("other")]
        assert second.next_due is None
        (load,) = door.execute(Stats()).loads
        assert (load.ready, load.running) == (0, 2)


def test_a_drain_goes_on_behind_very_many_cancelled_jobs(opened, redis_server, namespace):
    ran = []
    with (
        closing(opened(redis_server.url(), timeout=5_000).blocking()) as door,
        Jobs(redis_server.url(), namespace=namespace) as jobs,
    ):
        left_behind(door, PASSED + 250)
        jobs.handler("note")(lambda: ran.append(1))
        jobs.enqueue("note")
        jobs.worker().run_until_empty()
    assert ran == [1]
