"""The two drivers of flows: one that blocks, one for an event loop.

What belongs here: taking a flow's steps. What does not: a flow.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

from boundary.jobs.errors import BackendError
from boundary.jobs.shell.flows import Flow, Listen, Tell, Wait

if TYPE_CHECKING:
    from boundary.jobs.core.operations import Announce
    from boundary.jobs.ports import AsyncBackend, AsyncListener, Backend, Listener
    from boundary.jobs.shell.telemetry.stream import Voice

R = TypeVar("R")


def drive(flow: Flow[R], backend: Backend, voice: Voice) -> R:
    """The flow's value, its steps taken one after another; blocks."""
    ear: Listener | None = None
    reply: Any
    try:
        step = next(flow)
        while True:
            try:
                if isinstance(step, Listen):
                    reply = ear = backend.listen(step.interest)
                elif isinstance(step, Wait):
                    reply = ear is not None and ear.wait(step.seconds)
                elif isinstance(step, Tell):
                    reply = None
                    if (told := voice.say(step.happening, watched=step.watched)) is not None:
                        _announce(told, backend)
                else:
                    reply = backend.execute(step)
            except BaseException as error:  # noqa: BLE001 - the flow decides
                step = flow.throw(error)
            else:
                step = flow.send(reply)
    except StopIteration as end:
        value: R = end.value
        return value
    finally:
        if ear is not None:
            ear.close()


def _announce(told: Announce, backend: Backend) -> None:
    """Events may get lost; what they tell of has happened all the same."""
    with contextlib.suppress(BackendError):
        backend.execute(told)


async def drive_async(flow: Flow[R], backend: AsyncBackend, voice: Voice) -> R:
    """The flow's value, its steps taken on this loop."""
    ear: AsyncListener | None = None
    reply: Any
    try:
        step = next(flow)
        while True:
            try:
                if isinstance(step, Listen):
                    reply = ear = await backend.listen(step.interest)
                elif isinstance(step, Wait):
                    reply = ear is not None and await ear.wait(step.seconds)
                elif isinstance(step, Tell):
                    reply = None
                    if (told := voice.say(step.happening, watched=step.watched)) is not None:
                        with contextlib.suppress(BackendError):
                            await backend.execute(told)
                else:
                    reply = await backend.execute(step)
            except BaseException as error:  # noqa: BLE001 - the flow decides
                step = flow.throw(error)
            else:
                step = flow.send(reply)
    except StopIteration as end:
        value: R = end.value
        return value
    finally:
        if ear is not None:
            await ear.close()
