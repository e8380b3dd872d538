"""A client as a process of its own: enqueues until it is told to stop, and writes down what it saw.

What belongs here: the life of one producer. What does not: who starts and harms it (`traffic`).

    python -m tests.chaos.producer REPORT SEED PAUSE WEIGHT

A job nobody knows the fate of it enqueues again under the same id, as it would one that found no
server or no room, until the store says yes or SIGTERM says stop. REPORT has a line of JSON for
each word: what was asked, and what came of it (`known`: true, false, or null for unknown).
WEIGHT is how many bytes of metadata a job carries, PAUSE the seconds between two enqueues. A job is
delayed by one of the seconds in the variable DELAYS, a list. The part of them that CANCELS says
(0.05) it has wait, and cancels at once; REPORT has what was answered: "done" or "requested".
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from typing import Any
from uuid import UUID, uuid4

from boundary.jobs import Jobs
from boundary.jobs.errors import (
    BackendError,
    BackendUnavailable,
    EnqueueUncertain,
    IllegalTransition,
    StoreFull,
)
from tests.processes.moments import now

HANDLERS = ("on_loop", "in_thread")
MANY = 5
WAITS = 3.0
"""Seconds more that a job waits which is to be cancelled: a store out of reach is so for less."""


class Producer:
    """Enqueues jobs of a few milliseconds, one by one and some at once."""

    def __init__(self, report: str, seed: int, pause: float, weight: int) -> None:
        self.jobs = Jobs()
        self.chance = random.Random(seed)
        self.pause = pause
        self.metadata = {"ballast": "x" * weight}
        self.delays: list[float] = json.loads(os.environ.get("DELAYS", "[0]"))
        self.cancels = float(os.environ.get("CANCELS", "0"))
        self.stopped = False
        self._report = os.open(report, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def run(self) -> None:
        """Until told to stop."""
        signal.signal(signal.SIGTERM, self._stop)
        while not self.stopped:
            count = MANY if self.chance.random() < 0.2 else 1
            wanted = [self._one() for _ in range(count)]
            unwanted = [one for one in wanted if self.chance.random() < self.cancels]
            for one in unwanted:
                one["delay"] += WAITS
            if self._enqueue(wanted):
                for one in unwanted:
                    self._cancel(one["job"])
            time.sleep(self.pause)
        self.jobs.close()

    def _stop(self, *_: object) -> None:
        self.stopped = True

    def _one(self) -> dict[str, Any]:
        args = {"seconds": round(self.chance.uniform(0.0, 0.03), 4)}
        return {
            "job": str(uuid4()),
            "type": self.chance.choice(HANDLERS),
            "args": args,
            "delay": self.chance.choice(self.delays),
        }

    def _enqueue(self, wanted: list[dict[str, Any]]) -> bool:
        """Whether all are stored; else it was told to stop, and their fate is written down."""
        self._say(wanted, None)
        is_uncertain = False
        while True:
            try:
                self._ask(wanted)
            except EnqueueUncertain as error:
                is_uncertain = True
                self._note(error.code)
            except (BackendUnavailable, StoreFull) as error:
                self._note(error.code)
                time.sleep(0.05)
            else:
                self._say(wanted, True)
                return True
            if self.stopped:
                self._say(wanted, None if is_uncertain else False)
                return False

    def _cancel(self, job: str) -> None:
        """What the store answered is written down, if it did."""
        try:
            found = self.jobs.cancel(UUID(job))
        except IllegalTransition:  # it was out of reach for so long that the job has ended
            return
        except BackendError as error:
            self._note(error.code)
            return
        if found is not None:
            answer = "done" if found.status == "cancelled" else "requested"
            self._write({"at": now(), "cancelled": job, "answer": answer})

    def _ask(self, wanted: list[dict[str, Any]]) -> None:
        if len(wanted) == 1:
            (one,) = wanted
            self.jobs.enqueue(one["type"], one["args"], **self._options(one))
        else:
            self.jobs.enqueue_many(
                self.jobs.draft(one["type"], one["args"], self._options(one)) for one in wanted
            )

    def _options(self, one: dict[str, Any]) -> dict[str, Any]:
        return {"job_id": one["job"], "delay": one["delay"], "metadata": self.metadata}

    def _say(self, wanted: list[dict[str, Any]], known: bool | None) -> None:
        at = now()
        lines = [json.dumps({"at": at, "known": known, **one}) for one in wanted]
        os.write(self._report, "".join(f"{line}\n" for line in lines).encode())

    def _note(self, error: str) -> None:
        self._write({"error": error})

    def _write(self, word: dict[str, Any]) -> None:
        os.write(self._report, (json.dumps(word) + "\n").encode())


if __name__ == "__main__":
    Producer(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])).run()
