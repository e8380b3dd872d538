"""The two drivers of flows: one that blocks, one for an event loop.

What belongs here: taking a flow's steps. What does not: a flow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from boundary.jobs.shell.flows import Flow, Listen, Wait

if TYPE_CHECKING:
    from boundary.jobs.ports import AsyncBackend, AsyncListener, Backend, Listener

R = TypeVar("R")


def drive(flow: Flow[R], backend: Backend) -> R:
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


async def drive_async(flow: Flow[R], backend: AsyncBackend) -> R:
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
