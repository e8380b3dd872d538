"""What this application does in the background."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import close_old_connections, transaction

from boundary.jobs import Discard, Jobs

P = ParamSpec("P")
R = TypeVar("R")

jobs = Jobs()


def with_database(function: Callable[P, R]) -> Callable[P, R]:
    """Connections that are broken or too old are closed before and after, as around a request."""

    @functools.wraps(function)
    def around(*args: P.args, **kwargs: P.kwargs) -> R:
        close_old_connections()
        try:
            return function(*args, **kwargs)
        finally:
            close_old_connections()

    return around


@jobs.handler(queue="orders", max_retries=5)
@with_database
def confirm(number: int) -> str:
    """The status says whether it was done, in the same transaction: a second run changes nothing."""
    from orders.models import Order

    with transaction.atomic():
        try:
            order = Order.objects.select_for_update().get(pk=number)
        except Order.DoesNotExist:
            raise Discard(f"order {number} is gone") from None
        if order.status == "placed":
            order.status = "confirmed"
            order.confirmations += 1
            order.save()
    return order.status
