"""What of an error is told."""

from __future__ import annotations

from boundary.jobs.core import trails
from boundary.jobs.core.job import JobError
from boundary.jobs.core.telling import told_error
from boundary.jobs.core.wire import Payload, encode_payload

TRAIL = trails.failed(
    b"", 1, 5, JobError("swordfish was refused, password=swordfish", "ValueError")
)


def test_what_arguments_hold_under_a_secrets_name_is_hidden_in_the_error() -> None:
    payload = encode_payload(Payload(1, {"password": "swordfish"}, 3))
    told = told_error(payload, TRAIL)
    assert told is not None
    assert "swordfish" not in told.message
    assert "was refused" in told.message


def test_an_error_is_told_also_of_a_job_whose_payload_cannot_be_read() -> None:
    told = told_error(b"\xff", TRAIL)
    assert told is not None
    assert told.message.startswith("swordfish was refused")
    assert "password=swordfish" not in told.message
