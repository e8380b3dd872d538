"""Whatever the keys beside the records lose or gain by a hand, a repair makes good.

Each index is broken in turn, in a store that has something in all of them: the look tells of it and
changes nothing, the repair brings every key back as it was, and the jobs run.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis

from boundary.jobs.core.operations import (
    Cancel,
    Claim,
    Delete,
    Enqueue,
    Find,
    Outcome,
    Peek,
    Promote,
    Prune,
    PutSchedule,
    Reclaim,
    Repair,
    Save,
    Schedule,
    Settle,
    Stats,
)
from boundary.jobs.core.wire import NewJob, Record
from boundary.jobs.errors import UsageError
from boundary.jobs.shell.adapters.redis.store import RedisStore
from boundary.jobs.shell.settings import RedisSettings
from boundary.jobs.testing import FakeClock
from boundary.jobs.testing.contract.words import LEASE, MINUTE, ident, new

HOUR = 3_600_000
STRANGER = ident("stranger")
LEFT_BEHIND = ident("left behind")
_numbers = itertools.count()


class Place:
    """A store with something in every index, and a hand in its keys."""

    def __init__(self, url: str, partitions: int = 1) -> None:
        self.clock = FakeClock()
        self.name = f"repair{next(_numbers)}"
        settings = RedisSettings(partitions=partitions)
        self.store = RedisStore.of(url, settings, namespace=self.name, clock=self.clock)
        self.door = self.store.blocking()
        self.hand: Redis = Redis.from_url(url)

    def ask(self, operation: Any) -> Any:
        return self.door.execute(operation)

    def key(self, name: str) -> str:
        return f"{{{self.name}:0}}:{name}"

    def run(self, names: str, event: Any, worker: str = "w1", **fields: Any) -> None:
        """Jobs come, are taken and end like this."""
        self.ask(Enqueue(tuple(new(name) for name in names.split())))
        taken = self.ask(Claim(worker, None, 100, 100 * LEASE, join=True)).jobs
        outcomes = tuple(Outcome(one.id, one.token, event, **fields) for one in taken)
        assert all(self.ask(Settle(worker, outcomes)).accepted)

    def fill(self) -> None:
        self.run("done", "succeed", keep_ms=HOUR)
        self.run("dead dead2", "exhaust", keep_ms=2 * HOUR, cause="boom")
        self.run("again", "fail", delay_ms=HOUR)
        self.ask(Enqueue((new("gone"), new("left"))))
        self.ask(Cancel((ident("gone"), ident("left")), HOUR))
        self.ask(Enqueue((new("runs"), new("stops"))))
        self.ask(Claim("w2", None, 2, 100 * LEASE, join=True))
        self.ask(Cancel((ident("stops"),), HOUR))
        self.ask(Enqueue((new("later", delay_ms=HOUR), new("a"), new("b"), new("c"))))
        self.ask(Enqueue((new("left behind"),)))
        self.ask(Delete((ident("left behind"),)))
        now = self.clock.now()
        old = Record(
            0, ident("old"), "send_email", "default", 2, b"", now - 9, now - 7, "completed",
            completed=now - 7, ending="succeed", prune_at=now + MINUTE,
        )  # fmt: skip
        assert self.ask(Save(old, LEASE))
        self.ask(PutSchedule(Schedule("daily", "t", "q", 2, b"", now + HOUR, every_ms=HOUR)))
        self.clock.advance(1)

    def keys(self) -> dict[str, Any]:
        """All that is stored, lists without their order; not the clock, nor who is to be woken."""
        read: dict[bytes, Callable[[Any], Any]] = {
            b"string": self.hand.get,
            b"hash": self.hand.hgetall,
            b"set": self.hand.smembers,
            b"zset": lambda key: self.hand.zrange(key, 0, -1, withscores=True),
            b"list": lambda key: sorted(self.hand.lrange(key, 0, -1)),
        }
        found = {key: read[self.hand.type(key)](key) for key in self.hand.keys(self.key("*"))}
        names = {key.split(b"}:")[1].decode(): value for key, value in found.items()}
        return {name: value for name, value in names.items() if name not in {"clock", "wake"}}

    def without_left_behind(self) -> dict[str, Any]:
        """The same without what deleted jobs left, which may stay or go if it is counted rightly."""
        keys = self.keys()
        lane = keys["ready:default:2"]
        here = [one for one in lane if LEFT_BEHIND not in one]
        assert int(keys.pop("stale", {}).get(b"default:2", 0)) == len(lane) - len(here)
        log = keys["log:0"].replace(LEFT_BEHIND, bytes(16)).rstrip(b"\0")
        return {**keys, "ready:default:2": here, "log:0": log}

    def repair(self, *, mend: bool = True, limit: int = 250) -> dict[str, int]:
        """All steps: what was amiss."""
        amiss: dict[str, int] = {}
        cursor = None
        while True:
            step = self.ask(Repair(cursor, limit, mend))
            for kind, number in step.amiss:
                amiss[kind] = amiss.get(kind, 0) + number
            if step.cursor is None:
                return amiss
            cursor = step.cursor


@pytest.fixture
def place(redis_url: str) -> Iterator[Place]:
    made = Place(redis_url)
    made.fill()
    yield made
    made.door.close()
    made.hand.close()


def member(place: Place, name: str, key: str) -> bytes:
    """The one member of a sorted set that holds this job's id."""
    (found,) = [one for one in place.hand.zrange(place.key(key), 0, -1) if ident(name) in one]
    return found


def lane_entry(place: Place, name: str, key: str = "ready:default:2") -> bytes:
    (found,) = [one for one in place.hand.lrange(place.key(key), 0, -1) if ident(name) in one]
    return found


def breaks() -> dict[str, tuple[str, Callable[[Place], Any]]]:
    """What a hand does, and what that is called."""
    group = "cause:default|send_email|boom"

    def without(key: str, name: str) -> Callable[[Place], Any]:
        return lambda one: one.hand.zrem(one.key(key), member(one, name, key))

    def unlisted(key: str, name: str) -> Callable[[Place], Any]:
        return lambda one: one.hand.lrem(one.key(key), 1, lane_entry(one, name, key))

    def dropped(key: str) -> Callable[[Place], Any]:
        return lambda one: one.hand.delete(one.key(key))

    def planted(key: str, member: bytes) -> Callable[[Place], Any]:
        return lambda one: one.hand.zadd(one.key(key), {member: 1})

    stray = bytes(5) + b"\x99" + STRANGER
    return {
        "a ready job": ("ready", unlisted("ready:default:2", "b")),
        "a whole lane": ("ready", dropped("ready:default:2")),
        "the list of lanes": ("lane", dropped("lanes")),
        "a scheduled job": ("due", without("due", "later")),
        "a retrying job": ("due", without("due", "again")),
        "an instant": (
            "due",
            lambda one: one.hand.zadd(one.key("due"), {member(one, "later", "due"): 7}),
        ),
        "all that waits": ("due", dropped("due")),
        "a running job": (
            "running",
            lambda one: one.hand.srem(one.key("flight:w2"), ident("runs")),
        ),
        "a whole flight": ("running", dropped("flight:w2")),
        "a stop": ("stopping", dropped("stopping")),
        "failed jobs": ("status", dropped("status:3")),
        "a retrying one": ("status", dropped("status:4")),
        "a cancelled one": ("status", without("status:5", "gone")),
        "a dead letter": ("dead letter", without("dead", "dead")),
        "one of a cause": ("dead letter", without(group, "dead2")),
        "its cause's group": ("dead letter", dropped("groups")),
        "a history": ("history", dropped("history:send_email")),
        "one of a history": ("history", unlisted("history:send_email", "done")),
        "an end": ("retention", unlisted(f"ended:{2 * HOUR}", "dead")),
        "all ends": ("retention", dropped(f"ended:{HOUR}")),
        "an end that was imported": ("retention", dropped("ends")),
        "retentions": ("retention", dropped("keeps")),
        "the log": ("log", dropped("log:0")),
        "its pieces": ("log", dropped("pieces")),
        "how many wait": ("count", lambda one: one.hand.hset(one.key("scheduled"), "default", 77)),
        "how many were left": (
            "count",
            lambda one: one.hand.hset(one.key("stale"), "default:2", 9),
        ),
        "a stranger in a lane": (
            "entry without a job",
            lambda one: one.hand.lpush(one.key("ready:default:2"), STRANGER + bytes(6)),
        ),
        "a job twice in a lane": (
            "entry without a job",
            lambda one: one.hand.lpush(one.key("ready:default:2"), lane_entry(one, "b")),
        ),
        "a stranger in a lane of its own": (
            "entry without a job",
            lambda one: (
                one.hand.lpush(one.key("ready:other:1"), STRANGER + bytes(6)),
                one.hand.sadd(one.key("lanes"), "other:1"),
            ),
        ),
        "a stranger that waits": (
            "entry without a job",
            lambda one: (
                one.hand.zadd(one.key("due"), {stray + b"default:2": 1}),
                one.hand.hincrby(one.key("scheduled"), "default", 1),
            ),
        ),
        "a stranger that runs": (
            "entry without a job",
            lambda one: one.hand.sadd(one.key("flight:w2"), STRANGER),
        ),
        "a job that does not run": (
            "entry without a job",
            lambda one: one.hand.sadd(one.key("flight:w2"), ident("a")),
        ),
        "a stranger to stop": (
            "entry without a job",
            lambda one: one.hand.sadd(one.key("stopping"), STRANGER),
        ),
        "a stranger that failed": ("entry without a job", planted("status:3", STRANGER)),
        "a stranger that was cancelled": ("entry without a job", planted("status:5", STRANGER)),
        "a stranger among the dead": ("entry without a job", planted("dead", stray)),
        "a stranger of a cause": ("entry without a job", planted(group, stray)),
        "a stranger's cause": (
            "entry without a job",
            lambda one: one.hand.hset(one.key("causes"), STRANGER, "default|send_email|boom"),
        ),
        "an empty group": ("entry without a job", planted("groups", b"default|t|x")),
        "a tick of nothing": ("entry without a job", planted("ticks", b"nothing")),
    }


BREAKS = breaks()


def test_a_sound_store_is_left_alone(place: Place) -> None:
    before = place.keys()
    for mend in (False, True):
        assert place.repair(mend=mend) == {}
        assert place.keys() == before


@pytest.mark.parametrize("name", BREAKS)
def test_what_a_hand_breaks_is_found_and_made_good(place: Place, name: str) -> None:
    kind, harm = BREAKS[name]
    before, sound = place.keys(), place.without_left_behind()
    harm(place)
    broken = place.keys()
    assert broken != before
    assert kind in place.repair(mend=False)
    assert place.keys() == broken, "the look changed something"
    assert kind in place.repair(limit=1)
    assert place.without_left_behind() == sound
    assert place.repair() == {}


@pytest.mark.parametrize("name", BREAKS)
def test_afterwards_every_job_comes_to_its_end(place: Place, name: str) -> None:
    BREAKS[name][1](place)
    place.repair()
    place.clock.advance(HOUR / 1000)
    while place.ask(Promote()):
        pass
    taken = place.ask(Claim("w3", None, 100, LEASE, join=True)).jobs
    expected = {ident(one) for one in ("a", "b", "c", "later", "again")}
    assert {one.id for one in taken} == expected
    assert len(taken) == len(expected)
    place.clock.advance(200 * LEASE / 1000)
    assert set(place.ask(Reclaim(9, 0))) == expected | {ident("runs"), ident("stops")}
    last = place.ask(Claim("w4", None, 100, LEASE, join=True)).jobs
    outcomes = tuple(Outcome(one.id, one.token, "succeed", keep_ms=1) for one in last)
    assert len(place.ask(Settle("w4", outcomes)).accepted) == len(expected) + 1
    place.clock.advance(10 * HOUR / 1000)
    while place.ask(Prune()):
        pass
    names = [
        "done",
        "dead",
        "dead2",
        "again",
        "gone",
        "left",
        "runs",
        "stops",
        "later",
        "a",
        "b",
        "c",
    ]
    assert place.ask(Find(tuple(map(ident, names)))) == (None,) * len(names)
    assert place.hand.hlen(place.key("job")) == 0
    assert place.repair() == {}


def test_a_job_of_an_unknown_worker_is_taken_back_with_a_crash(place: Place) -> None:
    """By the contract of `Reclaim`: nobody knows how its run ended."""
    place.hand.delete(place.key("workers"), place.key("flight:w2"))
    assert place.repair() == {"running": 2}
    assert set(place.ask(Reclaim(9, HOUR))) == {ident("runs"), ident("stops")}
    runs, stops = place.ask(Find((ident("runs"), ident("stops"))))
    assert (runs.status, runs.crashes, stops.status) == ("pending", 1, "cancelled")


def test_a_job_that_moves_between_the_steps_is_not_at_fault(place: Place) -> None:
    step = place.ask(Repair(None, 1))
    while ".jobs." not in (step.cursor or ""):
        step = place.ask(Repair(step.cursor, 1))
    place.ask(Enqueue(tuple(new(f"new{number}") for number in range(50))))
    (taken,) = place.ask(Claim("w5", None, 1, LEASE, join=True)).jobs
    place.clock.advance(1)
    place.ask(Settle("w5", (Outcome(taken.id, taken.token, "release"),)))
    while step.cursor is not None:
        assert step.amiss == ()
        step = place.ask(Repair(step.cursor, 1))
    assert len(place.ask(Peek("default", 100))) == 53


def test_a_lane_longer_than_one_look_is_read_in_windows(redis_url: str) -> None:
    place = Place(redis_url)
    total = 6_400  # above WHOLE of rolling.lua
    ids = [number.to_bytes(16, "big") for number in range(1, total + 1)]
    for start in range(0, total, 500):
        place.ask(Enqueue(tuple(NewJob(one, "t", "default", 2, b"") for one in ids[start:][:500])))
    place.clock.advance(1)
    key = place.key("ready:default:2")
    for at in (0, 1_000, 3_333, total - 1):
        place.hand.lset(key, at, b"none")
    place.hand.lrem(key, 0, b"none")
    assert place.repair(mend=False) == {"ready": 4}
    assert place.repair() == {"ready": 4}
    entries = place.hand.lrange(key, 0, -1)
    assert len(entries) == len(set(entries)) == total
    assert place.repair() == {}
    place.door.close()


def test_a_lane_that_grows_faster_than_it_is_read_is_read_to_its_end(redis_url: str) -> None:
    place = Place(redis_url)

    def enqueue(first: int, number: int) -> None:
        for start in range(first, first + number, 500):
            ids = [one.to_bytes(16, "big") for one in range(start, start + 500)]
            place.ask(Enqueue(tuple(NewJob(one, "t", "default", 2, b"") for one in ids)))

    enqueue(1, 6_000)
    place.clock.advance(1)
    step, steps = place.ask(Repair(None, 250)), 1
    while step.looked == 0:
        assert step.amiss == ()
        assert steps < 12, "it begins again and again"
        enqueue(10_000 * steps, 2_000)
        step, steps = place.ask(Repair(step.cursor, 250)), steps + 1
    assert place.repair() == {}
    place.door.close()


def test_many_entries_without_a_job_go_in_small_steps(place: Place) -> None:
    before = place.keys()
    for number in range(1, 8):
        id = bytes([number]) * 16
        place.hand.zadd(place.key("due"), {bytes(5) + bytes([number]) + id + b"default:2": number})
        place.hand.hincrby(place.key("scheduled"), "default", 1)
        place.hand.zadd(place.key("status:3"), {id: number})
        place.hand.zadd(place.key("dead"), {bytes(5) + bytes([number]) + id: number})
    assert place.repair(limit=2) == {"entry without a job": 21}
    assert place.keys() == before


def test_a_lane_that_is_taken_from_while_it_is_read(redis_url: str) -> None:
    """Jobs come at one end, leave at the other and from the middle; nobody is lined up twice."""
    place = Place(redis_url)
    jobs = [number.to_bytes(16, "big") for number in range(1, 7_001)]
    for start in range(0, 7_000, 500):
        place.ask(Enqueue(tuple(NewJob(one, "t", "default", 2, b"") for one in jobs[start:][:500])))
    place.clock.advance(1)
    key = place.key("ready:default:2")
    step, turn = place.ask(Repair(None, 250)), 0
    while step.cursor is not None:
        assert step.amiss == ()
        if turn < 12:
            turn += 1
            place.clock.advance(0.01)
            place.ask(Claim("w", None, 100, 100 * LEASE, join=True))
            place.ask(Enqueue(tuple(new(f"n{turn}.{number}") for number in range(3))))
            # As `Take` does: from the middle, where it was read already.
            gone = place.hand.lrange(key, 10, 10 + 40 * turn)
            for one in gone:
                place.hand.lrem(key, 1, one)
                place.hand.hdel(place.key("job"), one[:16])
        step = place.ask(Repair(step.cursor, 250))
    entries = place.hand.lrange(key, 0, -1)
    assert len(entries) == len(set(entries))
    place.door.close()


def test_every_partition_is_gone_through(redis_url: str) -> None:
    place = Place(redis_url, partitions=3)
    place.ask(Enqueue(tuple(new(f"job{number}") for number in range(30))))
    place.clock.advance(1)
    for number in range(3):
        place.hand.delete(f"{{{place.name}:{number}}}:ready:default:2")
    assert place.repair() == {"ready": 30, "lane": 3}
    assert len(place.ask(Claim("w", None, 100, LEASE, join=True)).jobs) == 30
    assert place.ask(Stats()).loads[0].running == 30
    place.door.close()


@pytest.mark.parametrize("cursor", ["x", "0.jobs", "7.jobs.0.1", "0.jobs.0.1; x", ""])
def test_a_strange_cursor_is_refused(place: Place, cursor: str) -> None:
    with pytest.raises(UsageError, match="not one a repair returned"):
        place.ask(Repair(cursor))
