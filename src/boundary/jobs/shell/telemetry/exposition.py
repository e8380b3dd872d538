"""Metrics in the text format of Prometheus.

What belongs here: names, words and labels of the metrics. What does not: counting (`meter`), serving
them (`health`). `prometheus_client` is imported with the first scrape.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Final, TypeVar

from boundary.jobs.core.events import ENDS
from boundary.jobs.core.operations import Stats
from boundary.jobs.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prometheus_client.core import Metric
    from prometheus_client.registry import CollectorRegistry

    from boundary.jobs.core.operations import Snapshot
    from boundary.jobs.ports import Backend, Store
    from boundary.jobs.shell.telemetry.meter import Meter, Tally

L = TypeVar("L", bound=tuple[str, ...])

FRESH: Final = 5.0
"""Seconds for which what was seen of the store is shown again: scrapes do not load it."""

P: Final = "boundary_jobs"


class StoreLook:
    """Looks into the store now and then, for whoever scrapes; from any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._backend: Backend | None = None
        self._lock = threading.Lock()
        self._seen: Snapshot | None = None
        self._until = 0.0

    def seen(self) -> Snapshot | None:
        """What is there, some seconds old at most; None: the store does not answer."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._seen = self._look()
                self._until = time.monotonic() + FRESH
            return self._seen

    def _look(self) -> Snapshot | None:
        if self._backend is None:
            self._backend = self._store.blocking()
        try:
            return self._backend.execute(Stats())
        except BackendError:
            return None

    def close(self) -> None:
        """Its connections are let go."""
        with self._lock:
            if self._backend is not None:
                self._backend.close()


class Exposition:
    """What a scrape of this worker gets.

    Raises:
        ImportError: `prometheus_client` is not installed.
    """

    def __init__(self, meter: Meter, store: Store) -> None:
        from prometheus_client import CollectorRegistry, ProcessCollector, exposition

        self._meter = meter
        self._look = StoreLook(store)
        self._generate = exposition.generate_latest
        self.content_type = exposition.CONTENT_TYPE_PLAIN_0_0_4
        self._registry: CollectorRegistry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """The metrics as they are now."""
        return self._generate(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing: the store is not looked at before somebody scrapes."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All metrics, as the library asks for them."""
        with self._meter.lock:
            yield from list(self._of_this_worker())
        yield from self._of_the_store()

    def _of_this_worker(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        meter = self._meter
        labels = ("job_type", "queue", "outcome")
        runs = CounterMetricFamily(f"{P}_runs", "Runs, by what became of them.", labels=labels)
        for kind, row in meter.ran.items():
            ends: Counter[str] = Counter()
            for event, count in row.ends.items():
                ends[ENDS[event]] += count
            for outcome, count in ends.items():
                runs.add_metric((*kind, outcome), count)
        yield runs
        yield _histogram("run_seconds", "How long runs took.", labels[:2], meter.ran)
        yield _histogram(
            "wait_seconds",
            "How long jobs were ready before this worker had them.",
            labels[:2],
            meter.waited,
        )
        answers = {(name,): tally for name, tally in meter.answers.items()}
        yield _histogram(
            "store_seconds", "How long the store took to answer.", ("operation",), answers
        )
        failed = CounterMetricFamily(
            f"{P}_store_errors", "Calls the store did not answer.", labels=("operation",)
        )
        for name, count in meter.unanswered.items():
            failed.add_metric((name,), count)
        yield failed
        yield CounterMetricFamily(
            f"{P}_lease_losses",
            "How often the store gave what this worker held to others.",
            value=meter.lease_losses,
        )
        yield CounterMetricFamily(
            f"{P}_refused_outcomes",
            "Outcomes that came after the lease was lost.",
            value=meter.refused,
        )
        yield GaugeMetricFamily(
            f"{P}_in_flight", "Jobs that run in this worker.", value=meter.in_flight()
        )

    def _of_the_store(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        seen = self._look.seen()
        yield GaugeMetricFamily(
            f"{P}_store_up", "Whether the store answers this scrape.", value=seen is not None
        )
        if seen is None:
            return
        depth = GaugeMetricFamily(
            f"{P}_queue_jobs",
            "Jobs in the store, by queue: ready, scheduled or running; of all workers.",
            labels=("queue", "state"),
        )
        oldest = GaugeMetricFamily(
            f"{P}_queue_oldest_seconds",
            "How long the oldest ready job waits, of those first in line for each priority.",
            labels=("queue",),
        )
        paused = GaugeMetricFamily(
            f"{P}_queue_paused", "1: workers pass over the queue.", labels=("queue",)
        )
        for load in seen.loads:
            depth.add_metric((load.queue, "ready"), load.ready)
            depth.add_metric((load.queue, "scheduled"), load.scheduled)
            depth.add_metric((load.queue, "running"), load.running)
            since = seen.now if load.oldest is None else load.oldest
            oldest.add_metric((load.queue,), max(seen.now - since, 0) / 1000)
            paused.add_metric((load.queue,), load.paused)
        yield from (depth, oldest, paused)

    def close(self) -> None:
        """Its connections are let go."""
        self._look.close()


def _histogram(name: str, text: str, labels: tuple[str, ...], tallies: Mapping[L, Tally]) -> Metric:
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(f"{P}_{name}", text, labels=labels)
    for values, tally in tallies.items():
        family.add_metric(values, tally.cumulative(), tally.total)
    return family
