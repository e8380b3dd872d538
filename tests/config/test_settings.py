"""Settings: where they come from, and what is said of a bad one (S97-S99)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from boundary.jobs.errors import ConfigError
from boundary.jobs.shell.config import load
from boundary.jobs.shell.settings import DEFAULT_URL, RedisSettings, Settings, shown_url


def test_defaults_are_the_seeds(tmp_path: Path) -> None:
    settings = load(None, {}, tmp_path)
    assert settings == Settings()
    assert settings.url == DEFAULT_URL
    assert (settings.redis.host, settings.redis.port, settings.redis.timeout) == (
        "localhost",
        6379,
        2000,
    )
    assert settings.workers.shutdown_timeout == 30_000
    assert settings.scheduled_processor.interval == 5_000


def test_each_source_goes_over_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "boundary-jobs.toml"
    file.write_text("[workers]\nlease = 1000\nconcurrency = 2\ncount = 3\npoll_interval = 50\n")
    other = tmp_path / "other.toml"
    other.write_text("[workers]\npoll_interval = 70\n")
    environ = {
        "WORKER_COUNT": "4",
        "BOUNDARY_JOBS_WORKERS_CONCURRENCY": "5",
        "BOUNDARY_JOBS_WORKERS_POLL_INTERVAL": "60",
        "BOUNDARY_JOBS_URL": "memory://",
    }
    settings = load(other, environ, tmp_path, url="sqlite:///x.db")
    assert settings.workers.lease == 1_000
    assert settings.workers.count == 4
    assert settings.workers.concurrency == 5
    assert settings.workers.poll_interval == 70
    assert settings.url == "sqlite:///x.db"


def test_pyproject_is_read_where_there_is_no_file_of_ours(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text('[tool.boundary-jobs]\nurl = "memory://"\nworkers.lease = 700\n')
    assert load(None, {}, tmp_path).workers.lease == 700
    (tmp_path / "boundary-jobs.toml").write_text("namespace = 'shop'\n")
    assert load(None, {}, tmp_path) == Settings(namespace="shop")


@pytest.mark.parametrize(
    ("text", "concurrency"), [("12", 12), ("auto", "auto"), ("auto:2-50", "auto:2-50")]
)
def test_variables_hold_concurrency_and_limits(
    tmp_path: Path, text: str, concurrency: int | str
) -> None:
    environ = {
        "BOUNDARY_JOBS_WORKERS_CONCURRENCY": text,
        "BOUNDARY_JOBS_WORKERS_QUEUE_CONCURRENCY": "reports=2, mail=40",
    }
    workers = load(None, environ, tmp_path).workers
    assert workers.concurrency == concurrency
    assert workers.queue_concurrency == {"reports": 2, "mail": 40}


def test_a_file_holds_limits_as_a_table(tmp_path: Path) -> None:
    file = tmp_path / "boundary-jobs.toml"
    file.write_text('[workers]\nconcurrency = "auto:1-9"\nqueue_concurrency = { reports = 2 }\n')
    workers = load(None, {}, tmp_path).workers
    assert (workers.concurrency, workers.queue_concurrency) == ("auto:1-9", {"reports": 2})


@pytest.mark.parametrize(
    ("key", "value", "may_be"),
    [
        ("concurrency", 0, "auto:2-200"),
        ("concurrency", "many", "auto:2-200"),
        ("concurrency", "auto:9-1", "auto:2-200"),
        ("queue_concurrency", {"reports": 0}, "numbers from 1 on"),
        ("queue_concurrency", {"no name": 1}, "queue names"),
        ("queue_concurrency", "reports", "{reports = 2}"),
    ],
)
def test_wrong_concurrency_names_the_key_and_what_it_may_be(
    tmp_path: Path, key: str, value: object, may_be: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load({"workers": {key: value}}, {}, tmp_path)
    assert f"workers.{key}" in str(caught.value)
    assert may_be in str(caught.value)


def test_variables_hold_lists_and_switches(tmp_path: Path) -> None:
    environ = {
        "BOUNDARY_JOBS_WORKERS_QUEUES": "critical, default",
        "BOUNDARY_JOBS_SCHEDULED_PROCESSOR_ENABLED": "false",
        "BOUNDARY_JOBS_NAMESPACE": "",
    }
    settings = load(None, environ, tmp_path)
    assert settings.workers.queues == ("critical", "default")
    assert settings.scheduled_processor.enabled is False
    assert settings.namespace == "jobs"


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"BOUNDARY_JOBS_WORKERS_LAESE": "1"}, ["LAESE", "did you mean BOUNDARY_JOBS_WORKERS_LEA"]),
        ({"BOUNDARY_JOBS_WORKERS_LEASE": "2s"}, ["BOUNDARY_JOBS_WORKERS_LEASE", "2s", "millisec"]),
        ({"WORKER_COUNT": "0"}, ["WORKER_COUNT", "'0'", "from 1"]),
        ({"REDIS_HOST": "h", "REDIS_PORT": "tcp://1"}, ["REDIS_PORT", "tcp://1", "65535"]),
    ],
)
def test_a_bad_variable_is_named(environ: dict[str, str], words: list[str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, environ, tmp_path)
    for word in words:
        assert word in caught.value.message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[workers]\nlaese = 3\n", ["boundary-jobs.toml", "workers.laese", "mean workers.lease?"]),
        ("[workers]\nlease = '3'\n", ["boundary-jobs.toml", "workers.lease", "'3'", "millisec"]),
        ("[workers]\nqueues = ['a b']\n", ["workers.queues", "a b", "queue names"]),
        ("[worker]\nlease = 3\n", ["unknown key 'worker'", "mean workers?"]),
        ("workers = 3\n", ["workers is 3", "workers.lease"]),
        ("payload_limit = true\n", ["payload_limit is True", "bytes"]),
        ("a = \n", ["boundary-jobs.toml is not TOML"]),
    ],
)
def test_a_bad_file_is_named(content: str, words: list[str], tmp_path: Path) -> None:
    (tmp_path / "boundary-jobs.toml").write_text(content)
    with pytest.raises(ConfigError) as caught:
        load(None, {}, tmp_path)
    for word in words:
        assert word in caught.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load(tmp_path / "none.toml", {}, tmp_path)


def test_redis_is_chosen_by_its_section_or_host(tmp_path: Path) -> None:
    environ = {"REDIS_HOST": "cache", "REDIS_PORT": "6380", "REDIS_PASSWORD": "s:e/c"}
    assert load(None, environ, tmp_path).url == "redis://:s%3Ae%2Fc@cache:6380/0"
    assert load({"redis": {"database": 2}}, {}, tmp_path).url == "redis://localhost:6379/2"
    assert load({"redis": {"username": "ada"}}, {}, tmp_path).url == "redis://ada@localhost:6379/0"
    assert load({"redis": {"database": 2}}, {}, tmp_path, url="memory://").url == "memory://"


def test_a_port_from_the_neighbourhood_does_not_choose_redis(tmp_path: Path) -> None:
    """Kubernetes sets REDIS_PORT to an address for each service called redis."""
    assert load(None, {"REDIS_PORT": "tcp://10.0.0.7:6379"}, tmp_path).url == DEFAULT_URL


def test_of_the_seeds_variables_a_url_leaves_the_password(tmp_path: Path) -> None:
    environ = {"REDIS_HOST": "h", "REDIS_PORT": "tcp://10.0.0.7:6379", "REDIS_PASSWORD": "pw"}
    for url in ("redis://cache", "rediss+sentinel://a/m", "unix:///run/redis.sock"):
        settings = load(None, environ, tmp_path, url)
        assert (settings.url, settings.redis) == (url, RedisSettings(password="pw"))
    assert load(None, environ, tmp_path, "sqlite:///a.db").redis == RedisSettings()


@pytest.mark.parametrize(
    "explicit",
    [
        {"redis": {"password": 7_777}},
        {"redi": {"password": "topsecret"}},
        {"redis": {"pasword": {"x": "topsecret"}}},
        {"urll": "redis://u:topsecret@h/0"},
    ],
)
def test_no_error_shows_a_password(explicit: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(explicit, {}, tmp_path)
    assert "topsecret" not in str(caught.value)
    assert "7777" not in str(caught.value)


def test_no_repr_shows_a_password(tmp_path: Path) -> None:
    settings = load({"redis": {"password": "topsecret"}}, {}, tmp_path)
    assert "topsecret" in settings.url
    for shown in (repr(settings), repr(settings.redis), str(settings.__rich_repr__())):
        assert "topsecret" not in shown
        assert "***" in shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///a.db", "sqlite:///a.db"),
        ("rediss://u:p@h:1/0", "rediss://u:***@h:1/0"),
        (
            "redis+sentinel://:p@h1:26379,h2:26379/m/0",
            "redis+sentinel://:***@h1:26379,h2:26379/m/0",
        ),
        ("redis://h/0?password=p&x=1", "redis://h/0?password=***&x=1"),
        ("redis://[::1/0", "redis://***"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert shown_url(url) == shown
