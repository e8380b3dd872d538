"""Load on a store while something breaks: producers and workers, and what came of their jobs.

What belongs here: starting and stopping them, writing down what was done to them, and the card
that all of it comes to. What does not: the faults (`test_*.py`), and the verdict's rules
(`tests.proof.checker`).
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from boundary.jobs.errors import BackendError
from tests.chaos.card import Card, seed
from tests.chaos.witness import history_of, now, recovery, stop
from tests.processes.conftest import Floor
from tests.proof.checker import Verdict, check
from tests.proof.history import Asked, Ended, Fault, History, Removed, Stopped
from tests.waiting import eventually

AT_ONCE = "10"
TIMEOUT_MS = "500"
CANCELS = 0.05
"""Which part of the jobs is cancelled while it waits, where an experiment has that."""
EVERYBODY = "*"
WORKER = ("-m", "boundary.jobs", "worker", "tests.processes.tasks")
PRODUCER = ("-m", "tests.chaos.producer")
"""What the processes run, if nothing else is asked for."""


class Report:
    """What a producer has written, read as it grows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._words: list[dict[str, Any]] = []
        self._read = 0

    def words(self) -> list[dict[str, Any]]:
        """All so far."""
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._read)
                whole, _, _ = file.read().rpartition(b"\n")
            self._words += map(json.loads, whole.splitlines())
            self._read += len(whole) + bool(whole)
        return self._words


class Traffic:
    """Producers and workers of one floor; the floor ends them.

    Args:
        cancels: Which part of their jobs producers cancel at once; not where a store may forget
            what it has answered.
    """

    def __init__(self, floor: Floor, cancels: float = 0.0) -> None:
        self.floor = floor
        self.workers: list[subprocess.Popen[bytes]] = []
        self.producers: list[subprocess.Popen[bytes]] = []
        self.faults: list[Fault] = []
        self._reports: list[Report] = []
        self.began = time.monotonic()
        floor.environ["BOUNDARY_JOBS_REDIS_TIMEOUT"] = TIMEOUT_MS
        floor.environ["CANCELS"] = str(cancels)

    def work(
        self, *options: str, program: tuple[str, ...] = WORKER, **environ: str
    ) -> subprocess.Popen[bytes]:
        """One worker more."""
        made = self.floor.python(*program, "--concurrency", AT_ONCE, *options, **environ)
        self.workers.append(made)
        return made

    def produce(
        self,
        pause: float = 0.01,
        weight: int = 0,
        program: tuple[str, ...] = PRODUCER,
        **environ: str,
    ) -> subprocess.Popen[bytes]:
        """One producer more, which enqueues every `pause` seconds jobs of so many bytes."""
        number = len(self.producers)
        report = Report(self.floor.folder / f"producer-{number}")
        self._reports.append(report)
        numbers = map(str, (seed() * 1_000 + number, pause, weight))
        made = self.floor.python(*program, str(report.path), *numbers, **environ)
        self.producers.append(made)
        return made

    def running(self) -> None:
        """Every worker has begun a job, every producer's first is stored."""

        def all_do() -> bool:
            pids = {line.pid for line in self.floor.lines()}
            return all(one.words() for one in self._reports) and all(
                one.pid in pids for one in self.workers
            )

        eventually(f"all are at work\n{self.floor.log()}", all_do, patience=30)

    @contextmanager
    def harm(self, kind: str, by: str = EVERYBODY) -> Generator[None, None, None]:
        """The fault that the block makes and ends is written down."""
        at = now()
        yield
        self.faults.append(Fault(kind, by, at, now()))

    def goes_on(self, seconds: float, pid: int | None = None) -> None:
        """A job has begun since this call; of this worker, if one is named."""
        with self.floor.journal.open() as journal:
            journal.seek(0, os.SEEK_END)  # a long run's is long
            part = ""

            def begins() -> bool:
                nonlocal part
                *whole, part = (part + journal.read()).split("\n")
                rows = [line.split() for line in whole]
                return any(row[0] == "start" and pid in {None, int(row[3])} for row in rows)

            eventually("work goes on", begins, patience=seconds)

    def drain(self, patience: float = 30.0) -> None:
        """Producers have stopped, nothing is left to run, workers have ended in order."""
        for producer in self.producers:
            producer.terminate()
        for producer in self.producers:
            assert producer.wait(15) == 0, self.floor.log()
        eventually(f"nothing is left\n{self.floor.log()}", self.is_empty, patience=patience)
        stop(self.floor, self.workers)

    def errors(self) -> Counter[str]:
        """What producers were told, by the errors' codes."""
        return Counter(one["error"] for one in self._said() if "error" in one)

    def counted(self) -> dict[str, int]:
        """How often each kind of fault took place."""
        return dict(sorted(Counter(one.kind for one in self.faults).items()))

    def asked(self) -> list[Asked]:
        """Each job that producers wanted, once, with its fate as they know it."""
        found: dict[str, Asked] = {}
        for one in self._said():
            if "job" not in one:
                continue
            payload = json.dumps(one["args"], sort_keys=True).encode()
            due = one["at"] + 1000 * one["delay"]
            first = found.get(one["job"], Asked(one["job"], one["at"], None, payload, due))
            found[one["job"]] = first._replace(known=one["known"])
        return list(found.values())

    def stopped(self) -> list[Stopped]:
        """Each job that a producer cancelled, with what it was answered."""
        return [
            Stopped(one["cancelled"], one["at"], one["answer"])
            for one in self._said()
            if "cancelled" in one
        ]

    def acknowledged(self) -> list[tuple[Asked, float]]:
        """Each job that producers wanted, and when the last was said of it."""
        last = {one["job"]: one["at"] for one in self._said() if "job" in one}
        return [(one, last[one.job]) for one in self.asked()]

    def judged(self, *, pruned: bool = False) -> tuple[History, Verdict]:
        """What happened, and what the checker says of it.

        Args:
            pruned: Jobs that ended may be gone, and then are not counted one by one.
        """
        history = history_of(self.floor, [*self.asked(), *self.stopped(), *self.faults])
        if pruned:
            kept = {one.job for one in history.kept}
            ends = [one for one in history.events if isinstance(one, Ended)]
            gone = [Removed(one.job, now()) for one in ends if one.job not in kept]
            history = history._replace(events=[*history.events, *gone], counted=None)
        return history, check(history)

    def card(
        self, promise: str, experiment: str, store: str, *, note: str = "", pruned: bool = False
    ) -> Card:
        """The card; whatever is wrong is printed."""
        history, verdict = self.judged(pruned=pruned)
        if verdict.violations:
            print(verdict)
        kinds = Counter(one.kind for one in verdict.violations)
        return Card(
            promise=promise,
            experiment=experiment,
            store=store,
            faults=self.counted(),
            jobs=sum(one.known is True for one in self.asked()),
            lost=kinds["lost"] + kinds["unfinished"],
            unexplained=sum(kinds.values()) - kinds["lost"] - kinds["unfinished"],
            worst_recovery=recovery(history),
            seconds=round(time.monotonic() - self.began, 1),
            note="; ".join(filter(None, (note, told_of(self.stopped())))),
        )

    def _said(self) -> list[dict[str, Any]]:
        return [word for one in self._reports for word in one.words()]

    def is_empty(self) -> bool:
        """Nothing waits and nothing runs."""
        try:
            queues = self.floor.jobs.queues()
        except BackendError:
            return False
        return not any(one.size + one.scheduled + one.running for one in queues)


def told_of(stopped: list[Stopped]) -> str:
    """What a card says of cancelled jobs."""
    done = sum(one.answer == "done" for one in stopped)
    return f"{done} jobs cancelled while they waited, and never begun" if stopped else ""
