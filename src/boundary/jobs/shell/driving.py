"""The two drivers of flows: one that blocks, one for an event loop.

What belongs here: taking a flow's steps. What does not: a flow.
"""

from __future__ import annotations

import contextlib
import os
from threading import get_ident
from typing import TYPE_CHECKING, Any, TypeVar

from boundary.jobs.errors import BackendError, UsageError
from boundary.jobs.shell.flows import Flow, Here, Listen, Tell, Wait

if TYPE_CHECKING:
    from boundary.jobs.core.operations import Announce, Operation
    from boundary.jobs.ports import AsyncBackend, AsyncListener, Backend, Listener
    from boundary.jobs.shell.telemetry.stream import Voice

R = TypeVar("R")

_calling: set[tuple[int, int]] = set()
"""Threads, and what each calls; in a forked child there is but the thread that forked."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_calling.clear)


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
                    reply = _execute(step, backend)
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


def _execute(operation: Operation[R], backend: Backend) -> R:
    """The reply. A signal's handler interrupts its thread anywhere: it cannot wait for that itself.

    Raises:
        UsageError: It interrupted such a call.
    """
    if isinstance(operation, Here):
        reply: R = backend.execute(operation)
        return reply
    call = get_ident(), id(backend)
    if call in _calling:
        raise UsageError(
            "the handler of a signal interrupted a call to the store and made another, which "
            "would wait for the first for ever; nothing was done. Let the handler set a flag, or "
            "start a thread that makes the call"
        )
    _calling.add(call)
    try:
        return backend.execute(operation)
    finally:
        _calling.discard(call)


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
