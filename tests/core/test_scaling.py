"""Slots that follow the load: the rule, and simulated days under it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boundary.jobs.core import scaling
from boundary.jobs.core.dispatcher import (
    Arrived,
    Effect,
    Event,
    Exchange,
    Finished,
    Measured,
    Resize,
    Setup,
    State,
    Stop,
    Tick,
    step,
)
from boundary.jobs.errors import UsageError

BOUNDS = (2, 200)


@given(
    place=st.floats(0, 1),
    cpu=st.floats(0, 1),
    peak=st.integers(0, 400),
    pressed=st.booleans(),
    bounds=st.tuples(st.integers(1, 50), st.integers(50, 300)),
)
def test_always_within_bounds_and_never_up_without_need_or_room(
    place: float, cpu: float, peak: int, pressed: bool, bounds: tuple[int, int]
) -> None:
    now = bounds[0] + round(place * (bounds[1] - bounds[0]))
    wanted = scaling.slots(now, bounds, cpu=cpu, peak=peak, pressed=pressed)
    assert bounds[0] <= wanted <= bounds[1]
    if not pressed or cpu >= scaling.ROOM:
        assert wanted <= now
    if cpu >= scaling.FULL and now > bounds[0]:
        assert wanted < now
    if pressed and cpu < scaling.ROOM and now < bounds[1]:
        assert wanted > now


class Floor:
    """A worker with many ready jobs that wait and compute for so many ms; time passes in steps.

    The processor gives each job its share; a job in a slot waits, then computes.
    """

    def __init__(self, wait_ms: float, cpu_ms: float, ready: int, **setup: object) -> None:
        given = {"concurrency": 10, "bounds": BOUNDS, **setup}
        self.state = State(Setup(**given))  # type: ignore[arg-type]
        self.wait_ms, self.cpu_ms, self.ready = wait_ms, cpu_ms, ready
        self.now = 1_000.0
        self.running = 0
        self.done = 0.0
        self.seen: list[int] = []
        self.send(Tick(self.now))

    def send(self, event: Event) -> None:
        self.state, effects = step(self.state, event)
        for effect in effects:
            self.perform(effect)

    def perform(self, effect: Effect) -> None:
        if isinstance(effect, Exchange):
            most = effect.slots + max((count for _, count in effect.ahead), default=0)
            count = min(most, self.ready) if effect.claiming else 0
            self.ready -= count
            self.running += count
            self.send(Arrived(self.now, effect, count))
        elif isinstance(effect, Resize):
            self.seen.append(effect.slots)

    def pass_time(self, seconds: float) -> list[int]:
        """The slots after each measurement, one every 250 ms."""
        return [self.quarter() for _ in range(round(seconds * 4))]

    def quarter(self) -> int:
        used = sum(self.moment(5.0) for _ in range(50)) * self.cpu_ms / 250.0
        self.send(Measured(self.now, min(used, 1.0)))
        return self.state.slots

    def moment(self, ms: float) -> int:
        """How many jobs end in it: as many as the slots and the processor let through."""
        self.now += ms
        working = min(self.running, self.state.slots)
        self.done += min(working / (self.wait_ms + self.cpu_ms), 1 / self.cpu_ms) * ms
        count = min(int(self.done), self.running)
        self.done -= count
        self.running -= count
        if count:
            total = count * (self.wait_ms + self.cpu_ms)
            self.send(Finished(self.now, (("default", count, total),)))
        return count


def test_jobs_that_wait_get_all_the_slots_there_may_be() -> None:
    floor = Floor(wait_ms=1_000.0, cpu_ms=0.5, ready=10**6)
    assert floor.pass_time(3.0)[-1] == 200


def test_jobs_that_compute_get_no_more_than_they_use() -> None:
    """They begin with ten, and go down to the fewest there may be."""
    course = Floor(wait_ms=0.001, cpu_ms=50.0, ready=10**6).pass_time(30.0)
    assert max(course) <= 10
    assert course[-1] == 2


@pytest.mark.parametrize(("wait_ms", "cpu_ms", "least", "most"), [(80, 20, 3, 8), (95, 5, 14, 26)])
def test_a_mixture_gets_what_keeps_the_processor_busy(
    wait_ms: float, cpu_ms: float, least: int, most: int
) -> None:
    """Jobs that compute a fifth of their time fill a core with five slots."""
    course = Floor(wait_ms=wait_ms, cpu_ms=cpu_ms, ready=10**6).pass_time(60.0)
    assert all(least <= slots <= most for slots in course[120:])


def test_an_idle_worker_gives_slots_back_and_takes_them_again() -> None:
    floor = Floor(wait_ms=1_000.0, cpu_ms=0.5, ready=2_000)
    assert max(floor.pass_time(10.0)) == 200
    assert floor.pass_time(60.0)[-1] == 2
    floor.ready = 10**6
    floor.send(Tick(floor.now + 2_000.0))
    assert floor.pass_time(5.0)[-1] == 200


def test_a_few_jobs_now_and_then_do_not_add_slots() -> None:
    floor = Floor(wait_ms=400.0, cpu_ms=0.5, ready=0)
    for _ in range(40):
        floor.ready += 3
        floor.send(Tick(floor.now + 2_000.0))
        floor.pass_time(0.5)
    assert floor.state.slots <= 10


def test_a_worker_with_a_fixed_number_or_one_that_stops_stays_as_it_is() -> None:
    fixed = Floor(wait_ms=1_000.0, cpu_ms=0.5, ready=10**6, bounds=None)
    assert set(fixed.pass_time(3.0)) == {10}
    floor = Floor(wait_ms=1_000.0, cpu_ms=0.5, ready=10**6)
    floor.send(Stop(floor.now, 30_000.0))
    assert set(floor.pass_time(3.0)) == {10}
    assert not floor.seen


@pytest.mark.parametrize(
    ("given", "slots", "bounds"),
    [
        (7, 7, None),
        ("auto", 10, (2, 200)),
        ("auto:2-200", 10, (2, 200)),
        ("auto:1-4", 4, (1, 4)),
        ("auto:20-20", 20, (20, 20)),
    ],
)
def test_how_it_is_written(given: int | str, slots: int, bounds: tuple[int, int] | None) -> None:
    assert scaling.parsed(given) == (slots, bounds)


@pytest.mark.parametrize(
    "given", [0, -1, 100_001, "many", "auto:", "auto:0-3", "auto:5-2", "auto5"]
)
def test_what_it_may_not_be(given: int | str) -> None:
    with pytest.raises(UsageError, match=r"auto:2-200.*not"):
        scaling.parsed(given)


def test_limits_of_queues_are_checked() -> None:
    scaling.check_limits({"mail": 1, "reports": scaling.MOST})
    with pytest.raises(UsageError, match="concurrency of queue 'mail' is from 1 to 100000, not 0"):
        scaling.check_limits({"mail": 0})
    with pytest.raises(UsageError, match="queue"):
        scaling.check_limits({"": 1})
