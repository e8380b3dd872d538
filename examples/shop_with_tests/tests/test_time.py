from datetime import UTC, datetime

from shop import BankIsDown, ask_for_review, charge, place_order


def test_a_review_is_asked_for_after_three_days(jobs, clock, world):
    place_order(7, "ada@example.com", 1250)
    jobs.drain()
    clock.travel(days=2, hours=23)
    jobs.drain()
    assert ("ada@example.com", "How was it?") not in world.mails
    clock.travel(hours=1)
    assert [job.job_type for job in jobs.drain()] == ["ask_for_review"]
    assert world.mails[-1] == ("ada@example.com", "How was it?")


def test_the_bank_is_asked_again_after_10_20_and_40_seconds(jobs, clock):
    jobs.fail_next(charge, BankIsDown, times=4)
    start = clock.at
    charge.enqueue(7, "ada@example.com", 1250)
    runs = jobs.run_for(minutes=5)
    assert [(job.updated_at - start).total_seconds() for job in runs] == [0, 10, 30, 70]
    assert [job.status for job in runs] == ["retrying", "retrying", "retrying", "failed"]
    (dead,) = jobs.failed()
    jobs.retry(dead.id)
    assert [job.status for job in jobs.drain()] == ["completed", "completed"]


def test_the_shop_is_swept_at_three_in_the_morning(jobs, clock, world):
    assert clock.at == datetime(2026, 1, 1, tzinfo=UTC)
    jobs.run_for(days=3)
    assert world.sweeps == 3


def test_a_review_that_came_too_late_is_not_asked_for(jobs, clock, world):
    job = ask_for_review.using(expires=3600).enqueue("ada@example.com")
    clock.travel(hours=2)
    jobs.drain()
    assert jobs.find(job.id).status == "cancelled"
    assert world.mails == []


def test_the_job_of_a_worker_that_died_runs_again(jobs, clock, world):
    jobs.kill_next(charge)
    place_order(7, "ada@example.com", 1250)
    (lost,) = (job for job in jobs.drain() if job.job_type == "charge")
    assert lost.status == "running"
    clock.travel(seconds=29)
    assert jobs.drain() == []
    clock.travel(seconds=1)
    (again,) = jobs.drain()
    assert (again.job_type, again.status, again.crash_count) == ("charge", "completed", 1)
    assert world.payments == {"order-7": 1250}
