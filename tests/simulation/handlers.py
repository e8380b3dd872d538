"""The jobs of a simulation: each carries a plan of what its runs do.

What belongs here: the handlers, registered once for all simulations of this Python, and what they
tell of themselves. What does not: which jobs there are (`plan`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from boundary.jobs import Cancel, Context, Discard, Jobs, Retry, Snooze
from tests.proof.history import Began, Ended
from tests.simulation.network import Backend, Place
from tests.simulation.world import Loop, Process

jobs = Jobs("memory://")


class Here(Process):
    """A process of a simulation: it knows the way to the store."""

    place: Place


class Doorway:
    """`ports.Store`: the store of whichever process asks."""

    url = "simulated://"

    def asynchronous(self) -> Backend:
        """A backend of the loop that runs."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Loop)
        return Backend(loop.process.place, loop)  # type: ignore[attr-defined]

    def blocking(self) -> Any:
        """Nobody blocks here."""
        raise NotImplementedError

    def examine(self) -> list[Any]:
        """As `ports.Store.examine`."""
        return []


jobs.store = Doorway()  # type: ignore[misc, assignment]


@jobs.lifespan
@asynccontextmanager
async def _process() -> AsyncIterator[Process]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Loop)
    yield loop.process


def began(ctx: Context) -> None:
    """A run says that it has begun."""
    here: Here = ctx.state
    record = ctx._record
    name = here.place.name(record.id)
    here.place.note(Began(name, record.token, here.name, here.place.stamp(), record.payload))


def ended(ctx: Context, how: str) -> None:
    """A run says how it ends; a dead process says nothing."""
    here: Here = ctx.state
    if here.alive:
        record = ctx._record
        name = here.place.name(record.id)
        here.place.note(Ended(name, record.token, here.name, here.place.stamp(), how))


@jobs.handler
async def task(plan: list[list[Any]], ctx: Context) -> int:
    """Does what the plan has for this run: the first step for the first token, the last for all
    that follow."""
    began(ctx)
    what, seconds = plan[min(ctx.fencing_token, len(plan)) - 1]
    how = "stopped"
    try:
        how = await _act(what, seconds, ctx)
    except asyncio.CancelledError:
        ended(ctx, "stopped")
        raise
    except (Retry, Snooze, Cancel, Discard, ValueError, RuntimeError) as answer:
        ended(ctx, _HOW.get(type(answer).__name__, "fail"))
        raise
    ended(ctx, how)
    return ctx.fencing_token


_HOW = {"Retry": "fail", "Snooze": "snooze", "Cancel": "cancel", "Discard": "discard"}


async def _act(what: str, seconds: float, ctx: Context) -> str:
    here: Here = ctx.state
    if what == "report":
        ctx.progress(0.5)
    if what == "block":
        here.place.fault("block", here.name, seconds)
        here.block(seconds)
        await asyncio.sleep(0)
    elif what == "linger":
        await _linger(seconds, ctx)
    elif seconds:
        await asyncio.sleep(seconds)
    if what == "die":
        never = asyncio.get_running_loop().create_future()
        here.place.fault("crash", here.name)
        here.place.hurt(here, "kill")
        here.kill()
        await never
    return _end(what)


async def _linger(seconds: float, ctx: Context) -> None:
    """Hears that it is to stop, and takes its time."""
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        ended(ctx, "stopped")
        await asyncio.sleep(seconds)
        raise


def _end(what: str) -> str:
    match what:
        case "fail":
            raise ValueError("as planned")
        case "again":
            raise Retry(after=0.1)
        case "snooze":
            raise Snooze(0.15)
        case "cancel":
            raise Cancel("as planned")
        case "discard":
            raise Discard("as planned")
        case _:
            return "succeed"


@jobs.handler
def blocking(plan: list[list[Any]], ctx: Context) -> int:
    """The same for a handler that blocks; in a simulated thread it takes no time of its own."""
    began(ctx)
    what, _ = plan[min(ctx.fencing_token, len(plan)) - 1]
    try:
        how = _end(what)
    except Exception as answer:
        ended(ctx, _HOW.get(type(answer).__name__, "fail"))
        raise
    ended(ctx, how)
    return ctx.fencing_token
