"""A small shop: orders come in, mails go out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid5

from boundary.jobs import Context, Jobs, Retry, RetryPolicy

jobs = Jobs()


class BankIsDown(Exception):
    pass


@dataclass
class World:
    """What is outside of the shop: a database, a bank, a mail server."""

    orders: dict[int, str] = field(default_factory=dict)
    payments: dict[str, int] = field(default_factory=dict)
    mails: list[tuple[str, str]] = field(default_factory=list)
    sweeps: int = 0


world = World()


def place_order(number: int, customer: str, cents: int) -> None:
    """What the web application calls."""
    world.orders[number] = "placed"
    charge.enqueue(number=number, customer=customer, cents=cents)
    ask_for_review.using(delay=timedelta(days=3)).enqueue(customer=customer)


@jobs.handler(queue="payments", max_retries=3, retry=RetryPolicy(initial_delay=10.0))
async def charge(number: int, customer: str, cents: int, ctx: Context) -> str:
    """The bank knows a payment by its key: the same key again takes no money again."""
    key = f"order-{number}"
    await asyncio.sleep(0)
    world.payments.setdefault(key, cents)
    world.orders[number] = "paid"
    # An id made from what the job is about: however often this line runs, it is one mail.
    confirm.using(job_id=uuid5(ctx.job.id, "confirm")).enqueue(customer, number)
    return key


@jobs.handler(queue="mails")
def confirm(customer: str, number: int) -> None:
    mail = (customer, f"Order {number} is paid")
    if mail not in world.mails:
        world.mails.append(mail)


@jobs.handler(queue="mails")
def ask_for_review(customer: str) -> None:
    """Not careful: a second run is a second mail."""
    world.mails.append((customer, "How was it?"))


@jobs.cron("0 3 * * *", timezone="Europe/Amsterdam")
@jobs.handler
def sweep() -> None:
    if len(world.orders) > 1_000:
        raise Retry(after=60)
    world.sweeps += 1
