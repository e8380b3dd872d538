"""How a case is written once and run on both doors of a store.

What belongs here: the requests a case may make and the two drivers that serve them. What does
not: the cases.

A case is a generator: it yields requests and is sent their replies. What a request raises is
raised in the case.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeAlias, TypeVar

from msgspec import Struct

from boundary.jobs.core.operations import Claim, Interest, Operation, Topic
from boundary.jobs.ports import AsyncBackend, Backend, Store
from boundary.jobs.testing.clock import FakeClock

R = TypeVar("R")

DoorName: TypeAlias = Literal["blocking", "asyncio"]
DOORS: tuple[DoorName, ...] = ("blocking", "asyncio")

LONG, SHORT = 10.0, 0.05
"""Seconds a case waits for what must come, and for what must not."""


class Elsewhere(Struct, frozen=True):
    """Run the operation through another backend of the same store."""

    operation: Operation[Any]


class Listen(Struct, frozen=True):
    """Open a listener; the reply is what the other requests take."""

    interest: Interest


class Wait(Struct, frozen=True):
    """Wait for a notice; the reply says whether one came."""

    listener: Any
    timeout: float


class WaitWhile(Struct, frozen=True):
    """Wait `LONG` for a notice while another backend runs the operation."""

    listener: Any
    operation: Operation[Any]


class WaitAndClose(Struct, frozen=True):
    """Wait `LONG` for a notice while the listener is closed."""

    listener: Any


class ClaimWhenTold(Struct, frozen=True):
    """Claim at the next notice of work, or within `timeout` not at all.

    A blocking door has no such call: there it listens, looks, and waits if there is nothing.
    """

    claim: Claim
    timeout: float


class Watch(Struct, frozen=True):
    """Begin to hear what is announced; the reply is what `Hear` and `Close` take."""


class Hear(Struct, frozen=True):
    """The frames that came in, waiting so long for one."""

    watcher: Any
    timeout: float


class HearAndClose(Struct, frozen=True):
    """Wait `LONG` for frames while the watcher is closed."""

    watcher: Any


class Close(Struct, frozen=True):
    """Close the listener or the watcher."""

    listener: Any


Request: TypeAlias = (
    Operation[Any]
    | Elsewhere
    | Listen
    | Wait
    | WaitWhile
    | WaitAndClose
    | ClaimWhenTold
    | Watch
    | Hear
    | HearAndClose
    | Close
)
Case: TypeAlias = Generator[Request, Any, None]


class Door(Struct, frozen=True):
    """One of the two ways into a store."""

    name: DoorName
    store: Store

    def run(self, case: Case) -> None:
        """Run the case to its end, through backends of its own."""
        if self.name == "blocking":
            _run_blocking(case, self.store)
        else:
            asyncio.run(_run_asyncio(case, self.store))


def on_both_doors(case: Callable[[Any, FakeClock], Case]) -> Callable[[Any, Door, FakeClock], None]:
    """The test that runs a case through the fixture `door`."""

    def test(self: object, door: Door, clock: FakeClock) -> None:
        door.run(case(self, clock))

    test.__name__, test.__doc__ = case.__name__, case.__doc__
    test.__qualname__, test.__module__ = case.__qualname__, case.__module__
    return test


def _run_blocking(case: Case, store: Store) -> None:
    here, there = store.blocking(), store.blocking()
    try:
        request = next(case)
        while True:
            try:
                reply = _serve(request, here, there)
            except Exception as error:
                request = case.throw(error)
            else:
                request = case.send(reply)
    except StopIteration:
        return
    finally:
        here.close()
        there.close()


def _serve(request: Request, here: Backend, there: Backend) -> object:
    match request:
        case Elsewhere(operation):
            return there.execute(operation)
        case Listen(interest):
            return here.listen(interest)
        case Wait(listener, timeout):
            return listener.wait(timeout)
        case WaitWhile(listener, operation):
            return _meanwhile(listener.wait, lambda: there.execute(operation))
        case WaitAndClose(listener):
            return _meanwhile(listener.wait, listener.close)
        case ClaimWhenTold(claim, timeout):
            with here.listen(Interest(Topic.WORK, claim.queues)) as ear:
                claimed = here.execute(claim)
                return here.execute(claim) if not claimed.jobs and ear.wait(timeout) else claimed
        case Watch() | Hear() | HearAndClose():
            return _serve_watcher(request, here)
        case Close(listener):
            return listener.close()
        case _:
            return here.execute(request)


def _serve_watcher(request: Watch | Hear | HearAndClose, here: Backend) -> object:
    match request:
        case Watch():
            return here.watch()
        case Hear(watcher, timeout):
            return watcher.hear(timeout)
        case HearAndClose(watcher):
            return _meanwhile(watcher.hear, watcher.close)


def _meanwhile(wait: Callable[[float], R], act: Callable[[], object]) -> R:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait, LONG)
        act()
        return waiting.result()


async def _run_asyncio(case: Case, store: Store) -> None:
    here, there = store.asynchronous(), store.asynchronous()
    try:
        request = next(case)
        while True:
            try:
                reply = await _serve_asyncio(request, here, there)
            except Exception as error:
                request = case.throw(error)
            else:
                request = case.send(reply)
    except StopIteration:
        return
    finally:
        await here.close()
        await there.close()


async def _serve_asyncio(request: Request, here: AsyncBackend, there: AsyncBackend) -> object:
    match request:
        case Elsewhere(operation):
            return await there.execute(operation)
        case Listen(interest):
            return await here.listen(interest)
        case Wait(listener, timeout):
            return await listener.wait(timeout)
        case WaitWhile(listener, operation):
            waiting = asyncio.create_task(listener.wait(LONG))
            await asyncio.sleep(0)
            await there.execute(operation)
            return await waiting
        case WaitAndClose(listener):
            waiting = asyncio.create_task(listener.wait(LONG))
            await asyncio.sleep(0)
            await listener.close()
            return await waiting
        case ClaimWhenTold(claim, timeout):
            return await here.claim_when_told(claim, timeout)
        case Watch() | Hear() | HearAndClose():
            return await _serve_watcher_asyncio(request, here)
        case Close(listener):
            return await listener.close()
        case _:
            return await here.execute(request)


async def _serve_watcher_asyncio(
    request: Watch | Hear | HearAndClose, here: AsyncBackend
) -> object:
    match request:
        case Watch():
            return await here.watch()
        case Hear(watcher, timeout):
            return await watcher.hear(timeout)
        case HearAndClose(watcher):
            hearing = asyncio.create_task(watcher.hear(LONG))
            await asyncio.sleep(0)
            await watcher.close()
            return await hearing
