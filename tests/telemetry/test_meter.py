"""Counting, and metrics as text."""

from __future__ import annotations

import builtins
import threading
from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from boundary.jobs import Jobs
from boundary.jobs.core.happenings import Answered, Ended, LeaseLost, Started
from boundary.jobs.core.operations import Outcome
from boundary.jobs.core.wire import Record
from boundary.jobs.errors import UsageError
from boundary.jobs.shell.adapters.memory import MemoryStore
from boundary.jobs.shell.telemetry import health, meter
from boundary.jobs.shell.telemetry.exposition import Exposition
from boundary.jobs.shell.telemetry.health import Health
from boundary.jobs.shell.telemetry.stream import Stream
from tests.processes.test_health import ask, free_port
from tests.waiting import eventually
from tests.worker.conftest import working

RECORD = Record(1, bytes(16), "send", "mail", 2, b"", 1_000, 1_000)


def ended(*outcomes: Outcome, accepted: bool = True, record: Record = RECORD) -> Ended:
    runs = tuple((record, one) for one in outcomes)
    return Ended(5_000, "w", runs, (accepted,) * len(runs), {})


def samples(counted: meter.Meter) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = Exposition(counted, MemoryStore()).text().decode()
    return {
        (one.name, frozenset(one.labels.items())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_runs_are_counted_by_what_became_of_them() -> None:
    counted = meter.Meter()
    counted(
        ended(
            Outcome(bytes(16), 1, "succeed", duration_ms=20),
            Outcome(bytes(16), 1, "succeed", duration_ms=700),
            Outcome(bytes(16), 1, "fail", duration_ms=1),
            Outcome(bytes(16), 1, "release"),
        )
    )
    counted(ended(Outcome(bytes(16), 1, "succeed"), accepted=False))
    counted(LeaseLost("w", 3))
    counted(Answered("Claim", 0.004, failed=False))
    counted(Answered("Claim", 2.0, failed=True))
    found = samples(counted)
    mine = {("job_type", "send"), ("queue", "mail")}
    runs = {
        outcome: found["boundary_jobs_runs_total", frozenset({*mine, ("outcome", outcome)})]
        for outcome in ("succeeded", "retrying", "released")
    }
    assert runs == {"succeeded": 2, "retrying": 1, "released": 1}
    assert found["boundary_jobs_run_seconds_count", frozenset(mine)] == 3
    assert found["boundary_jobs_run_seconds_sum", frozenset(mine)] == pytest.approx(0.721)
    assert found["boundary_jobs_run_seconds_bucket", frozenset({*mine, ("le", "0.025")})] == 2
    assert found["boundary_jobs_refused_outcomes_total", frozenset()] == 1
    assert found["boundary_jobs_lease_losses_total", frozenset()] == 1
    assert found["boundary_jobs_store_seconds_count", frozenset({("operation", "Claim")})] == 1
    assert found["boundary_jobs_store_errors_total", frozenset({("operation", "Claim")})] == 1


def test_waits_count_from_when_a_job_was_ready() -> None:
    counted = meter.Meter()
    later = replace(RECORD, execute_at=9_000)
    counted(Started(9_500, "w", (RECORD, later)))
    found = samples(counted)
    mine = {("job_type", "send"), ("queue", "mail")}
    assert found["boundary_jobs_wait_seconds_sum", frozenset(mine)] == pytest.approx(9.0)
    assert found["boundary_jobs_wait_seconds_bucket", frozenset({*mine, ("le", "0.5")})] == 1


def test_names_somebody_invents_do_not_fill_the_memory() -> None:
    counted = meter.Meter()
    for number in range(meter.KINDS + 50):
        record = replace(RECORD, job_type=f"t{number}")
        counted(ended(Outcome(bytes(16), 1, "succeed", duration_ms=1), record=record))
    assert len(counted.ran) == meter.KINDS + 1
    assert counted.ran[meter.OTHER].ends == {"succeed": 50}


def test_a_subscriber_that_fails_harms_nobody(caplog) -> None:
    told: list[Any] = []

    def broken(happening: Any) -> None:
        raise RuntimeError("no")

    stream = Stream((broken, told.append))
    stream.tell(LeaseLost("w", 1))
    assert told == [LeaseLost("w", 1)]
    assert "did not take note of LeaseLost" in caplog.text


def test_a_worker_that_hears_nothing_of_its_store_is_not_ready(monkeypatch) -> None:
    now = 100.0
    monkeypatch.setattr(health.time, "monotonic", lambda: now)
    made = Health("127.0.0.1", free_port(), MemoryStore())
    try:
        assert made.answer("/ready").status == 503
        made.vitals.contact()
        assert made.answer("/ready").status == 200
        now += 30.5
        assert made.answer("/ready") == (
            503,
            b"not ready: no claim and no heartbeat has succeeded for 30 s\n",
            "text/plain; charset=utf-8",
        )
        made.vitals.contact()
        assert made.answer("/ready?verbose").status == 200
    finally:
        made._server.server_close()


def test_a_worker_whose_claims_all_fail_is_not_ready_though_its_heart_beats(monkeypatch) -> None:
    now = 100.0
    monkeypatch.setattr(health.time, "monotonic", lambda: now)
    made = Health("127.0.0.1", free_port(), MemoryStore())

    def after(seconds: float, call: Any = None) -> int:
        nonlocal now
        now += seconds
        made.vitals.contact()
        if call is not None:
            call()
        return made.answer("/ready").status

    try:
        assert after(3600) == 200, "it has had no slot free: it never claimed"
        assert after(0, made.vitals.claim_failed) == 200
        assert after(29, made.vitals.claim_failed) == 200
        assert after(2, made.vitals.claim_failed) == 503
        assert made.answer("/ready").body == (
            b"not ready: every claim has failed for 31 s; the log says why\n"
        )
        assert after(1, made.vitals.claim_succeeded) == 200
        assert after(29, made.vitals.claim_failed) == 200
        assert after(31) == 200, "it was told to be quiet"
    finally:
        made._server.server_close()


def test_a_worker_whose_claims_fail_says_so_until_they_succeed(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "SILENCE", 2.0)
    port = free_port()
    workers = {"lease": 1_500, "health_port": port}
    with Jobs(redis_url, config={"workers": workers}) as jobs, Redis.from_url(redis_url) as hand:
        jobs.enqueue("nobody_here", {})
        lane = f"{{{jobs.settings.namespace}:0}}:ready:default:2"
        hand.rename(lane, lane + ".kept")
        hand.set(lane, "theirs")
        with working(jobs):
            claims = "every claim has failed"  # and not: no heartbeat either
            eventually("it is not ready", lambda: claims in ask(port, "/ready")[1])
            hand.rename(lane + ".kept", lane)
            eventually("it is ready", lambda: ask(port, "/ready")[0] == 200)


def test_without_the_extra_metrics_say_what_is_missing(monkeypatch, caplog) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("prometheus_client"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    port = free_port()
    with Health("127.0.0.1", port, MemoryStore()) as made:
        made.vitals.contact()
        assert ask(port, "/metrics")[0] == 501
        assert "pip install 'boundary-jobs[metrics]'" in ask(port, "/metrics")[1]
        assert ask(port, "/ready")[0] == 200
    assert "metrics need the extra" in caplog.text


def test_a_host_that_is_not_ours_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"the health port 192\.0\.2\.1:\d+ cannot be used"):
        Health("192.0.2.1", free_port(), MemoryStore())


def test_a_client_that_says_nothing_holds_up_no_other() -> None:
    import socket

    port = free_port()
    with Health("127.0.0.1", port, MemoryStore()), socket.create_connection(("127.0.0.1", port)):
        assert ask(port, "/live")[0] == 200
    assert threading.active_count() < 50
