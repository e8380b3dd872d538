"""Measuring how busy a worker keeps the processor."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from boundary.jobs.shell import load
from boundary.jobs.shell.load import Load


def spin(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_a_process_that_computes_has_no_more_to_have() -> None:
    """Also on a machine that is busy with others: what it wants and does not get counts."""
    used = Load()
    spin(0.4)
    assert used.read(0.4, ()) > 0.7


def test_one_that_sleeps_has_all_of_it() -> None:
    used = Load()
    time.sleep(0.4)
    assert used.read(0.4, ()) < 0.4


def test_a_look_that_comes_late_says_there_is_no_more() -> None:
    used = Load()
    time.sleep(0.3)
    assert used.read(0.1, ()) == 1.0


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells what others used")
def test_its_processes_count_by_their_share_of_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_cores", lambda: 1)
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        used = Load()
        used.read(0.0, (child.pid,))
        time.sleep(1.0)
        with_it = used.read(1.0, (child.pid,))
    finally:
        child.kill()
        child.wait()
    assert with_it > 0.1
    time.sleep(0.4)
    assert used.read(0.4, (child.pid,)) < 0.4
