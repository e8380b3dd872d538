"""What has grown very large holds up nobody, and is refused to nobody."""

from __future__ import annotations

import re
import time
from contextlib import closing

import pytest
from redis import Redis

from boundary.jobs import Jobs
from boundary.jobs.core.operations import (
    Act,
    Cancel,
    Claim,
    Delete,
    Enqueue,
    Find,
    Outcome,
    Peek,
    Prune,
    Purge,
    Reclaim,
    Repair,
    Save,
    Settle,
    Stats,
    Undo,
)
from boundary.jobs.core.wire import Record
from boundary.jobs.shell.adapters.redis import plans
from boundary.jobs.shell.adapters.redis.plans.calls import Partitions
from boundary.jobs.shell.adapters.redis.scripts import script
from boundary.jobs.shell.adapters.redis.store import RedisStore
from boundary.jobs.shell.settings import RedisSettings
from boundary.jobs.testing.clock import FakeClock
from boundary.jobs.testing.contract.words import ident, new

LARGEST = 2**63 - 1
PASSED = 10_000
"""Entries without a job that one call passes over, as `places.lua` says."""


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


def test_deletions_that_are_undone_make_no_key_each(opened, redis_server, namespace):
    """What comes back is pruned with those it ended with: each prune looks into every such list."""
    with closing(opened(redis_server.url()).blocking()) as door:
        act = Act(ident("act"), "ada", "delete", "it", 60_000)
        for n in range(20):
            job = new(f"j{n}")
            door.execute(Enqueue((job,)))
            (held,) = door.execute(Claim("w1", None, 1, 30_000, join=True)).jobs
            done = Outcome(held.id, held.token, "succeed", keep_ms=3_600_000)
            door.execute(Settle("w1", (done,)))
            door.execute(Delete((job.id,), act))
            time.sleep(0.002)
            door.execute(Undo(act.id, Act(ident("undo"), "bob", "undo", "act"), 1))
            act = Act(ident(f"act{n}"), "ada", "delete", "it", 60_000)
        keys = redis_server.call("KEYS", f"{{{namespace}:0}}:ended:*")
        assert len(keys) == 1


def test_very_many_deleted_jobs_hold_up_no_prune(opened, redis_server, namespace):
    """Their ends are passed over, not all at once; what ended after them is pruned by the next."""

    def end(door, number, name):
        door.execute(Enqueue(tuple(new(f"{name}{n}") for n in range(number))))
        jobs = door.execute(Claim("w1", None, number, 600_000, join=True)).jobs
        done = [Outcome(one.id, one.token, "succeed", keep_ms=1) for one in jobs]
        door.execute(Settle("w1", tuple(done)))
        return tuple(one.id for one in jobs)

    with closing(opened(redis_server.url(), timeout=5_000).blocking()) as door:
        for first in range(0, PASSED + 250, 250):
            door.execute(Delete(end(door, 250, f"gone{first}-")))
        end(door, 1, "kept")
        time.sleep(0.01)
        assert door.execute(Prune()) == 0
        assert redis_server.call("LLEN", f"{{{namespace}:0}}:ended:1") == 251
        assert door.execute(Prune()) == 1


def calls(server, command):
    """How often scripts have called it so far."""
    told = server.call("INFO", "commandstats")
    return int(found[1]) if (found := re.search(rf"cmdstat_{command}:calls=(\d+)", told)) else 0


@pytest.mark.parametrize(("workers", "each", "most"), [(12, 250, 2), (1, 3_000, 5)])
def test_a_lost_fleet_holds_up_nobody(opened, redis_server, workers, each, most):
    """A call looks at what some of the lost workers held, not at all; all of it comes back."""
    with closing(opened(redis_server.url(), timeout=5_000).blocking()) as door:
        for number in range(workers * each // 250):
            door.execute(Enqueue(tuple(new(f"lost{number}-{n}") for n in range(250))))
            door.execute(Claim(f"w{number % workers}", None, 250, 1, join=True))
        time.sleep(0.01)
        taken = 0
        while taken < workers * each:
            before = calls(redis_server, "hget")
            taken += len(got := door.execute(Reclaim(3, None)))
            assert len(got) == 250
            assert calls(redis_server, "hget") - before < most * 250
        assert door.execute(Reclaim(3, None)) == ()
        assert door.execute(Stats()).workers == ()


def test_an_import_of_finished_jobs_makes_no_list_each(redis_server, namespace):
    """What is left of their retentions differs; they are pruned by their instants all the same."""

    def finished(number, now):
        done = now - 1_000 - 37 * number
        return Record(
            0, ident(f"old{number}"), "t", "default", 2, b"", done, done, "completed",
            completed=done, ending="succeed", prune_at=now + 60_000 - 37 * number,
        )  # fmt: skip

    clock = FakeClock()
    store = RedisStore.of(
        redis_server.url(), RedisSettings(timeout=5_000), namespace=namespace, clock=clock
    )
    with closing(store.blocking()) as door:
        for number in (*range(0, 300, 2), *range(1, 300, 2)):
            assert door.execute(Save(finished(number, clock.now()), 30_000))
        assert redis_server.call("KEYS", f"{{{namespace}:0}}:ended:*") == []
        before = calls(redis_server, "lrange")
        assert door.execute(Prune()) == 0
        assert calls(redis_server, "lrange") == before
        repaired = door.execute(Repair())
        while repaired.cursor:
            assert repaired.amiss == ()
            repaired = door.execute(Repair(repaired.cursor))
        clock.advance(60 - 37 * 0.290)
        assert door.execute(Prune()) == 10
        kept = door.execute(Find(tuple(ident(f"old{number}") for number in range(288, 300))))
        assert [one is None for one in kept] == [False] * 2 + [True] * 10
        clock.advance(60)
        assert door.execute(Prune(limit=100)) == 100
        assert door.execute(Prune()) == 190
        assert redis_server.call("KEYS", f"{{{namespace}:0}}:ends") == []


def scripts(server):
    """How many scripts ran so far."""
    return sum(calls(server, name) for name in ("fcall", "fcall_ro", "evalsha", "evalsha_ro"))


def test_a_look_at_a_queue_passes_over_very_many_cancelled_jobs_in_several_calls(
    opened, redis_server
):
    with closing(opened(redis_server.url(), timeout=5_000).blocking()) as door:
        door.execute(Enqueue((new("first"), new("urgent", priority=1))))
        left_behind(door, 2 * PASSED + 500)
        door.execute(Enqueue((new("last"), new("low", priority=3))))
        door.execute(Peek("none"))  # the server knows the script
        before = scripts(redis_server), calls(redis_server, "hget")
        found = door.execute(Peek("default", 10))
        assert [one.id for one in found] == [ident(n) for n in ("urgent", "first", "last", "low")]
        assert scripts(redis_server) - before[0] == 3
        assert calls(redis_server, "hget") - before[1] >= 2 * PASSED
        assert len(door.execute(Peek("default", 2))) == 2


def test_a_purge_passes_over_very_many_cancelled_jobs_in_several_calls(opened, redis_server):
    with closing(opened(redis_server.url(), timeout=5_000).blocking()) as door:
        door.execute(Enqueue((new("first"),)))
        left_behind(door, 2 * PASSED + 500)
        door.execute(Enqueue((new("last"), new("low", priority=3), new("later", delay_ms=60_000))))
        door.execute(Purge("none"))  # the server knows the script
        before = scripts(redis_server)
        assert door.execute(Purge("default")) == 4
        assert scripts(redis_server) - before == 3
        assert door.execute(Purge("default")) == 0
        assert door.execute(Stats()).loads == ()


@pytest.mark.parametrize("meanwhile", ["nothing", "claimed", "released", "enqueued"])
def test_a_look_that_goes_on_misses_nothing_of_what_moved_meanwhile(
    opened, redis_server, namespace, meanwhile
):
    """Between two of its calls the place it came to is taken out, or moves within its lane."""
    claim = Claim("w1", None, 1, 600_000, join=True)
    with (
        closing(opened(redis_server.url(), timeout=5_000).blocking()) as door,
        closing(Redis.from_url(redis_server.url())) as hand,
    ):
        door.execute(Enqueue((new("first"),)))
        (held,) = door.execute(claim).jobs
        left_behind(door, PASSED + 500)
        door.execute(Enqueue((new("next"), new("last"))))
        asking = plans.plan(Peek("default", 3), Partitions())
        wanted, looks = next(asking), []
        try:
            while True:
                (call,) = wanted
                text, key = script(call.script).text, f"{{{namespace}:0}}:job"
                looks.append(hand.eval(text, 1, key, b"", *call.args))
                if len(looks) == 1 and meanwhile == "claimed":
                    door.execute(claim)
                elif len(looks) == 1 and meanwhile == "released":
                    door.execute(Settle("w1", (Outcome(held.id, held.token, "release"),)))
                elif len(looks) == 1 and meanwhile == "enqueued":
                    door.execute(Enqueue((new("later"),)))
                wanted = asking.send([looks[-1]])
        except StopIteration as over:
            found = [one.id for one in over.value]
        assert len(looks) == 2
        more = [ident("later")] if meanwhile == "enqueued" else []
        assert found == [ident("next"), ident("last"), *more]
