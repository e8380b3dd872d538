"""The seed's examples run."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from boundary.jobs import Job, JobFailed, Jobs
from devservers.single import Server
from examples import seed_handlers, seed_quickstart
from examples.seed_handlers import jobs


def is_the_seeds(done: list[Job]) -> bool:
    (one,) = done
    assert (one.job_type, one.status, one.priority) == ("send_email", "completed", "high")
    return bool(one.result["message_id"] == "msg-123")


def test_the_quick_start_line_by_line(redis_url: str, redis_server: Server) -> None:
    """S10-S12, S60-S70, S83: as the seed has it, on Redis; the reminder waits for its hour."""
    config = {"host": redis_server.host, "port": redis_server.port}
    assert is_the_seeds(seed_quickstart.on_redis(config))
    with Jobs(redis_url) as left:
        (waiting,) = left.search(status="pending").jobs
        assert (waiting.job_type, waiting.execute_at is not None) == ("send_reminder", True)
        assert left.stats().total_succeeded == 1


def test_the_quick_start_without_a_server(tmp_path: Path) -> None:
    assert is_the_seeds(seed_quickstart.on_sqlite(tmp_path / "jobs.db"))


def test_the_quick_start_as_a_script(redis_url: str, redis_server: Server) -> None:
    """S98, S128: the environment selects the server."""
    host = {"REDIS_HOST": redis_server.host, "REDIS_PORT": str(redis_server.port)}
    script = [sys.executable, seed_quickstart.__file__]
    for number, environ in enumerate(({"REDIS_URL": redis_url}, host), 1):
        done = subprocess.run(
            script, env={**os.environ, **environ}, check=True, capture_output=True, text=True
        )
        assert "send_email completed" in done.stdout
        with Jobs(redis_url) as left:
            assert left.stats().total_succeeded == number


def test_every_example_handler_of_the_seed() -> None:
    """S82."""
    email = seed_handlers.send_email.enqueue("a@b.c", "Hi", template="welcome")
    paid = seed_handlers.process_payment.enqueue("7", 20.0, payment_method="card")
    declined = seed_handlers.process_payment.enqueue("8", 2000.0, payment_method="card")
    report = seed_handlers.generate_report.enqueue(
        "daily", start_date=date(2026, 1, 1), end_date=date(2026, 1, 8)
    )
    image = seed_handlers.process_image.enqueue("u1", Path("/in/a.png"), ["thumbnail", "medium"])
    reminder = seed_handlers.send_reminder.enqueue(user_id="123")
    export = seed_handlers.export_data.enqueue(7, {"since": "2026"}, email_when_done=True)
    jobs.worker().run_until_empty()
    assert jobs.result(email.id)["message_id"].startswith("msg-")
    assert jobs.result(paid.id) == {"transaction_id": "tx-7", "status": "completed"}
    with pytest.raises(JobFailed, match="card declined") as caught:
        jobs.result(declined.id)
    assert caught.value.error_type == "PaymentFailed"
    assert jobs.result(report.id) == {"file_path": "/reports/daily.csv", "rows": 7}
    assert jobs.result(image.id) == {
        "thumbnail": "/in/a-thumbnail.png",
        "medium": "/in/a-medium.png",
    }
    assert jobs.result(reminder.id) == "reminded 123"
    assert jobs.result(export.id)["filters"] == ["since"]


def test_the_example_runs_as_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    """S128."""
    seed_handlers.main()
    assert "emails:" in capsys.readouterr().out
