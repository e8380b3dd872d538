"""A crontab in Python."""

from __future__ import annotations

import os
import time
from pathlib import Path

from boundary.jobs import Jobs, RetryPolicy

jobs = Jobs()
FOLDER = Path(os.environ.get("NIGHTLY_FOLDER", "."))


@jobs.cron("15 2 * * *", timezone="Europe/Amsterdam")
@jobs.handler(
    retry=RetryPolicy(strategy="constant", initial_delay=600, max_delay=600), timeout=3600
)
def back_up() -> str:
    """Every night at a quarter past two; three more tries, ten minutes apart."""
    path = FOLDER / "backup.txt"
    path.write_text(f"as of {time.time():.0f}\n")
    return path.name


@jobs.cron("0 9 * * mon-fri", timezone="Europe/Amsterdam")
@jobs.handler
def remind_the_team() -> None:
    with (FOLDER / "reminders.txt").open("a") as file:
        file.write("stand-up\n")


@jobs.cron("* * * * * *")  # six fields: every second
@jobs.handler(expires=1, max_retries=0, keep_result=60)
def heartbeat() -> None:
    """A tick nobody had time for within a second is of no use any more."""
    (FOLDER / "heartbeat.txt").write_text(f"{time.time()}\n")
