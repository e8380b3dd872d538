import copy

import pytest
from shop import ask_for_review, charge, place_order


def test_charging_may_be_cut_anywhere_and_run_again(jobs, world):
    report = jobs.check_idempotent(
        charge.job(7, "ada@example.com", 1250),
        snapshot=lambda: copy.deepcopy(world),
        reset=world.__init__,
    )
    assert report.points >= 6


def test_asking_for_a_review_may_not(jobs, world):
    with pytest.raises(AssertionError, match="ask_for_review is not idempotent"):
        jobs.check_idempotent(
            ask_for_review.job("ada@example.com"),
            snapshot=lambda: copy.deepcopy(world),
            reset=world.__init__,
        )


@pytest.mark.at_least_once
def test_an_order_through_the_worst_that_may_happen(jobs, world):
    """Each job of this test is cut at each of its points, and runs twice."""
    place_order(7, "ada@example.com", 1250)
    jobs.drain()
    assert world.orders == {7: "paid"}
    assert world.payments == {"order-7": 1250}
    assert world.mails == [("ada@example.com", "Order 7 is paid")]
