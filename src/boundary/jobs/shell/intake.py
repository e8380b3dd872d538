"""What a claim brought, on its way to the executor.

What belongs here: which of the jobs that came in begin here, which go back unbegun, and what the
dispatcher is told of it. What does not: claiming (`exchanging`), running (`executor`).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from boundary.jobs.core import dispatcher, outcome
from boundary.jobs.core.dispatcher import Arrived, Disowned, Exchange, Returned
from boundary.jobs.core.happenings import Started
from boundary.jobs.core.operations import Settle
from boundary.jobs.shell.attempts import attempt
from boundary.jobs.shell.firing import REFIRE_MS

if TYPE_CHECKING:
    from boundary.jobs.core.operations import Claimed, Outcome
    from boundary.jobs.core.wire import Record
    from boundary.jobs.shell.clock import StoreClock
    from boundary.jobs.shell.executor import Executor
    from boundary.jobs.shell.firing import Firing
    from boundary.jobs.shell.membership import Membership
    from boundary.jobs.shell.post import Post
    from boundary.jobs.shell.telemetry.wiring import Telemetry
    from boundary.jobs.shell.turning import Turns

CROWD_MS = 200
"""How long jobs on their last chance are put off while another of them runs."""


class Intake:
    """Takes in jobs that came under a name, as long as the worker goes by it."""

    def __init__(
        self,
        post: Post,
        turns: Turns,
        membership: Membership,
        executor: Executor,
        firing: Firing,
        telemetry: Telemetry,
        clock: StoreClock,
    ) -> None:
        self._post = post
        self._turns = turns
        self._membership = membership
        self._executor = executor
        self._firing = firing
        self._telemetry = telemetry
        self._backend = telemetry.backend
        self._clock = clock
        self._limited = {queue for queue, _ in post.setup.limits}

    async def take_in(self, mine: str, effect: Exchange, claimed: Claimed) -> None:
        """What came in begins, or goes back: this worker may go by another name by now.

        Nobody moves meanwhile (`Membership.moving`).
        """
        if self._post.setup.burst and claimed.alive:
            # It would leave before they are fired.
            for one in claimed.ticks:
                await self._firing.fire(one)
        jobs = await self._without_crowd(claimed.jobs) if mine == self._membership.name else ()
        if mine == self._membership.name:
            self._begin(effect, claimed, jobs)
            return
        self.arrived(effect)
        if claimed.jobs:
            await self._membership.depart(mine)

    def arrived(
        self, effect: Exchange, jobs: tuple[Record, ...] = (), due_ms: float | None = None
    ) -> None:
        """The dispatcher hears what this exchange brought."""
        leftover = self._executor.waiting > 0
        u, of = self._post.clock.u(), self._of(jobs)
        self._turns.tell(Arrived(self._turns.now(), effect, len(jobs), due_ms, leftover, u, of))

    def returned(self, jobs: tuple[Record, ...]) -> None:
        """The dispatcher hears that these are not begun here."""
        if jobs:
            self._turns.tell(Returned(self._turns.now(), len(jobs), of=self._of(jobs)))

    def stop_cancelled(self, ids: tuple[bytes, ...]) -> None:
        """These jobs are asked to stop; what has not begun does not."""
        if ids:
            self.returned(self._executor.cancel(ids))

    def _of(self, jobs: tuple[Record, ...]) -> tuple[tuple[str, int], ...]:
        """How many jobs are of each queue with a limit."""
        if not self._limited:
            return ()
        return tuple(Counter(one.queue for one in jobs if one.queue in self._limited).items())

    def _begin(self, effect: Exchange, claimed: Claimed, jobs: tuple[Record, ...]) -> None:
        self._clock.said(claimed.now)
        self._telemetry.claimed(taken=True)
        due = None if claimed.next_due is None else float(claimed.next_due - claimed.now)
        if due is not None and claimed.ticks:
            # They are fired below, and then it is noticed. Where that fails, not at once again.
            due = max(due, REFIRE_MS)
        if not claimed.alive:
            self.arrived(effect)
            self._turns.tell(Disowned(self._turns.now()))
            return
        # After a power cut a store may give a job again, under the token it runs under here.
        jobs = tuple([one for one in jobs if not self._executor.goes_on(one)])
        self.returned(self._executor.give_way(jobs))
        if jobs and dispatcher.claims(self._turns.state):
            # They begin before the dispatcher thinks about it, which takes as long as beginning.
            self._telemetry.watched(claimed.watched)
            self._telemetry.tell(Started(claimed.now, self._membership.name, jobs))
            self._executor.add(jobs)
            self.arrived(effect, jobs, due)
        else:
            # Asked to stop, or to be quiet, since it asked: nothing begins any more.
            self.arrived(effect, jobs, due)
            self.returned(self._executor.refuse(jobs))
        self.stop_cancelled(claimed.cancelling)
        for one in () if self._post.setup.burst else claimed.ticks:
            self._turns.spawn(self._firing.fire(one))

    async def _without_crowd(self, jobs: tuple[Record, ...]) -> tuple[Record, ...]:
        """The jobs to run here: of those on their last chance, one at a time.

        The others are back in the store before that one begins, so that its crash is not theirs.
        """
        limit = self._post.settings.workers.max_crashes
        suspects = [one for one in jobs if outcome.on_last_chance(one, limit)]
        spared = suspects if self._executor.has_suspect(limit) else suspects[1:]
        if not spared:
            return jobs
        settle = Settle(self._membership.name, tuple(self._put_off(spared)))
        if await attempt(self._backend, settle) is not None:
            return tuple(one for one in jobs if one not in spared)
        # None of them begins before that is in the store; it is handed in with the next outcomes.
        self._executor.put_back(list(zip(suspects, self._put_off(suspects), strict=True)))
        return tuple(one for one in jobs if one not in suspects)

    def _put_off(self, records: list[Record]) -> list[Outcome]:
        keep = self._post.keep.finished
        return [outcome.released(one, keep, CROWD_MS) for one in records]
