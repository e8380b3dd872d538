"""Every store answers as the reference queue does, whatever is asked in whatever order.

The same operations go to a store and to `core.model`; after each step every reply and everything
that can be seen is compared. `seq` and cursors may differ, the order they stand for may not.
More and longer runs: HYPOTHESIS_PROFILE=thorough.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec import Struct
from msgspec.structs import replace

from boundary.jobs.core import model
from boundary.jobs.core.operations import (
    BATCH,
    Cancel,
    Claim,
    Claimed,
    DeadLetters,
    Delete,
    Depart,
    Enqueue,
    Find,
    Fire,
    Heartbeat,
    History,
    Operation,
    Outcome,
    Page,
    Peek,
    Promote,
    Prune,
    Purge,
    PutSchedule,
    Reclaim,
    RemoveSchedule,
    Report,
    Retry,
    Save,
    Schedule,
    Schedules,
    Search,
    SetPaused,
    Settle,
    SettleAndClaim,
    Stats,
    Take,
    Time,
)
from boundary.jobs.core.wire import NewJob, Record
from boundary.jobs.ports import Store
from boundary.jobs.shell.adapters.memory import MemoryStore
from boundary.jobs.shell.adapters.sqlite import SqliteStore
from boundary.jobs.testing import FakeClock

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
PROFILE = settings(
    max_examples=2_000 if THOROUGH else 30,
    stateful_step_count=80 if THOROUGH else 40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

IDS = tuple(bytes([letter]) * 16 for letter in b"abcdefghij")
QUEUES = ("default", "mail", "z")
TYPES = ("send", "read")
WORKERS = ("w1", "w2", "w3")
NAMES = ("daily", "beat")
LEASE = 1_000
MAX_CRASHES = 2

ids = st.sampled_from(IDS)
some_ids = st.lists(ids, min_size=1, max_size=4).map(tuple)
workers = st.sampled_from(WORKERS)
queues = st.sampled_from(QUEUES)
limits = st.sampled_from([1, 2, 3, BATCH])
spans = st.sampled_from([0, 1, 100, 400, LEASE - 1, LEASE])
keeps = st.sampled_from([None, 0, 1, 500, 5_000])
blobs = st.sampled_from([b"", b"x", b"xyz \xff"])

new_jobs = st.builds(
    NewJob,
    ids,
    st.sampled_from(TYPES),
    queues,
    st.integers(0, 3),
    blobs,
    delay_ms=st.sampled_from([0, 0, 0, 1, 100, 400]),
    run_at=st.none(),
    parked=st.sampled_from([False, False, False, True]),
)
batches = st.lists(new_jobs, min_size=1, max_size=5).map(tuple)
served = st.none() | st.lists(queues, max_size=4).map(tuple)
events = st.sampled_from(
    ["succeed", "fail", "exhaust", "discard", "cancel", "release", "snooze", "quarantine"]
)
aheads = st.lists(
    st.tuples(queues, st.integers(0, 3)), max_size=2, unique_by=lambda one: one[0]
).map(tuple)
claims = st.builds(
    Claim,
    workers,
    served,
    st.integers(0, 4),
    st.sampled_from([1, LEASE, 2 * LEASE]),
    ahead=aheads,
    promote=st.sampled_from([0, 1, BATCH, BATCH]),
    join=st.sampled_from([True, True, True, False]),
)


class Draft(Struct, frozen=True):
    """An outcome for a job yet to be chosen: which one, and under how old a token."""

    id: bytes
    stale: int
    outcome: Outcome


drafts = st.lists(
    st.builds(
        Draft,
        ids,
        st.sampled_from([0, 0, 0, 0, 1, -1]),
        st.builds(
            Outcome,
            st.just(b""),
            st.just(0),
            events,
            trail=blobs,
            retry_count=st.integers(0, 3),
            delay_ms=st.sampled_from([0, 0, 1, 400]),
            keep_ms=keeps,
            duration_ms=st.sampled_from([0.0, 0.5, 250.5]),
        ),
    ),
    min_size=1,
    max_size=6,
)


class Agreement(RuleBasedStateMachine):
    """One store and the model beside it."""

    open: Callable[[Path, FakeClock], Store]

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.folder = tempfile.TemporaryDirectory()
        self.store = type(self).open(Path(self.folder.name), self.clock)
        self.backend = self.store.blocking()
        self.state = model.State()

    def teardown(self) -> None:
        """Close what was opened."""
        self.backend.close()
        self.folder.cleanup()

    def agree(self, operation: Operation[Any]) -> Any:
        """Ask both; the reply, if they agree."""
        reply = self.backend.execute(operation)
        self.state, expected = model.step(self.state, operation, self.clock.now())
        assert seen(reply) == seen(expected), operation
        return expected

    def token(self, id: bytes) -> int:
        """The job's latest token, by the model."""
        record = self.state.jobs.get(id)
        return record.token if record else 1

    def holder(self, id: bytes, otherwise: str) -> str:
        """Who holds the job, by the model."""
        record = self.state.jobs.get(id)
        return record.worker if record and record.worker else otherwise

    def outcomes(self, drafts: list[Draft]) -> tuple[Outcome, ...]:
        """The outcomes meant by the drafts, as things stand."""
        return tuple(
            replace(one.outcome, id=one.id, token=self.token(one.id) - one.stale)
            for one in drafts
        )

    @rule(jobs=batches)
    def enqueue(self, jobs: tuple[NewJob, ...]) -> None:
        self.agree(Enqueue(jobs))

    @rule(job=new_jobs, at=st.sampled_from([-1, 0, 1, 300]))
    def enqueue_for_an_instant(self, job: NewJob, at: int) -> None:
        self.agree(Enqueue((replace(job, run_at=self.clock.now() + at),)))

    @rule(by=st.sampled_from([1, 100, 399, LEASE, 3 * LEASE]))
    def time_passes(self, by: int) -> None:
        self.clock.advance(by / 1000)

    @rule(claim=claims)
    def claim(self, claim: Claim) -> None:
        self.agree(claim)

    @rule(worker=workers, drafts=drafts)
    def settle(self, worker: str, drafts: list[Draft]) -> None:
        self.agree(Settle(worker, self.outcomes(drafts)))

    @rule(worker=workers, drafts=drafts)
    def settle_what_the_first_one_holds(self, worker: str, drafts: list[Draft]) -> None:
        self.agree(Settle(self.holder(drafts[0].id, worker), self.outcomes(drafts)))

    @rule(claim=claims, drafts=drafts)
    def settle_and_claim(self, claim: Claim, drafts: list[Draft]) -> None:
        self.agree(SettleAndClaim(Settle(claim.worker, self.outcomes(drafts)), claim))

    @rule(worker=workers, lease_ms=spans, info=blobs, join=st.booleans())
    def heartbeat(self, worker: str, lease_ms: int, info: bytes, *, join: bool) -> None:
        self.agree(Heartbeat(worker, lease_ms, info, join))

    @rule(worker=workers, keep_ms=keeps)
    def depart(self, worker: str, keep_ms: int | None) -> None:
        self.agree(Depart(worker, keep_ms))

    @rule(id=ids, stale=st.sampled_from([0, 0, 1]), progress=blobs)
    def report(self, id: bytes, stale: int, progress: bytes) -> None:
        self.agree(Report(id, self.token(id) - stale, progress))

    @rule(limit=limits)
    def promote(self, limit: int) -> None:
        self.agree(Promote(limit))

    @rule(limit=limits, keep_ms=keeps)
    def reclaim(self, limit: int, keep_ms: int | None) -> None:
        self.agree(Reclaim(MAX_CRASHES, keep_ms, limit))

    @rule()
    def everything_is_lost(self) -> None:
        self.clock.advance(3 * LEASE / 1000)
        self.agree(Reclaim(MAX_CRASHES, None))

    @rule(limit=limits)
    def prune(self, limit: int) -> None:
        self.agree(Prune(limit))

    @rule(
        name=st.sampled_from(NAMES),
        next_in=spans,
        cron=st.sampled_from([None, "0 8 * * *"]),
        timezone=st.sampled_from(["UTC", "Europe/Amsterdam"]),
    )
    def put_schedule(self, name: str, next_in: int, cron: str | None, timezone: str) -> None:
        every = None if cron else 500
        next_at = self.clock.now() + next_in
        self.agree(PutSchedule(Schedule(name, "t", "mail", 1, b"", next_at, cron, every, timezone)))

    @rule(name=st.sampled_from(NAMES))
    def remove_schedule(self, name: str) -> None:
        self.agree(RemoveSchedule(name))

    @rule(name=st.sampled_from(NAMES), off=st.sampled_from([0, 0, 0, 1]), job=new_jobs)
    def fire(self, name: str, off: int, job: NewJob) -> None:
        known = self.state.schedules.get(name)
        tick = known.next_at if known else self.clock.now()
        self.agree(Fire(name, tick + off, self.clock.now() + 400, job))

    @rule(ids=some_ids, keep_ms=keeps)
    def cancel(self, ids: tuple[bytes, ...], keep_ms: int | None) -> None:
        self.agree(Cancel(ids, keep_ms))

    @rule(ids=some_ids)
    def retry(self, ids: tuple[bytes, ...]) -> None:
        self.agree(Retry(ids))

    @rule(ids=some_ids)
    def delete(self, ids: tuple[bytes, ...]) -> None:
        self.agree(Delete(ids))

    @rule(queue=queues, paused=st.booleans())
    def pause(self, queue: str, *, paused: bool) -> None:
        self.agree(SetPaused(queue, paused))

    @rule(queue=queues)
    def purge(self, queue: str) -> None:
        self.agree(Purge(queue))

    @rule(id=ids, worker=workers, lease_ms=spans)
    def take(self, id: bytes, worker: str, lease_ms: int) -> None:
        self.agree(Take(id, worker, lease_ms))

    @rule(
        job=new_jobs,
        status=st.sampled_from(
            ["pending", "running", "completed", "failed", "retrying", "cancelled"]
        ),
        at=st.none() | spans,
        worker=st.none() | workers,
        kept=st.none() | spans,
    )
    def save_a_new_one(
        self, job: NewJob, status: Any, at: int | None, worker: str | None, kept: int | None
    ) -> None:
        now = self.clock.now()
        record = Record(0, job.id, job.job_type, job.queue, job.priority, job.payload, now, now)
        at = None if at is None else now + at
        kept = None if kept is None else now + kept
        self.agree(
            Save(
                replace(
                    record, status=status, execute_at=at, worker=worker, completed=at, token=1,
                    prune_at=kept,
                ),
                LEASE,
            )
        )

    @rule(id=ids, blob=blobs, stale=st.sampled_from([0, 0, 1]))
    def save_a_known_one(self, id: bytes, blob: bytes, stale: int) -> None:
        known = self.state.jobs.get(id)
        if known is not None:
            self.agree(
                Save(
                    replace(
                        known, payload=blob, trail=blob, progress=blob, token=known.token - stale,
                        updated=self.clock.now(),
                    ),
                    LEASE,
                )
            )

    @rule(
        status=st.sampled_from([None, "pending", "running", "failed"]),
        queue=st.none() | queues,
        job_type=st.sampled_from([None, *TYPES]),
        text=st.sampled_from([None, "x", "yz "]),
        since=st.none() | spans,
        until=st.none() | spans,
        limit=st.sampled_from([1, 2, 200]),
        scan=st.sampled_from([1, 3, 20_000]),
    )
    def search(self, limit: int, scan: int, **conditions: Any) -> None:
        for edge in ("since", "until"):
            if conditions[edge] is not None:
                conditions[edge] = self.clock.now() - conditions[edge]
        search = Search(**conditions, limit=limit, scan=scan)
        found, now = walk(self.backend.execute, search), self.clock.now()
        assert found == walk(lambda one: model.step(self.state, one, now)[1], search)

    @rule(limit=limits, queue=st.none() | queues, job_type=st.sampled_from([None, *TYPES]))
    def dead_letters(self, limit: int, queue: str | None, job_type: str | None) -> None:
        self.agree(DeadLetters(limit, queue, job_type))

    @invariant()
    def all_that_can_be_seen_agrees(self) -> None:
        self.agree(Time())
        self.agree(Find(IDS))
        self.agree(Stats())
        self.agree(Schedules())
        self.agree(Search())
        self.agree(DeadLetters())
        for queue in QUEUES:
            self.agree(Peek(queue, 100))
            self.agree(Stats(queue))
        for job_type in TYPES:
            self.agree(History(job_type))


def seen(reply: Any) -> Any:
    """A reply without what two stores may have different."""
    match reply:
        case Record():
            return replace(reply, seq=0)
        case Page():
            return [seen(one) for one in reply.records]
        case Claimed():
            return replace(reply, jobs=seen(reply.jobs), cancelling=sorted(reply.cancelling))
        case tuple() if reply and all(isinstance(one, bytes) for one in reply):
            return sorted(reply)
        case tuple():
            return tuple(seen(one) for one in reply)
        case Struct() if hasattr(reply, "cancelling"):
            return replace(reply, cancelling=sorted(reply.cancelling))
        case _:
            return reply


def walk(execute: Callable[[Search], Page], search: Search) -> list[Record]:
    """All records of all pages."""
    found: list[Record] = []
    while True:
        page = execute(search)
        assert len(page.records) <= search.limit
        found += [seen(one) for one in page.records]
        if page.cursor is None:
            return found
        search = replace(search, cursor=page.cursor)


class OnMemory(Agreement):
    """The memory adapter is the model; this checks the machine itself."""

    @staticmethod
    def open(folder: Path, clock: FakeClock) -> Store:
        """A store of its own."""
        return MemoryStore(clock=clock)


class OnSqlite(Agreement):
    """The SQLite adapter on a file."""

    @staticmethod
    def open(folder: Path, clock: FakeClock) -> Store:
        """A store of its own."""
        return SqliteStore(folder / "jobs.db", clock=clock)


pytestmark = pytest.mark.timeout(7_200 if THOROUGH else 120)

TestMemory = OnMemory.TestCase
TestMemory.settings = PROFILE
TestSqlite = OnSqlite.TestCase
TestSqlite.settings = PROFILE
