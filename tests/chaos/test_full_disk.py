"""A disk that has no room left, while producers and workers go on, and has some again."""

from __future__ import annotations

import contextlib
import errno
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from devservers.single import Server
from tests.chaos.card import hand_in, scale, seed
from tests.chaos.traffic import CANCELS, Traffic
from tests.chaos.witness import PATIENCE, stop
from tests.processes.conftest import Floor
from tests.waiting import eventually

pytestmark = pytest.mark.soak

SIZE = "24m"
WEIGHT = 2_000


class Disk:
    """A file system of its own, which can be filled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """No block is free, for a moment at least."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (1 << 16, 1 << 10, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"\0" * size)

    def free(self) -> None:
        """What was filled is free."""
        self._ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux":
        pytest.skip("a small disk is a tmpfs, which only Linux has")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    done = subprocess.run(mount, check=False, capture_output=True, text=True, timeout=20)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here (run as root): {done.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=20)


@pytest.fixture
def stack(disk: Disk) -> Iterator[ExitStack]:
    """Ends before the disk does."""
    with ExitStack() as made:
        yield made


def test_a_filled_disk_is_full(disk: Disk) -> None:
    """The experiment's own tool."""
    disk.fill()
    with pytest.raises(OSError, match="No space") as full:
        (disk.folder / "more").write_bytes(b"x")
    assert full.value.errno == errno.ENOSPC
    disk.free()
    (disk.folder / "more").write_bytes(b"x" * (1 << 20))


@pytest.mark.parametrize("store", ["SQLite", "Redis, everysec", "Redis, always"])
def test_a_full_disk_refuses_jobs_and_loses_none(
    tmp_path: Path, disk: Disk, stack: ExitStack, store: str
) -> None:
    """G1: an enqueue says StoreFull, workers live on, and with room again all of it ends.

    With `always` a Redis that cannot write its log ends by itself; somebody starts it again.
    """
    chance = random.Random(seed())
    server: Server | None = None
    url = f"sqlite:///{disk.folder}/jobs.db"
    if store != "SQLite":
        how = store.removeprefix("Redis, ")
        config = (f"dir {disk.folder}", "appendonly yes", f"appendfsync {how}")
        server = stack.enter_context(Server(*config, patience=PATIENCE))
        url = server.url()
    floor = Floor(tmp_path, url).short_lease()
    stack.callback(floor.close)
    traffic = Traffic(floor, cancels=CANCELS)
    staff = [traffic.work() for _ in range(2)]
    producers = [traffic.produce(0.02, WEIGHT) for _ in range(2)]
    traffic.running()
    for _ in range(scale(3, 100)):
        with traffic.harm("disk full"):
            _full(disk, traffic, server if store.endswith("always") else None)
            time.sleep(chance.uniform(0.0, 2.0))
            assert [one.poll() for one in (*staff, *producers)] == [None] * 4, floor.log()
            disk.free()
            if server is not None and server.process.poll() is not None:
                server.restart()
        stored = _stored(traffic)
        eventually(
            f"jobs are taken again\n{floor.log()}",
            lambda stored=stored: _stored(traffic) > stored + 10,
            patience=PATIENCE,
        )
        traffic.goes_on(PATIENCE)
    for one in producers:
        one.terminate()
        assert one.wait(PATIENCE) == 0, floor.log()
    eventually(f"nothing is left\n{floor.log()}", traffic.is_empty, patience=PATIENCE)
    stop(floor, staff)
    told = dict(sorted(traffic.errors().items()))
    hand_in(traffic.card("G1", "disk full under load", store, note=f"enqueues refused: {told}"))


def _full(disk: Disk, traffic: Traffic, ends: Server | None) -> None:
    """The disk is full, and somebody has noticed: producers, or the server, which has ended."""
    before = traffic.errors()["store_full"]

    def is_noticed() -> bool:
        disk.fill()  # what others give back meanwhile
        if ends is not None:
            return ends.process.poll() is not None
        return traffic.errors()["store_full"] > before + 2

    eventually(f"the disk is full\n{traffic.floor.log()}", is_noticed, patience=PATIENCE)


def _stored(traffic: Traffic) -> int:
    return sum(one.known is True for one in traffic.asked())
