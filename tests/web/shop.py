"""A shop's worker, for tests in a browser: what fails, fails until a file says otherwise."""

from __future__ import annotations

import os
from pathlib import Path

from boundary.jobs import Jobs, RetryPolicy


class BankClosed(Exception):
    """The bank is closed."""


def register(jobs: Jobs) -> None:
    """Its handlers."""

    @jobs.handler(queue="payments", max_retries=1, retry=RetryPolicy("constant", 0.02))
    def charge(order: int, note: str = "") -> str:
        if not (Path(os.environ["SHOP_FOLDER"]) / "mended").exists():
            raise BankClosed(f"no answer for {note or 'this order'}")
        return f"charged {order}"

    @jobs.handler(queue="mail")
    def send_mail(to: str, subject: str = "") -> str:
        return f"sent to {to}"


jobs = Jobs(os.environ.get("BOUNDARY_JOBS_URL", "memory://"))
register(jobs)
