"""Event loops and their tasks, to their end, even when something on them will not end.

What belongs here: a runner that does what `asyncio.run` does, but leaves behind tasks that
swallow their cancellation instead of waiting for them for ever; how one task is ended.
"""

from __future__ import annotations

import asyncio
import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

log: logging.Logger = logging.getLogger("boundary.jobs")

PATIENCE = 0.5
"""Seconds that tasks still under way at the end get to unwind."""


def is_running() -> bool:
    """Whether this thread is on an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def run(work: Coroutine[Any, Any, T]) -> T:
    """The coroutine's value, from a loop of its own in this thread.

    A stray task that raises SystemExit would end the loop under it: it is logged, and no more.
    """
    loop = new_loop()
    try:
        task = loop.create_task(work)
        while True:
            try:
                return loop.run_until_complete(task)
            except SystemExit:
                if task.done():
                    raise
                log.exception("a task that a handler started raised SystemExit; going on")
    finally:
        _wind_up(loop)


def new_loop() -> asyncio.AbstractEventLoop:
    """A loop; uvloop's if that extra is installed."""
    try:
        loop = import_module("uvloop").new_event_loop()
    except ImportError:
        return asyncio.new_event_loop()
    return cast("asyncio.AbstractEventLoop", loop)


async def end(task: asyncio.Task[Any]) -> None:
    """The task is cancelled, and has ended.

    To await it would take a cancellation of whoever waits for the task's own.

    Raises:
        Exception: What the task had failed with instead.
    """
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()


def _wind_up(loop: asyncio.AbstractEventLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=PATIENCE))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
