"""The handler of jobs that fail a few times, or always.

What belongs here: it. What does not: who wants such jobs, and how often which fails (`stumbling`).
"""

from __future__ import annotations

from boundary.jobs import Context
from tests.chaos.stumbling import failures
from tests.processes.tasks import jobs, note


@jobs.handler
def stumbles(seconds: float, ctx: Context) -> int:
    """Fails as often as its seconds say."""
    note("start", ctx, {"seconds": seconds})
    if ctx.attempt <= failures(seconds):
        note("fail", ctx)
        raise ValueError(f"attempt {ctx.attempt}")
    note("end", ctx)
    return ctx.fencing_token
