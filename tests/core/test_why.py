"""Why a job is not running: each reason, from facts alone."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from boundary.jobs.core import trails, wire
from boundary.jobs.core.operations import AHEAD, Facts, Glimpse, Holding
from boundary.jobs.core.records import JobError
from boundary.jobs.core.stats import TYPES_TOLD, encode_worker, worker_note
from boundary.jobs.core.why import span, why
from boundary.jobs.core.wire import Payload, Record

NOW = 1_767_225_600_000
PAYLOAD = wire.encode_payload(Payload(1, {}, 3))
JOB = Record(1, b"i" * 16, "send", "mail", 2, PAYLOAD, NOW - 60_000, NOW - 60_000)
BOOM = JobError("no such address\nsecond line", "SMTPError")
FAILED = trails.failed(b"", 1, NOW - 5_000, BOOM)


def worker(name: str = "w1", held: int = 0, **said: Any) -> Holding:
    fields: dict[str, Any] = {"queues": (), "concurrency": 2, "job_types": ("send",)}
    note = encode_worker(**{**fields, **said}, host="h", pid=7, started_at=wire.at(NOW))
    some = tuple(Glimpse(b"%016d" % n, "slow", "mail", NOW - 9_000) for n in range(min(held, 5)))
    return Holding(name, note, NOW + 30_000, held, some)


def asked(*workers: Holding, paused: bool = False, ahead: int = 0, **fields: Any) -> Any:
    return why(Facts(NOW, replace(JOB, **fields), paused, ahead, workers))


@pytest.mark.parametrize(
    ("given", "reason", "says"),
    [
        ({"due": NOW + 125_000}, "due_later", "in 2 min 5 s"),
        (
            {"due": NOW + 5_000, "status": "retrying", "retry_count": 1, "trail": FAILED},
            "retrying",
            "Run 1 of at most 4 failed: SMTPError: no such address. It is tried again in 5 s",
        ),
        ({"parked": True}, "parked", "in no queue"),
        (
            {"status": "completed", "ending": "succeed", "completed": NOW - 1_000},
            "completed",
            "completed 1 s ago",
        ),
        (
            {
                "status": "failed",
                "ending": "exhaust",
                "completed": NOW - 3_600_000,
                "trail": FAILED,
                "retry_count": 3,
            },
            "failed",
            "1 h ago, in run 4 of at most 4: SMTPError",
        ),
        (
            {
                "status": "cancelled",
                "ending": "cancel",
                "completed": NOW - 1,
                "trail": trails.because(b"", "not needed"),
            },
            "cancelled",
            "(not needed)",
        ),
    ],
)
def test_what_its_own_record_says(given: dict[str, Any], reason: str, says: str) -> None:
    found = asked(**given)
    assert found.reason == reason
    assert says in found.sentence
    assert found.next_step


def test_a_job_that_waits_for_an_instant_says_until_when_and_that_its_queue_is_paused() -> None:
    found = asked(due=NOW + 1_000, paused=True)
    assert found.until == wire.at(NOW + 1_000)
    assert found.paused
    assert "paused too" in found.sentence


def test_a_paused_queue_comes_before_workers() -> None:
    found = asked(paused=True, ahead=3)
    assert (found.reason, found.ahead) == ("paused", 3)
    assert "boundary-jobs resume mail" in found.next_step


def test_nobody_serves_the_queue() -> None:
    assert asked().reason == "no_worker"
    found = asked(worker(queues=("other",)))
    assert (found.reason, found.workers) == ("no_worker", ("w1",))
    assert "--queues mail" in found.next_step


def test_a_worker_that_said_nothing_or_what_we_cannot_read_serves_nothing() -> None:
    for info in (b"", b"\xff\xff"):
        assert asked(replace(worker(), info=info)).reason == "no_worker"


def test_nobody_knows_the_type() -> None:
    found = asked(worker(job_types=("read",)), worker("w2", queues=("other",)))
    assert (found.reason, found.workers) == ("no_handler", ("w1",))
    assert "send" in found.next_step


def test_a_worker_that_does_not_say_its_types_may_know_it() -> None:
    many = tuple(f"t{number}" for number in range(TYPES_TOLD + 1))
    assert asked(worker(job_types=many)).reason == "waiting_turn"


def test_all_slots_are_busy() -> None:
    found = asked(worker(held=2), worker("w2", held=7), worker("w3", queues=("other",)), ahead=12)
    assert (found.reason, found.workers, found.ahead) == ("slots_busy", ("w1", "w2"), 12)
    assert {one.job_type for one in found.busy_with} == {"slow"}
    assert "4 slots on 2 workers" in found.sentence
    assert "12 of its queue are ahead" in found.sentence


def test_it_waits_its_turn() -> None:
    found = asked(worker(held=1), ahead=3)
    assert (found.reason, found.ahead) == ("waiting_turn", 3)
    assert asked(worker(), ahead=AHEAD).sentence.count("10,000 or more") == 1
    assert "the next of its queue" in asked(worker()).sentence


def test_its_instant_has_come() -> None:
    assert "has come" in asked(worker(), due=NOW - 1).sentence


def test_it_runs_and_until_when_its_lease_lasts() -> None:
    running: dict[str, Any] = {"status": "running", "worker": "w1", "started": NOW - 4_000}
    found = asked(worker(held=1), **running)
    assert (found.reason, found.until) == ("running", wire.at(NOW + 30_000))
    assert asked(worker(held=1), cancelling=True, **running).reason == "stopping"
    lost = asked(**running)
    assert (lost.reason, lost.workers) == ("lease_ended", ("w1",))


def test_a_note_of_an_older_worker_is_read() -> None:
    """Written before workers said which job types they know."""
    note = (
        b"\x85\xa6queues\x91\xa4mail\xabconcurrency\x02\xa4host\xa1h\xa3pid\x07"
        b"\xaastarted_at\xb42026-01-01T00:00:00Z"
    )
    found = worker_note(note)
    assert found is not None
    assert (found.queues, found.job_types, found.knows("any")) == (("mail",), None, True)


@pytest.mark.parametrize(
    ("ms", "text"),
    [(-5, "0 ms"), (999, "999 ms"), (1_000, "1 s"), (90_061_000, "1 d 1 h"), (3_600_000, "1 h")],
)
def test_spans(ms: int, text: str) -> None:
    assert span(ms) == text
