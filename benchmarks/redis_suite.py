"""The scenarios on Redis: ours and every peer, each on a fresh private server.

What belongs here: servers, processes, what is read from outside (marks, INFO, /proc). What does
not: calls of anybody's API (`peers/`), how it is shown (`report`).
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import environments
from benchmarks.environments import OURS, ROOT, Peer, Unavailable
from devservers import binaries
from devservers.single import Server

SLOTS = 65_536
PATIENCE = 180.0
SLEEPERS = 2_000
AOF = ("appendonly yes", "appendfsync everysec")


class NotOffered(Exception):
    """A queue has no such thing: a dash in the report, no failure."""


class Failed(RuntimeError):
    """A scenario did not come to its end; the message is shown in the report."""


@dataclass
class Sizes:
    """How much of everything."""

    scale: float
    full: bool = False
    brief: bool = False

    def single(self, jobs: int) -> int:
        """Enqueues one after another: some seconds' worth."""
        return max(int(min(jobs, 10_000) * self.scale), 500)

    def producers(self, jobs: int) -> int:
        return max(int(min(2 * jobs, 30_000) * self.scale), 1_000)

    def drain(self, jobs: int) -> int:
        if self.full and jobs >= 100_000:
            return 1_000_000
        # What is drained in some milliseconds is not measured: a tenth at the least of the quick.
        return max(int(jobs * self.scale), 500 if jobs < 100_000 else 50_000)

    def memory(self, jobs: int) -> int:
        return max(int((100_000 if jobs >= 20_000 else 20_000) * self.scale), 5_000)

    @property
    def due(self) -> int:
        return max(int(20_000 * self.scale), 1_000)

    @property
    def tries(self) -> int:
        return max(int(200 * self.scale), 60)

    @property
    def idle(self) -> float:
        return 5.0 if self.scale >= 1 else 2.0

    @property
    def patience(self) -> float:
        """Seconds any scenario may take."""
        return PATIENCE if self.scale >= 1 else PATIENCE / 3


@dataclass
class Bench:
    """One peer's round: its figures, and the scenarios that failed with why."""

    peer: Peer
    sizes: Sizes
    binary: binaries.Binary
    config: tuple[str, ...] = ()
    figures: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.label = self.peer.name + (" (AOF)" if self.config else "")
        self.python = environments.python_of(self.peer)

    def run(self) -> None:
        """Every scenario; one that fails is noted, and the next begins."""
        if not self._attempt("info", self._info):
            return
        self._attempt("enqueue", self._enqueue)
        everything = self.peer is OURS or not self.sizes.brief
        if everything:
            self._attempt("producers", self._producers)
        self._attempt("bulk", self._bulk)
        self._attempt("memory", self._memory)
        self._attempt("drain, 1 process", lambda: self._drain(1))
        self._attempt("drain, 2 processes", lambda: self._drain(2))
        self._attempt("idle and latency", self._serve)
        if everything:
            self._attempt("50 ms sleepers", self._sleepers)
            self._attempt("due at one instant", self._due)

    def _attempt(self, name: str, scenario: Callable[[], None]) -> bool:
        began = time.monotonic()
        try:
            scenario()
        except NotOffered:
            print(f"  {self.label}: {name}, not offered", flush=True)
            return True
        except (Failed, Unavailable, OSError, ValueError) as error:
            self.failures[name] = str(error)
        took = time.monotonic() - began
        failed = f": {self.failures[name]}" if name in self.failures else ""
        print(f"  {self.label}: {name}, {took:.1f} s{failed}", flush=True)
        return not failed

    # Scenarios

    def _info(self) -> None:
        with self._server() as server:
            self.info = self._call(server, "info")

    def _can(self, *names: str) -> bool:
        return any(name in self.info["can"] for name in names)

    def _enqueue(self) -> None:
        count = self.sizes.single(self.info["jobs"])
        for name, command in (("put", "enqueue"), ("aput", "aenqueue")):
            if not self._can(name):
                continue
            with self._server() as server:
                before = Costs.of(server)
                self.figures[command] = self._call(server, command, count)
                spent = Costs.of(server) - before
            self.figures["enqueue_cpu_us"] = spent.cpu_us / count
            if self.peer is OURS:
                self.figures["enqueue_us"] = spent.scripts_us / count

    def _producers(self) -> None:
        count = self.sizes.producers(self.info["jobs"])
        with self._server() as server:
            self.figures["producers"] = self._call(server, "producers", count)

    def _bulk(self) -> None:
        if not self._can("bulk", "abulk"):
            raise NotOffered
        with self._server() as server:
            count = self.sizes.memory(self.info["jobs"])
            before = Costs.of(server)
            self.figures["bulk"] = self._call(server, "bulk", count)
            if self.peer is OURS:
                spent = Costs.of(server) - before
                self.figures["bulk_us"] = spent.scripts_us / count

    def _memory(self) -> None:
        count = self.sizes.memory(self.info["jobs"])
        with self._server() as server:
            self._call(server, "fill", 1)  # scripts and the like
            before = _memory(server)
            self._call(server, "fill", count)
            self.figures["bytes"] = (_memory(server) - before) / count

    def _drain(self, processes: int) -> None:
        count = self.sizes.drain(self.info["jobs"])
        with self._server() as server, self._marks() as marks:
            self._call(server, "fill", count)
            before = Costs.of(server)
            with self._workers(server, marks, processes, "drain") as workers:
                first, last = marks.wait(count, workers, self.sizes.patience)
                # Ours ends with what `run_until_empty` says, which is later.
                first, last = self._settle(marks, workers, first, last)
                spent = Costs.of(server) - before
                rss = max(_rss_mb(worker.pid) for worker in workers)
            self._check(server, count)
            self.figures[f"drain{processes}"] = count / ((last - first) / 1e9)
            if processes == 1:
                self.figures |= {"settle_cpu_us": spent.cpu_us / count, "rss_after": rss}
                if self.peer is OURS:
                    self.figures["settle_us"] = spent.scripts_us / count

    def _check(self, server: Server, count: int) -> None:
        """Its own statistics say that so many jobs succeeded, where they are to be had."""
        if self._can("succeeded") and (found := self._call(server, "succeeded")) != count:
            raise Failed(f"{found:,} of {count:,} jobs succeeded by its own statistics")

    def _settle(
        self, marks: Marks, workers: list[subprocess.Popen[str]], first: int, last: int
    ) -> tuple[int, int]:
        if self.peer is not OURS:
            time.sleep(0.3)
            return first, last
        end = time.monotonic() + 20
        while marks.read()[3] < len(workers):
            if time.monotonic() > end:
                raise Failed("run_until_empty did not return within 20 s of the last handler")
            time.sleep(0.005)
        return first, marks.read()[2]

    def _sleepers(self) -> None:
        if self.info["one_at_a_time"]:
            raise NotOffered
        count = max(int(SLEEPERS * self.sizes.scale), 1_000)
        with self._server() as server, self._marks() as marks:
            self._call(server, "fill", count, "sleeper")
            with self._workers(server, marks, 1, "drain", at_once=100) as workers:
                first, last = marks.wait(count, workers, self.sizes.patience)
            self.figures["sleepers"] = count / ((last - first) / 1e9)

    def _serve(self) -> None:
        with (
            self._server() as server,
            self._marks() as marks,
            self._workers(server, marks, 1, "serve") as workers,
        ):
            time.sleep(2.5)
            self.figures["rss_idle"] = _rss_mb(workers[0].pid)
            before, began = _commands(server), time.monotonic()
            cpu = _tree_cpu(workers[0].pid)
            time.sleep(self.sizes.idle)
            seconds = time.monotonic() - began
            self.figures["idle_commands"] = (_commands(server) - before - 1) / seconds
            self.figures["idle_cpu"] = 100 * (_tree_cpu(workers[0].pid) - cpu) / seconds
            found = self._call(server, "latency", self.sizes.tries, mode="serve")
            self.figures |= found

    def _due(self) -> None:
        if not self._can("put_at", "aput_at"):
            raise NotOffered
        count = self.sizes.due
        rate = self.figures.get("aenqueue") or self.figures.get("enqueue") or 1_000.0
        # Time to store them all, most of them one a call, beside an idle worker.
        lead = 3.0 if self.peer is OURS else 3 + 1.7 * count / rate
        with (
            self._server() as server,
            self._marks() as marks,
            self._workers(server, marks, 1, "schedule") as workers,
        ):
            time.sleep(1.5)
            when = float(int(time.time() + lead) + 1)
            left = self._call(server, "due", count, when)
            if left < 0:
                raise Failed(f"storing took {-left:.1f} s longer than there was")
            _, last = marks.wait(count, workers, self.sizes.patience)
            instant = when - time.time() + time.monotonic()
            self.figures["due_s"] = last / 1e9 - instant
            self.figures["due"] = count / self.figures["due_s"]

    # Parts

    def _server(self) -> Server:
        return Server(*self.config, binary=self.binary)

    @contextlib.contextmanager
    def _marks(self) -> Iterator[Marks]:
        with tempfile.TemporaryDirectory(prefix="boundary-jobs-bench-") as folder:
            yield Marks(Path(folder) / "marks")

    def _environ(
        self, server: Server, mode: str, marks: Path | None, at_once: int
    ) -> dict[str, str]:
        environ = {
            **os.environ,
            "BENCH_URL": server.url(),
            "BOUNDARY_JOBS_URL": server.url(),
            "BENCH_MODE": mode,
            "BENCH_VARIANT": self.peer.variant,
            "BENCH_CONCURRENCY": str(at_once) if at_once else "",
            "BENCH_MARKS": str(marks or ""),
            "PYTHONPATH": str(ROOT),
        }
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        return environ

    def _call(self, server: Server, command: str, *arguments: float | str, mode: str = "") -> Any:
        words = [json.dumps(argument) for argument in arguments]
        done = subprocess.Popen(
            [self.python, "-m", "benchmarks.peers", self.peer.adapter, command, *words],
            env=self._environ(server, mode, None, 0),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            output, errors = done.communicate(timeout=self.sizes.patience)
        except subprocess.TimeoutExpired:
            done.kill()
            done.communicate()
            raise Failed(f"{command} took more than {self.sizes.patience:.0f} s") from None
        if done.returncode:
            raise Failed(f"{command} ended with {done.returncode}: {_last(errors)}")
        return json.loads(output.strip().splitlines()[-1])

    @contextlib.contextmanager
    def _workers(
        self, server: Server, marks: Marks, processes: int, mode: str, at_once: int = 0
    ) -> Iterator[list[subprocess.Popen[str]]]:
        log = marks.path.with_name("log").open("w+")
        workers = [
            subprocess.Popen(
                [self.python, "-m", "benchmarks.peers", self.peer.adapter, "work"],
                env=self._environ(server, mode, marks.path, at_once),
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
            for _ in range(processes)
        ]
        marks.log = log.name
        try:
            for worker in workers:
                assert worker.stdout is not None
                if worker.stdout.readline().strip() != "ready":
                    raise Failed(f"the worker did not start: {_last(Path(log.name).read_text())}")
            time.sleep(0.2)
            for worker in workers:
                assert worker.stdin is not None
                worker.stdin.write("go\n")
                worker.stdin.flush()
            yield workers
        finally:
            for worker in workers:
                _end(worker)
            log.close()


class Marks:
    """The file in which handlers count."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = ""
        with path.open("wb") as file:
            file.truncate(24 * SLOTS)

    def read(self) -> tuple[int, int, int, int]:
        """Jobs done; the first and the last moment; slots that only say that all is settled."""
        with (
            self.path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held,
        ):
            view = memoryview(held).cast("q")
            slots = [tuple(view[3 * at : 3 * at + 3]) for at in range(1, view[0] + 1)]
            view.release()
        done = sum(slot[0] for slot in slots)
        first = min((slot[1] for slot in slots if slot[1]), default=0)
        last = max((slot[2] for slot in slots), default=0)
        return done, first, last, sum(1 for slot in slots if slot[2] and not slot[0])

    def wait(
        self, count: int, workers: list[subprocess.Popen[str]], patience: float
    ) -> tuple[int, int]:
        """All jobs are done: the first and the last moment, in nanoseconds.

        Raises:
            Failed: They were not, in time, or the workers ended before.
        """
        end, told = time.monotonic() + patience, time.monotonic()
        while (found := self.read())[0] < count:
            now = time.monotonic()
            if now > end:
                raise Failed(f"{found[0]:,} of {count:,} jobs were done in {patience:.0f} s")
            if all(worker.poll() is not None for worker in workers):
                if self.read()[0] >= count:
                    continue
                raise Failed(f"the workers ended after {found[0]:,} of {count:,} jobs: "
                             f"{_last(Path(self.log).read_text())}")  # fmt: skip
            if now - told > 10:
                told = now
                print(f"    {found[0]:,} of {count:,} jobs", flush=True)
            time.sleep(0.02)
        return found[1], found[2]


@dataclass
class Costs:
    """What the server spent: in scripts by its own account, and in all (network included)."""

    scripts_us: float
    cpu_us: float

    def __sub__(self, other: Costs) -> Costs:
        return Costs(self.scripts_us - other.scripts_us, self.cpu_us - other.cpu_us)

    @classmethod
    def of(cls, server: Server) -> Costs:
        stats = _info(server, "commandstats")
        # The line of a script holds the time of what it calls; that has lines of its own as well.
        lines = [line for name, line in stats.items() if name in SCRIPTS]
        usec = sum(int(re.findall(r"usec=(\d+)", line)[0]) for line in lines)
        cpu = _info(server, "cpu")
        seconds = float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"])
        return cls(float(usec), 1e6 * seconds)


SCRIPTS = ("cmdstat_eval", "cmdstat_evalsha", "cmdstat_fcall")


def _info(server: Server, section: str) -> dict[str, str]:
    text = str(server.call("INFO", section))
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def _memory(server: Server) -> int:
    time.sleep(0.2)  # the clients have gone
    return int(_info(server, "memory")["used_memory"])


def _commands(server: Server) -> int:
    return int(_info(server, "stats")["total_commands_processed"])


def _last(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return lines[-1][:300] if lines else "nothing was said"


def _end(worker: subprocess.Popen[str]) -> None:
    """It and what it started are gone."""
    tree = _tree(worker.pid)
    for stream in (worker.stdin, worker.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    worker.terminate()
    try:
        worker.wait(3)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
    for pid in tree[1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 9)


def _tree(pid: int) -> list[int]:
    """The process and its descendants."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    tree = [pid]
    for each in tree:
        tree += parents.get(each, [])
    return tree


def _rss_mb(pid: int) -> float:
    """Resident memory of the worker and its children, in MB."""
    pages = 0
    for each in _tree(pid):
        with contextlib.suppress(OSError):
            pages += int(Path(f"/proc/{each}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _tree_cpu(pid: int) -> float:
    seconds = 0.0
    for each in _tree(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
            seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


# The yardstick

RAW = {
    "LPUSH -c 1": ("-c 1", "lpush", 30_000),
    "LPUSH -c 50": ("-c 50", "lpush", 200_000),
    "LPUSH -P 50 -c 50": ("-P 50 -c 50", "lpush", 1_000_000),
    "RPOP -c 50": ("-c 50", "rpop", 200_000),
}


def raw(binary: binaries.Binary, scale: float) -> dict[str, float]:
    """Requests a second of redis-benchmark, at its defaults but for what the row's name says."""
    tool = _tool(binary)
    figures = {}
    for name, (options, test, count) in RAW.items():
        requests = max(int(count * scale), 10_000)
        with Server(binary=binary) as server:
            where = [tool, "-h", server.host, "-p", str(server.port), "--csv"]
            if test == "rpop":
                subprocess.run(
                    [*where, "-P", "50", "-n", str(2 * requests), "-t", "lpush"],
                    check=True, capture_output=True,
                )  # fmt: skip
            said = subprocess.run(
                [*where, *options.split(), "-n", str(requests), "-t", test],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        row = next(line for line in said.splitlines() if test.upper() in line.upper())
        figures[name] = float(row.split(",")[1].strip('"'))
    return figures


PING = "PING after 20 ms idle, p50 ms"


def ping_after_idle(binary: binaries.Binary, count: int) -> float:
    """Milliseconds of a PING over a plain socket, each after 20 ms in which both sides slept, p50.

    Processors go to sleep too: the least that anything asked of an idle server takes here.
    """
    taken: list[float] = []
    with (
        Server(binary=binary) as server,
        socket.create_connection((server.host, server.port)) as wire,
    ):
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            time.sleep(0.02)
            began = time.perf_counter()
            wire.sendall(b"*1\r\n$4\r\nPING\r\n")
            answer = wire.recv(64)
            taken.append(time.perf_counter() - began)
            if answer != b"+PONG\r\n":
                raise Failed(f"PING was answered with {answer!r}")
    return 1000 * statistics.median(taken)


def _tool(binary: binaries.Binary) -> str:
    for place in (binary.path.with_name("redis-benchmark"), "redis-benchmark", "valkey-benchmark"):
        if found := shutil.which(place):
            return found
    raise Unavailable("redis-benchmark is not on PATH; Remedy: apt-get install redis-tools")


def ratios(ours: dict[str, float], yard: dict[str, float]) -> dict[str, float]:
    """What 7-performance.md names: ours by the bare server's, in this run."""
    wanted = {
        "drain, one process / RPOP -c 50": ("drain1", "RPOP -c 50"),
        "drain, two processes / RPOP -c 50": ("drain2", "RPOP -c 50"),
        "single enqueue, blocking / LPUSH -c 1": ("enqueue", "LPUSH -c 1"),
        "single enqueue, asyncio / LPUSH -c 1": ("aenqueue", "LPUSH -c 1"),
        "100 producers / LPUSH -c 50": ("producers", "LPUSH -c 50"),
        "bulk / LPUSH -P 50 -c 50": ("bulk", "LPUSH -P 50 -c 50"),
        "to start p50 / PING after idle (time)": ("start_p50", PING),
        "to result p50 / PING after idle (time)": ("result_p50", PING),
    }
    return {
        name: ours[figure] / yard[bare]
        for name, (figure, bare) in wanted.items()
        if figure in ours and bare in yard
    }


def one_round(
    peers: list[Peer], sizes: Sizes, binary: binaries.Binary, *, aof: bool
) -> tuple[dict[str, float], list[Bench]]:
    """The yardstick, ours, and every peer, once."""
    try:
        yard = raw(binary, sizes.scale)
    except (Unavailable, subprocess.CalledProcessError) as error:
        print(f"  redis-benchmark: {error}", file=sys.stderr)
        yard = {}
    yard[PING] = ping_after_idle(binary, sizes.tries)
    for name, figure in yard.items():
        print(f"  {name}: {figure:,.{3 if figure < 10 else 0}f}", flush=True)
    benches = []
    wanted: list[tuple[Peer, tuple[str, ...]]] = [(OURS, ())]
    wanted += [(OURS, AOF)] if aof else []
    wanted += [(peer, ()) for peer in peers]
    for peer, config in wanted:
        try:
            bench = Bench(peer, sizes, binary, config)
        except Unavailable as error:
            print(f"  {peer.name}: {error}", flush=True)
            bench = Bench.__new__(Bench)
            bench.peer, bench.label, bench.config = peer, peer.name, config
            bench.figures, bench.info, bench.failures = {}, {}, {"environment": str(error)}
        else:
            bench.run()
        benches.append(bench)
    return yard, benches
