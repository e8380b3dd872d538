import pytest
from shop import BankIsDown, charge, confirm, place_order


def test_an_order_is_charged(jobs):
    place_order(7, "ada@example.com", 1250)
    job = jobs.assert_enqueued(charge, number=7, cents=1250)
    assert job.queue == "payments"
    jobs.assert_not_enqueued(confirm)


def test_a_paid_order_is_confirmed(jobs, world):
    place_order(7, "ada@example.com", 1250)
    ran = jobs.drain()
    assert [job.job_type for job in ran] == ["charge", "confirm"]
    assert world.mails == [("ada@example.com", "Order 7 is paid")]
    assert jobs.result(ran[0].id) == "order-7"


def test_no_money_no_mail(jobs, world):
    jobs.fail_next(charge, BankIsDown("try later"))
    place_order(7, "ada@example.com", 1250)
    (job,) = jobs.drain()
    assert (job.status, job.error.type) == ("retrying", "BankIsDown")
    assert world.mails == []


def test_what_a_failed_assertion_says(jobs):
    place_order(7, "ada@example.com", 1250)
    with pytest.raises(AssertionError) as caught:
        jobs.assert_enqueued(charge, number=7, cents=1300)
    assert "cents is 1250, expected 1300" in str(caught.value)


def test_a_handler_is_still_a_function(world):
    confirm("ada@example.com", 7)
    assert len(world.mails) == 1
