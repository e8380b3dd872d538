"""Every order in which two actors can take up to four steps each, on the real stores.

What belongs here: scripts of actors, and all interleavings of any two. What does not: random
operations (`test_agreement`). Each operation is one atomic step, so the orders of steps are all
there is; the replies and what can be seen afterwards are as the model says.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from itertools import combinations, combinations_with_replacement
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from msgspec import Struct

from boundary.jobs.core import model
from boundary.jobs.core.operations import (
    Cancel,
    Claim,
    Claimed,
    Delete,
    Depart,
    Enqueue,
    Find,
    Fire,
    Heartbeat,
    Inherit,
    Operation,
    Outcome,
    Peek,
    PutSchedule,
    Reclaim,
    RemoveSchedule,
    Retry,
    Schedule,
    Settle,
    SettleAndClaim,
    Settling,
    Stats,
)
from boundary.jobs.core.wire import NewJob
from boundary.jobs.ports import Backend
from boundary.jobs.shell.adapters.redis import RedisStore
from boundary.jobs.shell.adapters.sqlite import SqliteStore
from boundary.jobs.shell.settings import RedisSettings
from boundary.jobs.testing import FakeClock
from tests.model.test_agreement import seen

LEASE = 1_000
STEPS = 4
DAY = 86_400_000


class Pass(Struct, frozen=True):
    """Time passes (ms)."""

    ms: int


Script: TypeAlias = Generator[Operation[Any] | Pass, Any, None]


class Scene(Struct, frozen=True):
    """What one pair of actors works on: two jobs of a queue of their own.

    Attributes:
        number: No other scene has it.
        now: The store's time when it begins.
    """

    number: int
    now: int

    @property
    def queue(self) -> str:
        """Where the jobs wait."""
        return f"q{self.number}"

    @property
    def ids(self) -> tuple[bytes, bytes]:
        """Of the two jobs."""
        return (self.number * 4).to_bytes(16, "big"), (self.number * 4 + 1).to_bytes(16, "big")

    def job(self, id: bytes) -> NewJob:
        """A job of this scene."""
        return NewJob(id, "send", self.queue, 2, b"payload")

    def claim(self, worker: str, slots: int = 1) -> Claim:
        """A claim on the queue, by a worker that becomes known."""
        return Claim(f"{worker}{self.number}", (self.queue,), slots, LEASE, join=True)


def settle(claim: Claim, claimed: Claimed, event: Settling, delay_ms: int = 0) -> Settle:
    """The outcome of all it brought."""
    return Settle(
        claim.worker,
        tuple(
            Outcome(one.id, one.token, event, b"", 1, delay_ms, DAY, 2.0) for one in claimed.jobs
        ),
    )


def runs(scene: Scene, me: str) -> Script:
    """A worker that completes one job after another."""
    claim = scene.claim(me)
    first = yield claim
    yield settle(claim, first, "succeed")
    second = yield claim
    yield settle(claim, second, "fail", 10)


def exchanges(scene: Scene, me: str) -> Script:
    """A worker that hands in and claims in one step."""
    claim = scene.claim(me)
    first = yield claim
    _, second = yield SettleAndClaim(settle(claim, first, "snooze", 5), claim)
    yield Pass(10)
    yield SettleAndClaim(settle(claim, second, "exhaust"), claim)


def sleeps(scene: Scene, me: str) -> Script:
    """A worker that misses the end of its lease, and says what it has all the same."""
    claim = scene.claim(me, 2)
    claimed = yield claim
    yield Pass(LEASE)
    yield settle(claim, claimed, "succeed")
    yield Heartbeat(claim.worker, LEASE, b"")


def sweeps(scene: Scene, me: str) -> Script:
    """A worker that takes back, and leaves."""
    claim = scene.claim(me, 2)
    yield Reclaim(2, DAY)
    claimed = yield claim
    yield settle(claim, claimed, "release")
    yield Depart(claim.worker, DAY)


def goes_on(scene: Scene, me: str) -> Script:
    """A worker that goes on under another name, with one of its jobs."""
    claim = scene.claim(me, 2)
    claimed = yield claim
    heir = f"heir-{claim.worker}"
    known = tuple((one.id, one.token) for one in claimed.jobs[:1])
    yield Inherit(claim.worker, heir, known, LEASE, b"", DAY)
    yield settle(claim, claimed, "succeed")
    yield Settle(heir, settle(claim, claimed, "succeed").outcomes)


def operates(scene: Scene, me: str) -> Script:
    """An operator."""
    first, second = scene.ids
    yield Cancel((first,), DAY)
    yield Retry((first, second))
    yield Delete((second,))
    yield Enqueue((scene.job(second),))


def ticks(scene: Scene, me: str) -> Script:
    """A worker that keeps a schedule, and tries a tick twice."""
    name = f"s{scene.number}"
    at, job = scene.now, scene.job((scene.number * 4 + 2).to_bytes(16, "big"))
    yield PutSchedule(Schedule(name, "send", scene.queue, 1, b"", at, None, 500))
    yield Fire(name, at, at + 500, job)
    yield Fire(name, at, at + 500, job)
    yield RemoveSchedule(name)


SCRIPTS: tuple[Callable[[Scene, str], Script], ...] = (
    runs,
    exchanges,
    sleeps,
    sweeps,
    goes_on,
    operates,
    ticks,
)


class Stage:
    """A store and the model beside it, through all scenes."""

    def __init__(self, backend: Backend, clock: FakeClock) -> None:
        self.backend = backend
        self.clock = clock
        self.state = model.State()
        self.scenes = 0

    def agree(self, operation: Operation[Any]) -> Any:
        """The reply, which is the model's too."""
        reply = self.backend.execute(operation)
        self.state, expected = model.step(self.state, operation, self.clock.now())
        assert seen(reply) == seen(expected), operation
        return expected

    def play(self, pair: tuple[Callable[[Scene, str], Script], ...], order: frozenset[int]) -> None:
        """One scene, the steps in `order` being the first actor's."""
        self.scenes += 1
        scene = Scene(self.scenes, self.clock.now())
        self.agree(Enqueue(tuple(scene.job(id) for id in scene.ids)))
        actors = [script(scene, name) for script, name in zip(pair, "ab", strict=True)]
        wanted = [next(actor) for actor in actors]
        for turn in range(2 * STEPS):
            who = 0 if turn in order else 1
            wanted[who] = self._take(actors[who], wanted[who])
        self._look(scene)
        self._clear(scene)

    def _take(self, actor: Script, step: Operation[Any] | Pass) -> Any:
        if isinstance(step, Pass):
            self.clock.advance(step.ms / 1000)
            reply = None
        else:
            reply = self.agree(step)
        try:
            return actor.send(reply)
        except StopIteration:
            return None

    def _look(self, scene: Scene) -> None:
        self.agree(Find(scene.ids))
        self.agree(Peek(scene.queue, 10))
        self.agree(Stats())

    def _clear(self, scene: Scene) -> None:
        """Nothing of it is in the next one's way."""
        self.agree(Delete((*scene.ids, (scene.number * 4 + 2).to_bytes(16, "big"))))
        for name in (f"a{scene.number}", f"b{scene.number}"):
            self.agree(Depart(name, DAY))
            self.agree(Depart(f"heir-{name}", DAY))


@pytest.fixture(params=["sqlite", "redis"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    clock = FakeClock()
    if request.param == "sqlite":
        backend = SqliteStore(tmp_path / "jobs.db", clock=clock).blocking()
    else:
        url = request.getfixturevalue("redis_url")
        settings = RedisSettings(timeout=10_000)
        backend = RedisStore.of(url, settings, namespace="scenes", clock=clock).blocking()
    yield Stage(backend, clock)
    backend.close()


ORDERS = [frozenset(places) for places in combinations(range(2 * STEPS), STEPS)]
"""All 70."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "pair",
    list(combinations_with_replacement(SCRIPTS, 2)),
    ids=lambda pair: "-".join(script.__name__ for script in pair),
)
def test_every_order_of_two_actors_agrees_with_the_model(
    stage: Stage, pair: tuple[Callable[[Scene, str], Script], ...]
) -> None:
    for order in ORDERS:
        stage.play(pair, order)
    assert stage.scenes == 70
