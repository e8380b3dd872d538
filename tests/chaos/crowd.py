"""The handler of very many small jobs: each run leaves eight bytes in a file of its process.

What belongs here: it. What does not: who asks for them and counts (`test_crowd`).
"""

from __future__ import annotations

import os

from tests.processes.tasks import jobs

_starts = os.open(
    f"{os.environ['JOURNAL']}-{os.getpid()}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600
)


@jobs.handler
async def counts(number: int) -> None:
    """It is known to have begun, whatever becomes of the process."""
    os.write(_starts, number.to_bytes(8, "big"))
