"""Every piece of devservers, on real servers; and that nothing of it is left behind."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from devservers import binaries, folders, frames, ports, wire
from devservers.binaries import KINDS, Binary
from devservers.cluster import Cluster
from devservers.proxy import Proxy
from devservers.sentinel import Sentinels
from devservers.single import Server, StartError
from devservers.tls import Clients, TlsServer
from tests.waiting import eventually

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
BINARIES = binaries.available()
WITH_TLS = [each for each in BINARIES if each.supports_tls]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:  # an orphan waits for init, which may take its time, as a Z
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return sys.platform != "linux"


@pytest.fixture(params=BINARIES, ids=str)
def binary(request: pytest.FixtureRequest) -> Binary:
    return request.param


# --- binaries


def test_any_machine_has_a_server() -> None:
    assert binaries.any_server() == BINARIES[0]
    assert [each.kind for each in BINARIES] == [kind for kind in KINDS if binaries.find(kind)]


def test_a_file_that_lost_its_executable_bit_runs_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    plain = tmp_path / "server"
    plain.write_bytes(binaries.any_server().path.read_bytes())
    plain.chmod(0o644)
    copy = binaries._executable("valkey", plain)
    assert subprocess.run([copy, "--version"], check=True, capture_output=True).stdout
    assert binaries._executable("valkey", plain) == copy


# --- single


def test_a_server_from_start_to_end(binary: Binary) -> None:
    with Server("maxmemory 64mb", "appendonly yes", "appendfsync always", binary=binary) as server:
        tcp = ("127.0.0.1", server.port)
        assert wire.call(tcp, "CONFIG", "GET", "maxmemory") == ["maxmemory", str(64 << 20)]
        assert wire.call(server.socket, "SET", "kept", "yes") == "OK"
        first, port = server.process.pid, server.port
        server.kill()
        with pytest.raises(OSError):
            wire.call(tcp, "PING")
        server.restart()
        assert (server.port, server.call("GET", "kept")) == (port, "yes")
        assert server.process.pid != first
        server.stop()
        assert server.process.returncode == 0
        server.restart()
        assert server.call("GET", "kept") == "yes"
        last, folder = server.process.pid, server.folder
        assert folder.exists()
    assert not alive(first)
    assert not alive(last)
    assert not folder.exists()


def test_a_paused_server_answers_later() -> None:
    with Server() as server:
        server.pause()
        with pytest.raises(TimeoutError):
            wire.call(server.socket, "PING", timeout=0.1)
        server.resume()
        assert server.call("PING") == "PONG"
        server.pause()
        server.stop()
        assert server.process.returncode == 0


def test_users_and_passwords() -> None:
    users = "user default off\nuser ann on >p/w ~jobs:* +@all\n"
    with Server("aclfile users.acl", files={"users.acl": users}) as server:
        assert server.url(2, "ann", "p/w") == f"redis://ann:p%2Fw@127.0.0.1:{server.port}/2"
        with wire.Wire(server.socket) as connection:
            with pytest.raises(wire.Refused, match="NOAUTH"):
                connection.call("GET", "jobs:1")
            assert connection.call("AUTH", "ann", "p/w") == "OK"
            assert connection.call("GET", "jobs:1") is None
            with pytest.raises(wire.Refused, match="NOPERM"):
                connection.call("GET", "other")
    with Server("requirepass secret") as server:
        assert server.url(password="secret") == f"redis://:secret@127.0.0.1:{server.port}/0"


def test_a_wrong_line_is_an_error_with_the_log() -> None:
    with pytest.raises(StartError, match="nonsense 1"):
        Server("nonsense 1").start()


def test_a_taken_port_is_another_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server() as first:
        offers = iter([first.port, first.port])
        real = ports.free
        monkeypatch.setattr(ports, "free", lambda: next(offers, None) or real())
        with Server() as second:
            assert second.port != first.port
            assert next(offers, None) is None


# --- tls


def ping(server: TlsServer, **options: object) -> object:
    with redis.Redis.from_url(server.url(), retry=None, **options) as client:
        return client.ping()


@pytest.mark.skipif(not WITH_TLS, reason="no server here was built with TLS; Debian's is")
@pytest.mark.parametrize(("clients", "needed"), [("no", False), ("optional", False), ("yes", True)])
def test_a_server_speaks_tls(clients: Clients, needed: bool) -> None:
    with TlsServer(clients=clients) as server:
        files = server.authority
        own = {"ssl_certfile": str(files.client_cert), "ssl_keyfile": str(files.client_key)}
        assert ping(server, ssl_ca_certs=str(files.ca), **own)
        with pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            ping(server, ssl_ca_certs=str(files.wrong_ca), **own)
        if needed:
            with pytest.raises(redis.ConnectionError):
                ping(server, ssl_ca_certs=str(files.ca))
        else:
            assert ping(server, ssl_ca_certs=str(files.ca))
        # As strictly as Python 3.13 does by itself.
        context = ssl.create_default_context(cafile=str(files.ca))
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_cert_chain(files.client_cert, files.client_key)
        with (
            wire.socket.create_connection(("127.0.0.1", server.port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            assert secured.version() in {"TLSv1.2", "TLSv1.3"}
        assert server.call("PING") == "PONG"
        assert files.ca.exists()
    assert not files.ca.exists()


def test_a_server_without_tls_says_so() -> None:
    for each in BINARIES:
        if not each.supports_tls:
            with pytest.raises(binaries.Missing, match="without TLS"):
                TlsServer(binary=each)


# --- sentinel


def follows(server: Server) -> bool:
    """A sentinel that makes it a replica resets its connections."""
    try:
        return server.call("ROLE")[0] == "slave"
    except OSError:
        return False


def test_sentinels_change_the_master() -> None:
    with Sentinels() as group:
        first = group.master
        assert len(group.sentinels) == 3
        assert first is group.servers[0]
        eventually("both replicas follow", lambda: first.call("WAIT", 2, 100) == 2)
        group.failover()
        second = group.master
        assert second is not first
        assert second.call("ROLE")[0] == "master"
        eventually("the old master follows", lambda: follows(first))
        group.failover(kill=True)
        third = group.master
        assert third is not second
        second.restart()
        eventually("the dead master follows", lambda: follows(second))
        pids = [each.process.pid for each in [*group.servers, *group.watchers]]
    assert not any(map(alive, pids))


# --- cluster


def test_a_cluster_moves_slots() -> None:
    with Cluster() as cluster:
        assert len(cluster.nodes) == 3
        slot = cluster.slot_of("{jobs}1")
        assert slot == cluster.slot_of("{jobs}2")
        source = cluster.owner(slot)
        target, other = (each for each in cluster.servers if each is not source)
        source.call("SET", "{jobs}1", b"\xff")
        with pytest.raises(wire.Refused, match=f"MOVED {slot} 127.0.0.1:{source.port}"):
            other.call("GET", "{jobs}1")
        with cluster.migrating(slot, target):
            assert source.call("GET", "{jobs}1") == "\udcff"
            with pytest.raises(wire.Refused, match=f"ASK {slot} 127.0.0.1:{target.port}"):
                source.call("GET", "{jobs}2")
            with wire.Wire(target.socket) as connection:
                connection.call("ASKING")
                assert connection.call("SET", "{jobs}2", "new") == "OK"
        for node in (source, other):
            with pytest.raises(wire.Refused, match=f"MOVED {slot} 127.0.0.1:{target.port}"):
                node.call("GET", "{jobs}1")
        assert target.call("MGET", "{jobs}1", "{jobs}2") == ["\udcff", "new"]
        cluster.move_slot(slot, other)
        assert other.call("GET", "{jobs}2") == "new"
        pids = [each.process.pid for each in cluster.servers]
    assert not any(map(alive, pids))


@pytest.mark.timeout(60)
def test_a_cluster_with_replicas_survives_the_death_of_a_master() -> None:
    with Cluster(replicas=1) as cluster:
        assert (len(cluster.nodes), len(cluster.masters)) == (6, 3)
        slot = cluster.slot_of("{jobs}1")
        old = cluster.owner(slot)
        old.call("SET", "{jobs}1", "kept")
        old.call("WAIT", 1, 1_000)
        new = cluster.failover(slot)
        assert new is not old
        assert new.call("GET", "{jobs}1") == "kept"
        cluster.rejoin(old)
        assert len(cluster.masters) == 3
        assert not old.is_master


# --- proxy


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    server.call("FLUSHALL")
    with Proxy(server.port) as started:
        yield started


def through(proxy: Proxy, timeout: float = 5.0) -> wire.Wire:
    return wire.Wire(("127.0.0.1", proxy.port), timeout)


def test_a_proxy_passes_everything_on(proxy: Proxy, server: Server) -> None:
    with through(proxy) as client:
        text = "x" * 3_000_000
        assert client.call("SET", "long", text) == "OK"
        assert client.call("GET", "long") == text
        assert client.call("LRANGE", "none", 0, -1) == []
        assert proxy.requests == ["SET", "GET", "LRANGE"]
        assert proxy.connections == 1
    eventually("the end passed, too", lambda: proxy.connections == 0)


def test_a_proxy_cuts_all_connections(proxy: Proxy) -> None:
    with through(proxy) as one, through(proxy) as two:
        assert (one.call("PING"), two.call("PING")) == ("PONG", "PONG")
        proxy.cut()
        for client in (one, two):
            with pytest.raises(ConnectionResetError):
                client.call("PING")
    with through(proxy) as client:
        assert client.call("PING") == "PONG"


@pytest.mark.parametrize(("direction", "arrives"), [("up", 0), ("both", 0), ("down", 1)])
def test_a_black_hole(proxy: Proxy, server: Server, direction: str, arrives: int) -> None:
    with through(proxy, 0.2) as client, through(proxy) as idle:
        assert (client.call("PING"), idle.call("PING")) == ("PONG", "PONG")
        proxy.blackhole(direction)
        with pytest.raises(TimeoutError):
            client.call("INCR", "n")
        assert int(server.call("GET", "n") or 0) == arrives
        proxy.heal()
        with pytest.raises(ConnectionResetError):
            client.call("PING")
        assert idle.call("PING") == "PONG"  # it lost nothing


def test_latency(proxy: Proxy) -> None:
    with through(proxy) as client:
        proxy.latency(0.1)
        began = time.perf_counter()
        assert client.call("PING") == "PONG"
        assert 0.1 <= time.perf_counter() - began < 1
        proxy.heal()
        began = time.perf_counter()
        assert client.call("PING") == "PONG"
        assert time.perf_counter() - began < 0.1


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("lost", ["reply", "request"])
def test_the_kth_request_or_its_reply_is_lost(
    proxy: Proxy, server: Server, k: int, lost: str
) -> None:
    with through(proxy) as client:
        (proxy.drop_reply if lost == "reply" else proxy.drop_request)(k)
        for number in range(1, k):
            assert client.call("INCR", "n") == number
        with pytest.raises(ConnectionError):
            client.call("INCR", "n")
    assert int(server.call("GET", "n") or 0) == (k if lost == "reply" else k - 1)
    assert proxy.dropped == 1
    with through(proxy) as client:
        assert client.call("PING") == "PONG"


@pytest.mark.parametrize("lost", ["reply", "request"])
def test_a_pipeline_is_cut_in_the_middle(proxy: Proxy, server: Server, lost: str) -> None:
    with through(proxy) as client:
        (proxy.drop_reply if lost == "reply" else proxy.drop_request)(3)
        client._socket.sendall(b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n" * 5)
        assert [client._reply(), client._reply()] == [1, 2]
        with pytest.raises(ConnectionError):
            client._reply()
    assert server.call("GET", "n") == ("3" if lost == "reply" else "2")


def test_a_clients_messages_are_no_replies(proxy: Proxy, server: Server) -> None:
    with redis.Redis(port=proxy.port, retry=None) as client, client.pubsub() as listener:
        listener.subscribe("news")
        assert listener.get_message(timeout=5)["type"] == "subscribe"
        proxy.drop_reply(2)
        listener.ping()
        assert listener.get_message(timeout=5)["type"] == "pong"
        server.call("PUBLISH", "news", "one")
        assert listener.get_message(timeout=5)["data"] == b"one"
        listener.ping()
        with pytest.raises(redis.ConnectionError):
            listener.get_message(timeout=5)
        assert proxy.requests[:2] == ["PING", "PING"]  # then it connects anew


def test_new_connections_are_refused(proxy: Proxy) -> None:
    with through(proxy) as client:
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            through(proxy)
        assert client.call("PING") == "PONG"
    proxy.heal()
    with through(proxy) as client:
        assert client.call("PING") == "PONG"


def test_a_server_that_is_gone_is_a_reset() -> None:
    # The reset may come while the client still connects.
    with Proxy(ports.free()) as proxy, pytest.raises(ConnectionError), through(proxy) as client:
        client.call("PING")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"+OK\r\n:1\r\n-ERR no\r\n_\r\n,1.5\r\n#t\r\n", 6),
        (b"$-1\r\n$0\r\n\r\n*-1\r\n*0\r\n=6\r\ntxt:ab\r\n", 5),
        (b"%1\r\n+k\r\n*2\r\n$1\r\na\r\n:2\r\n~1\r\n+a\r\n>2\r\n+invalidate\r\n_\r\n", 3),
        (b"|1\r\n+ttl\r\n:3\r\n+OK\r\nPING\r\n", 2),
    ],
)
def test_frames_are_cut_wherever_the_bytes_are(data: bytes, expected: int) -> None:
    for size in range(1, len(data) + 1):
        splitter = frames.Splitter()
        parts = [data[at : at + size] for at in range(0, len(data), size)]
        found = [frame for part in parts for frame in splitter.feed(part)]
        assert (len(found), b"".join(found), splitter.rest()) == (expected, data, b"")


# --- nothing left behind

STARTS = """
import time
from devservers.single import Server
server = Server().start()
print(server.process.pid, server.folder, flush=True)
"""


def started(more: str) -> tuple[subprocess.Popen[str], int, Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", STARTS + more], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        pid, folder = process.stdout.readline().split()
    return process, int(pid), Path(folder)


def test_a_forgotten_server_ends_with_its_process() -> None:
    process, pid, folder = started("")
    assert process.wait(10) == 0
    eventually("the server is gone", lambda: not alive(pid))
    assert not folder.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_killed_process_takes_its_server_along_and_its_folder_is_swept() -> None:
    process, pid, folder = started("time.sleep(60)")
    process.send_signal(signal.SIGKILL)
    process.wait()
    eventually("the server is gone", lambda: not alive(pid))
    os.utime(folder, (0, 0))
    with Server() as living:
        os.utime(living.folder, (0, 0))
        folders._sweep.cache_clear()
        with Server():
            assert not folder.exists()
            assert living.folder.exists()
