"""The supervisor's brain, without a process: decisions on hand-made and on random days."""

from __future__ import annotations

import signal
from signal import SIGKILL, SIGTERM, SIGTSTP

from hypothesis import given, settings
from hypothesis import strategies as st

from boundary.jobs.core import exits, supervision
from boundary.jobs.core.supervision import (
    INF,
    LAST_CALL_MS,
    STEADY_MS,
    TRIES,
    USAGE,
    Alarm,
    Effect,
    Event,
    Exited,
    Leave,
    Quiet,
    Replace,
    Say,
    Setup,
    Start,
    Stop,
    Tell,
    Tick,
    Told,
)

GRACE_MS = 5_000.0


class House:
    """A supervisor's day: events go in, effects come out, the clock stands where it is put."""

    def __init__(self, processes: int = 2, *, waits: bool = False) -> None:
        self.now = 1_000.0
        self.state = supervision.begin(Setup(processes, waits), self.now)

    def send(self, event: Event) -> list[Effect]:
        self.state, effects = supervision.step(self.state, event)
        return list(effects)

    def tick(self, later: float = 0.0) -> list[Effect]:
        self.now += later
        return self.send(Tick(self.now))

    def loaded(self, number: int) -> list[Effect]:
        return self.send(Told(self.now, number, "loaded", GRACE_MS))

    def ready(self, number: int) -> list[Effect]:
        self.loaded(number)
        return self.send(Told(self.now, number, "ready"))

    def exited(self, number: int, code: int) -> list[Effect]:
        return self.send(Exited(self.now, number, code))

    def replace(self, number: int | None = None) -> list[Effect]:
        return self.send(Replace(self.now, number, "it is time"))

    def stop(self) -> list[Effect]:
        return self.send(Stop(self.now))

    def opened(self) -> House:
        """Every process is at work."""
        self.tick()
        self.ready(1)
        for number in range(2, self.state.setup.processes + 1):
            self.ready(number)
        return self


def told(effects: list[Effect]) -> list[tuple[int, signal.Signals]]:
    return [(one.number, one.signal) for one in effects if isinstance(one, Tell)]


def started(effects: list[Effect]) -> list[tuple[int, int]]:
    return [(one.number, one.slot) for one in effects if isinstance(one, Start)]


def said(effects: list[Effect]) -> str:
    return "\n".join(one.text for one in effects if isinstance(one, Say))


def alarm(effects: list[Effect]) -> float:
    (found,) = [one.at for one in effects if isinstance(one, Alarm)]
    return found


def test_the_others_start_when_the_first_has_loaded() -> None:
    """What is wrong with the module is said once, not by every process."""
    house = House(3)
    assert started(house.tick()) == [(1, 0)]
    assert started(house.loaded(1)) == [(2, 1), (3, 2)]
    assert not house.state.is_ready
    for number in (1, 2, 3):
        house.ready(number)
    assert house.state.is_ready
    assert alarm(house.tick()) == INF


def test_a_mistake_in_the_command_ends_it_at_once() -> None:
    house = House(3)
    house.tick()
    assert house.exited(1, USAGE) == [Leave(USAGE)]


def test_a_child_that_does_not_start_is_tried_again_ever_later_and_then_given_up() -> None:
    house = House(1)
    house.tick()
    waits: list[float] = []
    for number in range(1, TRIES):
        effects = house.exited(number, 1)
        assert f"process {number} did not start: exit code 1" in said(effects)
        waits.append(alarm(effects) - house.now)
        assert started(house.tick(waits[-1])) == [(number + 1, 0)]
    assert waits == [500.0, 1_000.0, 2_000.0, 4_000.0]
    effects = house.exited(TRIES, -signal.SIGSEGV)
    assert "no worker process starts: 5 tries, the last ended with SIGSEGV" in said(effects)
    assert effects[-1] == Leave(1)


def test_it_does_not_give_up_because_jobs_end_their_processes() -> None:
    """Each had started well; the next follows ever later, and a start that fails then is the first."""
    house = House(1).opened()
    waits: list[float] = []
    for number in range(1, 2 * TRIES):
        effects = house.exited(number, -signal.SIGSEGV)
        waits.append(alarm(effects) - house.now)
        assert started(house.tick(waits[-1])) == [(number + 1, 0)]
        house.ready(number + 1)
    assert waits[:3] == [500.0, 1_000.0, 2_000.0]
    assert waits[-1] == supervision.LONGEST_WAIT_MS
    house.exited(2 * TRIES, -signal.SIGSEGV)
    for number in range(2 * TRIES + 1, 3 * TRIES + 1):
        assert house.state.code is None
        house.tick(supervision.LONGEST_WAIT_MS)
        effects = house.exited(number, 1)
    assert "no worker process starts: 5 tries" in said(effects)
    assert effects[-1] == Leave(1)


def test_it_does_not_give_up_while_another_works() -> None:
    house = House(2).opened()
    number = 2
    for _ in range(2_000):
        effects = house.exited(number, 1)
        ((number, _),) = started(house.tick(alarm(effects) - house.now))
    assert alarm(house.exited(number, 1)) - house.now == supervision.LONGEST_WAIT_MS


def test_one_that_worked_for_a_while_is_followed_at_once() -> None:
    house = House(2).opened()
    house.tick(STEADY_MS)
    effects = house.exited(2, -SIGKILL)
    assert started(effects) == [(3, 1)]
    assert "process 2 died (SIGKILL); its jobs are taken back" in said(effects)


def test_one_that_left_for_good_is_not_followed() -> None:
    """It was drained through the store, or its burst is over."""
    house = House(2).opened()
    assert started(house.exited(1, 0)) == []
    assert alarm(house.tick()) == INF
    assert house.state.is_ready
    assert house.exited(2, 0)[-1] == Leave(0)


def test_stopping_tells_all_and_kills_what_does_not_leave() -> None:
    house = House(2).opened()
    effects = house.stop()
    assert told(effects) == [(1, SIGTERM), (2, SIGTERM)]
    assert alarm(effects) == house.now + GRACE_MS + LAST_CALL_MS
    house.exited(1, 0)
    assert told(house.tick(GRACE_MS + LAST_CALL_MS)) == [(2, SIGKILL)]
    assert house.exited(2, -SIGKILL)[-1] == Leave(0)


def test_stopping_twice_means_at_once() -> None:
    house = House(2).opened()
    house.stop()
    effects = house.stop()
    # Not the same number: two alike that are not heard yet are one.
    assert told(effects) == [(1, signal.SIGINT), (2, signal.SIGINT)]
    assert alarm(effects) == house.now + LAST_CALL_MS


def test_one_that_is_to_leave_leaves_whatever_it_says_meanwhile() -> None:
    house = House(1).opened()
    house.stop()
    assert told(house.ready(1)) == []
    (child,) = house.state.children
    assert child.phase == "leaving"
    assert started(house.replace()) == []
    assert house.exited(1, 0)[-1] == Leave(0)


def test_one_that_starts_when_all_are_to_stop_is_stopped_too() -> None:
    house = House(2)
    house.tick()
    house.loaded(1)
    assert told(house.stop()) == [(1, SIGTERM), (2, SIGTERM)]
    assert started(house.exited(2, -SIGTERM)) == []
    assert house.exited(1, 0)[-1] == Leave(0)


def test_replacing_goes_one_by_one_and_leaves_no_gap() -> None:
    house = House(2).opened()
    assert started(house.replace()) == [(3, 0)]
    assert told(house.loaded(3)) == []
    assert told(house.ready(3)) == [(1, SIGTERM)]
    assert started(house.tick()) == []
    assert started(house.exited(1, 0)) == [(4, 1)]
    house.ready(4)
    house.exited(2, 0)
    assert sorted(one.number for one in house.state.children) == [3, 4]
    assert (house.state.waiting, house.state.successor) == ((), None)


def test_the_old_one_is_told_to_leave_when_the_new_one_is_ready() -> None:
    house = House(1).opened()
    house.replace(1)
    house.loaded(2)
    assert told(house.send(Told(house.now, 2, "ready"))) == [(1, SIGTERM)]
    assert told(house.tick(GRACE_MS + LAST_CALL_MS)) == [(1, SIGKILL)]


def test_what_does_not_start_replaces_nothing() -> None:
    house = House(2).opened()
    house.replace()
    effects = house.exited(3, 2)
    assert "the new process 3 did not start: exit code 2; the old ones go on" in said(effects)
    assert told(effects) == started(effects) == []
    assert started(house.replace()) == [(4, 0)]


def test_a_successor_drained_while_it_starts_replaces_nothing_and_is_no_fault() -> None:
    house = House(1)
    house.tick()
    house.ready(1)
    house.replace(1)
    effects = house.exited(2, 0)
    assert said(effects) == ""
    assert (house.state.waiting, house.state.successor) == ((), None)
    assert [one.number for one in house.state.children] == [1]


def test_signals_without_a_name_are_said_by_number() -> None:
    assert exits.signal_name(9) == "SIGKILL"
    assert exits.signal_name(150) == "signal 150"


def test_asking_twice_to_be_replaced_is_asking_once() -> None:
    house = House(2).opened()
    house.replace(2)
    assert house.replace(2)[:-1] == []
    assert house.state.waiting == (2,)


def test_a_successor_that_is_to_be_replaced_too_waits_its_turn() -> None:
    """It may have loaded the code before the change it is to be replaced for."""
    house = House(1).opened()
    house.replace(1)
    house.ready(2)
    assert started(house.replace()) == []
    assert started(house.exited(1, 0)) == [(3, 0)]
    assert told(house.ready(3)) == [(2, SIGTERM)]


def test_a_child_that_dies_while_its_successor_starts_is_succeeded() -> None:
    house = House(1).opened()
    house.replace(1)
    effects = house.exited(1, -SIGKILL)
    assert started(effects) == []
    house.ready(2)
    assert [one.number for one in house.state.children] == [2]
    assert (house.state.waiting, house.state.successor) == ((), None)


def test_quiet_reaches_those_that_hear_and_those_that_come() -> None:
    house = House(2)
    house.tick()
    house.loaded(1)
    assert told(house.send(Quiet(house.now))) == [(1, SIGTSTP)]
    assert told(house.loaded(2)) == [(2, SIGTSTP)]
    house.send(Quiet(house.now, quiet=False))
    house.replace(1)
    assert told(house.loaded(3)) == []


def test_somebody_at_work_on_the_code_is_waited_for() -> None:
    house = House(2, waits=True)
    house.tick()
    effects = house.exited(1, 2)
    assert "waiting for a change" in said(effects)
    assert alarm(effects) == INF
    assert started(house.replace()) == [(2, 0)]
    assert started(house.ready(2)) == []
    assert sorted(one.number for one in house.state.children) == [2, 3]


EVENTS = ("tick", "loaded", "ready", "die", "left", "fail", "replace", "one", "quiet", "hangup")


@settings(deadline=None)
@given(
    processes=st.integers(1, 4),
    script=st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 7)), max_size=80),
)
def test_on_any_day_there_is_one_child_a_slot_and_all_leave_in_the_end(
    processes: int, script: list[tuple[str, int]]
) -> None:
    house = House(processes)
    house.tick()
    for word, place in script:
        if house.state.code is not None:
            return
        happen(house, word, place)
        serving = [one.slot for one in house.state.children if one.phase != "leaving"]
        assert len(serving) <= processes + 1
        assert len(set(serving)) >= len(serving) - 1
        number = house.state.successor
        assert number is None or house.state.child(number) is not None
    house.stop()
    house.tick(2 * GRACE_MS)
    for child in house.state.children:
        house.exited(child.number, 0)
    assert house.state.code is not None
    assert not house.state.children


def happen(house: House, word: str, place: int) -> None:
    """One thing that may happen to one of the children."""
    children = house.state.children
    number = children[place % len(children)].number if children else 99
    match word:
        case "tick":
            house.tick(place * 1_000.0)
        case "loaded":
            house.loaded(number)
        case "ready":
            house.ready(number)
        case "die":
            house.exited(number, -SIGKILL)
        case "left":
            house.exited(number, 0)
        case "fail":
            house.exited(number, 1)
        case "replace":
            house.replace()
        case "one":
            house.replace(number)
        case "quiet":
            house.send(Quiet(house.now, quiet=place > 3))
        case _:
            house.stop()
