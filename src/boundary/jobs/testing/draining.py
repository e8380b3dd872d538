"""What a worker does, one job at a time, under the clock of a test.

What belongs here: the steps of a drain (take back, fire, claim, run, settle), and of letting time
pass with a worker about. What does not: what a test asks of its jobs (`kit`), and what happens
inside a handler (`mishaps`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from boundary.jobs.core import conversion, outcome
from boundary.jobs.core.operations import (
    BATCH,
    Claim,
    Claimed,
    Depart,
    Prune,
    Reclaim,
    Settle,
    Stats,
)
from boundary.jobs.shell.flows import Flow, ask
from boundary.jobs.shell.ids import incarnation
from boundary.jobs.shell.inline import Ended, Perform, hand_on, settle
from boundary.jobs.shell.registry import fires_of
from boundary.jobs.testing.mishaps import Kill, Mishaps

if TYPE_CHECKING:
    from boundary.jobs.core.records import Job
    from boundary.jobs.core.wire import Record
    from boundary.jobs.shell.registry import Registry
    from boundary.jobs.shell.settings import Settings
    from boundary.jobs.testing.clock import FakeClock


class Bench(NamedTuple):
    """What a drain works with.

    Attributes:
        deaths: With `at_least_once`: by job, the point at which its worker dies next.
    """

    registry: Registry
    settings: Settings
    clock: FakeClock
    mishaps: Mishaps
    deaths: dict[bytes, int]
    at_least_once: bool
    raising: bool
    limit: int


def drain(bench: Bench) -> Flow[list[Job]]:
    """Everything that is ready has run, one after another. The jobs that ran, after their runs."""
    ran: list[Job] = []
    yield from _take_turns(bench, ran)
    return ran


def pass_time(bench: Bench, until: int) -> Flow[list[Job]]:
    """It is `until`, and whatever came due meanwhile has run at its instant."""
    ran: list[Job] = []
    while True:
        idle = yield from _take_turns(bench, ran)
        following = yield from _next_instant(idle)
        now = bench.clock.now()
        if following is None or following > until or now >= until:
            break
        bench.clock.advance((max(following, now + 1) - now) / 1000)
    if now < until:
        bench.clock.advance((until - now) / 1000)
        yield from _take_turns(bench, ran)
    return ran


def _next_instant(idle: Claimed) -> Flow[int | None]:
    """When something is to be done next: a job or a schedule comes due, a lease ends."""
    snapshot = yield from ask(Stats())
    ends = [one.expires for one in snapshot.workers if one.held]
    return min([*ends, *(() if idle.next_due is None else (idle.next_due,))], default=None)


def _take_turns(bench: Bench, ran: list[Job]) -> Flow[Claimed]:
    """Run what is ready until nothing is; the claim that brought nothing."""
    workers = bench.settings.workers
    yield from ask(Reclaim(workers.max_crashes, bench.settings.retention.dead))
    while (yield from ask(Prune())) == BATCH:
        pass
    while True:
        # Each run has a worker of its own, that can die without the others.
        worker = incarnation()
        claimed = yield from ask(Claim(worker, None, 1, workers.lease, join=True))
        fired = yield from _fire(bench, claimed)
        if claimed.jobs:
            _count(bench, ran)
            ran += yield from _run(bench, claimed.jobs[0], worker)
        else:
            yield from ask(Depart(worker, None))
            if not fired:
                return claimed


def _fire(bench: Bench, claimed: Claimed) -> Flow[int]:
    for schedule in claimed.ticks:
        for fire in fires_of(schedule, claimed.now):
            if not (yield from ask(fire)):
                break
    return len(claimed.ticks)


def _count(bench: Bench, ran: list[Job]) -> None:
    if len(ran) < bench.limit:
        return
    types = ", ".join(sorted({job.job_type for job in ran[-10:]}))
    raise AssertionError(
        f"{bench.limit} runs and still jobs are ready (the latest: {types}). Does a job enqueue "
        "itself, or ask for a retry at once? Give drain a higher limit if it is meant"
    )


def _run(bench: Bench, record: Record, worker: str) -> Flow[list[Job]]:
    """The job runs; it is settled, given back, or lost with its worker."""
    bench.mishaps.died = ""
    if bench.at_least_once:
        bench.mishaps.now = Kill(bench.deaths.setdefault(record.id, 1))
    ended = yield from ask(Perform(record))
    bench.mishaps.now = None
    if bench.at_least_once and _is_to_run_again(bench, record, ended):
        yield from _give_back(bench, record, worker)
        return []
    if bench.mishaps.died:
        return [conversion.job_of(record)]
    job = yield from settle(record, ended, worker)
    yield from ask(Depart(worker, None))
    hand_on(ended.error, raising=bench.raising)
    return [job]


_WHOLE = 0
"""In `deaths`: the job has run to its end once, and this outcome was lost."""


def _is_to_run_again(bench: Bench, record: Record, ended: Ended) -> bool:
    point = bench.deaths[record.id]
    if bench.mishaps.died:
        bench.deaths[record.id] = point + _stride(point)
        return True
    del bench.deaths[record.id]
    if point != _WHOLE and ended.outcome.event == "succeed":
        bench.deaths[record.id] = _WHOLE
        return True
    return False


def _stride(point: int) -> int:
    """A handler that loops has many points: the further on, the fewer of them are tried."""
    return 1 + point // 50


def _give_back(bench: Bench, record: Record, worker: str) -> Flow[None]:
    back = outcome.released(record, bench.settings.retention.finished)
    yield from ask(Settle(worker, (back,)))
    yield from ask(Depart(worker, None))
