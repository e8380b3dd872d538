"""One server: started on a port and a unix socket of its own, stopped, killed, paused.

What belongs here: the life of one process and its folder. What does not: servers that know each
other (`sentinel`, `cluster`), certificates (`tls`), broken networks (`proxy`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from devservers import binaries, ports, wire
from devservers.binaries import Binary
from devservers.folders import Folder
from devservers.spawn import spawn

_TAKEN = "Address already in use"
_HOST = "127.0.0.1"


class StartError(RuntimeError):
    """A server did not come up; the message ends with its log."""


class Server:
    """A server from `start()` (or `with`) to `close()`; nothing of it outlives the process.

    Args:
        config: lines of redis.conf, after the defaults: `"maxmemory 4mb"`, `"requirepass secret"`.
        binary: which server; the preferred one of this machine if none is named.
        files: text files of its folder, by name, as `aclfile users.acl` wants one.
        patience: seconds it has to answer.
        environ: variables it has beside those of this process.
    """

    scheme = "redis"
    host = _HOST

    def __init__(
        self,
        *config: str,
        binary: Binary | None = None,
        files: Mapping[str, str] | None = None,
        patience: float = 5.0,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.binary = binary or binaries.any_server()
        self.config = config
        self.files = files or {}
        self.patience = patience
        self.environ = environ or {}
        self._folder: Folder | None = None
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def folder(self) -> Path:
        """Where its configuration, log, socket and data are."""
        assert self._folder is not None, "the server was not started"
        return self._folder.path

    @property
    def port(self) -> int:
        """Its port of 127.0.0.1, the same after `restart()`."""
        assert self._port, "the server was not started"
        return self._port

    @property
    def socket(self) -> Path:
        """Its unix socket."""
        return self.folder / "socket"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Its process, the latest one."""
        assert self._process is not None, "the server was not started"
        return self._process

    def url(
        self, database: int = 0, username: str | None = None, password: str | None = None
    ) -> str:
        """Its URL, as clients take it."""
        user = quote(username or "", safe="")
        login = f"{user}:{quote(password or '', safe='')}@" if username or password else ""
        return f"{self.scheme}://{login}{self.host}:{self.port}/{database}"

    def log(self) -> str:
        """What it said so far."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def call(self, *words: str | int | bytes) -> object:
        """One command through the unix socket; the reply as `wire` gives it."""
        return wire.call(self.socket, *words)

    def start(self) -> Self:
        """It answers, for the first time."""
        self._folder = Folder()
        try:
            for name, text in self.files.items():
                (self.folder / name).write_text(text)
            deadline = time.monotonic() + self.patience
            while not self._attempt(deadline, ports.free()):
                pass
        except BaseException:
            self.close()
            raise
        return self

    def restart(self) -> None:
        """It runs anew: same folder, port, configuration. What it did not write down is forgotten."""
        self.stop()
        deadline = time.monotonic() + self.patience
        while not self._run(deadline):
            time.sleep(0.05)  # somebody has the port for a moment

    def stop(self) -> None:
        """It ended in order (SIGTERM); its folder stays."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """It ended at once (SIGKILL); its folder stays."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """It stands still (SIGSTOP): the kernel accepts connections and bytes, nobody answers."""
        self.process.send_signal(signal.SIGSTOP)
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            self.process.returncode = os.waitstatus_to_exitcode(status)
            raise StartError(f"The server ended instead of pausing.\n{self._tail()}")

    def resume(self) -> None:
        """It goes on (SIGCONT)."""
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """It is gone, its folder too."""
        if self._process is not None:
            self.kill()
        if self._folder is not None:
            self._folder.close()

    def _listening(self, port: int) -> list[str]:
        return [f"port {port}"]

    def _defaults(self) -> list[str]:
        return ['save ""', "appendonly no"]

    def _command(self) -> list[str | Path]:
        return [self.binary.path, self.folder / "conf"]

    def _attempt(self, deadline: float, port: int) -> bool:
        """Whether it came up on this port; False if somebody took it in between."""
        self._port = port
        lines = [
            f"bind {_HOST}",
            *self._listening(port),
            f"unixsocket {self.socket}",
            "unixsocketperm 700",
            f"dir {self.folder}",
            *self._defaults(),
            *self.config,
        ]
        (self.folder / "conf").write_text("\n".join(lines) + "\n")
        return self._run(deadline)

    def _run(self, deadline: float) -> bool:
        said = len(self.log())
        self._process = spawn(self._command(), self.folder, self.folder / "log", self.environ)
        while not self._answers():
            if self._process.poll() is not None:
                if _TAKEN in self.log()[said:] and time.monotonic() < deadline:
                    return False
                raise StartError(
                    f"{self.binary} ended with {self._process.returncode}.\n{self._tail()}"
                )
            if time.monotonic() > deadline:
                self.kill()
                raise StartError(
                    f"{self.binary} did not answer in {self.patience:g} s.\n{self._tail()}"
                )
            time.sleep(0.002)
        return True

    def _answers(self) -> bool:
        # Through the socket: on the port somebody else may answer.
        try:
            wire.call(self.socket, "PING", timeout=1.0)
        except wire.Refused as refusal:
            return not str(refusal).startswith("LOADING")  # NOAUTH is an answer
        except OSError:
            return False
        return True

    def _end(self, how: signal.Signals) -> None:
        process = self.process
        if process.poll() is None:
            process.send_signal(how)
            if how is signal.SIGTERM:
                process.send_signal(signal.SIGCONT)  # a paused one hears nothing else
            try:
                process.wait(self.patience)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.socket.unlink(missing_ok=True)  # what a killed one leaves

    def _tail(self) -> str:
        return f"Its log ends:\n{self.log()[-2_000:]}"
