"""A shop's store on a plausible day, for pictures and for tests in a browser.

What belongs here: making one, through the library's own operations under a clock that is moved. What
does not: looking at it. As a script: `python -m tests.web.scene URL [DAYS]`.
"""

from __future__ import annotations

import math
import random
import sys
from datetime import UTC, datetime, timedelta

from boundary.jobs import Context, Jobs, RetryPolicy
from boundary.jobs.core.operations import Claim, Outcome, Settle
from boundary.jobs.shell.clock import SystemClock
from boundary.jobs.testing import FakeClock

QUICK = RetryPolicy("constant", 0.05)
QUEUES = {
    # job type: queue, weight, usual milliseconds, usual wait, share that fails for good
    "welcome_mail": ("mail", 6, 180, 15, 0.004),
    "resize_picture": ("media", 5, 900, 60, 0.002),
    "charge_card": ("payments", 3, 420, 8, 0.008),
    "sales_report": ("reports", 1, 5_200, 900, 0.0),
    "count_stock": ("stock", 2, 30, 12, 0.0),
}

ARGS = {
    "welcome_mail": {"to": "ada@example.com", "name": "Ada"},
    "resize_picture": {"picture": "cup.png", "widths": [640]},
    "charge_card": {"order": 1, "amount": 1.0},
    "sales_report": {"month": "2026-11"},
    "count_stock": {},
}


class Past(FakeClock):
    """A clock that is set, on a machine that has been running as long as this one."""

    def mono(self) -> int:
        return SystemClock().mono()


class WarehouseOffline(Exception):
    """The warehouse cannot be reached."""


def register(jobs: Jobs) -> None:
    """The shop's handlers."""

    @jobs.handler(queue="mail", priority="high", max_retries=2, retry=QUICK)
    def welcome_mail(to: str, name: str, api_key: str = "") -> dict[str, str]:
        if name == "Eve":
            raise ConnectionRefusedError(111, f"smtp.example.com refused us (api_key={api_key})")
        return {"message_id": f"<{name.lower()}.2f61@shop.example>", "to": to}

    @jobs.handler(queue="media", max_retries=1, retry=QUICK)
    def resize_picture(picture: str, widths: list[int]) -> list[str]:
        if picture.endswith("7.png"):
            import json

            json.loads('{"exif": ')
        return [f"{width}-{picture}" for width in widths]

    @jobs.handler(queue="payments", priority="critical", max_retries=1, retry=QUICK)
    def charge_card(order: int, amount: float) -> dict[str, object]:
        if order % 9 == 0:
            raise TimeoutError(f"bank.example did not answer for order {order}")
        return {"order": order, "charged": amount}

    @jobs.handler(queue="reports", priority="low", timeout=600)
    def sales_report(month: str, ctx: Context) -> dict[str, int]:
        for step in range(1, 601):
            ctx.progress(step / 600, f"{step * 50:,} of 30,000 orders")
            if ctx.cancelled.wait(0.5):
                break
        return {"rows": 1_200}

    @jobs.handler(queue="stock")
    def count_stock(shelf: str = "all") -> str:
        return f"{shelf}: all there"

    @jobs.handler(queue="stock", max_retries=0)
    def sync_warehouse(articles: int) -> int:
        return _send(articles)


def _send(articles: int) -> int:
    raise WarehouseOffline(f"no answer from warehouse.example for {articles} articles")


def history(url: str, days: float, until: timedelta, step: timedelta) -> None:
    """What was counted in these days, up to so long ago."""
    chance = random.Random(3)
    now = datetime.now(UTC)
    at = now - timedelta(days=days)
    end = now - until - timedelta(seconds=20)
    clock = Past(at)
    with Jobs(url, clock=clock) as jobs:
        register(jobs)
        door = jobs.store.blocking()
        while at < end:
            hour = at.hour + at.minute / 60
            busy = 0.35 + 0.65 * max(0.0, math.sin((hour - 6) / 16 * math.pi)) ** 1.4
            clock.set(at)
            _one_step(jobs, door, clock, chance, busy)
            at += step


def _one_step(jobs, door, clock, chance, busy) -> None:
    kinds = list(QUEUES)
    weights = [QUEUES[kind][1] for kind in kinds]
    for kind in chance.choices(
        kinds, weights, k=max(1, round(14 * busy * chance.uniform(0.7, 1.3)))
    ):
        queue, _, usual, wait, fails = QUEUES[kind]
        jobs.enqueue(kind, ARGS[kind])
        clock.advance(wait / 1000 * chance.lognormvariate(0, 0.6) * (1 + 2 * busy**6))
        claimed = door.execute(Claim("history", (queue,), 1, 60_000, join=True))
        took = usual * chance.lognormvariate(0, 0.25)
        u = chance.random()
        outcomes = [
            Outcome(
                one.id,
                one.token,
                "exhaust" if u < fails else "succeed",
                keep_ms=0,
                duration_ms=took,
            )
            for one in claimed.jobs
        ]
        door.execute(Settle("history", tuple(outcomes)))


def today(jobs: Jobs) -> None:
    """The last minutes: jobs of each status, run by a real worker."""
    names = ("Ada", "Grace", "Alan", "Eve", "Barbara", "Edsger", "Eve", "Donald", "Margaret")
    for number, name in enumerate(names):
        jobs.enqueue(
            "welcome_mail",
            {"to": f"{name.lower()}@example.com", "name": name, "api_key": "sk-live-51H8"},
            metadata={"signup": 4_200 + number, "plan": "family" if number % 2 else "single"},
        )
    for number in range(12):
        jobs.enqueue("resize_picture", {"picture": f"cup-{number}.png", "widths": [640, 320, 64]})
        jobs.enqueue("charge_card", {"order": 1_017 + number, "amount": 19.9 + number})
    for articles in (12, 48, 7):
        jobs.enqueue("sync_warehouse", {"articles": articles})
    for shelf in ("tea", "cups", "pots"):
        jobs.enqueue("count_stock", {"shelf": shelf})
    jobs.worker(concurrency=4).run_until_empty()
    import time

    time.sleep(0.3)  # the retries come due
    jobs.worker(concurrency=4).run_until_empty()
    later = datetime.now(UTC) + timedelta(hours=2)
    for number in range(7):
        jobs.enqueue(
            "welcome_mail", {"to": f"late{number}@example.com", "name": "Lin"}, run_at=later
        )
    first = jobs.enqueue("count_stock", {"shelf": "garden"}, run_at=later)
    jobs.cancel(first.id)
    jobs.schedule("count-stock", handler="count_stock", cron="*/15 * * * *")
    jobs.schedule(
        "daily-report", handler="sales_report", args={"month": "2026-11"}, cron="0 8 * * mon-fri",
        timezone="Europe/Amsterdam",
    )  # fmt: skip
    jobs.schedule("sync", handler="sync_warehouse", args={"articles": 100}, every=900)
    jobs.pause("stock")
    for number in range(23):
        jobs.enqueue("count_stock", {"shelf": f"shelf {number}"})
    for number in range(5):
        jobs.enqueue("import_supplier", {"file": f"supplier-{number}.csv"}, queue="imports")


if __name__ == "__main__":
    days = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    history(sys.argv[1], days, timedelta(0.042), timedelta(minutes=3 if days <= 1.5 else 45))
    history(sys.argv[1], 0.042, timedelta(0), timedelta(seconds=25))
    with Jobs(sys.argv[1]) as shop:
        register(shop)
        today(shop)
