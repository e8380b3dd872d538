from collections import Counter
from datetime import UTC, datetime

import nightly
import pytest

from boundary.jobs.testing import FakeClock


@pytest.fixture
def clock():
    return FakeClock(datetime(2026, 3, 26, 12, tzinfo=UTC))  # the clocks change on Sunday


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(nightly, "FOLDER", tmp_path)
    return tmp_path


@pytest.fixture
def quiet(jobs):
    jobs.unschedule("heartbeat")
    return jobs


def test_a_week(quiet, folder):
    runs = quiet.run_for(days=7)
    assert Counter(job.job_type for job in runs) == {"back_up": 7, "remind_the_team": 5}
    assert (folder / "reminders.txt").read_text() == "stand-up\n" * 5


def test_the_hour_that_does_not_exist(quiet, clock):
    """At 2:00 on that Sunday it is 3:00; the backup of that night is made all the same, once."""
    clock.travel_to(datetime(2026, 3, 28, 12, tzinfo=UTC))
    runs = [job for job in quiet.run_for(days=1) if job.job_type == "back_up"]
    assert [job.started_at for job in runs][-1] == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def test_a_backup_that_fails_is_tried_three_times_more(quiet):
    quiet.fail_next(nightly.back_up, OSError("disk full"), times=4)
    runs = quiet.run_for(hours=15)
    assert [job.status for job in runs][-1] == "failed"
    (dead,) = quiet.failed()
    assert dead.error.message == "disk full"


def test_the_heart_beats(jobs, folder):
    assert len(jobs.run_for(seconds=10)) == 10
    assert (folder / "heartbeat.txt").exists()
