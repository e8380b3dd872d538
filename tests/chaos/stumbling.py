"""Jobs that fail a few times, or always: their records are rewritten by whoever runs them next.

What belongs here: how often which fails, and a client that wants such jobs. What does not: their
handler (`stumblers`), who is of which version (`newer`, `test_versions`).

    python -m tests.chaos.stumbling WORDS...    as `tests.chaos.producer` takes them
"""

from __future__ import annotations

import sys
from typing import Any

from boundary.jobs import RetryPolicy
from tests.chaos.producer import Producer

RETRIES = 3
SOON = RetryPolicy("constant", 0.05, 0.05)


def failures(seconds: float) -> int:
    """How often a job of so many seconds fails before it succeeds: some more than it may."""
    return round(seconds * 10_000) % (RETRIES + 2)


class Stumbling(Producer):
    """Asks for these among others, and that all are retried soon."""

    def _one(self) -> dict[str, Any]:
        kind = self.chance.choice(("stumbles", "on_loop"))
        return {**super()._one(), "type": kind}

    def _options(self, one: dict[str, Any]) -> dict[str, Any]:
        return {**super()._options(one), "retry": SOON, "max_retries": RETRIES}


def client(report: str, seed: str, pause: str, weight: str) -> None:
    """Enqueues until it is told to stop."""
    Stumbling(report, int(seed), float(pause), int(weight)).run()


if __name__ == "__main__":
    client(*sys.argv[1:])
