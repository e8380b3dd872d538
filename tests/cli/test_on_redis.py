"""The command on Redis: the doctor's findings, the demo, a worker, a measurement."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import pytest

from boundary.jobs import Jobs
from boundary.jobs.shell.adapters.redis import examining, scripts
from boundary.jobs.shell.adapters.redis.address import Node
from boundary.jobs.shell.cli.app import run
from devservers import binaries
from devservers.sentinel import Sentinels
from devservers.single import Server
from devservers.tls import TlsServer
from tests.cli.test_commands import TASKS, command
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
Doctor = Callable[..., dict[str, tuple[str, str]]]


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Doctor:
    """What it finds, by what was looked at: state and text."""

    def examine(url: str, code: int | None, *options: str) -> dict[str, tuple[str, str]]:
        ended = run(["doctor", "--json", "--url", url, *options])
        assert code in {None, ended}
        found = json.loads(capsys.readouterr().out)
        return {one["what"]: (one["state"], one["text"]) for one in found}

    return examine


@pytest.fixture(params=binaries.available(), ids=str)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server that a test may spoil, of each kind there is here."""
    with Server(binary=request.param) as made:
        yield made


def test_a_good_server(server: Server, doctor: Doctor) -> None:
    server.call("CONFIG", "SET", "appendonly", "yes")
    found = doctor(server.url(), 0)
    assert {state for state, _ in found.values()} == {"ok"}
    kind = "Valkey" if server.binary.kind == "valkey" else "Redis"
    assert f"{kind} {server.binary.version}" in found["server"][1]
    assert "a power cut the last second" in found["persistence"][1]
    server.call("CONFIG", "SET", "appendfsync", "always")
    assert "loses nothing" in doctor(server.url(), 0)["persistence"][1]


def test_eviction_is_a_problem_and_so_is_a_full_server(server: Server, doctor: Doctor) -> None:
    server.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    state, text = doctor(server.url(), 1)["maxmemory-policy"]
    assert state == "problem"
    assert "CONFIG SET maxmemory-policy noeviction" in text
    server.call("CONFIG", "SET", "maxmemory-policy", "noeviction")
    server.call("CONFIG", "SET", "maxmemory", "1mb")
    assert doctor(server.url(), 1)["memory"][0] == "problem"


def test_a_server_that_keeps_nothing_is_a_note(server: Server, doctor: Doctor) -> None:
    state, text = doctor(server.url(), 0)["persistence"]
    assert (state, "loses every job" in text) == ("note", True)
    server.call("CONFIG", "SET", "save", "3600 1")
    assert "since the last snapshot (save 3600 1)" in doctor(server.url(), 0)["persistence"][1]


def test_a_replica_is_a_problem(server: Server, doctor: Doctor) -> None:
    with Server(f"replicaof 127.0.0.1 {server.port}", binary=server.binary) as replica:
        found = doctor(replica.url(), 3)
        assert found["role"][0] == "problem"
        assert f"a replica of 127.0.0.1:{server.port}" in found["role"][1]


def test_replicas_that_are_asked_for_and_are_not_there(
    server: Server, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOUNDARY_JOBS_REDIS_DURABILITY", "replicated")
    assert "EnqueueUncertain" in doctor(server.url(), 1)["role"][1]


def test_replicas_that_are_not_waited_for_are_a_note(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sentinels may promote one of them, which need not have what was acknowledged."""
    monkeypatch.setenv("BOUNDARY_JOBS_REDIS_DURABILITY", "replicated")
    with Sentinels() as group:
        state, text = doctor(group.master.url(), 0)["role"]
        assert (state, "Set redis.replicas to 2" in text) == ("note", True)
        monkeypatch.setenv("BOUNDARY_JOBS_REDIS_REPLICAS", "2")
        assert doctor(group.master.url(), 0)["role"][0] == "ok"


def test_a_master_behind_sentinels(doctor: Doctor) -> None:
    with Sentinels() as group:
        hosts = ",".join(f"{host}:{port}" for host, port in group.sentinels)
        found = doctor(f"redis+sentinel://{hosts}/{group.master_name}", 0)
        assert f":{group.master.port}" in found["server"][1]
        assert "master with" in found["role"][1]


def test_a_server_over_tls(doctor: Doctor) -> None:
    try:
        binaries.with_tls()
    except binaries.Missing as missing:
        pytest.skip(str(missing))
    with TlsServer() as server:
        url = f"{server.url()}?ssl_ca_certs={server.authority.ca}"
        assert doctor(url, 0)["connection"] == ("ok", "TLS, the certificate is checked")


def test_a_queue_somebody_deleted_is_mended(server: Server, doctor: Doctor) -> None:
    url = allow(server, *documented_rights())
    with Jobs(url) as jobs:
        for _ in range(3):
            jobs.enqueue("works", {})
        server.call("DEL", "{jobs:0}:ready:default:2")
        eventually("the jobs are older than the look", lambda: doctor_sees(doctor, url))
        assert "3 ready and in no queue" in doctor(url, 1)["records"][1]
        assert jobs.queue_stats("default").size == 0
        found = doctor(url, 1, "--repair")  # no worker is alive, which is a problem too
        assert "put right: 3 ready and in no queue" in found["records"][1]
        assert jobs.queue_stats("default").size == 3
        assert doctor(url, 1)["records"][0] == "ok"


@pytest.mark.parametrize("partitions", ["1", "3"])
def test_records_that_were_set_aside_are_counted(
    server: Server, doctor: Doctor, partitions: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.call("CONFIG", "SET", "appendonly", "yes")
    monkeypatch.setenv("BOUNDARY_JOBS_REDIS_PARTITIONS", partitions)
    with Jobs(server.url()) as jobs:

        @jobs.handler(max_retries=0)
        def fails() -> None:
            raise ValueError

        jobs.enqueue_many([fails.job() for _ in range(210)])
        for _ in range(4):
            job = jobs.enqueue("fails", {})
            place = f"{{jobs:{zlib.crc32(job.id.bytes) % int(partitions)}}}:job"
            server.call("HSET", place, job.id.bytes, "junk")
        jobs.worker().run_until_empty()
        state, text = doctor(server.url(), 1)["unreadable"]
        assert state == "problem"
        assert text.startswith("4 records cannot be read")


def doctor_sees(doctor: Doctor, url: str) -> bool:
    return doctor(url, None)["records"][0] == "problem"


def allow(server: Server, *rights: str) -> str:
    server.call("ACL", "SETUSER", "jobs", "reset", "on", ">s3cret", "-@all", *rights)
    return server.url(username="jobs", password="s3cret")


def documented_rights() -> list[str]:
    """The user of docs/redis.md."""
    text = (ROOT / "docs" / "redis.md").read_text()
    found = re.search(r"^user jobs on >\S+ (.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1].replace("\\\n", " ").split()


def test_missing_rights_are_a_problem(server: Server, doctor: Doctor) -> None:
    rights = [one for one in documented_rights() if one not in {"+lrem", "+publish"}]
    state, text = doctor(allow(server, *rights), 1)["rights"]
    assert (state, "may not use lrem, publish" in text) == ("problem", True)
    url = allow(server, *(one for one in documented_rights() if not one.startswith("~")))
    found = doctor(url, 3)
    assert "key" in found["rights"][1]
    assert "s3cret" not in str(found)
    assert doctor(allow(server), 3)["rights"][0] == "problem"
    few = ("~{jobs:*", "+evalsha", "+script|load", "+type", "+get", "+set", "+time")
    assert "exists, del, expire" in doctor(allow(server, *few), 3)["rights"][1]


def test_the_documented_user_may_do_all_there_is(
    server: Server, doctor: Doctor, tmp_path: Path
) -> None:
    """The rights of docs/redis.md: a doctor, a worker and every door, and nothing was denied."""
    url = allow(server, *documented_rights())
    assert doctor(url, 0)["rights"] == ("ok", "our user may do all we need")
    server.call("ACL", "LOG", "RESET")
    (tmp_path / "tasks.py").write_text(TASKS)
    assert command(tmp_path, "enqueue", "works", "--url", url).returncode == 0
    done = command(tmp_path, "worker", "tasks", "--burst", "--queues", "default", "--url", url)
    assert done.returncode == 0, done.stderr
    assert "s3cret" not in done.stderr
    with Jobs(url) as jobs:
        job = jobs.enqueue("works", {}, delay=60)
        jobs.cancel(job.id)
        jobs.delete(job.id)
        jobs.pause("q")
        jobs.purge("q")
        jobs.schedule("x", every=5, handler="works")
        assert len(jobs.history("works")) == 1
    # CLIENT SETINFO is the driver's, which does without it.
    assert [one for one in server.call("ACL", "LOG") if "client" not in str(one)] == []  # type: ignore[attr-defined]


def test_the_rights_asked_for_are_those_the_scripts_need() -> None:
    lua = resources.files(scripts.__package__).joinpath("lua")
    texts = [path.read_text() for path in Path(str(lua)).rglob("*.lua")]
    called = {name for text in texts for name in re.findall(r"(?:call|try)\('([A-Z]+)'", text)}
    known = {right.split(" ")[0] for right in examining.RIGHTS}
    names = ("terms", "conversation", "hearing", "async_hearing", "blocking", "asynchronous")
    files = [Path(str(resources.files(scripts.__package__).joinpath(f"{one}.py"))) for one in names]
    sent = {
        name for one in files for name in re.findall(r'\(b?"([A-Z]{3,})"[,)]', one.read_text())
    } - {"WAIT", "ASKING"}
    assert {"EVALSHA", "BZPOPMIN", "SUBSCRIBE"} <= sent
    assert called | sent <= known
    assert known <= called | sent | {"LPUSH", "RPUSH"}
    known |= {"WAIT", "ASKING", "SELECT", "INFO", "CONFIG"}
    documented = {one.removeprefix("+").split("|")[0] for one in documented_rights()}
    assert documented - {"on"} >= {one.lower() for one in known}


def test_who_may_listen_on_the_way() -> None:
    near = [Node("localhost", 1), Node("127.0.0.9", 1), Node("::1", 1), Node("/run/redis", 0)]
    assert [examining.is_local(one) for one in near] == [True] * 4
    assert not examining.is_local(Node("10.0.0.1", 6379))
    assert not examining.is_local(Node("redis.internal", 6379))


def test_a_server_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    url = "redis://:s3cret@127.0.0.1:1"
    for name in ("doctor", "stats"):
        assert run([name, "--url", url]) == 3
        said = capsys.readouterr()
        assert "did not answer within 2 s" in said.out + said.err
        assert "s3cret" not in said.out + said.err


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3/cret@host",
        "redis://:s3?cret@host",
        "redis://:s3#cret@host",
        "redis://:s3cret@host:port",
        "redis://:s3cret@[::1",
        "redis://:s3cret@host/first",
        "redis://:s3cret@host?nope=1",
        "redis://:s3cret@a,b",
        "redis+sentinel://:s3cret@a,b",
        "redis+cluster://:s3cret@a/2",
        "rediss://:s3cret@host:99999",
        "nope://:s3cret@host",
        ":s3cret@host",
    ],
)
def test_a_bad_url_is_refused_early_and_shows_no_password(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["stats", "--url", url]) == 2
    said = capsys.readouterr()
    assert "cret" not in said.out + said.err.replace("s3cret@", "")
    assert "Traceback" not in said.err


def test_a_url_is_checked_without_the_driver() -> None:
    code = "import sys; from boundary.jobs import Jobs; Jobs('redis://h'); print('redis' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


@pytest.mark.long
def test_the_demo_on_redis_leaves_nothing(
    redis_url: str, redis_server: Server, tmp_path: Path
) -> None:
    done = command(tmp_path, "demo", "--url", redis_url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"The store is {redis_url}" in done.stdout
    assert "kill -9" in done.stdout
    keys = redis_server.call("KEYS", "*")
    assert isinstance(keys, list)
    assert {key.partition("-")[0] for key in keys} == {"{demo"}
    assert not [key for key in keys if key.endswith((":job", ":schedules", ":due", ":workers"))]


def test_the_bench_on_redis_leaves_nothing(
    redis_url: str, redis_server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", "--jobs", "200", "--url", redis_url]) == 0
    assert "run, one worker" in capsys.readouterr().out
    assert redis_server.call("EXISTS", "{jobs:0}:job") == 0


def test_a_worker_on_redis(redis_url: str, tmp_path: Path) -> None:
    """S120: the store by the environment, as in a container."""
    (tmp_path / "tasks.py").write_text(TASKS)
    assert command(tmp_path, "enqueue", "works", BOUNDARY_JOBS_URL=redis_url).returncode == 0
    done = command(tmp_path, "worker", "tasks", "--burst", BOUNDARY_JOBS_URL=redis_url)
    assert done.returncode == 0, done.stderr
    with Jobs(redis_url) as jobs:
        assert [one.result for one in jobs.history("works")] == [1]
    assert not (tmp_path / "boundary-jobs.db").exists()
