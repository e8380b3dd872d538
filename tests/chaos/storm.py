"""Connections without end, as of a fleet that starts all at once: more than a server takes.

What belongs here: the storm, a process of its own. What does not: who is caught in it
(`test_storm`).

    python -m tests.chaos.storm HOST PORT MANY

So many connections are opened at the same time. One that is let in says PING and stays for a
moment; one that is refused, or cut, comes again. Each second, and at SIGTERM, a line of JSON says
how often each happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import sys
from collections import Counter

STAY = (0.2, 1.0)
AGAIN = (0.02, 0.1)
"""Seconds until one that was refused tries again."""


class Storm:
    """All connections of it."""

    def __init__(self, host: str, port: int) -> None:
        self.place = (host, port)
        self.counts = Counter[str]()

    async def rage(self, many: int) -> None:
        """Until it is told to stop."""
        over = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
        callers = [asyncio.create_task(self._call_again()) for _ in range(many)]
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), 0.2)
            print(json.dumps(self.counts), flush=True)
        for one in callers:
            one.cancel()
        await asyncio.gather(*callers, return_exceptions=True)

    async def _call_again(self) -> None:
        while True:
            try:
                came_to = await self._call()
            except OSError:
                came_to = "refused"
            self.counts[came_to] += 1
            if came_to == "refused":
                await asyncio.sleep(random.uniform(*AGAIN))

    async def _call(self) -> str:
        """What one connection came to."""
        reader, writer = await asyncio.open_connection(*self.place)
        try:
            writer.write(b"PING\r\n")
            if not (await reader.readline()).startswith(b"+PONG"):
                return "refused"
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1), random.uniform(*STAY))
                return "cut"
            return "stayed"
        finally:
            writer.close()


if __name__ == "__main__":
    asyncio.run(Storm(sys.argv[1], int(sys.argv[2])).rage(int(sys.argv[3])))
