"""The power supply itself: what was flushed is there, what was not may be gone."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.power import Power

OPEN = """
import os, sys
def opened(name, more=0): return os.open(name, os.O_RDWR | os.O_CREAT | more, 0o600)
"""


@pytest.fixture
def power(tmp_path: Path) -> Power:
    return Power(tmp_path / "disk", tmp_path / "logs")


def run(power: Power, code: str) -> None:
    """In a process that has the power supply, and is killed by itself at the end."""
    subprocess.run(
        [sys.executable, "-c", f"{OPEN}{code}\nos.kill(os.getpid(), 9)"],
        env={**os.environ, **power.environ},
        cwd=power.root,
        check=False,
        timeout=20,
    )


class Least(random.Random):
    """Chance at its worst: nothing reaches the disk that need not."""

    def random(self) -> float:
        return 1.0

    def choice(self, among):
        return among[0]


def test_what_was_not_flushed_is_gone(power: Power) -> None:
    run(power, 'os.write(opened("a"), b"hello")')
    assert (power.root / "a").read_bytes() == b"hello"
    (found,) = power.cut(Least(), "sectors")
    assert (found.path.read_bytes(), found.gone, found.flushed) == (b"", 5, 0.0)


@pytest.mark.parametrize("flush", ["fsync", "fdatasync"])
def test_what_was_flushed_is_there(power: Power, flush: str) -> None:
    run(
        power,
        f'a = opened("a"); os.write(a, b"kept"); os.{flush}(a); os.pwrite(a, b"gone", 2)\n'
        'b = opened("b", os.O_APPEND); os.writev(b, [b"one", b"two"]); os.ftruncate(b, 5)\n'
        f'os.{flush}(b); os.truncate("b", 4); os.{flush}(b); os.write(b, b"gone")',
    )
    assert (power.root / "a").read_bytes() == b"kegone"
    assert [one.gone for one in power.cut(Least(), "tail")] == [4, 4]
    assert (power.root / "a").read_bytes() == b"kept"
    assert (power.root / "b").read_bytes() == b"onet"


def test_a_flush_is_of_what_others_wrote_too(power: Power) -> None:
    run(power, 'os.write(opened("a"), b"theirs")')
    run(power, 'a = opened("a"); os.fsync(a); os.pwrite(a, b"GONE", 0)')
    power.cut(Least(), "sectors")
    assert (power.root / "a").read_bytes() == b"theirs"


def test_what_was_there_before_is_there(power: Power) -> None:
    (power.root / "a").write_bytes(b"before")
    (power.root / "a-shm").write_bytes(b"shared memory")
    power.on()
    run(power, 'a = opened("a"); os.pwrite(a, b"B", 0); opened("c")')
    power.cut(Least(), "sectors")
    assert (power.root / "a").read_bytes() == b"before"
    assert not (power.root / "a-shm").exists()


def test_a_file_made_anew_begins_empty(power: Power) -> None:
    """Also where the system gives it the number of the one that was unlinked."""
    (power.root / "a").write_bytes(b"before")
    power.on()
    run(
        power,
        'a = opened("a"); os.write(a, b"old"); os.fsync(a); os.close(a); os.unlink("a")\n'
        'a = opened("a"); os.write(a, b"kept"); os.fsync(a); os.write(a, b"gone")\n'
        'b = opened("b"); os.write(b, b"moved"); os.fsync(b); os.rename("b", "c")',
    )
    power.cut(Least(), "sectors")
    assert (power.root / "a").read_bytes() == b"kept"
    assert (power.root / "c").read_bytes() == b"moved"


def test_some_of_what_was_not_flushed_may_be_there(power: Power) -> None:
    run(power, 'a = opened("a"); os.write(a, b"x" * 100_000)')
    whole = (power.root / "a").read_bytes()
    log = next(power.logs.iterdir())
    written = log.read_bytes()
    seen = set()
    for number in range(40):
        (power.root / "a").write_bytes(whole)
        log.write_bytes(written)
        (found,) = power.cut(random.Random(number), "tail" if number % 2 else "sectors")
        content = found.path.read_bytes()
        assert content.count(b"x") == len(whole) - found.gone
        seen.add((len(content) == len(whole), b"\0" in content, content == b""))
    assert {(False, False, True), (True, False, False), (False, False, False)} <= seen
    assert (True, True, False) in seen, "no sector is missing between others"


def test_the_end_of_a_log_that_its_writer_did_not_finish_counts_for_nothing(power: Power) -> None:
    run(power, 'a = opened("a"); os.write(a, b"kept"); os.fsync(a); os.write(a, b"long")')
    log = next(power.logs.iterdir())
    whole = log.read_bytes()
    log.write_bytes(whole[:-2])
    run(power, 'a = opened("a"); os.pwrite(a, b"more", 4); os.fsync(a)')
    power.cut(Least(), "sectors")
    assert (power.root / "a").read_bytes() == b"keptmore"
