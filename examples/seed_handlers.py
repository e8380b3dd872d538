"""The seed's example handlers, as one would write them here.

Each raises when it fails; the library keeps the error, retries with backoff and in the end puts
the job into the dead letter queue. `process_payment` answers in the seed's form instead.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Literal

from boundary.jobs import Context, JobResult, Jobs

jobs = Jobs("memory://")

SENT: list[tuple[str, str]] = []
"""What a mail server would have got."""


@jobs.handler(queue="emails", priority="high")
async def send_email(
    to: str, subject: str, body: str = "", template: str | None = None
) -> dict[str, str]:
    """Send one mail."""
    if "@" not in to:
        raise ValueError(f"{to!r} is no address")
    SENT.append((to, subject))
    return {"message_id": f"msg-{len(SENT)}"}


@jobs.handler(queue="payments", priority="critical", max_retries=0)
def process_payment(
    order_id: str, amount: float, payment_method: Literal["card", "invoice"]
) -> JobResult:
    """Charge an order; a card refuses more than 1000."""
    if payment_method == "card" and amount > 1000:
        return JobResult.failure("card declined", "PaymentFailed")
    return JobResult.success({"transaction_id": f"tx-{order_id}", "status": "completed"})


@jobs.handler(queue="reports")
def generate_report(
    report_type: str,
    recipients: list[str] | None = None,
    start_date: date | None = None,
    end_date: date | None = None,
) -> dict[str, Any]:
    """One row a day."""
    days = (end_date - start_date).days if start_date and end_date else 0
    return {"file_path": f"/reports/{report_type}.csv", "rows": days}


@jobs.handler(queue="media", max_retries=5)
def process_image(
    ctx: Context, upload_id: str, file_path: Path, sizes: list[Literal["thumbnail", "medium"]]
) -> dict[str, str]:
    """One file for each size."""
    made: dict[str, str] = {}
    for number, size in enumerate(sizes, 1):
        made[size] = str(file_path.with_stem(f"{file_path.stem}-{size}"))
        ctx.progress(number / len(sizes), size)
    return made


@jobs.handler
async def send_reminder(user_id: str) -> str:
    """Remind somebody."""
    return f"reminded {user_id}"


@jobs.handler(queue="bulk-operations", priority="low", max_retries=1)
def export_data(
    user_id: int, filters: dict[str, Any], format: str = "csv", email_when_done: bool = False
) -> dict[str, Any]:
    """Export what the filters let through."""
    return {"user_id": user_id, "format": format, "filters": sorted(filters)}


def main() -> None:
    """Enqueue one of each, run them, show what came of it."""
    mails = [send_email.job(to=f"user{number}@example.com", subject="Hi") for number in range(3)]
    jobs.enqueue_many(mails)
    process_payment.enqueue(order_id="7", amount=20.0, payment_method="card")
    send_reminder.using(delay=0.01).enqueue(user_id="123")
    jobs.worker().run_until_empty()
    for queue in jobs.queues():
        print(f"{queue.queue_name}: {queue.succeeded_total} done, {queue.failed_total} failed")


if __name__ == "__main__":
    main()
