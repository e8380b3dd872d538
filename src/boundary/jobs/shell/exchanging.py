"""A worker's calls of the store that hand in outcomes and claim jobs.

What belongs here: one such call and its answer, or none; what is on its way meanwhile; the claim an
idle worker leaves with the store. What does not: when one is wanted (`core.dispatcher`), what happens
to the jobs that came in (`intake`).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from msgspec.structs import replace

from boundary.jobs.core import dispatcher
from boundary.jobs.core.dispatcher import Exchange, Failed
from boundary.jobs.core.operations import (
    BATCH,
    Claim,
    Settle,
    SettleAndClaim,
)
from boundary.jobs.errors import BackendError, BackendUnavailable
from boundary.jobs.shell.attempts import back_off

if TYPE_CHECKING:
    from boundary.jobs.core.operations import Claimed, Outcome, Settled
    from boundary.jobs.core.wire import Record
    from boundary.jobs.shell.clock import StoreClock
    from boundary.jobs.shell.executor import Executor
    from boundary.jobs.shell.intake import Intake
    from boundary.jobs.shell.membership import Membership
    from boundary.jobs.shell.post import Post
    from boundary.jobs.shell.reports import Reports
    from boundary.jobs.shell.telemetry.wiring import Telemetry
    from boundary.jobs.shell.turning import Turns

log: logging.Logger = logging.getLogger("boundary.jobs")

LONGEST_EAR = 2.0
"""Seconds an idle worker relies on being told: a connection that died tells nothing."""

PASSED_OVER = 0.05
"""Seconds until a worker with a queue that is full listens again after it heard of nothing else."""


class Exchanging:
    """Outcomes out, jobs in."""

    def __init__(
        self,
        post: Post,
        turns: Turns,
        membership: Membership,
        executor: Executor,
        intake: Intake,
        reports: Reports,
        telemetry: Telemetry,
        clock: StoreClock,
    ) -> None:
        self._post = post
        self._turns = turns
        self._membership = membership
        self._executor = executor
        self._intake = intake
        self._reports = reports
        self._telemetry = telemetry
        self._backend = telemetry.backend
        self._clock = clock
        self._handing_in: set[tuple[bytes, int]] = set()
        self._unsure: set[bytes] = set()

    async def exchange(self, effect: Exchange) -> None:
        """One round trip: outcomes out, jobs in."""
        if self._turns.state.nameless:
            self._intake.arrived(effect)  # it was thought of under the name that is lost
            return
        mine, losses = self._membership.name, self._membership.losses
        done = self._executor.collect(BATCH)
        ids = {record.id for record, _ in done}
        handing_in = {(record.id, record.token) for record, _ in done}
        self._handing_in |= handing_in
        try:
            await self._reports.flush(ids)
            settled, claimed = await self._ask(mine, [one for _, one in done], effect)
        except BackendError as error:
            if effect.claiming:
                self._telemetry.claimed(taken=False)
            self._executor.put_back(done)
            self._handing_in -= handing_in
            if isinstance(error, BackendUnavailable) and not self._post.setup.burst:
                self._unsure |= ids
                await self._membership.go_on_as_heir(mine, error, self._known)
            else:
                log.warning("the store failed, trying again: %s", error)
            self._failed(effect, error)
            return
        async with self._membership.moving:
            # The store may have moved already while this worker waits to hear of it.
            self._handing_in -= handing_in
            if settled is not None:
                self._clock.said(settled.now)
                if mine != self._membership.name and losses == self._membership.losses:
                    done, settled = self._once_more(done, settled)
                self._tell_ended(mine, done, settled)
            if claimed is None:
                self._intake.arrived(effect)
            else:
                await self._intake.take_in(mine, effect, claimed)

    async def _ask(
        self, mine: str, outcomes: list[Outcome], effect: Exchange
    ) -> tuple[Settled | None, Claimed | None]:
        settle = Settle(mine, tuple(outcomes)) if outcomes else None
        claim = self._claim(mine, effect) if effect.claiming else None
        if settle is not None and claim is not None:
            return await self._backend.execute(SettleAndClaim(settle, claim))
        if settle is not None:
            return await self._backend.execute(settle), None
        if claim is not None:
            return None, await self._backend.execute(claim)
        return None, None

    def _claim(self, mine: str, effect: Exchange) -> Claim:
        settings = self._post.settings
        return Claim(
            worker=mine,
            queues=effect.queues,
            slots=effect.slots,
            lease_ms=settings.workers.lease,
            ahead=effect.ahead,
            limits=effect.limits,
            promote=BATCH if settings.scheduled_processor.enabled else 0,
        )

    def _failed(self, effect: Exchange, error: BackendError) -> None:
        if self._post.setup.burst:
            self._turns.give_up(error)
        else:
            self._turns.tell(Failed(self._turns.now(), effect, self._post.clock.u()))

    def _known(self) -> tuple[tuple[bytes, int], ...]:
        held = ((record.id, record.token) for record in self._executor.held)
        # What another exchange hands in just now is this worker's too.
        return (*held, *sorted(self._handing_in))

    # What became of outcomes

    def _once_more(
        self, done: list[tuple[Record, Outcome]], settled: Settled
    ) -> tuple[list[tuple[Record, Outcome]], Settled]:
        """What was refused because this worker goes on as its heir, its heir hands in again."""
        rows = list(zip(done, settled.accepted, strict=True))
        self._executor.put_back([one for one, accepted in rows if not accepted])
        taken = [one for one, accepted in rows if accepted]
        return taken, replace(settled, accepted=(True,) * len(taken))

    def _tell_ended(self, mine: str, done: list[tuple[Record, Outcome]], settled: Settled) -> None:
        self._telemetry.watched(settled.watched)
        self._telemetry.contact()
        self._telemetry.ended(settled.now, mine, done, self._taken(done, settled))

    def _taken(self, done: list[tuple[Record, Outcome]], settled: Settled) -> tuple[bool, ...]:
        """Which outcomes took effect; one that was sent before, and no answer came, may have."""
        if not self._unsure:
            return settled.accepted
        taken = [
            accepted or record.id in self._unsure
            for (record, _), accepted in zip(done, settled.accepted, strict=True)
        ]
        self._unsure.difference_update(record.id for record, _ in done)
        return tuple(taken)

    # Waiting to be told

    async def hear(self) -> None:
        """While idle, wait for work and claim it when it comes; without end."""
        failures = 0
        while True:
            await self._turns.idle.wait()
            effect = dispatcher.idle_claim(self._turns.state, self._post.clock.u())
            if effect is None:
                self._turns.idle.clear()
                continue
            mine = self._membership.name
            try:
                claim = self._claim(mine, effect)
                claimed = await self._backend.claim_when_told(claim, LONGEST_EAR)
            except BackendError as error:
                self._telemetry.claimed(taken=False)
                await self._membership.go_on_as_heir(mine, error, self._known)
                await back_off(failures, self._post.clock.u())
                failures += 1
                continue
            failures = 0
            if claimed is not None:
                await self._take_what_was_told_of(mine, effect, claimed)

    async def _take_what_was_told_of(self, mine: str, effect: Exchange, claimed: Claimed) -> None:
        async with self._membership.moving:
            await self._intake.take_in(mine, effect, claimed)
        await asyncio.sleep(0)  # they begin, and are counted, before it listens again
        if not claimed.jobs and any(room == 0 for _, room in effect.limits):
            # The notice may be of a queue that is full here: leave it to others a while.
            await asyncio.sleep(PASSED_OVER)
