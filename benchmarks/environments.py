"""A virtual environment a peer, made on demand: its dependencies never meet ours."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / ".bench-envs"
PINS = Path(__file__).resolve().parent / "peers"


@dataclass(frozen=True)
class Peer:
    """A row of the report: an adapter, and which of its variants."""

    name: str
    adapter: str
    variant: str = ""
    python: tuple[int, int] = (3, 11)


PEERS = [
    Peer("celery", "celery"),
    Peer("celery-prefork", "celery", "prefork"),
    Peer("rq", "rq"),
    Peer("rq-fork", "rq", "fork"),
    Peer("dramatiq", "dramatiq"),
    Peer("huey", "huey"),
    Peer("arq", "arq"),
    Peer("saq", "saq"),
    Peer("taskiq-stream", "taskiq", "stream"),
    Peer("taskiq-list", "taskiq", "list"),
    Peer("streaq", "streaq"),
    Peer("docket", "docket"),
    Peer("ardiq", "ardiq", python=(3, 12)),
]
OURS = Peer("boundary-jobs", "boundary")


class Unavailable(RuntimeError):
    """A peer cannot be had here; the message is shown in the report."""


def chosen(words: str, *, brief: bool = False) -> list[Peer]:
    """The peers of a list like `celery,rq`; `all` and `none` are words of it.

    Args:
        brief: Of several variants of a peer only the first, unless one is named.

    Raises:
        ValueError: A word is nobody's name.
    """
    first = [peer for at, peer in enumerate(PEERS)
             if peer.adapter not in {other.adapter for other in PEERS[:at]}]  # fmt: skip
    short = first if brief else PEERS
    if words in {"all", ""}:
        return short
    if words == "none":
        return []
    names = [word.strip() for word in words.split(",")]
    known = {name for peer in PEERS for name in (peer.name, peer.adapter)} | {"pydocket"}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no peer is called {', '.join(unknown)}; there are "
                         f"{', '.join(peer.name for peer in PEERS)}, all, none")  # fmt: skip
    names = ["docket" if name == "pydocket" else name for name in names]
    return [
        peer for peer in PEERS if peer.name in names or (peer.adapter in names and peer in short)
    ]


def python_of(peer: Peer) -> Path:
    """The interpreter of the peer's environment, which is made if it is missing or out of date.

    Raises:
        Unavailable: No interpreter is new enough, or the peer does not install.
    """
    if peer is OURS:
        return Path(sys.executable)
    pins = PINS / f"{peer.adapter}.txt"
    folder = ENVIRONMENTS / peer.adapter
    python = folder / "bin" / "python"
    stamp = folder / "pins"
    wanted = hashlib.sha256(pins.read_bytes()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"  {peer.adapter}: making its environment ...", flush=True)
    interpreter = _interpreter(peer.python)
    _make(interpreter, folder, ["--requirement", pins], peer.adapter)
    stamp.write_text(wanted)
    return python


def as_installed() -> Path:
    """The interpreter of an environment as a user's worker on Redis has it: without what we test with.

    Raises:
        Unavailable: It cannot be made here.
    """
    folder = ENVIRONMENTS / "installed"
    python, stamp = folder / "bin" / "python", folder / "pins"
    made_of = [ROOT / "pyproject.toml", ROOT / "constraints.txt"]
    wanted = hashlib.sha256(b"".join(one.read_bytes() for one in made_of)).hexdigest()
    if not (python.exists() and stamp.exists() and stamp.read_text() == wanted):
        given: list[str | Path] = ["--constraint", made_of[1], "--editable", f"{ROOT}[redis]"]
        _make(Path(sys.executable), folder, given, "boundary-jobs")
        stamp.write_text(wanted)
    return python


def _make(interpreter: Path, folder: Path, given: list[str | Path], name: str) -> None:
    _run([interpreter, "-m", "venv", "--clear", folder], name)
    _run([folder / "bin" / "python", "-m", "pip", "install", "--quiet",
          "--disable-pip-version-check", *given], name)  # fmt: skip


def _interpreter(least: tuple[int, int]) -> Path:
    if sys.version_info[:2] >= least:
        return Path(sys.executable)
    names = [f"python3.{minor}" for minor in range(20, least[1] - 1, -1)]
    places = [Path(found) for name in names if (found := shutil.which(name))]
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    places += [path for name in names for path in sorted(root.glob(f"versions/*/bin/{name}"))]
    for path in places:
        test = subprocess.run([path, "-c", "import venv"], check=False, capture_output=True)
        if not test.returncode:
            return path
    raise Unavailable(f"needs Python {least[0]}.{least[1]} or newer, none is here")


def _run(command: list[str | Path], name: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Unavailable(f"{name} does not install: {said[-1] if said else 'no word'}")
