"""The worker's brain, without a worker: decisions on hand-made and on random days."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from boundary.jobs.core import dispatcher
from boundary.jobs.core.dispatcher import (
    AHEAD_MS,
    INF,
    RECYCLE_MS,
    Abandon,
    Alarm,
    Arrived,
    Disowned,
    Effect,
    Event,
    Exchange,
    Failed,
    Finished,
    GiveBack,
    Joined,
    Leave,
    Noticed,
    Quieted,
    Recycle,
    Renew,
    Returned,
    Setup,
    State,
    Stop,
    Sweep,
    Tick,
    Weighed,
    claiming,
    learning,
    step,
    weighted_order,
)
from boundary.jobs.core.operations import BATCH


class Day:
    """A worker's day: events go in, effects come out, the clock stands where it is put."""

    def __init__(self, **setup: object) -> None:
        self.state = State(Setup(**{"concurrency": 10, **setup}))  # type: ignore[arg-type]
        self.now = 1_000.0

    def send(self, event: Event) -> list[Effect]:
        self.state, effects = step(self.state, event)
        return list(effects)

    def tick(self, later: float = 0.0) -> list[Effect]:
        self.now += later
        return self.send(Tick(self.now))

    def arrive(self, count: int, due_ms: float | None = None) -> list[Effect]:
        return self.send(Arrived(self.now, self.asked(), count, due_ms))

    def fail(self) -> list[Effect]:
        return self.send(Failed(self.now, self.asked(), 0.5))

    def asked(self) -> Exchange:
        return (*self.state.asking, Exchange(claiming=False))[0]

    def finish(self, count: int, each_ms: float, queue: str = "default") -> list[Effect]:
        self.now += each_ms * count / self.state.setup.concurrency
        return self.send(Finished(self.now, ((queue, count, count * each_ms),)))


def exchange(effects: list[Effect]) -> Exchange:
    (found,) = [effect for effect in effects if isinstance(effect, Exchange)]
    return found


def kinds(effects: list[Effect]) -> set[type[Effect]]:
    return {type(effect) for effect in effects}  # type: ignore[return-value]


def test_the_first_claim_asks_for_the_free_slots_and_nothing_more() -> None:
    """Before anything is measured, nothing is claimed ahead."""
    asked = exchange(Day().tick())
    assert (asked.claiming, asked.slots, asked.ahead) == (True, 10, ())


def test_one_call_at_a_time() -> None:
    day = Day()
    day.tick()
    assert Exchange not in kinds(day.send(Noticed(day.now)))


def test_outcomes_and_the_next_claim_travel_together() -> None:
    day = Day()
    day.tick()
    day.arrive(10)
    effects = day.finish(10, 50.0)
    assert len([one for one in effects if isinstance(one, Exchange)]) == 1
    assert exchange(effects).claiming


@pytest.mark.parametrize(("each_ms", "ahead"), [(1.0, 200), (100.0, 2), (1_000.0, 0)])
def test_claims_ahead_what_the_measured_pace_lets_run_in_20_ms(each_ms: float, ahead: int) -> None:
    day = Day()
    day.tick()
    day.arrive(10)
    asked = exchange(day.finish(10, each_ms))
    assert asked.slots == 10
    assert dict(asked.ahead).get("default", 0) == ahead


def test_a_queue_that_turns_slow_is_believed_at_once() -> None:
    day = Day()
    day.tick()
    day.arrive(10)
    day.finish(10, 0.1)
    day.arrive(10)
    day.arrive(0)
    asked = exchange(day.finish(10, 500.0))
    assert asked.ahead == ()


def test_slots_that_share_a_busy_loop_claim_by_what_they_reach_together() -> None:
    """Ten jobs of 1 ms one after another take 10 ms: 20 ahead, not 200."""
    day = Day()
    day.tick()
    day.arrive(10)
    day.now += 10.0
    asked = exchange(day.send(Finished(day.now, (("default", 10, 10.0),))))
    assert dict(asked.ahead) == {"default": 20}


def test_never_holds_more_ahead_than_it_may() -> None:
    day = Day()
    day.tick()
    day.arrive(10)
    day.finish(10, 0.001)
    held = 0
    for _ in range(50):
        while day.state.asking:
            asked = day.asked()
            most = asked.slots + max((count for _, count in asked.ahead), default=0)
            assert most <= BATCH
            day.arrive(most)
            held = max(held, day.state.held)
        day.finish(day.state.held, 0.001)
    assert BATCH < held <= 10 + claiming.HELD_AHEAD


def test_jobs_held_but_not_begun_go_back_when_nothing_moves() -> None:
    day = Day()
    day.tick()
    day.arrive(10)
    day.finish(10, 0.01)
    day.arrive(200)
    effects = day.tick(dispatcher.STALE_MS)
    assert GiveBack in kinds(effects)
    day.send(Returned(day.now, 190))
    assert day.state.held == 10


def test_an_empty_claim_waits_for_the_next_due_job_or_the_poll_bound() -> None:
    day = Day(poll_ms=1_000.0)
    day.tick()
    alarm = day.arrive(0, due_ms=120.0)[-1]
    assert alarm == Alarm(day.now + 120.0)
    day.tick(120.0)
    assert day.state.asking
    day.now += 1
    assert day.arrive(0, due_ms=60_000.0)[-1] == Alarm(day.now + 1_000.0)


def test_a_notice_during_a_claim_is_not_lost() -> None:
    day = Day()
    day.tick()
    day.send(Noticed(day.now))
    assert exchange(day.arrive(0)).claiming


def test_a_full_worker_does_not_claim_and_does_not_spin() -> None:
    day = Day()
    day.tick()
    effects = day.arrive(10)
    assert Exchange not in kinds(effects)
    (alarm,) = [one for one in effects if isinstance(one, Alarm)]
    assert alarm.at > day.now


def test_failures_of_the_store_back_off_and_keep_the_outcomes() -> None:
    day = Day(sweep_ms=1e9)
    day.tick()
    waits = []
    for _ in range(12):
        (alarm,) = [one for one in day.fail() if isinstance(one, Alarm)]
        waits.append(alarm.at - day.now)
        assert Exchange not in kinds(day.tick())
        assert Exchange in kinds(day.tick(alarm.at - day.now))
    assert waits[0] == learning.BACKOFF_MS
    assert waits[-1] == learning.LONGEST_BACKOFF_MS
    assert waits == sorted(waits)


def test_sweeps_at_their_interval() -> None:
    day = Day(sweep_ms=5_000.0)
    assert Sweep in kinds(day.tick())
    assert Sweep not in kinds(day.tick(4_999.0))
    assert Sweep in kinds(day.tick(1.0))


def test_stop_gives_back_what_has_not_begun_and_waits_for_what_runs() -> None:
    """G9: nothing more is claimed; the worker leaves when the last outcome is in."""
    day = Day()
    day.tick()
    day.arrive(3)
    effects = day.send(Stop(day.now, 30_000.0))
    assert GiveBack in kinds(effects)
    assert Exchange not in kinds(effects)
    effects = day.finish(3, 5.0)
    assert not exchange(effects).claiming
    assert day.arrive(0) == [Leave()]
    assert day.tick() == []


def test_stop_without_anything_to_do_leaves_at_once() -> None:
    day = Day()
    day.tick()
    day.arrive(0)
    assert day.send(Stop(day.now, 30_000.0))[-1] == Leave()


def test_the_grace_of_a_stop_ends_and_a_second_stop_shortens_it() -> None:
    day = Day()
    day.tick()
    day.arrive(2)
    day.send(Stop(day.now, 30_000.0))
    assert Abandon in kinds(day.send(Stop(day.now, 0.0)))
    assert Abandon not in kinds(day.tick(1.0))
    day.send(Returned(day.now, 2))
    assert day.arrive(0) == [Leave()]


def test_a_store_that_is_away_does_not_keep_a_stopping_worker() -> None:
    """G9: exit within the timeout and a second, even if nothing can be handed in."""
    day = Day()
    day.tick()
    day.arrive(2)
    day.send(Stop(day.now, 100.0))
    day.tick(100.0)
    day.send(Returned(day.now, 2))
    day.fail()
    assert day.tick(dispatcher.LAST_CALL_MS)[-1] == Leave()


def test_losing_the_lease_drops_everything_and_goes_on() -> None:
    day = Day()
    day.tick()
    day.arrive(10)
    effects = day.send(Disowned(day.now))
    assert Renew in kinds(effects)
    assert day.state.held == 0
    assert Exchange not in kinds(effects), "the store does not know it yet"
    assert Exchange not in kinds(day.send(Noticed(day.now)))
    assert dispatcher.idle_claim(day.state, 0.5) is None
    assert exchange(day.send(Joined(day.now))).slots == 10


def test_a_burst_leaves_when_nothing_is_ready_and_nothing_runs() -> None:
    day = Day(burst=True)
    day.tick()
    day.arrive(2)
    assert day.state.phase == "running"
    assert exchange(day.finish(2, 1.0)).claiming
    assert day.arrive(0, due_ms=5_000.0)[-1] == Leave()


def test_a_burst_goes_on_while_a_claim_did_not_come_through_all_that_is_due() -> None:
    day = Day(burst=True)
    day.tick()
    assert exchange(day.arrive(0, due_ms=0.0)).claiming
    assert day.arrive(0, due_ms=5_000.0)[-1] == Leave()


def test_a_burst_looks_again_after_its_last_job() -> None:
    """The job may have enqueued another one after the claim that found nothing."""
    day = Day(burst=True)
    day.tick()
    day.arrive(1)
    day.send(Noticed(day.now))
    day.arrive(0)
    effects = day.finish(1, 1.0)
    assert Leave not in kinds(effects)
    assert exchange(effects).claiming


def test_a_quiet_worker_claims_nothing_and_gives_back_what_has_not_begun() -> None:
    day = Day()
    day.tick()
    day.arrive(4)
    assert kinds(day.send(Quieted(day.now, quiet=True))) == {GiveBack, Alarm}
    for effects in (day.tick(10_000.0), day.send(Noticed(day.now)), day.finish(4, 1.0)):
        assert not [one for one in effects if isinstance(one, Exchange) and one.claiming]
    day.arrive(0)
    assert dispatcher.idle_claim(day.state, 0.0) is None
    assert exchange(day.send(Quieted(day.now, quiet=False))).claiming


def test_a_quiet_worker_does_not_wake_itself_over_and_over() -> None:
    day = Day()
    day.tick()
    day.arrive(10)
    day.send(Quieted(day.now, quiet=True))
    (alarm,) = [one for one in day.tick(1.0) if isinstance(one, Alarm)]
    assert alarm.at > day.now


def test_a_quiet_worker_stops_like_any_other() -> None:
    day = Day()
    day.tick()
    day.arrive(0)
    day.send(Quieted(day.now, quiet=True))
    assert Leave() in day.send(Stop(day.now, 1_000.0))


@pytest.mark.parametrize(
    ("setup", "memory", "why"),
    [
        ({"max_jobs": 3}, 0, "it ran 4 jobs, max_jobs is 3"),
        ({"max_memory": 2**20}, 3 * 2**20, "it has 3 MiB of memory, max_memory is 1 MiB"),
        ({"max_jobs": 5, "max_memory": 2**22}, 3 * 2**20, None),
        ({}, 2**40, None),
    ],
)
def test_a_worn_worker_asks_to_be_replaced_once_a_minute_and_goes_on(
    setup: dict[str, int], memory: int, why: str | None
) -> None:
    day = Day(**setup)
    day.tick()
    day.arrive(4)
    effects = [*day.send(Weighed(day.now, memory)), *day.finish(4, 1.0)]
    asked = [one.why for one in effects if isinstance(one, Recycle)]
    assert asked == ([] if why is None else [why])
    again = [*day.tick(), *day.tick(RECYCLE_MS)]
    assert len([one for one in again if isinstance(one, Recycle)]) == len(asked)
    while day.state.asking:
        day.arrive(0)
    assert exchange(day.send(Noticed(day.now))).claiming


@given(
    weights=st.lists(st.integers(1, 20), min_size=1, max_size=6),
    u=st.floats(0, 1, exclude_max=True),
)
def test_a_weighted_order_serves_every_queue_once(weights: list[int], u: float) -> None:
    rows = tuple((f"q{number}", weight) for number, weight in enumerate(weights))
    assert sorted(weighted_order(rows, u)) == [name for name, _ in rows]


def test_weights_are_how_often_a_queue_comes_first() -> None:
    rows = (("critical", 6), ("default", 3), ("low", 1))
    draws = [weighted_order(rows, number / 1_000) for number in range(1_000)]
    first = Counter(order[0] for order in draws)
    assert first == {"critical": 600, "default": 300, "low": 100}
    second = Counter(order[1] for order in draws if order[0] == "critical")
    assert second["default"] == pytest.approx(450, abs=2)


class Store:
    """What answers the exchanges of a random day: some jobs, of some length."""

    def __init__(self, ready: int) -> None:
        self.ready = ready

    def answer(self, asked: Exchange) -> int:
        if not asked.claiming:
            return 0
        most = asked.slots + max((count for _, count in asked.ahead), default=0)
        given = min(self.ready, most)
        self.ready -= given
        return given


@settings(max_examples=150, deadline=None)
@given(
    ready=st.integers(0, 2_000),
    concurrency=st.integers(1, 40),
    each_ms=st.sampled_from([0.001, 0.3, 1.0, 30.0, 900.0]),
    script=st.lists(st.sampled_from(["finish", "answer", "fail", "notice", "wait"]), max_size=60),
)
def test_any_day_ends_with_all_jobs_run_and_within_bounds(
    ready: int, concurrency: int, each_ms: float, script: list[str]
) -> None:
    """Whatever order things happen in: bounds hold, and a burst runs everything and leaves."""
    store = Store(ready)
    state = State(Setup(concurrency=concurrency, burst=True))
    now, left, alarm = 0.0, False, 0.0
    asking: list[Exchange] = []
    quiet = ["answer", "finish", "wait"] * (4_000)
    bound = concurrency + claiming.HELD_AHEAD
    event: Event = Tick(now)
    for word in [*script, *quiet]:
        state, effects = step(state, event)
        for effect in effects:
            if isinstance(effect, Exchange):
                asking.append(effect)
                assert len(asking) <= claiming.AT_ONCE
            elif isinstance(effect, GiveBack):
                back = max(state.held - concurrency, 0)
                store.ready += back
                state, _ = step(replace(state), Returned(now, back))
                asking = list(state.asking)
            elif isinstance(effect, Alarm):
                alarm = effect.at
            left = left or isinstance(effect, Leave)
        assert 0 <= state.held <= bound
        if left:
            break
        now += 0.01
        event = Tick(now)
        if word == "answer" and asking:
            asked = asking.pop(0)
            event = Arrived(now, asked, store.answer(asked))
        elif word == "fail" and asking:
            event = Failed(now, asking.pop(), 0.5)
        elif word == "notice":
            event = Noticed(now)
        elif word == "finish" and state.held:
            count = min(state.held, concurrency)
            now += each_ms
            event = Finished(now, (("default", count, count * each_ms),))
        elif word == "wait" and not asking and not state.held and alarm != INF:
            now = max(now, alarm)
            event = Tick(now)
    assert left
    assert store.ready == 0
    assert state.held == 0


def test_a_second_exchange_goes_out_while_the_store_has_plenty() -> None:
    """Worker and store are busy at the same time; a store that runs dry is asked once a time."""
    day = Day()
    day.tick()
    day.arrive(10)
    day.finish(10, 0.01)
    day.tick()
    assert len(day.state.asking) == claiming.AT_ONCE
    day.arrive(BATCH)
    day.finish(BATCH, 0.01)
    assert len(day.state.asking) == claiming.AT_ONCE
    day.arrive(1)
    day.finish(1, 0.01)
    day.tick()
    assert len(day.state.asking) == 1


def test_only_an_idle_worker_waits_for_work() -> None:
    day = Day(concurrency=2)
    assert dispatcher.idle_claim(day.state, 0.5) is None
    day.tick()
    assert dispatcher.idle_claim(day.state, 0.5) is None
    day.arrive(1)
    assert dispatcher.idle_claim(day.state, 0.5) == Exchange(claiming=True, slots=1)
    day.send(Arrived(day.now, Exchange(claiming=True, slots=1), 1))
    while day.state.asking:
        day.arrive(0)
    assert day.state.held == 2
    assert dispatcher.idle_claim(day.state, 0.5) is None
    day.send(Stop(day.now, 100.0))
    assert dispatcher.idle_claim(day.state, 0.5) is None


def test_what_is_heard_of_lost_jobs_does_not_keep_a_worker_from_leaving() -> None:
    """Found by SIGSTOP: a worker resumed past its lease never left, since it held -6 jobs."""
    day = Day()
    day.tick()
    day.arrive(6)
    while day.state.asking:
        day.arrive(0)
    assert Renew in kinds(day.send(Disowned(day.now)))
    day.finish(6, 300.0)
    while day.state.asking:
        day.arrive(0)
    assert day.state.held == 0
    day.send(Stop(day.now, 30_000.0))
    day.send(Joined(day.now))
    while day.state.asking:
        day.arrive(0)
    assert day.state.phase == "stopped"


def test_the_charter_tells_the_truth_about_the_window() -> None:
    assert f"{AHEAD_MS:g}" == "20"


def of(asked: Exchange) -> dict[str, int]:
    return dict(asked.limits)


def test_a_queue_with_a_limit_is_asked_for_no_more_than_it_may_have() -> None:
    day = Day(limits=(("reports", 2),))
    assert of(exchange(day.tick())) == {"reports": 2}
    day.send(Arrived(day.now, day.asked(), 10, of=(("reports", 2),)))
    asked = exchange(day.finish(1, 50.0))
    assert (asked.slots, of(asked)) == (1, {"reports": 0})


def test_what_is_under_way_counts_against_the_limit() -> None:
    """Two exchanges at once must not bring twice as many."""
    day = Day(limits=(("reports", 2),))
    day.tick()
    day.arrive(10)
    day.finish(10, 0.01)
    day.arrive(BATCH)
    day.finish(BATCH, 0.01)
    day.arrive(BATCH)
    day.finish(BATCH, 0.01)
    assert len(day.state.asking) == claiming.AT_ONCE
    assert sum(of(one)["reports"] for one in day.state.asking) == 2


def test_a_full_queue_is_asked_for_again_when_one_of_its_jobs_ends() -> None:
    day = Day(limits=(("reports", 2),))
    day.tick()
    effects = day.send(Arrived(day.now, day.asked(), 2, of=(("reports", 2),)))
    assert Exchange not in kinds(effects)
    asked = exchange(day.finish(1, 50.0, queue="reports"))
    assert (asked.claiming, of(asked)) == (True, {"reports": 1})


def test_jobs_given_back_and_leases_lost_are_not_counted_any_more() -> None:
    day = Day(limits=(("reports", 2),))
    day.tick()
    day.send(Arrived(day.now, day.asked(), 2, of=(("reports", 2),)))
    day.send(Returned(day.now, 1, of=(("reports", 1),)))
    assert dict(day.state.held_of) == {"reports": 1}
    day.send(Disowned(day.now))
    assert day.state.held_of == ()
    day.finish(2, 50.0, queue="reports")
    assert dict(day.state.held_of).get("reports", 0) == 0


@pytest.mark.parametrize("draining", [False, True])
def test_without_a_name_it_waits_for_one_and_asks_nothing(draining: bool) -> None:
    """Outcomes left over from the lost name are handed in under the next, and not before."""
    day = Day()
    day.tick()
    day.arrive(2)
    asked = exchange(day.finish(2, 50.0))
    day.send(Disowned(day.now))
    if draining:
        day.send(Stop(day.now, 60_000.0))
    effects = day.send(Arrived(day.now, asked, 0, leftover=True))
    assert Exchange not in kinds(effects)
    (alarm,) = [one for one in effects if isinstance(one, Alarm)]
    assert alarm.at > day.now + 1_000.0
    assert exchange(day.send(Joined(day.now))).claiming is not draining


def test_an_idle_worker_says_which_queue_is_full() -> None:
    day = Day(limits=(("reports", 1),))
    day.tick()
    day.send(Arrived(day.now, day.asked(), 1, of=(("reports", 1),)))
    idle = dispatcher.idle_claim(day.state, 0.5)
    assert idle is not None
    assert of(idle) == {"reports": 0}


@settings(max_examples=150, deadline=None)
@given(
    ready=st.dictionaries(st.sampled_from("abc"), st.integers(0, 60), max_size=3),
    limits=st.dictionaries(st.sampled_from("ab"), st.integers(1, 5)),
    concurrency=st.integers(1, 12),
    each_ms=st.sampled_from([0.001, 1.0, 900.0]),
    chance=st.randoms(use_true_random=False),
)
def test_any_day_keeps_within_the_limits_and_runs_everything(
    ready: dict[str, int], limits: dict[str, int], concurrency: int, each_ms: float, chance: Any
) -> None:
    """Whatever order answers and ends come in; no queue starves behind one that is full."""
    state = State(Setup(concurrency=concurrency, limits=tuple(limits.items()), burst=True))
    held: Counter[str] = Counter()
    asking: list[Exchange] = []
    now, left = 0.0, False
    event: Event = Tick(now)
    for _ in range(5_000):
        state, effects = step(state, event)
        asking += [one for one in effects if isinstance(one, Exchange)]
        left = any(isinstance(one, Leave) for one in effects)
        assert all(held[queue] <= most for queue, most in limits.items())
        assert state.held == held.total()
        if left:
            break
        now += 0.01
        event = Tick(now)
        if asking and chance.random() < 0.6:
            asked, taken = asking.pop(chance.randrange(len(asking))), Counter[str]()
            for queue in sorted(ready) if asked.claiming else ():
                room = asked.slots + dict(asked.ahead).get(queue, 0) - taken.total()
                room = min(room, of(asked).get(queue, room), ready[queue])
                taken[queue] += max(room, 0)
                ready[queue] -= max(room, 0)
            held += taken
            rows = tuple((queue, count) for queue, count in taken.items() if queue in limits)
            event = Arrived(now, asked, taken.total(), of=rows)
        elif held.total():
            queue = chance.choice(sorted(held.elements()))
            held[queue] -= 1
            now += each_ms
            event = Finished(now, ((queue, 1, each_ms),))
        elif not asking:
            now += 2_000.0
            event = Tick(now)
    assert left
    assert not sum(ready.values())
