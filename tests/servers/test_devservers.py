"""Every piece of devservers, on real servers; and that nothing of it is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from devservers import binaries, folders, ports, wire
from devservers.binaries import KINDS, Binary
from devservers.single import Server, StartError

ROOT = Path(__file__).parents[2]
BINARIES = binaries.available()


def until(true: Callable[[], object], what: str, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds:g} s: {what}"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")  # an orphan waits for init, which may take its time, as a Z
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


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
    until(lambda: not alive(pid), "the server is gone")
    assert not folder.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_killed_process_takes_its_server_along_and_its_folder_is_swept() -> None:
    process, pid, folder = started("time.sleep(60)")
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not alive(pid), "the server is gone")
    os.utime(folder, (0, 0))
    with Server() as living:
        os.utime(living.folder, (0, 0))
        folders._sweep.cache_clear()
        with Server():
            assert not folder.exists()
            assert living.folder.exists()
