"""The kit for users' tests, beyond what `examples/shop_with_tests` shows."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading
import uuid
from datetime import UTC, date, datetime
from pathlib import Path
from unittest.mock import ANY
from zoneinfo import ZoneInfo

import pytest

from boundary.jobs import Cancel, Context, Jobs, ResultTimeout, Retry, UsageError
from boundary.jobs.testing import FakeClock, JobsKit, jobs_under_test, load_jobs

ROOT = Path(__file__).parents[2]


@pytest.fixture
def jobs() -> JobsKit:
    """As the plugin's, whose hour in this suite is other suites'."""
    return JobsKit()


def run_pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A run of its own, without the other plugins of ours that take a second to import."""
    others = ("schemathesis", "hypothesispytest", "pytest_cov", "anyio", "xdist")
    without = [option for name in others for option in ("-p", f"no:{name}")]
    command = [sys.executable, "-m", "pytest", "-q", *without, *options]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)


def test_the_suite_of_the_example_shop_passes() -> None:
    shop = ROOT / "examples" / "shop_with_tests"
    done = run_pytest(shop, "-p", "no:cacheprovider", "-p", "no:randomly")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "13 passed" in done.stdout
    assert not list(shop.glob("*.db*")), "a test reached the real store"


def test_a_run_of_pytest_without_it_does_not_load_the_library(tmp_path: Path) -> None:
    (tmp_path / "test_nothing.py").write_text(
        "import sys\n\n\ndef test_it():\n"
        "    assert 'boundary.jobs_pytest' in sys.modules\n"
        "    assert 'boundary.jobs' not in sys.modules\n"
    )
    done = run_pytest(tmp_path, "-c", "/dev/null", "-W", "error", str(tmp_path))
    assert done.returncode == 0, done.stdout


def test_a_fixture_of_the_users_own_goes_first_and_the_plugin_can_be_off(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(
        "import pytest\n\n\n@pytest.fixture\ndef jobs():\n    return 'mine'\n\n\n"
        "def test_it(jobs):\n    assert jobs == 'mine'\n"
    )
    for options in ([], ["-p", "no:boundary_jobs"]):
        done = run_pytest(tmp_path, "-c", "/dev/null", *options, str(tmp_path))
        assert done.returncode == 0, done.stdout


def test_a_setting_that_is_wrong_says_so_where_it_is_used(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nboundary_jobs = json:dumps\n")
    (tmp_path / "test_it.py").write_text("def test_it():\n    pass\n")
    done = run_pytest(tmp_path, str(tmp_path))
    assert done.returncode != 0
    assert "json has no Jobs called dumps" in done.stdout


@pytest.mark.parametrize("target", ["shop", "shop:", ":jobs", "json:dumps", "json:nothing"])
def test_a_setting_that_names_no_jobs_is_refused(target: str) -> None:
    with pytest.raises(UsageError, match="Jobs"):
        load_jobs(target)


def test_an_applications_jobs_are_back_at_their_store_afterwards(tmp_path: Path) -> None:
    app = Jobs(f"sqlite:///{tmp_path}/app.db")

    @app.handler
    def work(number: int) -> int:
        return number + 1

    before = work.enqueue(1)
    with jobs_under_test(app) as kit:
        assert app.find(before.id) is None
        job = work.enqueue(2)
        by_name = asyncio.run(app.aio.enqueue("work", {"number": 3}))
        kit.drain()
        assert (app.result(job.id), kit.result(by_name.id)) == (3, 4)

        @kit.handler
        def of_the_test() -> None: ...

    assert app.find(before.id) == before
    assert app.find(job.id) is None
    assert "of_the_test" not in app.registry.handlers
    assert work.function(1) == 2


def test_nothing_runs_before_its_instant_and_all_at_it(jobs: JobsKit) -> None:
    seen: list[datetime] = []

    @jobs.handler
    def look() -> None:
        seen.append(jobs.clock.at)

    look.using(delay=0.25).enqueue()
    look.using(run_at=datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)).enqueue()
    jobs.clock.travel(milliseconds=249)
    assert jobs.drain() == []
    jobs.clock.travel(milliseconds=1)
    assert len(jobs.drain()) == 1
    assert len(jobs.run_for(seconds=1)) == 1
    assert [one.microsecond for one in seen] == [250_000, 0]
    assert jobs.clock.at == datetime(2026, 1, 1, 0, 0, 1, 250_000, tzinfo=UTC)


def test_travelling_is_forward() -> None:
    clock = FakeClock()
    clock.travel_to(datetime(2026, 1, 2, tzinfo=UTC))
    assert clock.mono() == 86_400_000
    with pytest.raises(UsageError, match="86400 s ago"):
        clock.travel_to(datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(UsageError, match="no time zone"):
        clock.travel_to(datetime(2026, 1, 3))


def test_blocking_handlers_run_in_the_thread_of_the_test(jobs: JobsKit) -> None:
    there: list[threading.Thread] = []

    @jobs.handler
    def blocking() -> None:
        there.append(threading.current_thread())

    blocking.enqueue()
    jobs.drain()

    @jobs.middleware
    async def around(ctx: Context, call_next):
        return await call_next(ctx)

    blocking.enqueue()
    jobs.drain()
    assert there == [threading.current_thread()] * 2


def test_on_an_event_loop_draining_is_awaited(jobs: JobsKit) -> None:
    @jobs.handler
    async def slow() -> str:
        await asyncio.sleep(0)
        return "done"

    async def scenario() -> None:
        with pytest.raises(UsageError, match="await jobs.adrain"):
            jobs.drain()
        first = await slow.aenqueue()
        second = await slow.using(delay=60).aenqueue()
        assert [job.id for job in await jobs.adrain()] == [first.id]
        assert [job.id for job in await jobs.arun_for(minutes=1)] == [second.id]

    asyncio.run(scenario())


def test_what_a_handler_raises_is_its_outcome_or_raised(
    jobs: JobsKit, caplog: pytest.LogCaptureFixture
) -> None:
    @jobs.handler(max_retries=0)
    def broken() -> None:
        raise ZeroDivisionError("by hand")

    broken.enqueue()
    (job,) = jobs.drain()
    assert (job.status, job.error and job.error.type) == ("failed", "ZeroDivisionError")
    assert "by hand" in caplog.text
    broken.enqueue()
    with pytest.raises(ZeroDivisionError):
        jobs.drain(raising=True)
    assert len(jobs.failed()) == 2


def test_a_test_that_fails_inside_of_a_handler_fails(jobs: JobsKit) -> None:
    @jobs.handler
    def check() -> None:
        pytest.fail("seen")

    check.enqueue()
    with pytest.raises(pytest.fail.Exception, match="seen"):
        jobs.drain()


def test_answers_can_be_made_to_happen(jobs: JobsKit) -> None:
    @jobs.handler
    async def work() -> int:
        return 1

    jobs.fail_next(work, Retry(after=30))
    jobs.fail_next("work", Cancel("pointless"))
    work.enqueue()
    jobs.drain()
    assert jobs.drain() == []
    (job,) = jobs.run_for(seconds=30)
    assert (job.status, job.reason, job.retry_count) == ("cancelled", "pointless", 1)
    with pytest.raises(UsageError, match="a handler is a function"):
        jobs.fail_next(len)  # type: ignore[arg-type]


def test_results_are_not_waited_for(jobs: JobsKit) -> None:
    @jobs.handler
    def work() -> None: ...

    job = work.enqueue()
    with pytest.raises(ResultTimeout, match=r"jobs.drain\(\)"):
        jobs.result(job.id)


def test_jobs_that_are_not_kept_are_told_of_all_the_same(jobs: JobsKit) -> None:
    @jobs.handler(keep_result=0)
    def work(number: int) -> int:
        return number

    work.enqueue(7)
    (job,) = jobs.drain()
    assert (job.status, job.result) == ("completed", 7)
    assert jobs.find(job.id) is None
    assert jobs.assert_enqueued(work, number=7).id == job.id


def test_expected_arguments_may_be_of_the_handlers_types(jobs: JobsKit) -> None:
    @jobs.handler
    def work(day: date, who: uuid.UUID, note: str = "") -> None: ...

    who = uuid.uuid4()
    work.enqueue(date(2026, 5, 1), who)
    work.enqueue(date(2026, 5, 2), who)
    assert jobs.assert_enqueued(work, who=who).args["day"] == "2026-05-02"
    jobs.assert_enqueued(work, day=date(2026, 5, 1), who=ANY)
    jobs.assert_not_enqueued(work, day=date(2026, 5, 3))
    with pytest.raises(AssertionError, match="day is '2026-05-02', expected datetime.date"):
        jobs.assert_enqueued(work, day=date(2026, 5, 3), who=who)
    with pytest.raises(AssertionError, match="note is not given"):
        jobs.assert_enqueued(work, note="x")
    with pytest.raises(AssertionError, match="2 work"):
        jobs.assert_not_enqueued(work, who=who)
    with pytest.raises(UsageError, match="no argument 'dya'"):
        jobs.assert_not_enqueued(work, dya=1)
    with pytest.raises(AssertionError, match=r"Of other types: work \(2\)"):
        jobs.assert_enqueued("other")
    assert [job.args["day"] for job in jobs.enqueued(work)] == ["2026-05-01", "2026-05-02"]


def test_expected_arguments_are_what_the_handler_gets(jobs: JobsKit) -> None:
    """A default counts though nobody gave it, and an instant whichever way it is written."""

    @jobs.handler
    def remind(at: datetime, to: str = "ada", days: int = 1) -> None: ...

    noon = datetime(2026, 5, 1, 12, tzinfo=ZoneInfo("Europe/Amsterdam"))
    remind.enqueue(noon, days=2)
    jobs.assert_enqueued(remind, at=noon.astimezone(UTC), to="ada", days=2)
    jobs.assert_enqueued(remind, at=noon.isoformat())
    with pytest.raises(AssertionError, match="1 remind"):
        jobs.assert_not_enqueued(remind, to="ada")
    jobs.assert_not_enqueued(remind, days=1)
    with pytest.raises(AssertionError, match="to is not given, so it is 'ada', expected 'grace'"):
        jobs.assert_enqueued("remind", to="grace")

    jobs.enqueue("remind", {"at": "soon"})  # its run will fail
    jobs.assert_enqueued(remind, at="soon")


def test_nothing_enqueued_is_said(jobs: JobsKit) -> None:
    with pytest.raises(AssertionError, match="Nothing was enqueued"):
        jobs.assert_enqueued("work")


def test_a_job_that_enqueues_itself_ends_the_test_instead_of_the_patience(jobs: JobsKit) -> None:
    @jobs.handler
    def again() -> None:
        again.enqueue()

    again.enqueue()
    with pytest.raises(AssertionError, match="20 runs and still jobs are ready"):
        jobs.drain(limit=20)


def test_a_schedule_ticks_from_its_declaration_on() -> None:
    jobs = JobsKit(clock=FakeClock(datetime(2026, 3, 28, tzinfo=UTC)))
    ticks: list[datetime] = []

    @jobs.cron("30 2 * * *", timezone="Europe/Amsterdam")
    @jobs.handler
    def tick() -> None:
        ticks.append(jobs.clock.at)

    jobs.run_for(days=3)  # on the 29th there is no 2:30
    assert [one.isoformat()[:16] for one in ticks] == [
        "2026-03-28T01:30",
        "2026-03-29T01:00",
        "2026-03-30T00:30",
    ]
    jobs.clock.travel(days=2)
    assert len(jobs.drain()) == 1, "of the ticks nobody was there for, the last"


def test_a_job_that_kills_its_workers_is_a_dead_letter_at_the_third(jobs: JobsKit) -> None:
    @jobs.handler
    def segfault() -> None: ...

    jobs.kill_next(segfault, point=1, times=3)
    job = segfault.enqueue()
    jobs.run_for(minutes=2)
    dead = jobs.find(job.id)
    assert dead is not None
    assert (dead.status, dead.crash_count, dead.error and dead.error.type) == (
        "failed",
        3,
        "WorkerLost",
    )


# Is it idempotent?


def test_every_wait_and_every_line_is_a_point(jobs: JobsKit) -> None:
    @jobs.handler
    async def work() -> None:
        await asyncio.sleep(0)
        for _ in range(2):
            await asyncio.sleep(0)

    report = jobs.check_idempotent(work.job(), snapshot=lambda: None)
    # Lines: sleep, for, sleep, sleep; waits: three.
    assert report.points == 7
    assert report.tried == tuple(range(1, 8))


def test_it_is_told_where_the_worker_died(jobs: JobsKit) -> None:
    mails: list[str] = []

    @jobs.handler
    async def send() -> None:
        mails.append("dear customer")
        await asyncio.sleep(0)

    with pytest.raises(AssertionError) as caught:
        jobs.check_idempotent(send.job(), snapshot=lambda: mails, reset=mails.clear)
    line = send.function.__code__.co_firstlineno + 3
    text = str(caught.value)
    assert "send is not idempotent: 3 of 4 histories" in text
    assert f"its worker died before line {line} and it ran again" in text
    assert f"its worker died while it waited in line {line}" in text
    assert "its worker died after its end" in text
    assert "+['dear customer', 'dear customer']" in text
    assert jobs.enqueued() == []
    assert sum(queue.size for queue in jobs.queues()) == 0


def test_a_run_that_is_cut_unwinds(jobs: JobsKit) -> None:
    rows: list[str] = []

    @contextlib.asynccontextmanager
    async def transaction():
        written: list[str] = []
        try:
            yield written
        except BaseException:
            await asyncio.sleep(0)
            raise
        rows.extend(written)

    @jobs.handler
    async def work(ctx: Context) -> None:
        async with transaction() as written:
            if f"row of {ctx.job.id}" not in rows:
                written.append(f"row of {ctx.job.id}")
            await asyncio.sleep(0)

    jobs.check_idempotent(work.job(), snapshot=lambda: len(rows), reset=rows.clear)


def test_wherever_it_is_cut_what_was_opened_is_closed(jobs: JobsKit) -> None:
    opened = [0]

    @contextlib.contextmanager
    def lock():
        opened[0] += 1
        try:
            yield
        finally:
            opened[0] -= 1

    @jobs.handler
    def work() -> None:
        with lock():
            pass
        for _ in range(2):
            with lock(), lock():
                try:
                    work.function.__name__.upper()
                finally:
                    with lock():
                        pass

    report = jobs.check_idempotent(work.job(), snapshot=lambda: opened[0])
    assert report.points > 5


def test_a_blocking_handler_that_swallows_everything_is_lost_all_the_same(jobs: JobsKit) -> None:
    count = [0]

    @jobs.handler
    def stubborn() -> None:
        try:
            count[0] += 1
            count[0] += 1
        except BaseException:
            pass

    with pytest.raises(AssertionError, match="not idempotent"):
        jobs.check_idempotent(
            stubborn.job(),
            snapshot=lambda: count[0],
            reset=lambda: count.clear() or count.append(0),
        )


def test_a_loop_has_many_points_and_some_of_them_are_tried(jobs: JobsKit) -> None:
    @jobs.handler
    def count() -> int:
        total = 0
        for number in range(100):
            total += number
        return total

    report = jobs.check_idempotent(count.job(), snapshot=lambda: 0, most=10)
    assert report.points == 103
    assert len(report.tried) == 10
    assert (report.tried[0], report.tried[-1]) == (1, 103)


def test_of_a_job_that_fails_nothing_can_be_told(jobs: JobsKit) -> None:
    @jobs.handler
    def broken() -> None:
        raise ValueError("no")

    with pytest.raises(UsageError, match="broken is retrying after its run: ValueError: no"):
        jobs.check_idempotent(broken.job(), snapshot=lambda: 0)


def test_at_least_once_runs_each_job_to_each_point_and_twice() -> None:
    jobs = JobsKit(at_least_once=True)
    seen: list[str] = []

    @jobs.handler
    def work() -> None:
        seen.append("a")
        seen.append("b")

    work.enqueue()
    (job,) = jobs.drain()
    # Before a; before b; whole, and lost; whole.
    assert seen == ["a", "a", "b", "a", "b"]
    assert (job.status, job.retry_count, job.crash_count) == ("completed", 0, 0)
    assert jobs.stats().total_succeeded == 1


def test_at_least_once_leaves_failures_as_they_are() -> None:
    jobs = JobsKit(at_least_once=True)

    @jobs.handler(max_retries=1)
    def work() -> None:
        raise ValueError

    work.enqueue()
    assert [job.status for job in jobs.run_for(minutes=1)] == ["retrying", "failed"]


def test_at_least_once_lets_planned_mishaps_happen_too() -> None:
    jobs = JobsKit(at_least_once=True)

    @jobs.handler(max_retries=0)
    def work() -> None: ...

    jobs.fail_next(work, ValueError("as planned"))
    job = work.enqueue()
    jobs.drain()
    found = jobs.find(job.id)
    assert found is not None
    assert found.error is not None
    assert (found.status, found.error.message) == ("failed", "as planned")


def test_at_least_once_hides_no_harm_from_the_check() -> None:
    """Each of its histories is what it says, not that and one run more."""
    jobs = JobsKit(at_least_once=True)
    done: list[int] = []

    @jobs.handler
    def adds() -> None:
        done.append(1)

    with pytest.raises(AssertionError, match="adds is not idempotent"):
        jobs.check_idempotent(adds.job(), snapshot=lambda: len(done), reset=done.clear)


def test_a_check_may_try_one_point_alone(jobs: JobsKit) -> None:
    @jobs.handler
    def sets() -> None:
        one = 1
        two = one + 1
        assert two

    report = jobs.check_idempotent(sets.job(), snapshot=lambda: None, most=1)
    assert (report.points, report.tried) == (3, (1,))
    with pytest.raises(UsageError, match="most"):
        jobs.check_idempotent(sets.job(), snapshot=lambda: None, most=0)
