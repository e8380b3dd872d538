"""Measuring how busy a worker keeps the processor, on a machine that others may use too."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable

import pytest

from boundary.jobs.shell.load import Load
from tests.waiting import eventually


def spin(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def after_sleep(used: Load, processes: Iterable[int] = ()) -> float:
    """What it reads after a nap, of however long that became."""
    used.read(0.0, processes)
    began = time.monotonic()
    time.sleep(0.3)
    return used.read(time.monotonic() - began, processes)


def test_a_process_that_computes_has_no_more_to_have() -> None:
    """Also on a machine that is busy with others: what it wants and does not get counts."""
    used = Load()
    spin(0.4)
    assert used.read(0.4, ()) > 0.7


def test_one_that_sleeps_has_all_of_it() -> None:
    used = Load()
    eventually("it reads little", lambda: after_sleep(used) < 0.4)


def test_a_look_that_comes_late_says_there_is_no_more() -> None:
    used = Load()
    time.sleep(0.3)
    assert used.read(0.1, ()) == 1.0


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells what others used")
def test_its_processes_count_by_their_share_of_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    used = Load()
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        eventually("it has a share", lambda: after_sleep(used, (child.pid,)) > 0.2)
    finally:
        child.kill()
        child.wait()
    eventually("it has it no more", lambda: after_sleep(used, (child.pid,)) < 0.4)
