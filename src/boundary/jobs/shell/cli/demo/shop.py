"""The shop's handlers. Nothing here knows that it is a demonstration; copy what you need.

The store comes from BOUNDARY_JOBS_URL, the folder of the shop's files from SHOP_FOLDER.
"""

from __future__ import annotations

import asyncio
import csv
import os
import random
from email.message import EmailMessage
from pathlib import Path

from boundary.jobs import Context, Jobs, RetryPolicy
from boundary.jobs.shell.cli.demo import pictures

folder: Path = Path(os.environ.get("SHOP_FOLDER", "."))
jobs: Jobs = Jobs()


class BankRefused(Exception):
    """The bank said no; it may say yes later."""


class WarehouseOffline(Exception):
    """The warehouse cannot be reached."""


@jobs.handler(queue="mail", priority="high")
async def welcome_mail(to: str, name: str) -> dict[str, str]:
    """Write a mail into the outbox."""
    message = EmailMessage()
    message["To"], message["Subject"] = to, f"Welcome, {name}!"
    message.set_content(f"Dear {name},\n\nyour account is ready. Have a look around.\n")
    path = folder / "outbox" / f"{name.lower()}.eml"
    path.write_bytes(bytes(message))
    await asyncio.sleep(0.2)
    return {"file": path.name}


@jobs.handler(queue="media")
def resize(picture: str, widths: list[int], ctx: Context) -> list[str]:
    """Make smaller copies of a picture."""
    source = folder / "pictures" / picture
    original = pictures.read(source)
    made: list[str] = []
    for number, width in enumerate(widths, 1):
        path = source.with_name(f"{source.stem}-{width}.png")
        pictures.write(path, pictures.shrink(original, width))
        made.append(path.name)
        ctx.progress(number / len(widths), f"{width} pixels")
    return made


@jobs.handler(queue="reports", priority="low", timeout=30)
def sales_report(orders: int, ctx: Context) -> dict[str, object]:
    """Add up orders and write a CSV file."""
    chance, total = random.Random(orders), 0.0  # noqa: S311 - made-up sales
    path = folder / "reports" / "sales.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["order", "article", "amount"])
        for number in range(1, orders + 1):
            amount = round(chance.uniform(5, 120), 2)
            total += amount
            writer.writerow([number, chance.choice(["tea", "cup", "pot"]), f"{amount:.2f}"])
            if number % 500 == 0:
                ctx.progress(number / orders, f"{number} of {orders} orders")
                ctx.cancelled.wait(0.15)
    return {"file": path.name, "orders": orders, "total": round(total, 2)}


@jobs.handler(queue="payments", priority="critical", retry=RetryPolicy("exponential", 0.8))
async def charge(order: int, amount: float, ctx: Context) -> dict[str, object]:
    """Charge a card; the bank is moody and accepts at the third try."""
    if ctx.attempt < 3:  # noqa: PLR2004 - the bank's mood
        raise BankRefused(f"order {order}: try again later")
    return {"order": order, "charged": amount}


@jobs.handler(queue="stock", max_retries=1, retry=RetryPolicy("constant", 0.5))
async def sync_warehouse(articles: int) -> dict[str, int]:
    """Tell the warehouse what was sold; works only while it is online."""
    if not (folder / "warehouse.online").exists():
        raise WarehouseOffline("no answer from warehouse.example: is it switched on?")
    return {"articles": articles}


@jobs.handler(queue="packing")
def pack_order(order: int, ctx: Context) -> str:
    """Pack slowly enough that something can happen meanwhile."""
    for step in range(1, 9):
        ctx.progress(step / 8, f"order {order}")
        ctx.cancelled.wait(0.2)
    return f"order {order} packed in run {ctx.fencing_token}"


@jobs.handler(queue="mail")
async def reminder(about: str) -> str:
    """Remind somebody, at its moment."""
    return about


@jobs.cron("*/3 * * * * *")
@jobs.handler(queue="stock")
async def count_stock() -> str:
    """Every three seconds, by cron."""
    return "all there"
