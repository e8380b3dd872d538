"""Lines of the specification that are about the whole: configuration, worker, logging, docs."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from boundary.jobs import Job, Jobs
from boundary.jobs.core.job import complete_job, create_job, start_job
from boundary.jobs.shell.config import load
from boundary.jobs.shell.seed import JobsSystem
from tests.waiting import PATIENCE, eventually
from tests.worker.conftest import working

ROOT = Path(__file__).parents[2]
SAMPLE = """
[redis]
max_total = 50
max_idle = 20

[workers]
count = 5
queues = ["critical", "default", "low-priority"]
poll_interval = 1000
shutdown_timeout = 30000

[scheduled_processor]
enabled = true
interval = 5000
"""


def test_the_seeds_production_configuration(tmp_path: Path) -> None:
    """S97-S105: the sample, in one file, with REDIS_HOST and its kin from the environment."""
    (tmp_path / "boundary-jobs.toml").write_text(SAMPLE)
    environ = {"REDIS_HOST": "redis", "REDIS_PORT": "6380", "REDIS_PASSWORD": "s3cret"}
    found = load(None, environ, tmp_path)
    assert (found.redis.host, found.redis.port, found.redis.password) == ("redis", 6380, "s3cret")
    assert (found.redis.max_total, found.redis.max_idle) == (50, 20)
    assert found.workers.count == 5
    assert found.workers.queues == ("critical", "default", "low-priority")
    assert (found.workers.poll_interval, found.workers.shutdown_timeout) == (1_000, 30_000)
    assert (found.scheduled_processor.enabled, found.scheduled_processor.interval) == (True, 5_000)


def test_the_seeds_defaults(tmp_path: Path) -> None:
    """S86, S89-S96; the count of workers is 1 here unless set (S87)."""
    found = load(None, {}, tmp_path)
    redis = found.redis
    assert (redis.host, redis.port, redis.password, redis.database) == ("localhost", 6379, None, 0)
    assert (redis.max_total, redis.max_idle, redis.min_idle, redis.timeout) == (20, 10, 2, 2_000)
    assert (found.workers.count, found.workers.poll_interval) == (1, 1_000)


def test_fewer_workers_and_longer_polls_are_accepted(tmp_path: Path) -> None:
    """S126."""
    environ = {"WORKER_COUNT": "2", "BOUNDARY_JOBS_WORKERS_POLL_INTERVAL": "5000"}
    found = load(None, environ, tmp_path)
    assert (found.workers.count, found.workers.poll_interval) == (2, 5_000)


def test_promotion_can_be_switched_off(url: str) -> None:
    """S104: a scheduled job stays where it is while nobody promotes."""
    with Jobs(url, config={"scheduled_processor": {"enabled": False}}) as jobs:

        @jobs.handler
        def works() -> None:
            pass

        job = works.using(delay=0.01).enqueue()
        with working(jobs):
            jobs.result(works.enqueue().id, timeout=PATIENCE)
            later = works.using(delay=0.02).enqueue()
            jobs.result(works.enqueue().id, timeout=PATIENCE)
        for one in (job, later):
            found = jobs.find(one.id)
            assert found is not None
            assert found.status == "pending"


def test_process_next_job_as_the_seed_writes_it(system: JobsSystem) -> None:
    """S83, S84: dequeue, look up, mark running and save, call, save the outcome."""
    seen: list[str] = []

    def handler(args: dict[str, object]) -> dict[str, object]:
        running = system.store.find_job(new.id)
        assert running is not None
        assert running.started_at is not None
        seen.append(running.status)
        return {"success": True, "result": args}

    now = datetime.now(UTC)
    new = create_job({"job_type": "send-email", "args": {"to": "a"}}, uuid4(), now)
    system.queue.enqueue_job("default", new)
    registry = {"send-email": handler}
    job = system.queue.dequeue_job("default")
    assert job is not None
    started = system.store.save_job(start_job(job, now))
    result = registry[job.job_type](job.args)
    done: Job = system.store.save_job(complete_job(started, result["result"], now))
    assert (done.status, done.result, seen) == ("completed", {"to": "a"}, ["running"])


def test_the_loop_survives_any_error_of_one_job(url: str) -> None:
    """S85, S86: the next job runs, and soon, since the loop is woken."""
    with Jobs(url) as jobs:

        @jobs.handler(max_retries=0)
        def breaks() -> None:
            raise SystemError("out of luck")

        @jobs.handler
        def works() -> str:
            return "still here"

        with working(jobs):
            breaks.enqueue()
            assert jobs.result(works.enqueue().id, timeout=PATIENCE) == "still here"
        assert jobs.settings.workers.poll_interval == 1_000


def test_many_workers_in_parallel_and_all_of_them_stop(url: str) -> None:
    """S87, S88: five of them share the work; stopping lets running jobs end."""
    with Jobs(url) as jobs:
        gate, now = threading.Barrier(6), []

        @jobs.handler
        def meets() -> None:
            now.append(threading.get_ident())
            gate.wait(PATIENCE)

        for _ in range(5):
            meets.enqueue()
        with (
            working(jobs, concurrency=1),
            working(jobs, concurrency=1),
            working(jobs, concurrency=1),
            working(jobs, concurrency=1),
            working(jobs, concurrency=1),
        ):
            eventually("all five run at once", lambda: len(set(now)) == 5)
            gate.wait(PATIENCE)
        assert jobs.stats().total_succeeded == 5
        assert jobs.workers() == []


def test_one_logger_tells_each_step_at_debug(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """S125: with the job's id and type on each line."""
    with Jobs(url) as jobs, caplog.at_level(logging.DEBUG, "boundary.jobs"):

        @jobs.handler
        def works() -> None:
            pass

        job = works.enqueue()
        jobs.worker().run_until_empty()
    lines = [one for one in caplog.records if getattr(one, "job_id", None) == str(job.id)]
    assert {one.name for one in lines} == {"boundary.jobs"}
    assert [one.getMessage().split()[1] for one in lines] == ["claimed,", "completed"]
    assert {getattr(one, "job_type", None) for one in lines} == {"works"}


def test_the_redis_client_is_no_dependency() -> None:
    """S9: nor is anything else that the embedded stores do not need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert not [one for one in project["dependencies"] if one.startswith("redis")]
    code = "import sys; from boundary.jobs import Jobs; Jobs('memory://').stats(); print('redis' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_the_docs_give_the_seeds_advice() -> None:
    """S127."""
    text = (ROOT / "docs" / "seed-map.md").read_text()
    for word in (
        "jobs small",
        "one job in a hundred",
        "five retries",
        "none or one",
        "ten",
        "metadata",
    ):
        assert word in text
