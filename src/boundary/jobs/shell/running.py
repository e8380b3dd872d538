"""One run of a job under way, and what can be asked of it.

What belongs here: the run, how long it gets once it is asked to stop, where its handler is. What
does not: calling the handler (`calling`), the outcome it comes to (`endings`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boundary.jobs.shell import stacks

if TYPE_CHECKING:
    import asyncio

    from boundary.jobs.core.wire import Payload, Record
    from boundary.jobs.shell.context import Context
    from boundary.jobs.shell.registry import Handler

GRACE = 1.0
"""Seconds between asking a run to stop and giving its slot to another job."""

LAST_GRACE = 0.2
"""The same at the end of a shutdown, when the process is about to leave."""

TERM_GRACE = 0.5
"""Seconds between SIGTERM and SIGKILL for a process that runs a handler."""


class Run:
    """One run under way.

    Attributes:
        stop: Why it was asked to stop: "", "timeout", "cancel" or "abandon".
        ended: Its outcome is in; whatever else it does changes nothing.
        given_up: Its slot went to another job while it still runs.
        over: Its handler has returned or raised.
        thread: The thread its handler is in, if it is in one.
        started, finished: When, by the loop's time.
    """

    __slots__ = (
        "context",
        "deadline",
        "ended",
        "finished",
        "given_up",
        "handler",
        "over",
        "payload",
        "record",
        "started",
        "stop",
        "task",
        "thread",
    )

    def __init__(
        self, record: Record, payload: Payload, handler: Handler[..., Any], started: float
    ) -> None:
        self.record: Record = record
        self.payload: Payload = payload
        self.handler: Handler[..., Any] = handler
        self.started: float = started
        self.finished: float = started
        self.context: Context | None = None
        self.task: asyncio.Task[None] | None = None
        self.deadline: float | None = None
        self.stop: str = ""
        self.ended: bool = False
        self.given_up: bool = False
        self.over: bool = False
        self.thread: int | None = None


def patience(run: Run) -> tuple[float, float]:
    """Seconds a run in a process of its own gets once asked to stop, and then after SIGTERM."""
    if run.stop in {"", "abandon"}:
        return 0.0, LAST_GRACE / 2
    hears = run.handler.is_async or run.handler.context_parameter is not None
    return (GRACE if hears else 0.0), TERM_GRACE


def stack_of(run: Run) -> str:
    """Where its handler is just now; empty if that is in no Python code of this process."""
    if run.thread is not None:
        return stacks.of_thread(run.thread)
    return "" if run.task is None else stacks.of_task(run.task)
