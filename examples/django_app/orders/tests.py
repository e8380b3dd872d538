from __future__ import annotations

from unittest import mock

from django.db import transaction
from django.test import AsyncClient, TestCase, TransactionTestCase

from boundary.jobs.testing import jobs_under_test
from orders.models import Order
from orders.tasks import confirm, jobs
from orders.views import place_order


class WithJobs:
    """The application's jobs on memory, as `self.jobs`."""

    def setUp(self):
        self.jobs = self.enterContext(jobs_under_test(jobs))
        super().setUp()


class Orders(WithJobs, TestCase):
    def test_an_order_is_confirmed_after_the_commit(self):
        with self.captureOnCommitCallbacks(execute=True):
            answer = self.client.post("/orders", {"customer": "ada"})
            self.jobs.assert_not_enqueued(confirm)
        number = answer.json()["order"]
        self.jobs.assert_enqueued(confirm, number=number)
        self.jobs.drain(raising=True)
        seen = self.client.get(f"/orders/{number}").json()
        self.assertEqual(seen, {"status": "confirmed", "confirmations": 1})

    def test_confirming_twice_is_confirming_once(self):
        order = Order.objects.create(customer="ada")

        def reset():
            Order.objects.filter(pk=order.pk).update(status="placed", confirmations=0)

        self.jobs.check_idempotent(
            confirm.job(order.pk), snapshot=lambda: list(Order.objects.values()), reset=reset
        )

    def test_an_order_that_is_gone_is_no_dead_letter(self):
        job = confirm.enqueue(404)
        self.jobs.drain()
        self.assertEqual(self.jobs.find(job.id).reason, "order 404 is gone")
        self.assertEqual(self.jobs.failed(), [])


class Commits(WithJobs, TransactionTestCase):
    """Where transactions are real, so that nothing has to be captured."""

    def test_what_is_rolled_back_enqueues_nothing(self):
        with mock.patch.object(Order.objects, "create", side_effect=RuntimeError("disk")):
            with self.assertRaises(RuntimeError):
                place_order("ada")
        with self.assertRaises(RuntimeError), transaction.atomic():
            place_order("ada")
            raise RuntimeError("the view failed later")
        self.jobs.assert_not_enqueued(confirm)

    async def test_the_async_view_does_the_same(self):
        answer = await AsyncClient().post("/async/orders", {"customer": "ada"})
        self.jobs.assert_enqueued(confirm, number=answer.json()["order"])
        await self.jobs.adrain(raising=True)
