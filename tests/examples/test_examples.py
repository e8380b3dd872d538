"""The seed's examples run."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from boundary.jobs import JobFailed
from examples import seed_handlers, seed_quickstart
from examples.seed_handlers import jobs


def test_the_quick_start_line_by_line(tmp_path: Path) -> None:
    (done,) = seed_quickstart.main(tmp_path / "jobs.db")
    assert (done.job_type, done.status, done.priority) == ("send_email", "completed", "high")
    assert done.result["message_id"] == "msg-123"


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
