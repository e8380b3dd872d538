"""Handlers in processes of their own: they run as others do, and end alone."""

from __future__ import annotations

import logging
import os
import signal
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from boundary.jobs import Context, Job, Jobs, RetryPolicy
from boundary.jobs.core.dispatcher import Disowned
from boundary.jobs.errors import UsageError
from tests.isolation import handlers
from tests.waiting import PATIENCE, Stopwatch, eventually
from tests.worker.conftest import working

pytestmark = pytest.mark.long

QUICK = RetryPolicy(strategy="constant", initial_delay=0.01, jitter=False)
linux = pytest.mark.skipif(sys.platform != "linux", reason="as Linux counts memory and files")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/jobs.db"


@pytest.fixture
def jobs(url: str) -> Any:
    with Jobs(url, config={"workers": {"lease": 60_000}}) as made:
        yield made


def isolated(jobs: Jobs, function: Any, **options: Any) -> Any:
    return jobs.handler(isolation="process", **options)(function)


def done(jobs: Jobs, job: Job, patience: float = PATIENCE) -> Job:
    def look() -> Job | None:
        found = jobs.find(job.id)
        ended = found is not None and found.status in {"completed", "failed", "cancelled"}
        return found if ended else None

    found: Job = eventually(f"{job.job_type} reaches its end", look, patience)
    return found


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # A zombie nobody waits for (its parent is init here) is gone too.
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z"


# It runs as other handlers do


@pytest.mark.parametrize("name", ["add", "add_async"])
def test_it_runs_elsewhere_and_its_result_comes_back(jobs: Jobs, name: str) -> None:
    handler = isolated(jobs, getattr(handlers, name))
    with working(jobs):
        first = jobs.result(handler.enqueue(a=2, b=3).id, timeout=PATIENCE)
        second = jobs.result(handler.enqueue(a=5, b=3).id, timeout=PATIENCE)
    assert (first["sum"], second["sum"]) == (5, 8)
    assert first["pid"] == second["pid"] != os.getpid()


def test_arguments_have_their_types_there(jobs: Jobs) -> None:
    handler = isolated(jobs, handlers.typed)
    job = handler.enqueue(size=handlers.Size(3, 4), path=Path("/a/b"))
    jobs.worker().run_until_empty()
    assert jobs.result(job.id) == [12, "/a/b", type(Path()).__name__]


def test_progress_context_and_log_work_from_there(
    jobs: Jobs, caplog: pytest.LogCaptureFixture
) -> None:
    handler = isolated(jobs, handlers.reports)
    with caplog.at_level(logging.INFO, "boundary.jobs"):
        job = handler.enqueue()
        jobs.worker().run_until_empty()
    found = done(jobs, job)
    assert found.result == "reports 1 1"
    assert found.progress is not None
    assert (found.progress.fraction, found.progress.message) == (0.25, "a quarter")
    (line,) = [one for one in caplog.records if one.getMessage() == "from the child"]
    assert (line.name, line.__dict__["job_id"]) == ("boundary.jobs.handler", str(job.id))


def test_what_it_raises_is_a_failed_run_with_its_own_trace(jobs: Jobs) -> None:
    handler = isolated(jobs, handlers.fails, max_retries=0)
    job = handler.enqueue()
    jobs.worker().run_until_empty()
    error = done(jobs, job).error
    assert error is not None
    assert (error.type, error.message) == ("ValueError", "as it should")
    assert error.stacktrace is not None
    assert error.stacktrace.splitlines()[1].strip().startswith("File ")
    assert "tests/isolation/handlers.py" in error.stacktrace.splitlines()[1]


def test_long_and_strange_texts_are_cut_not_fatal(jobs: Jobs) -> None:
    bad = isolated(jobs, handlers.fails_at_length, max_retries=0).enqueue()
    good = isolated(jobs, handlers.talks_at_length).enqueue()
    jobs.worker().run_until_empty()
    error = done(jobs, bad).error
    assert error is not None
    assert (error.type, error.message[:9]) == ("ValueError", "\\ud800xxx")
    assert jobs.result(good.id) == "heard"


def test_a_lease_that_is_lost_ends_the_process_and_nothing_else(jobs: Jobs, tmp_path: Path) -> None:
    """The job is somebody else's now; threads and slots of this worker count on."""
    note = tmp_path / "note"
    handler, fine = isolated(jobs, handlers.deaf), isolated(jobs, handlers.where)

    @jobs.middleware
    async def around(ctx: Context, call_next: Any) -> object:
        return await call_next(ctx)

    @jobs.handler
    def in_thread() -> str:
        return "fine"

    with working(jobs, concurrency=2) as worker:
        handler.enqueue(path=str(note))
        pid = int(eventually("it runs", lambda: note.exists() and note.read_text(), 20))
        for shift in worker._shifts:
            turns = shift._turns
            turns.from_thread(turns.tell)(Disowned(turns.now()))
        eventually("its process is gone", lambda: is_gone(pid))
        for _ in range(3):
            assert jobs.result(in_thread.enqueue().id, timeout=PATIENCE) == "fine"
            assert jobs.result(fine.enqueue().id, timeout=PATIENCE)


@pytest.mark.parametrize(
    ("how", "status", "retries", "reason"),
    [
        ("retry", "completed", 1, None),
        ("snooze", "completed", 0, None),
        ("cancel", "cancelled", 0, "pointless"),
        ("discard", "failed", 0, "junk"),
        ("gone", "failed", 0, "discarded by its handler"),
        ("terse", "completed", 1, None),  # it does not say how long: an ordinary failed run
    ],
)
def test_it_steers_from_there(
    jobs: Jobs, how: str, status: str, retries: int, reason: str | None
) -> None:
    handler = isolated(jobs, handlers.steers)
    with working(jobs):
        found = done(jobs, handler.enqueue(how=how))
    assert (found.status, found.retry_count, found.reason) == (status, retries, reason)


def test_answers_in_the_seeds_form_mean_the_same(jobs: Jobs) -> None:
    handler = isolated(jobs, handlers.answers, max_retries=0)
    bad, good, plain = (handler.enqueue(kind=kind) for kind in ("failure", "success", "plain"))
    jobs.worker().run_until_empty()
    error = done(jobs, bad).error
    assert error is not None
    assert (error.type, error.message, error.stacktrace) == ("PaymentFailed", "declined", "trace")
    assert jobs.result(good.id) == {"success": False, "error": {}}
    assert jobs.result(plain.id) == 7


@pytest.mark.parametrize(
    ("name", "kind"), [("opaque", "SerializationError"), ("huge", "PayloadTooLarge")]
)
def test_results_that_cannot_be_stored_are_failures(jobs: Jobs, name: str, kind: str) -> None:
    handler = isolated(jobs, getattr(handlers, name), max_retries=0)
    job = handler.enqueue()
    jobs.worker().run_until_empty()
    error = done(jobs, job).error
    assert error is not None
    assert error.type == kind


def test_middleware_is_around_it_in_the_worker(jobs: Jobs) -> None:
    seen: list[object] = []

    @jobs.middleware
    async def around(ctx: Context, call_next: Any) -> object:
        seen.append(os.getpid())
        value = await call_next(ctx)
        seen.append(value["sum"])
        return {"wrapped": value["sum"]}

    job = isolated(jobs, handlers.add).enqueue(a=1, b=2)
    jobs.worker().run_until_empty()
    assert jobs.result(job.id) == {"wrapped": 3}
    assert seen == [os.getpid(), 3]


# It ends alone


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("exit", "exit code 3"),
        ("segfault", "SIGSEGV"),
        ("abort", "SIGABRT"),
        ("kill", "SIGKILL, and not by its worker"),
        ("hang up", "closed its connection"),
        ("recursion in native code", "SIGSEGV"),
    ],
)
def test_a_process_that_ends_costs_its_own_job_only(jobs: Jobs, how: str, says: str) -> None:
    """G10: a failed run that says how, a dead letter at max_crashes; neighbours go on."""
    bad = isolated(jobs, handlers.ends, max_retries=9, retry=QUICK)
    slow = isolated(jobs, handlers.sleeps)

    @jobs.handler
    async def fine() -> str:
        return "fine"

    neighbour = slow.enqueue(seconds=1.0)
    with working(jobs, concurrency=4) as worker:
        job = bad.enqueue(how=how)
        found = done(jobs, job)
        assert jobs.result(neighbour.id, timeout=PATIENCE) == "slept"
        assert jobs.result(fine.enqueue().id, timeout=PATIENCE) == "fine"
        assert jobs.result(slow.enqueue(seconds=0).id, timeout=PATIENCE) == "slept"
        assert worker is not None
    assert found.status == "failed"
    assert found.error is not None
    assert found.error.type == "WorkerLost"
    assert says in found.error.message
    assert "max_crashes is 3" in found.error.message
    assert (found.crash_count, len(found.errors)) == (3, 3)
    assert [one.id for one in jobs.failed()] == [job.id]


def test_an_operators_retry_begins_with_a_full_budget(jobs: Jobs) -> None:
    handler = isolated(jobs, handlers.ends, max_retries=9, retry=QUICK)
    with working(jobs):
        job = handler.enqueue(how="exit")
        assert done(jobs, job).crash_count == 3
        again = jobs.retry(job.id)
        assert again is not None
        assert again.crash_count == 0
        eventually("three more", lambda: len(done(jobs, job).errors) == 6)


def test_without_retries_one_lost_process_is_the_end(jobs: Jobs) -> None:
    job = isolated(jobs, handlers.ends, max_retries=0).enqueue(how="exit")
    jobs.worker().run_until_empty()
    found = done(jobs, job)
    assert (found.status, found.crash_count, len(found.errors)) == ("failed", 1, 1)


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ("sys.exit", "SystemExit"),
        ("interrupt", "KeyboardInterrupt"),
        ("recursion", "RecursionError"),
    ],
)
def test_what_only_unwinds_is_an_ordinary_failure(jobs: Jobs, how: str, kind: str) -> None:
    handler = isolated(jobs, handlers.ends, max_retries=0)
    first = isolated(jobs, handlers.where)
    with working(jobs):
        before = jobs.result(first.enqueue().id, timeout=PATIENCE)
        found = done(jobs, handler.enqueue(how=how))
        after = jobs.result(first.enqueue().id, timeout=PATIENCE)
    assert found.error is not None
    assert found.error.type == kind
    assert before == after


@linux
def test_memory_beyond_the_limit_is_refused(jobs: Jobs) -> None:
    handler = isolated(jobs, handlers.hogs, max_retries=0, memory_limit="200 MiB")
    free = isolated(jobs, handlers.sleeps)
    with working(jobs):
        assert jobs.result(handler.enqueue(megabytes=20).id, timeout=PATIENCE) == 20 << 20
        found = done(jobs, handler.enqueue(megabytes=400))
        assert jobs.result(handler.enqueue(megabytes=20).id, timeout=PATIENCE) == 20 << 20
        assert jobs.result(free.enqueue(seconds=0).id, timeout=PATIENCE) == "slept"
    assert found.error is not None
    assert found.error.type == "MemoryError"
    assert "its memory_limit is 209,715,200 bytes" in found.error.message
    assert found.crash_count == 0


@pytest.mark.parametrize("name", ["spins", "spins_in_native_code", "sleeps", "deaf"])
def test_a_timeout_is_hard(jobs: Jobs, name: str, tmp_path: Path) -> None:
    """Whatever it does, its slot is free within the grace of SIGTERM, and its process is gone."""
    handler = isolated(jobs, getattr(handlers, name), timeout=0.5, max_retries=0)
    warm = isolated(jobs, handlers.where)
    given = {"sleeps": {"seconds": 60}, "deaf": {"path": str(tmp_path / "pid")}}.get(name, {})
    with working(jobs, concurrency=1):
        jobs.result(warm.enqueue().id, timeout=PATIENCE)
        began = Stopwatch()
        job = handler.enqueue(**given)
        found = done(jobs, job)
        took = began.took()
        assert jobs.result(warm.enqueue().id, timeout=PATIENCE)
    assert took < 0.5 + 0.5 + 0.6
    assert found.error is not None
    assert found.error.type == "TimeoutError"
    assert "its timeout is 0.5 s" in found.error.message
    if name == "deaf":
        assert "SIGKILL" in found.error.message
        assert is_gone(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("name", ["heeds", "heeds_async", "unwinds"])
def test_a_request_to_stop_reaches_it(jobs: Jobs, name: str, tmp_path: Path) -> None:
    note = tmp_path / "note"
    handler = isolated(jobs, getattr(handlers, name), max_retries=0)
    with working(jobs):
        job = handler.enqueue(path=str(note))
        eventually("it runs", lambda: note.exists() and note.read_text(), 20)
        jobs.cancel(job.id)
        found = done(jobs, job)
    assert found.status == "cancelled"
    assert note.read_text() == "heeded"


def test_a_process_that_has_to_start_takes_nothing_of_the_timeout(jobs: Jobs) -> None:
    """Starting an interpreter and importing takes longer than this handler may."""
    job = isolated(jobs, handlers.sleeps, timeout=0.1, max_retries=0).enqueue(seconds=0)
    jobs.worker().run_until_empty()
    assert jobs.result(job.id) == "slept"


def test_more_time_on_request(jobs: Jobs) -> None:
    job = isolated(jobs, handlers.extends, timeout=1.5, max_retries=0).enqueue()
    with working(jobs):
        assert jobs.result(job.id, timeout=PATIENCE) == "made it"


def test_what_the_handler_started_ends_with_it(jobs: Jobs, tmp_path: Path) -> None:
    note = tmp_path / "pids"
    handler = isolated(jobs, handlers.starts_a_child, timeout=0.5, max_retries=0)
    with working(jobs):
        job = handler.enqueue(path=str(note))
        done(jobs, job)
        for pid in note.read_text().split():
            eventually(f"{pid} is gone", lambda pid=pid: is_gone(int(pid)))


def test_a_fork_of_the_handler_answers_nothing(jobs: Jobs, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    handler = isolated(jobs, handlers.forks)
    with working(jobs):
        first = jobs.result(handler.enqueue(path=str(note)).id, timeout=20)
        fork = eventually("the fork", lambda: note.exists() and note.read_text())
        assert first != int(fork)
        assert jobs.result(handler.enqueue(path=str(note)).id, timeout=20) == first


@pytest.mark.parametrize("name", ["closes_stdout", "moves"])
def test_a_process_that_is_not_as_it_was_is_replaced(jobs: Jobs, name: str) -> None:
    handler, look = isolated(jobs, getattr(handlers, name)), isolated(jobs, handlers.where)
    with working(jobs):
        spoiled = jobs.result(handler.enqueue().id, timeout=PATIENCE)
        pid, folder = jobs.result(look.enqueue().id, timeout=PATIENCE)
    assert pid != spoiled
    assert folder == str(Path.cwd())


def test_a_process_that_babbles_is_killed(jobs: Jobs) -> None:
    handler, fine = isolated(jobs, handlers.babbles, max_retries=0), isolated(jobs, handlers.where)
    with working(jobs):
        found = done(jobs, handler.enqueue())
        assert jobs.result(fine.enqueue().id, timeout=PATIENCE)
    assert found.error is not None
    assert "no cell says" in found.error.message


# The pool


def test_it_grows_to_the_slots_that_need_it(jobs: Jobs, tmp_path: Path) -> None:
    notes = [tmp_path / str(number) for number in range(3)]
    handler = isolated(jobs, handlers.heeds)
    with working(jobs, concurrency=3):
        together = [handler.enqueue(path=str(note)) for note in notes]
        eventually("all run", lambda: all(one.exists() and one.read_text() for one in notes))
        pids = {one.read_text() for one in notes}
        for job in together:
            jobs.cancel(job.id)
            assert done(jobs, job).status == "cancelled"
    assert len(pids) == 3


def test_a_process_is_replaced_after_so_many_runs(jobs: Jobs) -> None:
    look = isolated(jobs, handlers.where, recycle_after=2)
    with working(jobs):
        pids = [jobs.result(look.enqueue().id, timeout=PATIENCE)[0] for _ in range(6)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [2, 2, 2]


@linux
def test_it_holds_nothing_of_its_worker(jobs: Jobs) -> None:
    """No connection to the store, no other file: its socket and what it opened itself."""
    held = isolated(jobs, handlers.descriptors)
    with working(jobs):
        found = jobs.result(held.enqueue().id, timeout=PATIENCE)
    sockets = [one for one in found.values() if one.startswith("socket:")]
    assert len(sockets) == 1
    assert not [one for one in found.values() if "jobs.db" in one or "eventpoll" in one]


def test_none_is_left_when_the_worker_stops(jobs: Jobs) -> None:
    look = isolated(jobs, handlers.where)
    with working(jobs):
        pid, _ = jobs.result(look.enqueue().id, timeout=PATIENCE)
    assert is_gone(pid)


def test_an_idle_process_that_dies_is_replaced(jobs: Jobs) -> None:
    look = isolated(jobs, handlers.where)
    with working(jobs):
        pid, _ = jobs.result(look.enqueue().id, timeout=PATIENCE)
        os.kill(pid, signal.SIGKILL)
        job = look.enqueue()
        after, _ = jobs.result(job.id, timeout=PATIENCE)
        found = jobs.find(job.id)
    assert after != pid
    assert found is not None
    assert (found.crash_count, found.retry_count) == (0, 0)


def test_without_a_process_to_be_had_the_job_waits_for_another_chance(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """That is the machine's fault: no attempt is counted, and other jobs go on."""
    job = isolated(jobs, handlers.add).enqueue(a=1, b=2)

    @jobs.handler
    async def fine() -> str:
        return "fine"

    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with working(jobs):
        eventually("it is put off", lambda: (found := jobs.find(job.id)) and found.execute_at, 20)
        assert jobs.result(fine.enqueue().id, timeout=PATIENCE) == "fine"
    found = jobs.find(job.id)
    assert found is not None
    assert (found.status, found.retry_count, found.crash_count) == ("pending", 0, 0)
    assert "/nowhere/python" in caplog.text


def test_a_module_that_only_the_worker_can_import_fails_with_that(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = types.ModuleType("made_up_here")
    exec("def works(): return 1", made.__dict__)
    monkeypatch.setitem(sys.modules, "made_up_here", made)
    job = isolated(jobs, made.works, max_retries=0).enqueue()
    jobs.worker().run_until_empty()
    error = done(jobs, job).error
    assert error is not None
    assert (error.type, error.message) == ("ModuleNotFoundError", "No module named 'made_up_here'")
    assert "cannot import made_up_here" in caplog.text


# What is refused


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"isolation": "thread"}, "\"process\" or None, not 'thread'"),
        ({"memory_limit": "1 GiB"}, 'needs isolation="process"'),
        ({"recycle_after": 3}, 'needs isolation="process"'),
        ({"isolation": "process", "memory_limit": "lots"}, "not 'lots'"),
        ({"isolation": "process", "memory_limit": 1_000}, "at least 67,108,864"),
        ({"isolation": "process", "memory_limit": True}, "not True"),
        ({"isolation": "process", "recycle_after": 0}, "from 1 on, not 0"),
    ],
)
def test_wrong_options_say_what_they_may_be(jobs: Jobs, given: Any, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        jobs.handler(**given)(handlers.add)
    assert says in str(caught.value)


def test_an_enqueue_has_no_say_in_it(jobs: Jobs) -> None:
    handler = isolated(jobs, handlers.add)
    with pytest.raises(UsageError, match="no option 'isolation'"):
        handler.using(isolation="process")


@pytest.mark.parametrize(
    ("size", "count"),
    [
        ("63MB", 0),
        ("64MB", 64 << 20),
        ("1 GiB", 1 << 30),
        ("1.5g", 3 << 29),
        ("512M", 512 << 20),
        (1 << 27, 1 << 27),
    ],
)
def test_sizes(jobs: Jobs, size: Any, count: int) -> None:
    if not count:
        with pytest.raises(UsageError, match="64 MiB"):
            isolated(jobs, handlers.add, memory_limit=size)
        return
    assert isolated(jobs, handlers.add, memory_limit=size).isolation.memory_limit == count


def test_a_handler_inside_a_function_is_refused_at_once(jobs: Jobs) -> None:
    with pytest.raises(UsageError, match="move it to the top of its module"):

        @jobs.handler(isolation="process")
        def inner() -> None: ...


def test_a_handler_no_child_would_find_is_refused_when_a_worker_starts(jobs: Jobs) -> None:
    def lost() -> None: ...

    lost.__qualname__ = "nowhere_to_be_found"
    jobs.handler(name="lost", isolation="process")(lost)
    with pytest.raises(UsageError, match="would not find it"):
        jobs.worker().run_until_empty()


def test_a_handler_that_came_after_the_worker_began_gets_its_process_too(jobs: Jobs) -> None:
    with working(jobs):
        eventually("the worker is there", jobs.workers)
        job = done(jobs, isolated(jobs, handlers.add).enqueue(a=2, b=3))
    assert job.result["pid"] != os.getpid()


def test_one_of_the_script_itself_is_refused_when_a_worker_starts(jobs: Jobs) -> None:
    def mine() -> None: ...

    mine.__qualname__, mine.__module__ = "mine", "__main__"
    job = jobs.handler(name="mine", isolation="process")(mine).enqueue()
    with pytest.raises(UsageError, match="move it into a module"):
        jobs.worker().run_until_empty()
    found = jobs.find(job.id)
    assert found is not None
    assert found.status == "pending"
