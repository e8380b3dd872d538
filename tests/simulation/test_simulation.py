"""Workers in virtual time: nothing is lost whatever befalls them, and bugs made by hand are found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.simulation.gate import CASES, holds, look_for
from tests.simulation.mutations import BUGS
from tests.simulation.plan import Action, JobPlan, draw
from tests.simulation.simulation import Simulation, simulate
from tests.simulation.world import Deadlock, Livelock, Loop, Process, World

ROOT = Path(__file__).parents[2]

SEEDS = 300
"""Those of `make simulate` are ten thousand."""

QUICK = 60
"""Seeds within which the bugs below are found; `make simulate` looks for all, for longer."""


def test_nothing_goes_wrong_in_any_seed() -> None:
    wrong = {}
    for seed in range(SEEDS):
        verdict = simulate(seed).verdict
        if verdict.violations:
            wrong[seed] = str(verdict)
    assert not wrong, f"make replay SEED={next(iter(wrong))} tells the story: {wrong}"


@pytest.mark.parametrize("seed", [3, 17, 41])
def test_a_seed_is_the_same_history_each_time(seed: int) -> None:
    """G14: also in another Python, whose hashes are others."""
    code = f"from tests.simulation.simulation import simulate; print(simulate({seed}).digest)"
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": number, "PYTHONPATH": str(ROOT)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for number in ("0", "1", "4711")
    }
    assert digests == {simulate(seed).digest}
    assert simulate(seed).digest != simulate(seed + 1).digest


def test_a_story_tells_what_happened() -> None:
    lines: list[str] = []
    result = simulate(5, lines.append)
    assert result.digest == simulate(5).digest
    assert any("Claimed(" in line for line in lines)
    assert any("log: " in line for line in lines)
    assert lines[-1] > lines[0]


def test_a_blocking_handler_that_was_cancelled_before_its_thread_began_does_not_begin() -> None:
    script = (
        Action(0.0, "enqueue", JobPlan(0, "blocking", [["ok", 0.0]], {"max_retries": 0})),
        Action(0.05, "cancel", None, 0),
    )
    plan = draw(0)._replace(scripts=(script, ()), restarts=(), stops=(), workers=1)
    plan.mix.over = True
    run = Simulation(plan, None)
    for machine in run.workers:
        machine.chance = Slow()
    verdict = run.result().verdict
    assert not verdict.violations, str(verdict)
    assert "began" not in verdict.counts
    assert run.place.memory.state.jobs[run.ids[0].bytes].status == "cancelled"


class Slow(Random):
    """Chance that lets threads begin late."""

    def random(self) -> float:
        """A tenth of a second and more, of what a busy machine takes."""
        return 0.099


# The simulation itself


def test_the_suite_rejects_a_store_that_settles_without_a_token_check() -> None:
    """A deliberately broken copy, kept so that the suite is known to see it."""
    found = look_for("settle checks neither worker nor token", 100)
    assert found.seeds is not None


@pytest.mark.parametrize("bug", CASES)
def test_a_bug_that_hardly_shows_is_found_by_the_contract(bug: str) -> None:
    assert look_for(bug).violation
    assert holds(CASES[bug])


@pytest.mark.parametrize(
    "bug",
    [
        "a token is not new with each claim",
        "acknowledged before it runs",
        "a delay is forgotten at enqueue",
        "a retry has no budget",
        "a snoozed job waits nowhere",
        "a stop that was asked for is ignored at the end of the run",
        "prune takes what is not finished",
        "promote comes early",
        "reclaim does not look at the lease",
    ],
)
def test_a_bug_made_by_hand_is_found(bug: str) -> None:
    assert look_for(bug, QUICK).seeds is not None


def test_there_are_bugs_enough() -> None:
    assert len(BUGS) >= 20


def test_timers_go_off_in_order_and_time_is_set_to_them() -> None:
    world = World()
    told: list[tuple[str, float]] = []
    for name, seconds in (("late", 0.3), ("soon", 0.1), ("sooner", 0.1)):
        world.after(seconds, lambda name=name: told.append((name, world.now)))
    assert world.run(lambda: len(told) == 3, 1.0)
    assert [name for name, _ in told] == ["soon", "sooner", "late"]
    assert all(now > seconds for (_, now), seconds in zip(told, (0.1, 0.1, 0.3), strict=True))


def test_a_world_in_which_nothing_will_happen_is_a_deadlock() -> None:
    with pytest.raises(Deadlock):
        World().run(lambda: False, 1.0)


def test_a_world_without_end_is_a_livelock() -> None:
    world = World()
    loop = Loop(world, Process(world, "busy"))

    def again() -> None:
        loop.call_soon(again)

    again()
    with pytest.raises(Livelock):
        world.run(lambda: False, 1.0)


def test_a_paused_process_goes_on_where_it_stood_and_a_killed_one_does_not() -> None:
    world = World()
    told: list[tuple[str, float]] = []
    for name in ("paused", "killed"):
        process = Process(world, name)
        process.main.call_later(0.2, lambda name=name: told.append((name, world.now)))
        if name == "paused":
            process.pause(0.5)
        else:
            world.after(0.1, process.kill)
    with pytest.raises(Deadlock):
        world.run(lambda: False, 1.0)
    assert [name for name, _ in told] == ["paused"]
    assert told[0][1] > 0.5
