"""Blocking handlers under middleware, which is awaited.

What belongs here: a blocking handler's call as something to await, and handlers wrapped in
middleware. What does not: threads (`threads`), who calls whom when (`calling`).
"""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from boundary.jobs.shell.context import Context
    from boundary.jobs.shell.running import Run


class Bridged:
    """A blocking handler's call under middleware: the thread answers the slot that waits."""

    __slots__ = ("answer", "arguments", "context", "run")

    def __init__(self, run: Run, arguments: dict[str, Any], answer: asyncio.Future[Any]) -> None:
        self.run: Run = run
        self.arguments: dict[str, Any] = arguments
        self.answer: asyncio.Future[Any] = answer
        # What middleware set (a span, a logger's fields) is there for the handler too.
        self.context: contextvars.Context = contextvars.copy_context()

    @property
    def given_up(self) -> bool:
        """As of its run."""
        return self.run.given_up


def call_bridged(item: Bridged) -> tuple[Any, BaseException | None]:
    """In its thread: what the handler returned, or raised."""
    item.run.thread = threading.get_ident()
    try:
        return item.context.run(item.run.handler.function, **item.arguments), None
    except BaseException as error:  # noqa: BLE001 - handed on to the middleware
        return None, error


def resolve(item: Bridged, result: tuple[Any, BaseException | None]) -> None:
    """On the loop: the slot that waits has its answer."""
    value, error = result
    if item.answer.done():
        return
    if error is None:
        item.answer.set_result(value)
    else:
        # A future refuses StopIteration; every exception can be the cause of another.
        if isinstance(error, StopIteration):
            error = RuntimeError(f"the handler raised {error!r}")
        item.answer.set_exception(error)


def wrapped_in(
    middleware: Callable[..., Awaitable[Any]],
    context: Context,
    call: Callable[..., Awaitable[Any]],
) -> Callable[..., Awaitable[Any]]:
    """The call as the next outer middleware, or the slot, makes it."""

    async def wrapped(_: Context | None = None) -> Any:
        return await middleware(context, call)

    return wrapped
