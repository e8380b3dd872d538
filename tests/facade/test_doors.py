"""`Jobs` and `jobs.aio`: handlers, enqueue, look and act, over every store."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from boundary.jobs import (
    ConfigError,
    CronError,
    DuplicateHandler,
    IllegalTransition,
    InvalidName,
    Job,
    JobNotFound,
    Jobs,
    PayloadTooLarge,
    ResultTimeout,
    RetryPolicy,
    SerializationError,
    UsageError,
)
from boundary.jobs import Context as Ctx
from boundary.jobs.core.operations import Claim
from boundary.jobs.shell import ids
from boundary.jobs.shell.context import Context
from boundary.jobs.testing.clock import FakeClock
from tests.waiting import PATIENCE

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    y: int


def add(jobs: Jobs) -> Any:
    @jobs.handler
    def add(a: int, b: int = 2) -> int:
        return a + b

    return add


def test_the_returned_job_is_the_one_stored(jobs: Jobs) -> None:
    """S16-S25: no second look was needed to know it."""

    @jobs.handler(
        queue="emails",
        priority="high",
        max_retries=5,
        timeout=20,
        expires=timedelta(hours=1),
        keep_result=60,
        metadata={"team": "x"},
        retry=RetryPolicy(strategy="linear", initial_delay=2.0, max_delay=30.0),
    )
    async def send(to: str, tags: list[str], when: date) -> None: ...

    job = send.using(delay=3600, metadata={"user_id": 7}).enqueue("a", ["b"], when=date(2026, 1, 1))
    assert job == jobs.find(job.id)
    assert (job.queue, job.priority, job.max_retries, job.id.version) == ("emails", "high", 5, 7)
    assert job.args == {"to": "a", "tags": ["b"], "when": "2026-01-01"}
    assert job.metadata == {"team": "x", "user_id": 7}
    assert job.execute_at == NOW + timedelta(hours=1)


def test_the_same_id_again_makes_no_second_job(jobs: Jobs) -> None:
    """S23."""
    handler, job_id = add(jobs), uuid4()
    first = handler.using(job_id=job_id).enqueue(1)
    again = handler.using(job_id=str(job_id)).enqueue(5)
    assert first == again
    assert again.args == {"a": 1}
    assert len(jobs.search()) == 1


def test_a_local_time_is_the_right_instant_across_dst(jobs: Jobs) -> None:
    """S64."""
    local = datetime(2026, 3, 29, 8, tzinfo=ZoneInfo("Europe/Amsterdam"))
    job = add(jobs).using(run_at=local).enqueue(1)
    assert job.execute_at == datetime(2026, 3, 29, 6, tzinfo=UTC)
    assert job == jobs.find(job.id)


def test_enqueue_many_streams_in_batches(jobs: Jobs) -> None:
    handler = add(jobs)
    made = jobs.enqueue_many(handler.job(number) for number in range(600))
    assert [job.args["a"] for job in made] == list(range(600))
    assert jobs.queue_stats("default").size == 600
    with pytest.raises(UsageError, match="handler.job"):
        jobs.enqueue_many([{"a": 1}])  # type: ignore[list-item]


def test_by_name_knows_types_that_are_registered_elsewhere(jobs: Jobs) -> None:
    job = jobs.enqueue("elsewhere", {"to": "a"}, priority="critical", queue="q")
    assert (job.job_type, job.priority, job.queue) == ("elsewhere", "critical", "q")
    add(jobs)
    with pytest.raises(TypeError, match="missing a required argument: 'a'"):
        jobs.enqueue("add", {"b": 1})


@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), ((1, 2, 3), {}), ((1,), {"a": 1}), ((1,), {"c": 1})]
)
def test_arguments_that_do_not_fit_are_a_type_error(
    jobs: Jobs, args: tuple[int, ...], kwargs: dict[str, int]
) -> None:
    with pytest.raises(TypeError, match=r"^add\(\)"):
        add(jobs).enqueue(*args, **kwargs)
    assert jobs.stats().queues == ()


def test_an_option_among_the_arguments_is_told_from_them(jobs: Jobs) -> None:
    handler = add(jobs)
    with pytest.raises(TypeError, match=r"add\.using\(delay=…, queue=…\)\.enqueue"):
        handler.enqueue(1, delay=5, queue="q")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"argument 'c'$"):
        handler.enqueue(1, c=5)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("delay", r"add\.enqueue\(…\)"),
        ("apply_async", r"add\.using\(delay=…, queue=…\)\.enqueue"),
        ("s", r"add\.job"),
        ("nothing", "no attribute 'nothing'$"),
    ],
)
def test_what_other_queues_call_it_is_answered_with_what_it_is_here(
    jobs: Jobs, name: str, says: str
) -> None:
    handler = add(jobs)
    with pytest.raises(AttributeError, match=says):
        getattr(handler, name)
    assert not hasattr(handler, name)


def test_a_method_is_refused_where_it_is_decorated(jobs: Jobs) -> None:
    """Its `self` would be an argument which nobody can enqueue."""
    with pytest.raises(UsageError, match="send is a method"):

        class Mailer:
            @jobs.handler
            def send(self, to: str) -> None: ...

    class Posts:
        @jobs.handler
        @staticmethod
        def post(to: str) -> str:
            return to

    assert Posts.post.enqueue("ada").args == {"to": "ada"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"delay": -1}, "delay"),
        ({"delay": float("nan")}, "delay"),
        ({"delay": "soon"}, "delay"),
        ({"delay": 1, "run_at": NOW}, "not both"),
        ({"run_at": datetime(2026, 1, 1)}, "no time zone"),
        ({"timeout": 0}, "above 0"),
        ({"expires": timedelta(seconds=-1)}, "expires"),
        ({"keep_result": -1}, "keep_result"),
        ({"queue": "a b"}, "queue"),
        ({"priority": "urgent"}, "critical, high, normal, low"),
        ({"max_retries": -1}, "max_retries"),
        ({"retry": 3}, "RetryPolicy"),
        ({"metadata": [1]}, "metadata"),
        ({"metadata": {1: 2}}, "metadata"),
        ({"job_id": "nope"}, "no job id.*uuid5"),
        ({"prio": "high"}, "no option 'prio'; did you mean priority"),
        ({"countdown": 5}, "no option 'countdown'; did you mean delay"),
        ({"nonsense": 5}, "no option 'nonsense'; there are queue, .*job_id"),
    ],
)
def test_wrong_options_are_refused_with_a_remedy(
    jobs: Jobs, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        add(jobs).using(**given)


def test_an_option_no_handler_has_is_answered_with_those_it_has(jobs: Jobs) -> None:
    with pytest.raises(
        UsageError, match="'isolaton'; did you mean isolation.*memory_limit"
    ) as told:
        jobs.handler(isolaton="process")  # type: ignore[call-overload]
    assert "job_id" not in str(told.value)  # which no handler has


def test_a_function_that_is_no_handler_is_told_from_a_name(jobs: Jobs) -> None:
    for wrong in (len, 7):
        with pytest.raises(UsageError, match="no handler; decorate it"):
            jobs.enqueue(wrong, {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "given", [{"job_id": uuid4()}, {"delay": 500}, {"run_at": datetime.now(UTC)}]
)
def test_what_is_said_of_one_job_is_refused_for_many(jobs: Jobs, given: dict[str, Any]) -> None:
    (name,) = given
    with pytest.raises(UsageError, match=f"{name} is said of one job.*using"):
        jobs.handler(**given)
    with pytest.raises(UsageError, match=f"{name} is said of one job"):
        jobs.schedule("often", every=60, handler=add(jobs), args={"a": 1}, **given)

    async def on_a_loop() -> None:
        async with jobs:
            await jobs.aio.schedule("often", every=60, handler="add", args={"a": 1}, **given)

    with pytest.raises(UsageError, match=f"{name} is said of one job"):
        asyncio.run(on_a_loop())
    assert jobs.schedules() == []


def test_what_json_cannot_carry_is_named(jobs: Jobs) -> None:
    with pytest.raises(SerializationError, match="argument 'b'") as caught:
        add(jobs).enqueue(1, object())
    assert caught.value.where == "argument 'b'"
    with pytest.raises(PayloadTooLarge, match="'b'"):
        add_many(jobs).enqueue(a="x", b="x" * 300_000)


def add_many(jobs: Jobs) -> Any:
    @jobs.handler
    def many(**values: str) -> None: ...

    return many


def test_registration_refuses_what_cannot_be_stored_or_run(jobs: Jobs) -> None:
    def starred(*args: int) -> None: ...
    def positional(a: int, /) -> None: ...
    def generator() -> Any:
        yield 1

    for function, says in [
        (starred, "'args'"),
        (positional, "'a'"),
        (generator, "generator"),
        (int, "function"),
    ]:
        with pytest.raises(UsageError, match=says):
            jobs.handler(function)
    add(jobs)
    with pytest.raises(DuplicateHandler, match="'add'"):
        add(jobs)
    with pytest.raises(InvalidName):
        jobs.handler("a b")(lambda: None)
    with pytest.raises(UsageError, match="async def"):
        jobs.middleware(lambda ctx, call_next: None)
    assert list(jobs.registry.handlers) == ["add"]


def test_a_handler_still_is_its_function(jobs: Jobs) -> None:
    handler = add(jobs)
    assert (handler(1), handler(1, b=5), handler.__name__) == (3, 6, "add")


def test_the_context_is_found_by_its_annotation_and_never_enqueued(jobs: Jobs) -> None:
    @jobs.handler
    def first(ctx: Context, a: int) -> None: ...
    @jobs.handler
    def last(a: int, it: "Ctx | None" = None) -> None: ...  # noqa: UP037
    @jobs.handler
    def other(context: str) -> None: ...

    assert [one.context_parameter for one in (first, last, other)] == ["ctx", "it", None]
    assert first.enqueue(3).args == {"a": 3}
    with pytest.raises(TypeError, match="'ctx'"):
        first.enqueue(ctx=1, a=3)  # type: ignore[call-arg]


def test_arguments_come_back_in_their_annotated_types(jobs: Jobs) -> None:
    @jobs.handler
    def typed(
        at: datetime,
        point: Point,
        colour: Colour,
        money: Decimal,
        path: Path,
        id: UUID,
        **more: date,
    ) -> None: ...

    given = {
        "at": NOW,
        "point": Point(1, 2),
        "colour": Colour.RED,
        "money": Decimal("1.10"),
        "path": Path("/a"),
        "id": uuid4(),
        "extra": date(2026, 1, 1),
    }
    stored = typed.enqueue(**given).args  # type: ignore[arg-type]
    assert typed.arguments(stored) == given
    for broken, says in [
        ({**stored, "point": {"x": "1", "y": 2}}, "typed: argument 'point'"),
        ({**stored, "path": 3}, "'path'"),
        ({name: stored[name] for name in stored if name != "at"}, "no argument 'at'"),
    ]:
        with pytest.raises(UsageError, match=says):
            typed.arguments(broken)
    with pytest.raises(UsageError, match="unknown argument 'c'"):
        add(jobs).arguments({"a": 1, "c": 2})


def test_an_annotation_out_of_sight_is_named(jobs: Jobs) -> None:
    def taking(a: Hidden) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(UsageError, match="'a' cannot be resolved"):
        jobs.handler(taking).arguments({"a": 1})


def test_result_wakes_at_the_end_and_says_why_there_is_none(jobs: Jobs) -> None:
    handler = add(jobs)
    job = handler.enqueue(1)
    with pytest.raises(ResultTimeout, match="pending after 0 s"):
        jobs.result(job.id, timeout=0)
    with pytest.raises(JobNotFound):
        jobs.result(uuid4())
    runner = threading.Timer(0.05, lambda: jobs.worker().run_until_empty())
    runner.start()
    assert jobs.result(str(job.id), timeout=PATIENCE) == 3
    runner.join()


def test_cancel_retry_delete_and_what_they_refuse(jobs: Jobs) -> None:
    @jobs.handler(max_retries=0)
    def broken() -> None:
        raise ValueError("no")

    waiting = broken.using(delay=60).enqueue()
    cancelled = jobs.cancel(waiting.id)
    assert cancelled is not None
    assert cancelled.status == "cancelled"
    with pytest.raises(IllegalTransition, match="cancelled"):
        jobs.cancel(waiting.id)
    with pytest.raises(IllegalTransition, match="only a failed job"):
        jobs.retry(waiting.id)
    nobody = uuid4()
    assert (jobs.cancel(nobody), jobs.retry(nobody), jobs.find(nobody)) == (None, None, None)
    assert (jobs.delete(waiting.id), jobs.delete(waiting.id)) == (True, False)
    dead = broken.enqueue()
    jobs.worker().run_until_empty()
    again = jobs.retry(dead.id)
    assert again is not None
    assert (again.status, again.retry_count) == ("pending", 0)
    for wrong in ("nope", 7):
        with pytest.raises(UsageError, match="no job id"):
            jobs.find(wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"no job id; pass its id: job\.id"):
        jobs.result(waiting)  # type: ignore[arg-type]


def test_retry_failed_takes_each_dead_letter_once(jobs: Jobs) -> None:
    @jobs.handler(max_retries=0)
    def broken(n: int) -> None:
        raise ValueError("no")

    jobs.enqueue_many(broken.job(n) for n in range(450))
    jobs.worker().run_until_empty()
    assert jobs.retry_failed(queue="other").count == 0
    assert jobs.retry_failed(job_type="broken", limit=3).count == 3
    assert jobs.retry_failed().count == 447
    assert jobs.queue_stats("default").size == 450
    assert jobs.purge("default") == 450
    assert jobs.failed() == []


def test_search_pages_through_all_that_matches(jobs: Jobs, clock: FakeClock) -> None:
    handler = add(jobs)
    made = [handler.enqueue(number) for number in range(5)]
    page = jobs.search(job_type="add", limit=2)
    seen = list(page)
    while page.cursor is not None:
        page = jobs.search(job_type="add", limit=2, cursor=page.cursor)
        seen += page.jobs
    assert [one.id for one in seen] == [one.id for one in reversed(made)]
    assert len(jobs.search(since=NOW + timedelta(seconds=1))) == 0
    assert len(jobs.search(since=NOW, status="pending", text="a")) == 5
    wrong: list[dict[str, Any]] = [
        {"limit": 0},
        {"limit": 201},
        {"status": "done"},
        {"since": datetime(2026, 1, 1)},
        {"cursor": "x"},
        {"queue": "a b"},
    ]
    for given in wrong:
        with pytest.raises(UsageError):
            jobs.search(**given)
    with pytest.raises(UsageError):
        jobs.failed(0)


def test_statistics_and_workers_that_are_alive(jobs: Jobs, clock: FakeClock) -> None:
    """S106-S112."""
    handler = add(jobs)
    handler.enqueue(1)
    handler.using(delay=9).enqueue(1)
    jobs.worker().run_until_empty()
    handler.enqueue(1)
    assert jobs.pause("default")
    assert not jobs.pause("default")
    stats = jobs.stats()
    (queue,) = stats.queues
    assert (queue.size, queue.scheduled, queue.succeeded_total, queue.paused) == (1, 1, 1, True)
    assert stats.total_processed == stats.total_succeeded + stats.total_failed == 1
    assert jobs.queues() == [queue] == [jobs.queue_stats("default")]
    assert jobs.queue_stats("nobody").processed_total == 0
    assert jobs.resume("default")
    assert [one.result for one in jobs.history("add")] == [3]
    backend = jobs.store.blocking()
    backend.execute(Claim("anonymous", None, 1, 1_000, join=True))
    assert jobs.workers() == []
    backend.close()


def test_schedules_in_the_store(jobs: Jobs, clock: FakeClock) -> None:
    handler = add(jobs)
    made = jobs.schedule(
        "nightly",
        cron="0 8 * * *",
        handler=handler,
        args={"a": 1},
        timezone="Europe/Amsterdam",
        queue="reports",
    )
    assert made.next_at == datetime(2026, 1, 1, 7, tzinfo=UTC)
    assert (made.args, made.queue, made.job_type) == ({"a": 1}, "reports", "add")
    every = jobs.schedule("often", every=30, handler="elsewhere")
    assert (every.every, every.next_at) == (timedelta(seconds=30), NOW + timedelta(seconds=30))
    assert jobs.schedules() == [made, every]
    assert (jobs.unschedule("often"), jobs.unschedule("often")) == (True, False)
    wrong: list[dict[str, Any]] = [{}, {"cron": "* * * * *", "every": 1}, {"every": 0}]
    for given in wrong:
        with pytest.raises(UsageError):
            jobs.schedule("x", handler="h", **given)
    with pytest.raises(CronError):
        jobs.schedule("x", handler="h", cron="61 * * * *")
    with pytest.raises(TypeError):
        jobs.schedule("x", handler=handler, every=1)


def test_cron_above_a_handler(jobs: Jobs) -> None:
    handler = add(jobs)
    with pytest.raises(UsageError, match="defaults"):
        jobs.cron("@daily")(handler)
    with pytest.raises(UsageError, match="above"):
        jobs.cron("@daily")(lambda: None)  # type: ignore[type-var]
    with pytest.raises(CronError):
        jobs.cron("never")

    @jobs.cron("@hourly")
    @jobs.cron("@daily", timezone="Europe/Amsterdam")
    @jobs.handler
    def tick() -> None: ...

    declared = jobs.registry.schedules(round(NOW.timestamp() * 1000))
    assert [one.name for one in declared] == ["tick", "tick.2"]
    assert [one.cron for one in declared] == ["@daily", "@hourly"]


def test_asyncio_has_the_same_names(jobs: Jobs) -> None:
    handler = add(jobs)

    async def main() -> None:
        async with jobs:
            job: Job = await handler.aenqueue(1)
            late = asyncio.create_task(jobs.aio.result(job.id, timeout=PATIENCE))
            await asyncio.sleep(0)
            await jobs.worker().run(burst=True)
            assert await late == 3
            assert len(await jobs.aio.enqueue_many(handler.job(n) for n in range(3))) == 3
            assert await jobs.aio.purge("default") == 3
            assert (await jobs.aio.queue_stats("default")).succeeded_total == 1

    asyncio.run(main())
    asyncio.run(main_again(jobs))
    doors = {name for name in vars(type(jobs.aio)) if not name.startswith("_")} - {"send"}
    assert all(hasattr(jobs, name) for name in doors)


async def main_again(jobs: Jobs) -> None:
    """On another loop, with connections of its own."""
    assert (await jobs.aio.stats()).total_succeeded == 1
    await jobs.aio.close()


@pytest.mark.parametrize("url", ["nope://x", "jobs.db", "sqlite://", "sqlite:///:memory:"])
def test_wrong_urls_say_what_there_is(url: str) -> None:
    with pytest.raises(UsageError):
        Jobs(url)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ConfigError):
        Jobs("memory://", config={"workers": {"lease": "long"}})
    with pytest.raises(InvalidName):
        Jobs("memory://", "a b")


def test_ids_grow_even_if_the_clock_goes_back(clock: FakeClock) -> None:
    new = ids.Ids(clock).new
    made = [new() for _ in range(50)]
    clock.advance(-10)
    made += [new() for _ in range(50)]
    clock.advance(20)
    made.append(new())
    assert made == sorted(set(made))
