"""What the doctor makes of a clock and of leases; its looks at real stores are in the other files here."""

from __future__ import annotations

import pytest

from boundary.jobs.core.operations import Snapshot, WorkerRow
from boundary.jobs.shell.cli.doctor import CLOCK_LIMIT, clock, lost

NOW = 1_000_000


@pytest.mark.parametrize("ahead", [0.0, CLOCK_LIMIT, -CLOCK_LIMIT])
def test_clocks_that_agree(ahead: float) -> None:
    assert clock(ahead).state == "ok"


@pytest.mark.parametrize(("ahead", "told"), [(2.5, "+2.5 s"), (-3_600.04, "-3600.0 s")])
def test_clocks_that_do_not(ahead: float, told: str) -> None:
    found = clock(ahead)
    assert (found.what, found.state) == ("clock", "problem")
    assert f"the store is {told} from this machine's clock" in found.text
    assert "chrony" in found.text


def snapshot(*workers: WorkerRow) -> Snapshot:
    return Snapshot(NOW, (), (), workers)


def test_workers_that_lost_their_lease_are_told_with_what_they_left() -> None:
    gone = WorkerRow("a", b"info", NOW, (b"1" * 16, b"2" * 16))
    other = WorkerRow("b", b"info", NOW - 5_000, (b"3" * 16,))
    alive = WorkerRow("c", b"info", NOW + 1, (b"4" * 16,))
    (found,) = lost(snapshot(gone, other, alive))
    assert (found.what, found.state) == ("workers", "note")
    assert found.text.startswith("2 lost their lease and left 3 jobs")


def test_no_lease_is_lost() -> None:
    alive = WorkerRow("c", b"info", NOW + 1, (b"4" * 16,))
    nameless = WorkerRow("d", b"", NOW - 1, ())
    assert list(lost(snapshot(alive, nameless))) == []
