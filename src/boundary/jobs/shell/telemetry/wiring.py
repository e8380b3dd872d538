"""Who takes note of one worker's shift.

What belongs here: putting the subscribers of a worker together, as its settings and its program
want them. What does not: what each does.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from boundary.jobs.core.happenings import Ended
from boundary.jobs.shell.telemetry import tracing
from boundary.jobs.shell.telemetry.announcing import Announcer
from boundary.jobs.shell.telemetry.hooks import Hooks
from boundary.jobs.shell.telemetry.journal import Journal
from boundary.jobs.shell.telemetry.measuring import Measured
from boundary.jobs.shell.telemetry.stream import Stream, Subscriber

if TYPE_CHECKING:
    from collections.abc import Sequence

    from boundary.jobs.core.happenings import Happening
    from boundary.jobs.core.operations import Outcome
    from boundary.jobs.core.wire import Millis, Record
    from boundary.jobs.ports import AsyncBackend
    from boundary.jobs.shell.telemetry.health import Health


class Telemetry:
    """The stream of one shift, and what it needs of the worker.

    Args:
        backend: The store.
        subscribers: The program's own, which get what handlers raised.
        health: The health port, if there is one.

    Attributes:
        backend: The same store; measured if anybody wants to know.
        errors: What handlers raised, by the id of the job, until it is told; None: nobody wants it.
    """

    def __init__(
        self,
        backend: AsyncBackend,
        subscribers: Sequence[Subscriber] = (),
        health: Health | None = None,
    ) -> None:
        self._health = health
        self._subscribers = subscribers
        self._announcer = Announcer(backend)
        stream = Stream((Journal(), self._announcer, *subscribers))
        self.backend: AsyncBackend = backend
        if health is not None:
            stream.subscribe(health.meter)
            self.backend = Measured(backend, stream.tell)
        self._stream = stream
        self.errors: dict[bytes, BaseException] | None = {} if subscribers else None

    def watched(self, said: bool) -> None:
        """The store says whether somebody follows events."""
        self._announcer.watched = said

    def contact(self) -> None:
        """The store took an outcome or a heartbeat. From any thread."""
        if self._health is not None:
            self._health.vitals.contact()

    def claimed(self, *, taken: bool) -> None:
        """The store took a claim, or failed to."""
        if self._health is not None:
            vitals = self._health.vitals
            vitals.claim_succeeded() if taken else vitals.claim_failed()

    def tell(self, happening: Happening) -> None:
        """It happened."""
        self._stream.tell(happening)

    def ended(
        self,
        at: Millis,
        worker: str,
        runs: Sequence[tuple[Record, Outcome]],
        accepted: tuple[bool, ...],
    ) -> None:
        """These runs ended, with what their handlers raised."""
        raised: dict[bytes, BaseException] = {}
        if self.errors:
            for record, _ in runs:
                if (error := self.errors.pop(record.id, None)) is not None:
                    raised[record.id] = error
        self._stream.tell(Ended(at, worker, tuple(runs), accepted, raised))

    def processing(self) -> tracing.Processing | None:
        """What makes spans of runs; None: the program has set up no tracing."""
        tracer = tracing.tracer()
        return None if tracer is None else tracing.Processing(tracer)

    async def flush(self, seconds: float) -> None:
        """What was told so far has arrived, or is given up."""
        await self._announcer.flush(seconds)
        for one in self._subscribers:
            if isinstance(one, Hooks):
                await asyncio.to_thread(one.flush, seconds)
