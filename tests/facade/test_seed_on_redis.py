"""The seed's factories for Redis: what they take, what they refuse, what they leave open."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from boundary.jobs import BackendUnavailable, ConfigError, Jobs, StoreRefused, UsageError
from boundary.jobs.core.job import create_job
from boundary.jobs.ports import JobQueue, JobStats, JobStore
from boundary.jobs.shell.adapters import redis as redis_jobs
from boundary.jobs.shell.adapters import sqlite as sqlite_jobs
from boundary.jobs.shell.config import load
from boundary.jobs.shell.seed import Pool
from boundary.jobs.shell.settings import RedisSettings
from devservers.single import Server

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def at(server: Server, **more: Any) -> dict[str, Any]:
    return {"host": server.host, "port": server.port, **more}


def names_of_one(queue: JobQueue) -> list[str]:
    job = create_job({"job_type": "send-email", "args": {"to": "a"}}, uuid4(), NOW)
    queue.enqueue_job("emails", job)
    return queue.list_queues()


def test_a_pool_gives_queue_store_and_statistics(redis_url: str, redis_server: Server) -> None:
    """S10-S13."""
    pool = redis_jobs.create_redis_pool({"host": "127.0.0.1", "port": redis_server.port})
    queue: JobQueue = redis_jobs.create_redis_job_queue(pool)
    store: JobStore = redis_jobs.create_redis_job_store(pool)
    stats: JobStats = redis_jobs.create_redis_job_stats(pool)
    job = create_job({"job_type": "send-email", "args": {"to": "a"}}, uuid4(), NOW)
    assert queue.enqueue_job("emails", job) == job.id
    assert store.find_job(job.id) is not None
    assert stats.queue_stats("emails").size == 1
    redis_jobs.close_redis_pool(pool)


def test_sqlite_and_memory_have_the_same(tmp_path: Path) -> None:
    """S15."""
    pool = sqlite_jobs.create_sqlite_pool({"path": tmp_path / "jobs.db"})
    assert names_of_one(sqlite_jobs.create_sqlite_job_queue(pool)) == ["emails"]
    sqlite_jobs.close_sqlite_pool(pool)
    for kind in ("pool", "job_queue", "job_store", "job_stats"):
        assert hasattr(redis_jobs, f"create_redis_{kind}")
        assert hasattr(sqlite_jobs, f"create_sqlite_{kind}")


def connections(server: Server) -> int:
    # The one that asks is not counted: it comes by the socket.
    return str(server.call("CLIENT", "LIST")).count(" addr=127.0.0.1")


def test_closing_the_pool_closes_every_connection(redis_url: str, redis_server: Server) -> None:
    """S14."""
    before = connections(redis_server)
    pool = redis_jobs.create_redis_pool(at(redis_server))
    names_of_one(redis_jobs.create_redis_job_queue(pool))
    assert connections(redis_server) == before + 1
    redis_jobs.close_redis_pool(pool)
    assert connections(redis_server) == before


def test_what_is_left_out_has_the_seeds_defaults() -> None:
    """S89-S96."""
    pool = redis_jobs.create_redis_pool({})
    terms = pool.backend.driver.terms  # type: ignore[attr-defined]
    assert terms.address.shown() == "redis://localhost:6379/0"
    assert (terms.address.password, terms.timeout) == (None, 2.0)
    assert (terms.max_total, terms.max_idle, terms.min_idle) == (20, 10, 2)


def test_every_key_of_the_seed_is_taken() -> None:
    """S89-S96, S99."""
    config = {"host": "h", "port": 1, "password": "a/b@c", "database": 3}
    sizes = {"max_total": 50, "max_idle": 20, "min_idle": 1, "timeout": 700}
    terms = redis_jobs.create_redis_pool(config | sizes).backend.driver.terms  # type: ignore[attr-defined]
    assert terms.address.shown() == "redis://h:1/3"
    assert (terms.address.password, terms.timeout) == ("a/b@c", 0.7)
    assert (terms.max_total, terms.max_idle, terms.min_idle) == (50, 20, 1)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"prt": 1}, "redis.prt.*did you mean redis.port"),
        ({"port": "6379"}, "redis.port is '6379', but may be a number from 1 to 65535"),
        ({"port": 0}, "redis.port"),
        ({"database": -1}, "redis.database"),
        ({"max_total": 0}, "redis.max_total"),
        ({"timeout": 2.5}, "redis.timeout"),
        ({"password": 7}, r"redis.password is \*\*\*"),
        ({"passwrd": "s3cret"}, "redis.passwrd"),
        ({"host": ""}, "redis.host"),
    ],
)
def test_a_wrong_key_or_value_is_named(config: dict[str, Any], says: str) -> None:
    """S89-S96."""
    with pytest.raises(ConfigError, match=says) as caught:
        redis_jobs.create_redis_pool(config)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("password", [None, "p@ss/w:rd"])
def test_the_database_is_honoured_with_and_without_a_password(password: str | None) -> None:
    """S91, S92, T8: the original honours it only with one."""
    with Server(*([f"requirepass {password}"] if password else [])) as server:
        pool = redis_jobs.create_redis_pool(at(server, database=3, password=password))
        names_of_one(redis_jobs.create_redis_job_queue(pool))
        redis_jobs.close_redis_pool(pool)
        pool = redis_jobs.create_redis_pool(at(server, password=password))
        assert redis_jobs.create_redis_job_queue(pool).list_queues() == []
        redis_jobs.close_redis_pool(pool)


def test_a_wrong_password_is_refused_and_not_shown() -> None:
    """S91."""
    with Server("requirepass right") as server:
        pool = redis_jobs.create_redis_pool(at(server, password="s3cret"))
        with pytest.raises(StoreRefused) as caught:
            names_of_one(redis_jobs.create_redis_job_queue(pool))
        assert "s3cret" not in str(caught.value)
        redis_jobs.close_redis_pool(pool)


def test_a_server_that_does_not_answer_is_given_up_in_time(redis_server: Server) -> None:
    """S96."""
    with Server() as server:
        pool = redis_jobs.create_redis_pool(at(server, timeout=200))
        server.pause()
        began = datetime.now(UTC)
        with pytest.raises(BackendUnavailable, match="within 0.2 s"):
            pool.backend.execute(_time())
        assert (datetime.now(UTC) - began).total_seconds() < 2
        server.resume()
        redis_jobs.close_redis_pool(pool)


def _time() -> Any:
    from boundary.jobs.core.operations import Time

    return Time()


def test_the_environment_selects_redis(
    redis_url: str, redis_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S98."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDIS_HOST", redis_server.host)
    monkeypatch.setenv("REDIS_PORT", str(redis_server.port))
    with Jobs() as jobs:
        assert jobs.store.url == redis_url
        jobs.enqueue("works", {})
        assert jobs.queue_stats("default").size == 1
    monkeypatch.setenv("REDIS_PORT", "many")
    with pytest.raises(ConfigError, match="REDIS_PORT"):
        Jobs()


def test_the_environments_password_is_used_and_hidden(tmp_path: Path) -> None:
    """S98."""
    environ = {"REDIS_HOST": "h", "REDIS_PASSWORD": "s3cret"}
    settings = load(None, environ, tmp_path)
    assert settings.url == "redis://:s3cret@h:6379/0"
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in repr(Jobs(config=settings))


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """S9."""
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(UsageError, match=r"boundary-jobs\[redis\]"):
        redis_jobs.create_redis_pool({})
    with pytest.raises(UsageError, match=r"boundary-jobs\[redis\]"):
        Jobs("redis://localhost").stats()


def test_a_pool_is_used_by_many_threads_within_its_limit(
    redis_url: str, redis_server: Server
) -> None:
    """S93: more threads than connections wait for one."""
    from concurrent.futures import ThreadPoolExecutor

    before = connections(redis_server)
    pool: Pool = redis_jobs.create_redis_pool(at(redis_server, max_total=2, timeout=60_000))
    stats = redis_jobs.create_redis_job_stats(pool)
    with ThreadPoolExecutor(8) as threads:
        assert len(list(threads.map(lambda _: stats.job_stats(), range(100)))) == 100
    assert connections(redis_server) - before <= 2
    redis_jobs.close_redis_pool(pool)


def test_idle_connections_are_closed_above_the_limit(redis_url: str, redis_server: Server) -> None:
    """S94."""
    from concurrent.futures import ThreadPoolExecutor

    before = connections(redis_server)
    pool = redis_jobs.create_redis_pool(at(redis_server, max_idle=1))
    stats = redis_jobs.create_redis_job_stats(pool)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: stats.job_stats(), range(100)))
    assert connections(redis_server) - before <= 1
    redis_jobs.close_redis_pool(pool)


def test_the_settings_are_the_same_as_in_a_file() -> None:
    """S97: one set of keys."""
    pool = redis_jobs.create_redis_pool({"username": "jobs", "partitions": 4})
    assert pool.backend.driver.terms.partitions == 4  # type: ignore[attr-defined]
    assert set(RedisSettings.__struct_fields__) >= {
        "host", "port", "password", "database", "max_total", "max_idle", "min_idle", "timeout",
    }  # fmt: skip
