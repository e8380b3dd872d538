"""Every store answers as the reference queue does, whatever is asked in whatever order.

The same operations go to a store and to `core.model`; after each step every reply and everything
that can be seen is compared. `seq` and cursors may differ, the order they stand for may not.
More and longer runs: HYPOTHESIS_PROFILE=thorough.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec import Struct
from msgspec.structs import replace

from boundary.jobs.core import model
from boundary.jobs.core.operations import (
    BATCH,
    Act,
    Announce,
    Audit,
    Cancel,
    Claim,
    Claimed,
    DeadLetters,
    Delete,
    Depart,
    Edit,
    Enqueue,
    Explain,
    Facts,
    Find,
    Fire,
    FireNow,
    Groups,
    Heartbeat,
    History,
    Inherit,
    Instruct,
    Members,
    Operation,
    Order,
    Outcome,
    Page,
    Peek,
    Promote,
    Prune,
    Purge,
    PutSchedule,
    Reclaim,
    RemoveSchedule,
    Repair,
    Report,
    Retry,
    Save,
    Schedule,
    Schedules,
    Search,
    Series,
    SetPaused,
    Settle,
    SettleAndClaim,
    Stats,
    Take,
    Time,
    Undo,
    What,
)
from boundary.jobs.core.wire import NewJob, Record
from boundary.jobs.ports import Store
from boundary.jobs.shell.adapters.memory import MemoryStore
from boundary.jobs.shell.adapters.redis import RedisStore
from boundary.jobs.shell.adapters.sqlite import SqliteStore
from boundary.jobs.shell.settings import RedisSettings
from boundary.jobs.testing import FakeClock
from devservers.single import Server

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
PROFILE = settings(
    max_examples=3_000 if THOROUGH else 80,
    stateful_step_count=80 if THOROUGH else 40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

IDS = tuple(bytes([letter]) * 16 for letter in b"abcdefgh")
QUEUES = ("default", "mail")
TYPES = ("send", "read")
WORKERS = ("w1", "w2", "w3")
NAMES = ("daily", "beat")
LEASE = 1_000
MAX_CRASHES = 2

ids = st.sampled_from(IDS)
some_ids = st.lists(ids, min_size=1, max_size=4).map(tuple)
some_known = st.lists(st.tuples(ids, st.sampled_from([1, 1, 2])), max_size=4).map(tuple)
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
    st.sampled_from([2, 2, 2, 0, 1, 3]),
    blobs,
    delay_ms=st.sampled_from([0, 0, 0, 0, 0, 1, 100, 400]),
    run_at=st.none(),
    parked=st.sampled_from([False] * 7 + [True]),
)
batches = st.lists(new_jobs, min_size=2, max_size=6).map(tuple)
served = st.sampled_from([None, None, None, QUEUES, ("mail", "default", "mail"), ("mail",), ()])
events = st.sampled_from(
    ["succeed", "fail", "exhaust", "discard", "cancel", "release", "snooze", "quarantine"]
)
aheads = st.sampled_from([(), (), (("mail", 2),), (("default", 1), ("mail", 3))])
claims = st.builds(
    Claim,
    workers,
    served,
    st.sampled_from([3, 2, 1, 0, 5]),
    st.sampled_from([LEASE, LEASE, 1, 2 * LEASE]),
    ahead=aheads,
    promote=st.sampled_from([BATCH, BATCH, BATCH, 0, 1]),
    join=st.sampled_from([True] * 5 + [False]),
    limits=st.sampled_from([(), (), (), (("mail", 1),), (("default", 0), ("mail", 2))]),
)


class Draft(Struct, frozen=True):
    """An outcome for a job yet to be chosen: which of those held, and under how old a token."""

    place: int
    stale: int
    outcome: Outcome


drafts = st.lists(
    st.builds(
        Draft,
        st.integers(0, len(IDS) - 1),
        st.sampled_from([0, 0, 0, 0, 0, 1, -1]),
        st.builds(
            Outcome,
            st.just(b""),
            st.just(0),
            events,
            trail=blobs,
            retry_count=st.integers(0, 3),
            delay_ms=st.sampled_from([0, 0, 0, 1, 400]),
            keep_ms=keeps,
            duration_ms=st.sampled_from([0.0, 0.5, 250.5]),
            wait_ms=st.sampled_from([0, 0, 7, 900]),
            cause=st.sampled_from(["", "c1", "c2"]),
        ),
    ),
    min_size=1,
    max_size=4,
)

orders = st.builds(Order, ids, st.sampled_from(["quiet", "unquiet", "drain", "restart"]))


def acts(what: What, target: str = "") -> st.SearchStrategy[Act | None]:
    """Nobody's act, or one of a few ids."""
    made = st.builds(
        Act,
        st.integers(0, 3).map(lambda number: ACTS[what][number]),
        st.just("ada"),
        st.just(what),
        st.just(target),
        st.sampled_from([60_000, 60_000, 60_000, 300, 0]),
    )
    return st.none() | made


WHATS: tuple[What, ...] = (
    "cancel", "retry", "delete", "purge", "edit", "pause", "undo",
    "quiet", "edit_schedule", "fire_schedule", "unschedule",
)  # fmt: skip
ACTS = {
    what: [bytes([1, number, place]) * 5 + b"." for number in range(4)]
    for place, what in enumerate(WHATS)
}
act_ids = st.sampled_from([id for ids in ACTS.values() for id in ids])

asks: st.SearchStrategy[Operation[Any]] = st.one_of(
    st.builds(Cancel, some_ids, keeps, acts("cancel")),
    st.builds(
        Retry, st.just(IDS), st.sampled_from([(), (0, 5, 400, 0, 0, 1, 0, 0)]), acts("retry")
    ),
    st.builds(Retry, some_ids),
    st.builds(Delete, some_ids, acts("delete")),
    st.builds(SetPaused, queues, st.just(True), acts("pause", "mail")),
    st.builds(SetPaused, queues, st.booleans()),
    st.builds(Purge, queues, limits, acts("purge")),
    st.builds(Undo, act_ids, acts("undo").filter(bool), limits),
    st.builds(Undo, act_ids, acts("undo").filter(bool)),
    st.builds(Promote, limits),
    st.builds(Prune, limits),
    st.builds(Depart, workers, keeps),
    st.builds(Explain, ids),
    st.builds(Inherit, st.just("w1"), st.just("heir"), some_known, spans, blobs, keeps),
    st.builds(Heartbeat, workers, spans, blobs, st.booleans()),
    st.builds(Instruct, orders, st.none() | st.lists(workers).map(tuple), acts("quiet")),
    st.builds(FireNow, new_jobs, acts("fire_schedule")),
    st.builds(Take, ids, workers, spans),
    st.builds(RemoveSchedule, st.sampled_from(NAMES), acts("unschedule")),
    st.builds(
        Groups,
        st.none() | queues,
        st.sampled_from([None, *TYPES]),
        cause=st.sampled_from([None, "c1", "Unknown:send"]),
    ),
    st.builds(Members, st.sampled_from(["c1", "Unknown:send"]), st.none() | queues, limit=limits),
    st.builds(DeadLetters, limits, st.none() | queues, st.sampled_from([None, *TYPES])),
)
"""What can be asked without knowing how things stand."""


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

    def held(self) -> list[Record]:
        """What runs, by the model, or else what could."""
        records = list(self.state.jobs.values())
        return [one for one in records if one.status == "running"] or records

    def outcomes(self, drafts: list[Draft]) -> tuple[str, tuple[Outcome, ...]]:
        """The outcomes meant by the drafts, and the worker that holds the first of the jobs."""
        held = self.held()
        if not held:
            return "w1", ()
        chosen = [held[one.place % len(held)] for one in drafts]
        return chosen[0].worker or "w1", tuple(
            replace(draft.outcome, id=record.id, token=record.token - draft.stale)
            for draft, record in zip(drafts, chosen, strict=True)
        )

    @initialize(jobs=batches, claim=claims)
    def begin_with_something(self, jobs: tuple[NewJob, ...], claim: Claim) -> None:
        self.agree(Enqueue(jobs))
        self.agree(claim)

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

    @rule(drafts=drafts)
    def settle(self, drafts: list[Draft]) -> None:
        worker, outcomes = self.outcomes(drafts)
        self.agree(Settle(worker, outcomes))

    @rule(drafts=drafts, claim=claims, worker=workers, mixed=st.sampled_from([False, False, True]))
    def settle_and_claim(
        self, drafts: list[Draft], claim: Claim, worker: str, *, mixed: bool
    ) -> None:
        holder, outcomes = self.outcomes(drafts)
        settling = worker if mixed else holder
        self.agree(SettleAndClaim(Settle(settling, outcomes), replace(claim, worker=settling)))

    @rule(ask=asks)
    def ask(self, ask: Operation[Any]) -> None:
        self.agree(ask)

    @rule(place=st.integers(0, 7), stale=st.sampled_from([0, 0, 1, -1]), progress=blobs)
    def report(self, place: int, stale: int, progress: bytes) -> None:
        if held := self.held():
            record = held[place % len(held)]
            self.agree(Report(record.id, record.token - stale, progress))

    @rule(frame=blobs)
    def announce(self, frame: bytes) -> None:
        self.agree(Announce((frame,)))

    @rule(place=st.integers(0, 7), keep_ms=keeps)
    def stop_one_that_runs(self, place: int, keep_ms: int | None) -> None:
        if held := self.held():
            self.agree(Cancel((held[place % len(held)].id,), keep_ms))

    @rule(
        id=ids,
        blob=blobs,
        stale=st.sampled_from([0, 0, 0, 1]),
        act=acts("edit"),
        trail=st.none() | blobs,
    )
    def edit(
        self, id: bytes, blob: bytes, stale: int, act: Act | None, trail: bytes | None
    ) -> None:
        known = self.state.jobs.get(id)
        token, updated = (known.token, known.updated) if known else (0, 0)
        self.agree(Edit(id, token - stale, updated, blob, act, trail))

    @rule(limit=limits)
    def undo_what_was_done(self, limit: int) -> None:
        if self.state.acts:
            latest = max(self.state.acts.values(), key=lambda one: (one.at, one.id))
            self.agree(Undo(latest.id, Act(ACTS["undo"][0], "ada", "undo", "it"), limit))

    @rule(limit=limits, keep_ms=keeps)
    def reclaim(self, limit: int, keep_ms: int | None) -> None:
        self.agree(Reclaim(MAX_CRASHES, keep_ms, limit))

    @rule(limit=limits, mend=st.booleans(), later=st.booleans())
    def repair(self, limit: int, *, mend: bool, later: bool) -> None:
        """Nothing is amiss, and what can be seen stays as it is."""
        if later:
            self.clock.advance(0.001)
        cursor, looked = None, 0
        while True:
            step = self.backend.execute(Repair(cursor, limit, mend))
            assert step.amiss == (), step
            looked += step.looked
            cursor = step.cursor
            if cursor is None:
                break
        assert looked == len(self.state.jobs)

    @rule()
    def everything_is_lost(self) -> None:
        self.clock.advance(3 * LEASE / 1000)
        self.agree(Reclaim(MAX_CRASHES, None))

    @rule(
        name=st.sampled_from(NAMES),
        next_in=st.none() | spans,
        cron=st.sampled_from([None, "0 8 * * *"]),
        misfire=st.sampled_from(["skip", "once", "all"]),
        declared=blobs,
        stale=st.sampled_from([False, False, False, True]),
        act=acts("edit_schedule"),
    )
    def put_schedule(
        self,
        name: str,
        next_in: int | None,
        cron: str | None,
        misfire: Any,
        declared: bytes,
        *,
        stale: bool,
        act: Act | None,
    ) -> None:
        """A new one, an edit, a pause, or one by somebody who saw another."""
        next_at = None if next_in is None else self.clock.now() + next_in
        new = Schedule(name, "t", "mail", 1, b"", next_at, cron, None if cron else 500)
        new = replace(new, misfire=misfire, declared=declared)
        over = new if stale else self.state.schedules.get(name)
        self.agree(PutSchedule(new, over, act))

    @rule(name=st.sampled_from(NAMES), off=st.sampled_from([0, 0, 0, 1]), job=st.none() | new_jobs)
    def fire(self, name: str, off: int, job: NewJob | None) -> None:
        known = self.state.schedules.get(name)
        tick = (known.next_at if known else None) or self.clock.now()
        self.agree(Fire(name, tick + off, self.clock.now() + 400, job))

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
                    record,
                    status=status,
                    execute_at=at,
                    worker=worker,
                    completed=at,
                    token=1,
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
                        known,
                        payload=blob,
                        trail=blob,
                        progress=blob,
                        token=known.token - stale,
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

    @invariant()
    def all_that_can_be_seen_agrees(self) -> None:
        self.agree(Time())
        self.agree(Find(IDS))
        self.agree(Stats())
        self.agree(Series(3))
        self.agree(Series(2, job_type="send", hourly=True, by="job_type"))
        self.agree(Schedules())
        self.agree(Search())
        self.agree(DeadLetters())
        self.agree(Audit(200))
        self.agree(Audit(2, before=ACTS["purge"][2]))
        self.agree(Groups())
        self.agree(Groups(since=self.clock.now() - 100))
        self.agree(Members("c2", until=self.clock.now() - 100))
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
        case Facts():
            return replace(reply, record=seen(reply.record))
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


class OnRedis(Agreement):
    """The Redis adapter, each time in a namespace of its own."""

    url = ""
    number = count()

    @classmethod
    def open(cls, folder: Path, clock: FakeClock) -> Store:
        """A store of its own."""
        namespace = f"t{next(cls.number)}"
        return RedisStore.of(cls.url, RedisSettings(), namespace=namespace, clock=clock)


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    """Where `OnRedis` keeps its jobs."""
    with Server() as made:
        OnRedis.url = made.url()
        yield


pytestmark = pytest.mark.timeout(7_200 if THOROUGH else 300)

TestMemory = OnMemory.TestCase
TestMemory.settings = PROFILE
TestSqlite = OnSqlite.TestCase
TestSqlite.settings = PROFILE
TestRedis = OnRedis.TestCase
TestRedis.settings = PROFILE if THOROUGH else settings(PROFILE, max_examples=25)
