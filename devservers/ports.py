"""Private ports of 127.0.0.1.

What belongs here: choosing a port. What does not: keeping it; who starts a server retries.
"""

from __future__ import annotations

import random
import socket

# Below the ephemeral range. A client that reconnects to a stopped server's ephemeral port can be
# given that very port as its own, connects to itself, and the server cannot come back.
_LOWEST, _HIGHEST = 14_000, 32_000
# Not the shared generator: pytest-randomly seeds it alike in every process.
_chance = random.SystemRandom()


def free() -> int:
    """A port that nobody listens on at this moment."""
    while True:
        port = _chance.randrange(_LOWEST, _HIGHEST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
