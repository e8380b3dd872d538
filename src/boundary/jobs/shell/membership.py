"""One worker as its store knows it: its name and its lease.

What belongs here: joining, heartbeats and what comes back with them, going on under another name (as
heir, or anew after its jobs were lost), watching its own lease, leaving. What does not: taking the
steps of the heartbeats (`pulse`), which jobs it holds (`executor`, `exchanging`).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from typing import TYPE_CHECKING

from msgspec.structs import replace

from boundary.jobs.core.dispatcher import Disowned, Joined
from boundary.jobs.core.operations import Depart, Heartbeat, Inherit
from boundary.jobs.errors import BackendError
from boundary.jobs.shell import schedule_flows
from boundary.jobs.shell.attempts import attempt, back_off
from boundary.jobs.shell.driving import drive_async
from boundary.jobs.shell.pulse import Heart, describe_worker
from boundary.jobs.shell.telemetry.stream import Voice

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from boundary.jobs.core.operations import Beat
    from boundary.jobs.core.stats import WorkerPhase
    from boundary.jobs.shell.post import Post
    from boundary.jobs.shell.telemetry.wiring import Telemetry
    from boundary.jobs.shell.turning import Turns

log: logging.Logger = logging.getLogger("boundary.jobs")


class Membership:
    """Under which name the store knows this worker, and until when.

    Args:
        asked: Called with each heartbeat's answer while the store knows this worker: what it is
            asked to do.

    Attributes:
        name: Its incarnation. Another one whenever it goes on as heir, or its lease is lost.
        losses: How often its lease was lost. As long as that stays the same, the one who went by
            an earlier name holds its jobs still.
        moving: Held while it moves to another name, and while what came in under one begins: a
            move that does not know of these jobs would give them back.
    """

    def __init__(
        self, post: Post, turns: Turns, telemetry: Telemetry, asked: Callable[[Beat], None]
    ) -> None:
        self.name: str = post.surroundings.incarnation()
        self.losses: int = 0
        self.moving: asyncio.Lock = asyncio.Lock()
        self._post = post
        self._turns = turns
        self._telemetry = telemetry
        self._backend = telemetry.backend
        self._asked = asked
        self._began = post.clock.now()
        self._lease = post.settings.workers.lease / 1000
        self._lease_alarm: asyncio.TimerHandle | None = None
        self._heart = Heart(
            # One under a new name may overtake the call that tells the store of it.
            beat=lambda: self._heartbeat(join=turns.state.nameless),
            lease=self._lease,
            now=post.surroundings.monotonic,
            heard=self._beaten,
        )

    # Joining and leaving

    async def join(self) -> None:
        """The store knows this worker, and the schedules declared in code.

        Raises:
            BackendError: In a burst, the store cannot be used. Otherwise that is waited out.
        """
        for failures in itertools.count():
            try:
                beat = await self._backend.execute(self._heartbeat(join=True))
                self._telemetry.watched(beat.watched)
                self._telemetry.contact()
                await self._declare()
                return
            except BackendError as error:
                if self._post.setup.burst:
                    raise
                log.warning("waiting for the store: %s", error)
                await self._back_off(failures)

    async def _declare(self) -> None:
        registry = self._post.registry
        if not registry.declared:
            return
        declaring = schedule_flows.declare(registry.schedules)
        for one in await drive_async(declaring, self._backend, Voice()):
            if one.origin == "edited":
                log.info("schedule %s stands as it was edited, not as the code says", one.name)
            if one.paused:
                log.info("schedule %s is paused", one.name)

    async def depart(self, name: str) -> None:
        """The store forgets who goes by this name, and their jobs go back: now, or by the lease."""
        await attempt(self._backend, self._departure(name))

    def let_go(self) -> None:
        """The same of the name there is; blocks, from any thread.

        Raises:
            BackendError: The store cannot be used.
        """
        with contextlib.closing(self._post.store.blocking()) as backend:
            backend.execute(self._departure(self.name))

    def _departure(self, name: str) -> Depart:
        return Depart(name, self._post.keep.finished)

    # Its lease

    @contextlib.contextmanager
    def renewing(self) -> Generator[None]:
        """While the context lasts, the lease is renewed, also while the loop is blocked.

        If it cannot be, the dispatcher hears of it in time.
        """
        with self._post.surroundings.pulse(self._post.store, self._heart.beats()):
            self._watch_lease()
            try:
                yield
            finally:
                if self._lease_alarm is not None:
                    self._lease_alarm.cancel()

    async def say_how_it_is(self) -> None:
        """Whoever looks at the workers sees at once what became of an order."""
        await attempt(self._backend, self._heartbeat())

    def _heartbeat(self, *, join: bool = False) -> Heartbeat:
        return Heartbeat(self.name, self._post.settings.workers.lease, self._info(), join)

    def _info(self) -> bytes:
        return describe_worker(
            replace(self._post.setup, concurrency=self._turns.state.slots),
            self._post.registry.handlers,
            began=self._began,
            phase=self._phase(),
            schedules=self._post.registry.declared,
        )

    def _phase(self) -> WorkerPhase:
        state = self._turns.state
        if state.phase != "running":
            return "draining"
        return "quiet" if state.quiet else "running"

    def _beaten(self, mine: str, beat: Beat) -> None:
        """In the pulse's thread, which the event loop cannot hold up."""
        self._telemetry.contact()
        self._turns.from_thread(self._heard)(mine, beat)

    def _heard(self, mine: str, beat: Beat) -> None:
        if mine != self.name:
            return
        self._telemetry.watched(beat.watched)
        if beat.alive:
            self._asked(beat)
        elif not self.moving.locked() and not self._turns.state.nameless:
            self._turns.tell(Disowned(self._turns.now()))

    def _watch_lease(self) -> None:
        """Jobs are stopped before their lease ends, also while the store does not answer at all.

        On the loop: a heartbeat that waits for its answer cannot say so in time.
        """
        left = self._heart.left(self.name)
        if left <= 0 and not self._turns.state.nameless:
            self._turns.tell(Disowned(self._turns.now()))
        loop = asyncio.get_running_loop()
        self._lease_alarm = loop.call_later(max(left, self._lease / 20), self._watch_lease)

    # Another name

    def begin_anew(self) -> None:
        """It goes by a new name, whose jobs are not those of any before; the store is told soon."""
        self.losses += 1
        self.name = self._post.surroundings.incarnation()
        self._turns.spawn(self._rejoin(self.name))

    async def _rejoin(self, mine: str) -> None:
        failures = itertools.count()
        while mine == self.name:
            if await attempt(self._backend, self._heartbeat(join=True)) is not None:
                self._turns.tell(Joined(self._turns.now()))
                return
            await self._back_off(next(failures))

    async def go_on_as_heir(
        self,
        mine: str,
        error: BackendError,
        known: Callable[[], tuple[tuple[bytes, int], ...]],
    ) -> None:
        """Whether the last claim took place is not known: what it brought, if it did, goes back.

        Should it take place later still, it is one of a worker nobody knows.

        Args:
            known: The jobs that `mine` holds, with their tokens: the heir's.
        """
        log.warning("the store failed, trying again: %s", error)
        async with self.moving:
            await self._move(mine, known)

    async def _move(self, mine: str, known: Callable[[], tuple[tuple[bytes, int], ...]]) -> None:
        heir = self._post.surroundings.incarnation()
        failures = itertools.count()
        lease, keep = self._post.settings.workers.lease, self._post.keep.finished
        # The first of these calls that takes place begins the heir's lease, answered or not.
        sent = self._post.surroundings.monotonic()
        while mine == self.name:
            moving = Inherit(mine, heir, known(), lease, self._info(), keep)
            beat = await attempt(self._backend, moving)
            if beat is not None:
                break
            await self._back_off(next(failures))
        else:
            return
        if mine == self.name:
            self.name = heir
            self._heart.renewed(heir, sent)
            if not beat.alive:
                self._turns.tell(Disowned(self._turns.now()))
            elif self._turns.state.nameless:
                self._turns.tell(Joined(self._turns.now()))

    async def _back_off(self, failures: int) -> None:
        await back_off(failures, self._post.clock.u())
