"""A key of ours becomes one of another type, as by another program; a claim meets it on its way.

Whatever the claim answers, every job stands where its record says: none is lost, none half held.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from boundary.jobs.core.operations import (
    Claim,
    DeadLetters,
    Enqueue,
    Outcome,
    Promote,
    PutSchedule,
    Repair,
    Schedule,
    Settle,
    SettleAndClaim,
    Stats,
    Take,
)
from boundary.jobs.core.wire import Record
from boundary.jobs.errors import BackendError, StoreFormatError
from boundary.jobs.shell.adapters.redis.keys import partition_of
from boundary.jobs.shell.adapters.redis.store import RedisStore
from boundary.jobs.shell.settings import RedisSettings
from boundary.jobs.testing import FakeClock
from boundary.jobs.testing.contract.words import LEASE, ident, new

HOUR = 3_600_000
GARBAGE = ident("garbage")
WAITING = ("now0", "now1", "bulk0", "bulk1", "bulk2", "other0", "other1", "due0", "due1", "due2")
_numbers = itertools.count()


class Place:
    """A store with jobs ready in several lanes and due in two, and a hand in its keys."""

    def __init__(self, url: str, partitions: int = 1) -> None:
        self.clock = FakeClock()
        self.name = f"foreign{next(_numbers)}"
        settings = RedisSettings(partitions=partitions)
        store = RedisStore.of(url, settings, namespace=self.name, clock=self.clock)
        self.door = store.blocking()
        self.hand: Redis = Redis.from_url(url)
        self.harmed: list[str] = []

    def fill(self) -> None:
        self.ask(Enqueue((new("again"), new("held"))))
        again, _ = self.claim(worker="w2")
        fails = Outcome(again.id, again.token, "fail", delay_ms=HOUR, retry_count=1)
        assert self.ask(Settle("w2", (fails,))).accepted == (True,)
        self.ask(Enqueue(tuple(new(name, priority=0) for name in ("now0", "now1"))))
        self.ask(Enqueue(tuple(new(f"bulk{number}") for number in range(3))))
        self.ask(Enqueue(tuple(new(f"other{number}", queue="other") for number in range(2))))
        self.ask(Enqueue(tuple(new(f"due{number}", delay_ms=HOUR) for number in range(2))))
        self.ask(Enqueue((new("due2", queue="other", delay_ms=HOUR),)))
        tick = self.clock.now() + HOUR
        self.ask(PutSchedule(Schedule("beat", "send_email", "q", 2, b"", tick, every_ms=HOUR)))
        self.clock.advance(HOUR / 1000 + 1)

    def ask(self, operation: Any) -> Any:
        return self.door.execute(operation)

    def claim(self, most: int = 100, worker: str = "w1") -> tuple[Record, ...]:
        found: tuple[Record, ...] = self.ask(
            Claim(worker, None, most, 100 * LEASE, promote=100, join=True)
        ).jobs
        return found

    def key(self, name: str) -> str:
        return f"{{{self.name}:0}}:{name}"

    def harm(self, name: str) -> None:
        """The key is somebody's string, and what it was is kept."""
        if self.hand.exists(self.key(name)):
            self.hand.rename(self.key(name), self.key(name) + ".kept")
        self.hand.set(self.key(name), "theirs")
        self.harmed.append(name)

    def mend(self) -> None:
        for name in self.harmed:
            self.hand.delete(self.key(name))
            if self.hand.exists(self.key(name) + ".kept"):
                self.hand.rename(self.key(name) + ".kept", self.key(name))
        self.harmed.clear()

    def amiss(self) -> dict[str, int]:
        """What a repair would put right."""
        found: dict[str, int] = {}
        step = self.ask(Repair(None, 250, mend=False))
        while True:
            found.update(dict(step.amiss))
            if step.cursor is None:
                return found
            step = self.ask(Repair(step.cursor, 250, mend=False))


def empty(url: str, partitions: int = 1) -> Iterator[Place]:
    made = Place(url, partitions)
    yield made
    made.door.close()
    made.hand.close()


@pytest.fixture
def place(redis_url: str) -> Iterator[Place]:
    for made in empty(redis_url):
        made.fill()
        yield made


def names(jobs: tuple[Record, ...]) -> list[str]:
    return [one.id.rstrip(b".").decode() for one in jobs]


KEYS = (
    "ready:default:0",
    "ready:default:2",
    "ready:other:2",
    "flight:w1",
    "broken",
    "causes",
    "counters",
    "due",
    "fired",
    "job",
    "minutes:0",
    "hours:0",
    "paused",
    "scheduled",
    "schedules",
    "status:4",
    "stopping",
    "ticks",
    "tuned",
    "wake",
    "wake:default",
    "workers",
)
BESIDE = {"scheduled": {"count": 2}, "status:4": {"entry without a job": 1}}
"""What was to be written to the key is missing in it, and a repair makes it good. No job is in it."""
ASKED = (1, 3, 100)


@pytest.mark.parametrize("most", ASKED)
@pytest.mark.parametrize("key", KEYS)
def test_no_job_is_lost_to_a_foreign_key(place: Place, key: str, most: int) -> None:
    place.harm(key)
    taken: list[Record] = []
    for _ in range(3):
        try:
            taken += place.claim(most)
        except BackendError as error:
            assert isinstance(error, StoreFormatError), error  # noqa: PT017 - not all raise
    place.mend()
    assert place.amiss() == BESIDE.get(key, {})
    while more := place.claim():
        taken += more
    assert sorted(names(tuple(taken))) == sorted((*WAITING, "again"))
    assert {one.token for one in taken if names((one,)) != ["again"]} == {1}
    assert place.amiss() == BESIDE.get(key, {})


def test_what_stands_elsewhere_goes_on_and_then_the_key_is_told_of(place: Place) -> None:
    place.harm("ready:default:2")
    assert names(place.claim()) == ["now0", "now1", "other0", "other1", "due2"]
    # A tick is due, and whoever fires it has something to do.
    assert place.claim() == ()
    place.hand.delete(place.key("ticks"))
    with pytest.raises(StoreFormatError, match="another type under our names"):
        place.claim()
    place.mend()
    assert names(place.claim()) == ["bulk0", "bulk1", "bulk2", "again", "due0", "due1"]


def test_what_was_taken_in_this_call_is_in_its_place_again(place: Place) -> None:
    place.ask(Promote())
    place.harm("flight:w1")
    lanes = [place.key(f"ready:{name}") for name in ("default:0", "default:2", "other:2")]
    before = [place.hand.lrange(lane, 0, -1) for lane in lanes]
    listed = place.hand.smembers(place.key("lanes"))
    for most in (1, 2, 4, 100):
        with pytest.raises(StoreFormatError):
            place.claim(most)
        assert [place.hand.lrange(lane, 0, -1) for lane in lanes] == before
        assert place.hand.smembers(place.key("lanes")) == listed


def test_outcomes_count_though_the_claim_beside_them_meets_one(place: Place) -> None:
    (first,) = place.claim(1)
    place.harm("ready:default:2")
    ended = Settle("w1", (Outcome(first.id, first.token, "succeed", keep_ms=HOUR),))
    more = Claim("w1", None, 100, 100 * LEASE)
    settled, claimed = place.ask(SettleAndClaim(ended, more))
    assert settled.accepted == (True,)
    assert names(claimed.jobs) == ["now1", "other0", "other1", "due2"]
    place.hand.delete(place.key("ticks"))
    second = claimed.jobs[0]
    ended = Settle("w1", (Outcome(second.id, second.token, "succeed", keep_ms=HOUR),))
    settled, claimed = place.ask(SettleAndClaim(ended, more))
    assert (settled.accepted, claimed.jobs) == ((True,), ())
    with pytest.raises(StoreFormatError):
        place.ask(more)


def test_a_foreign_key_in_one_partition_hides_nothing_that_others_gave(redis_url: str) -> None:
    """Of the first, which is asked first, second or last in turn."""
    for place in empty(redis_url, partitions=3):
        ids = {ident(f"j{number}") for number in range(60)}
        place.ask(Enqueue(tuple(new(f"j{number}") for number in range(60))))
        place.harm("ready:default:2")
        got: list[Record] = []
        told = 0
        while told < 6:
            try:
                got += place.claim(5)
            except StoreFormatError:
                told += 1
        for one in got[:6]:
            ended = Settle("w1", (Outcome(one.id, one.token, "succeed", keep_ms=0),))
            settled, claimed = place.ask(SettleAndClaim(ended, Claim("w1", None, 5, 100 * LEASE)))
            assert (settled.accepted, claimed.jobs) == ((True,), ())
        assert {one.id for one in got} == {one for one in ids if partition_of(one, 3) != 0}
        place.mend()
        (worker,) = place.ask(Stats()).workers
        assert sorted(worker.held) == sorted(one.id for one in got[6:])


@pytest.mark.parametrize("key", ["broken", "counters", "minutes:0", "hours:0"])
def test_an_unreadable_record_costs_no_job_beside_it(place: Place, key: str) -> None:
    place.ask(Enqueue((new("garbage", priority=0), new("now2", priority=0))))
    place.hand.hset(place.key("job"), GARBAGE, b"garbage")
    moment = int(place.clock.now())
    key = {
        "minutes:0": f"minutes:{moment // HOUR}",
        "hours:0": f"hours:{moment // (24 * HOUR)}",
    }.get(key, key)
    place.harm(key)
    assert names(place.claim(3)) == ["now0", "now1", "now2"]
    place.mend()
    left = names(place.claim())
    assert sorted(left) == sorted((*WAITING[2:], "again"))
    assert [one.id for one in place.ask(DeadLetters())] == [GARBAGE]
    assert place.amiss() == {}


def test_so_it_does_where_it_is_all_there_is(redis_url: str) -> None:
    for place in empty(redis_url):
        place.ask(Enqueue((new("garbage"),)))
        place.hand.hset(place.key("job"), GARBAGE, b"garbage")
        place.harm("broken")
        for _ in range(3):
            with pytest.raises(StoreFormatError):
                place.claim()
        place.mend()
        assert place.claim() == ()
        assert [one.id for one in place.ask(DeadLetters())] == [GARBAGE]
        assert place.amiss() == {}


@pytest.mark.parametrize("count", ["none", "9223372036854775807", "-9223372036854775808"])
def test_a_count_that_is_none_costs_no_job(redis_url: str, count: str) -> None:
    for place in empty(redis_url):
        place.ask(Enqueue(tuple(new(f"j{number}") for number in range(4))))
        place.hand.hdel(place.key("job"), ident("j1"))
        place.hand.hset(place.key("stale"), "default:2", count)
        assert names(place.claim(2)) == ["j0", "j2"]
        assert names(place.claim(2)) == ["j3"]


def test_a_promotion_leaves_where_they_wait_those_that_have_no_lane(place: Place) -> None:
    place.harm("ready:default:2")
    before = place.hand.zcard(place.key("due"))
    assert place.ask(Promote()) == 1
    for _ in range(2):
        with pytest.raises(StoreFormatError):
            place.ask(Promote())
    assert place.hand.zcard(place.key("due")) == before - 1 == 3
    place.mend()
    assert place.amiss() == {}
    assert place.ask(Promote()) == 3
    assert place.ask(Promote()) == 0


@pytest.mark.parametrize("key", ["flight:w1", "workers", "ready:default:2"])
@pytest.mark.parametrize("name", ["bulk0", "due0", "again"])
def test_one_that_is_taken_by_its_name_stays_where_it_is(place: Place, key: str, name: str) -> None:
    place.harm(key)
    take = Take(ident(name), "w1", LEASE)
    taken = None
    if (key, name[0]) in {("ready:default:2", "d"), ("ready:default:2", "a")}:
        taken = place.ask(take)  # it stands in no lane
    else:
        with pytest.raises(StoreFormatError):
            place.ask(take)
    place.mend()
    assert place.amiss() == {}
    found = taken or place.ask(take)
    assert names((found,)) == [name]
