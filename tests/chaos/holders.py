"""The handler that keeps the whole interpreter to itself.

What belongs here: it. What does not: what becomes of its job (`test_holders`).
"""

from __future__ import annotations

import ctypes

from boundary.jobs import Context
from tests.processes.tasks import jobs, note

_native = ctypes.PyDLL(None)
"""The C library, called without giving the GIL back."""


@jobs.handler
def holds_the_gil(seconds: int, ctx: Context) -> int:
    """Once: whoever runs the job after that is not kept."""
    note("start", ctx, {"seconds": seconds})
    if ctx.job.crash_count == 0:
        _native.sleep(seconds)
    note("end", ctx)
    return ctx.fencing_token
