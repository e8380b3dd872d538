"""The shop's story, act by act: mails, pictures, a payment, a dead letter, a kill -9.

What belongs here: what happens, and what is said of it. What does not: processes and the picture
(`stage`), handlers (`shop`).
"""

from __future__ import annotations

import select
import signal
import sys
import time

from boundary.jobs.shell.cli.demo import pictures
from boundary.jobs.shell.cli.demo.stage import LEASE_MS, Demo
from boundary.jobs.shell.cli.terminal import interactive

CUSTOMERS = (
    ("Ada", "ada@example.com"),
    ("Grace", "grace@example.com"),
    ("Alan", "alan@example.com"),
)
PICTURES = ("tea", "cups", "garden")


def play(demo: Demo) -> None:
    """The story."""
    jobs, shop = demo.jobs, demo.shop
    pid = demo.start_worker()
    demo.say(f"A worker has started, process [bold]{pid}[/bold]. {demo.place()}")
    demo.start_dashboard()
    reminder = shop.reminder.using(delay=9).enqueue(about="water the plants")
    demo.say(
        "A [bold]reminder[/bold] is scheduled for nine seconds from now; a cron counts the stock every three."
    )
    _morning(demo)
    _payment(demo)
    _dead_letter(demo)
    _kill(demo)
    done = demo.ended(reminder)
    assert done.started_at is not None
    assert done.execute_at is not None
    late = (done.started_at - done.execute_at).total_seconds() * 1000
    demo.say(f"The [bold]reminder[/bold] went out {late:.0f} ms after its moment.")
    ticks = len(jobs.history("count_stock"))
    demo.say(f"The cron has ticked [bold]{ticks}[/bold] times, each tick once, through the kill.")


def _morning(demo: Demo) -> None:
    """Mails, pictures and a report, all at once."""
    shop = demo.shop
    for number, name in enumerate(PICTURES):
        pictures.write(
            demo.folder / "pictures" / f"{name}.png", pictures.draw(320, 200, 40 * number)
        )
    mails = [shop.welcome_mail.enqueue(to=to, name=name) for name, to in CUSTOMERS]
    resized = [
        shop.resize.enqueue(picture=f"{name}.png", widths=[160, 80, 32]) for name in PICTURES
    ]
    report = shop.sales_report.enqueue(orders=4_000)
    demo.say(
        "Enqueued: three [bold]welcome mails[/bold], three [bold]pictures[/bold] to resize, a [bold]sales report[/bold]."
    )
    for job in (*mails, *resized):
        demo.ended(job)
    demo.say("[green]Done[/green]: three mails in the outbox, nine smaller pictures.")
    result = demo.ended(report).result
    demo.say(
        f"[green]Done[/green]: the report, {result['orders']:,} orders, {result['total']:,.2f} in all."
    )


def _payment(demo: Demo) -> None:
    """A failure that heals by itself."""
    job = demo.shop.charge.enqueue(order=1017, amount=49.9)
    demo.say(
        "A [bold]payment[/bold]. This bank refuses twice; the job is retried with growing delays."
    )
    done = demo.ended(job)
    tries = len(done.errors) + 1
    demo.say(f"[green]Paid[/green] in run {tries}: nobody had to do anything.")


def _dead_letter(demo: Demo) -> None:
    """A failure that needs a person."""
    job = demo.shop.sync_warehouse.enqueue(articles=12)
    dead = demo.ended(job)
    assert dead.error is not None
    demo.say(
        f"The [bold]warehouse sync[/bold] is a [red]dead letter[/red] after {len(dead.errors)} runs: {dead.error.message}"
    )
    (demo.folder / "warehouse.online").touch()
    if interactive() and demo.console.is_terminal:
        demo.say("You switch the warehouse on. Press [bold]Enter[/bold] to retry it (or wait).")
        _key_or(6.0, demo)
    else:
        demo.say("The warehouse is switched on, and the job retried (boundary-jobs retry ID).")
    demo.jobs.retry(job.id)
    demo.ended(job)
    demo.say("[green]Synced[/green]: a dead letter comes back with a full budget of retries.")


def _key_or(seconds: float, demo: Demo) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ready, _, _ = select.select([sys.stdin], [], [], 0.1)
        if ready:
            sys.stdin.readline()
            return
        demo.refresh()


def _kill(demo: Demo) -> None:
    """The worst that can happen to a worker."""
    job = demo.shop.pack_order.enqueue(order=1018)
    demo.wait("packing to begin", lambda: (found := demo.jobs.find(job.id)) and found.progress)
    assert demo.worker is not None
    pid = demo.worker.pid
    demo.stop_worker(signal.SIGKILL)
    demo.say(
        f"[bold red]kill -9 {pid}[/bold red], in the middle of packing an order. Another worker starts."
    )
    fresh = demo.start_worker()
    done = demo.ended(job)
    demo.say(
        f"[green]Packed[/green] by process {fresh}: the lost worker's lease ended after "
        f"{LEASE_MS // 1000} s and the job was taken back ({done.crash_count} crash, nothing lost)."
    )
