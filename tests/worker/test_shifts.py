"""A worker as a whole: slots, order, leases, stopping."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from uuid import UUID

import pytest

from boundary.jobs import BackendUnavailable, Context, Job, Jobs, UsageError
from boundary.jobs.core.operations import BATCH, Claim, Depart, Reclaim, Take
from boundary.jobs.shell import loops
from boundary.jobs.shell.worker import SWEEP_MS
from tests.waiting import PATIENCE, Pressure, Stopwatch, eventually
from tests.worker.conftest import working


def test_as_many_at_once_as_there_are_slots_and_never_more(jobs: Jobs) -> None:
    now, most, gate = 0, 0, threading.Event()
    lock = threading.Lock()

    @jobs.handler
    def blocking() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        gate.wait(5)
        with lock:
            now -= 1

    jobs.enqueue_many(blocking.job() for _ in range(12))
    with working(jobs, concurrency=4):
        eventually("four run", lambda: now == 4)
        gate.set()
        eventually("all have run", lambda: jobs.stats().total_succeeded == 12)
    assert most == 4


def test_priorities_then_queues_in_the_order_given(jobs: Jobs) -> None:
    """S45, S48."""
    order: list[str] = []

    @jobs.handler
    async def note(what: str) -> None:
        order.append(what)

    note.using(queue="second", priority="critical").enqueue(what="second critical")
    for priority in ("low", "normal", "high", "critical"):
        note.using(queue="first", priority=priority).enqueue(what=f"first {priority}")
    jobs.worker(queues=["first", "second"], concurrency=1).run_until_empty()
    assert order == [
        "first critical",
        "first high",
        "first normal",
        "first low",
        "second critical",
    ]


def test_a_worker_serves_only_its_queues(jobs: Jobs) -> None:
    @jobs.handler
    async def noop() -> None:
        pass

    mine, other = noop.using(queue="mine").enqueue(), noop.using(queue="other").enqueue()
    jobs.worker(queues=["mine"]).run_until_empty()
    assert jobs.find(mine.id).status == "completed"  # type: ignore[union-attr]
    assert jobs.find(other.id).status == "pending"  # type: ignore[union-attr]


def test_weights_serve_every_queue(jobs: Jobs) -> None:
    order: list[str] = []

    @jobs.handler
    async def note(queue: str) -> None:
        order.append(queue)

    for name in ("busy", "quiet"):
        jobs.enqueue_many(note.using(queue=name).job(queue=name) for _ in range(40))
    jobs.worker(weights={"busy": 3, "quiet": 1}, concurrency=1).run_until_empty()
    assert sorted(order) == ["busy"] * 40 + ["quiet"] * 40
    assert "quiet" in order[:60]


def test_a_paused_queue_waits_until_it_is_resumed(jobs: Jobs) -> None:
    @jobs.handler
    async def noop() -> None:
        pass

    jobs.pause("default")
    with working(jobs):
        job = noop.enqueue()
        # What came later, in a queue that is not paused, has been claimed past it.
        jobs.result(noop.using(queue="other").enqueue().id, timeout=PATIENCE)
        assert jobs.find(job.id).status == "pending"  # type: ignore[union-attr]
        jobs.resume("default")
        jobs.result(job.id, timeout=PATIENCE)


def test_a_scheduled_job_starts_at_its_moment(jobs: Jobs) -> None:
    """S3, S62, S105: not before, and not at the next poll but at once."""
    started: list[float] = []

    @jobs.handler
    async def reminder() -> None:
        started.append(time.time())

    pressure = Pressure()
    with working(jobs):
        job = reminder.using(delay=0.3).enqueue()
        pressure.note()
        jobs.result(job.id, timeout=PATIENCE)
    assert job.execute_at is not None
    pressure.note()
    due = job.execute_at.timestamp()
    assert started[0] - due >= -0.002
    assert pressure.took(due, started[0]) < 0.25


def test_a_schedule_fires_once_a_tick_with_many_workers(jobs: Jobs) -> None:
    """G11 in the small."""
    ticks: list[UUID] = []

    @jobs.handler
    async def tick(ctx: Context) -> None:
        ticks.append(ctx.job.id)

    began = time.monotonic()
    jobs.schedule("every-so-often", every=0.2, handler=tick, args={})
    with working(jobs), working(jobs), working(jobs):
        eventually("four ticks", lambda: len(ticks) >= 4)
    # The job of a tick has the tick's id.
    assert len(ticks) == len(set(ticks)) <= (time.monotonic() - began) / 0.2 + 1


def test_a_cron_declared_in_code_is_put_by_the_worker(jobs: Jobs) -> None:
    @jobs.cron("* * * * * *")
    @jobs.handler
    async def each_second() -> None:
        pass

    with working(jobs):
        eventually("the first tick", lambda: jobs.stats().total_succeeded)
        assert [one.job_type for one in jobs.schedules()] == ["each_second"]


def test_a_stopping_worker_lets_jobs_end_and_gives_back_the_rest(jobs: Jobs) -> None:
    """G9."""
    begun, gate, ran = threading.Event(), threading.Event(), []

    @jobs.handler
    def slow(number: int) -> None:
        begun.set()
        gate.wait(PATIENCE)
        ran.append(number)

    jobs.enqueue_many(slow.job(number=number) for number in range(3))
    worker = jobs.worker(concurrency=1)
    thread = threading.Thread(target=lambda: loops.run(worker.run()))
    thread.start()
    assert begun.wait(PATIENCE)
    worker.stop(grace=60)
    time.sleep(0.05)
    assert thread.is_alive()
    gate.set()
    thread.join(PATIENCE)
    assert ran == [0]
    queue = jobs.queue_stats("default")
    assert (queue.size, queue.succeeded_total) == (2, 1)
    assert jobs.workers() == []


@pytest.mark.parametrize("kind", ["loop", "thread"])
def test_what_does_not_end_in_time_is_released_at_once(jobs: Jobs, kind: str) -> None:
    """G9: released, not left to its lease; no retry is used up."""
    begun = threading.Event()
    let_go = threading.Event()

    @jobs.handler
    async def on_loop() -> None:
        begun.set()
        await asyncio.sleep(600)

    @jobs.handler
    def in_thread() -> None:
        begun.set()
        let_go.wait(2 * PATIENCE)

    job = (on_loop if kind == "loop" else in_thread).enqueue()
    worker = jobs.worker()
    thread = threading.Thread(target=lambda: loops.run(worker.run()))
    thread.start()
    assert begun.wait(PATIENCE)
    asked = Stopwatch()
    worker.stop(grace=0.1)
    thread.join(PATIENCE)
    assert asked.took() < 1.1
    found = jobs.find(job.id)
    assert found is not None
    assert (found.status, found.retry_count, found.crash_count) == ("pending", 0, 0)
    let_go.set()


def test_a_handler_that_blocks_the_loop_keeps_its_lease(url: str) -> None:
    """Heartbeats come from a thread of their own."""
    runs: list[float] = []
    with Jobs(url, config={"workers": {"lease": 2_000}}) as jobs:

        @jobs.handler
        async def rude() -> None:
            runs.append(time.monotonic())
            time.sleep(3.0)

        job = rude.enqueue()
        with working(jobs), working(jobs):
            jobs.result(job.id, timeout=PATIENCE)
        assert len(runs) == 1


def test_a_lost_lease_settles_nothing_and_the_worker_goes_on(jobs: Jobs) -> None:
    """G8: the job was taken back and claimed anew; the first run's outcome is refused."""
    begun, gate = threading.Event(), threading.Event()

    @jobs.handler
    def work() -> str:
        begun.set()
        gate.wait(PATIENCE)
        return "late"

    job = work.enqueue()
    with working(jobs):
        assert begun.wait(PATIENCE)
        backend = jobs.store.blocking()
        holder = jobs.find(job.id).worker  # type: ignore[union-attr]
        assert holder is not None
        jobs.pause("default")  # so that the first worker, back under a new name, does not take it
        backend.execute(Depart(holder, None))
        taken = backend.execute(Take(job.id.bytes, "another", 60_000))
        jobs.resume("default")
        assert taken is not None
        assert taken.token == 2
        gate.set()
        again = work.enqueue()
        assert jobs.result(again.id, timeout=PATIENCE) == "late"
        found = jobs.find(job.id)
        assert found is not None
        assert (found.status, found.worker) == ("running", "another")
        backend.close()


def test_a_worker_that_lost_its_lease_takes_one_new_name(
    jobs: Jobs, caplog: pytest.LogCaptureFixture
) -> None:
    """It claims nothing under a name that it has not told the store yet."""

    @jobs.handler
    async def work() -> None:
        await asyncio.sleep(0.01)

    backend = jobs.store.blocking()
    jobs.enqueue_many(work.job() for _ in range(2_000))
    with working(jobs, concurrency=4):
        for _ in range(20):
            (known,) = eventually("it is there", jobs.workers)
            backend.execute(Depart(known.id, None))
            eventually(
                "it is there under another name",
                lambda known=known: {one.id for one in jobs.workers()} - {known.id},
            )
            assert len(jobs.workers()) == 1
    backend.close()
    said = [one for one in caplog.messages if "gave this worker's jobs to others" in one]
    assert len(said) == 20


def test_what_a_dead_worker_held_runs_again_with_its_crash_counted(jobs: Jobs) -> None:
    @jobs.handler
    async def work() -> int:
        return 1

    job = work.enqueue()
    backend = jobs.store.blocking()
    backend.execute(Claim("dead", None, 1, 50, join=True))
    with working(jobs):
        assert jobs.result(job.id, timeout=PATIENCE) == 1
    backend.close()
    found = jobs.find(job.id)
    assert found is not None
    assert (found.crash_count, found.retry_count, found.fencing_token) == (1, 0, 2)


def test_all_that_dead_workers_held_runs_again_within_one_sweep(jobs: Jobs) -> None:
    """G5, however much it is: a worker with a thousand slots holds more than one call takes back."""
    ran: list[int] = []

    @jobs.handler
    async def work() -> None:
        ran.append(1)

    jobs.enqueue_many(work.job() for _ in range(3 * BATCH))
    backend = jobs.store.blocking()
    for number in range(3):
        claim = Claim(f"dead-{number}", None, BATCH, 1, join=True)
        assert len(backend.execute(claim).jobs) == BATCH
    backend.close()
    time.sleep(0.01)
    begun = Stopwatch()
    with working(jobs, concurrency=100):
        eventually("all have run", lambda: len(ran) == 3 * BATCH)
        assert begun.took() < SWEEP_MS / 1000


def test_a_job_that_kills_its_workers_is_dead_after_three(jobs: Jobs) -> None:
    """G10: `WorkerLost`, in the dead letter queue."""
    jobs.enqueue("killer", {})
    backend = jobs.store.blocking()
    for number in range(3):
        assert backend.execute(Claim(f"dead-{number}", None, 1, 0, join=True)).jobs
        backend.execute(Reclaim(max_crashes=3, keep_ms=None))
    backend.close()
    (dead,) = jobs.failed()
    assert dead.error is not None
    assert (dead.error.type, dead.crash_count) == ("WorkerLost", 3)


def test_several_drains_at_once_from_any_thread(jobs: Jobs) -> None:
    ran: list[int] = []

    @jobs.handler
    async def note(number: int) -> None:
        ran.append(number)

    jobs.enqueue_many(note.job(number=number) for number in range(500))
    worker = jobs.worker()
    threads = [threading.Thread(target=worker.run_until_empty) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(ran) == list(range(500))


def test_a_drain_runs_what_its_jobs_enqueue_but_not_what_is_due_later(jobs: Jobs) -> None:
    ran: list[int] = []

    @jobs.handler
    def chain(left: int) -> None:
        ran.append(left)
        if left:
            chain.enqueue(left=left - 1)

    @jobs.handler
    def later() -> None:
        ran.append(-1)

    later.using(delay=60).enqueue()
    chain.enqueue(left=20)
    jobs.worker().run_until_empty()
    assert ran == list(range(20, -1, -1))


def test_run_until_empty_on_an_event_loop_says_what_to_do(jobs: Jobs) -> None:
    async def main() -> None:
        with pytest.raises(UsageError, match="await worker.run"):
            jobs.worker().run_until_empty()
        await jobs.worker().run(burst=True)

    loops.run(main())


@pytest.mark.parametrize(
    "options",
    [
        {"concurrency": 0},
        {"queues": "default"},
        {"queues": ["a b"]},
        {"weights": {"a": 0}},
        {"queues": ["a"], "weights": {"a": 1}},
    ],
)
def test_a_wrong_worker_is_refused(jobs: Jobs, options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        jobs.worker(**options)  # type: ignore[arg-type]


def test_a_drain_on_a_store_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "dir.db").mkdir()
    with pytest.raises(Exception) as caught:
        Jobs(f"sqlite:///{tmp_path}/dir.db").worker().run_until_empty()
    assert "dir.db" in str(caught.value)
    assert isinstance(caught.value, BackendUnavailable | UsageError) or caught.value.args


def test_a_worker_that_waits_for_its_store_hears_that_it_is_to_stop() -> None:
    with Jobs("redis://127.0.0.1:1") as jobs:
        worker = jobs.worker()
        thread = threading.Thread(target=loops.run, args=(worker.run(),), daemon=True)
        thread.start()
        eventually("it has begun", lambda: worker._shifts)
        worker.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_a_worker_shows_itself_while_it_lives(jobs: Jobs) -> None:
    """S110, S123."""
    begun, gate = threading.Event(), threading.Event()

    @jobs.handler
    def slow(ctx: Context) -> None:
        begun.set()
        gate.wait(5)

    with working(jobs, concurrency=3, queues=["default"]):
        (idle,) = eventually("the worker is known", jobs.workers)
        assert (idle.status, idle.concurrency, idle.queues) == ("idle", 3, ("default",))
        job: Job = jobs.enqueue("slow", {})
        assert begun.wait(PATIENCE)
        (busy,) = jobs.workers()
        assert busy.status == "running"
        assert str(job.id) in busy.running or job.id in busy.running
        gate.set()
    assert jobs.workers() == []


def test_a_worker_looks_for_what_is_due_at_the_scheduled_interval() -> None:
    """S105: the shorter of the two bounds counts."""
    bounds = {"workers": {"poll_interval": 60_000}, "scheduled_processor": {"interval": 700}}
    with Jobs("memory://", config=bounds) as jobs:
        assert jobs.worker().setup.poll_ms == 700
    bounds["scheduled_processor"]["enabled"] = False
    with Jobs("memory://", config=bounds) as jobs:
        assert jobs.worker().setup.poll_ms == 60_000


def test_namespaces_on_one_url_do_not_meet(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    with Jobs(url) as ours, Jobs(url, namespace="shop") as shop:
        ours.enqueue("works")
        assert shop.queues() == []
        shop.enqueue("works")
        assert (tmp_path / "jobs.shop.db").exists()
        assert ours.queue_stats("default").size == 1
