"""Values nested without a limit: refused when they come in, and harmless where another program stored them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from boundary.jobs import Jobs, SerializationError
from boundary.jobs.core.names import shown_id
from boundary.jobs.core.nesting import NESTING_LIMIT
from boundary.jobs.core.operations import Enqueue, PutSchedule, Save, Schedule
from boundary.jobs.core.wire import NewJob, Record
from boundary.jobs.shell.cli.app import run
from boundary.jobs.web import create_app
from tests.conftest import StoreUrl
from tests.web.conftest import Client
from tests.web.test_pages import PAGES

CANARY = "canary-7f3b19"
DEPTHS = (NESTING_LIMIT + 1, 500, 900, 960, 1_000, 5_000, 100_000)
"""Of what another program stores: some can be read and not be gone through by recursion."""


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, store_url: StoreUrl) -> str:
    """A store that other programs can write to."""
    return store_url(request.param)


@pytest.fixture
def jobs(url: str) -> Iterator[Jobs]:
    with Jobs(url) as made:

        @made.handler(name="echo", max_retries=0)
        def echo(value: Any, note: str = "") -> Any:
            return value

        @made.handler(name="deepens", max_retries=0)
        def deepens(levels: int) -> Any:
            return nested(levels)

        yield made


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def raw(levels: int) -> bytes:
    """MessagePack of so many lists in one another, with a secret in the innermost."""
    return (
        b"\x91" * (levels - 1) + b"\x81\xa8password" + bytes([0xA0 + len(CANARY)]) + CANARY.encode()
    )


def payload(levels: int) -> bytes:
    return b"\x93\x01\x81\xa5value" + raw(levels) + b"\x00"


def stored(jobs: Jobs) -> list[str]:
    """A job that waits and one that is done, of each depth, as another program writes them."""
    backend = jobs.store.blocking()
    ids: list[str] = []
    for place, levels in enumerate(DEPTHS, 1):
        id, done = bytes([place]) * 16, bytes([place + 64]) * 16
        backend.execute(Enqueue((NewJob(id, "echo", "default", 1, payload(levels)),)))
        trail = b"\x81\xa6result" + raw(levels)
        record = Record(
            0, done, "echo", "default", 1, b"\x93\x01\x80\x00", 1_000, 1_000, "completed",
            started=1_000, completed=1_000, ending="succeed", trail=trail,
        )  # fmt: skip
        assert backend.execute(Save(record, 0)) == "done"
        ids += [str(shown_id(id)), str(shown_id(done))]
    backend.close()
    return ids


@pytest.mark.parametrize("outer", ["list", "mapping"])
def test_an_argument_has_so_many_levels_and_no_more(jobs: Jobs, outer: str) -> None:
    most, more = nested(NESTING_LIMIT - 1), nested(NESTING_LIMIT)
    wrap = (lambda value: [value]) if outer == "list" else (lambda value: {"a": value})
    job = jobs.enqueue("echo", {"value": wrap(most), "note": "ü" * 100})
    jobs.worker().run_until_empty()
    assert jobs.result(job.id, timeout=1) == wrap(most)
    for value in (wrap(more), nested(500), nested(100_000)):
        with pytest.raises(SerializationError, match=r"argument 'value' .* 64 levels.*flatten"):
            jobs.enqueue("echo", {"value": value})
        with pytest.raises(SerializationError, match=r"metadata 'a' .* 64 levels.*flatten"):
            jobs.enqueue("echo", {"value": 1}, metadata={"a": value})


@pytest.mark.parametrize("levels", [NESTING_LIMIT + 1, 500, 5_000])
def test_a_result_too_deep_fails_its_run(jobs: Jobs, levels: int) -> None:
    job = jobs.enqueue("deepens", {"levels": levels})
    fine = jobs.enqueue("deepens", {"levels": NESTING_LIMIT})
    jobs.worker().run_until_empty()
    assert jobs.result(fine.id, timeout=1) == nested(NESTING_LIMIT)
    failed = jobs.find(job.id)
    assert failed is not None
    assert failed.error is not None
    assert (failed.status, failed.error.type) == ("failed", "SerializationError")
    assert "result (builtins.list) is nested in more than 64 levels" in failed.error.message


def test_what_is_stored_too_deep_is_shown_by_every_door(
    jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = stored(jobs)
    backend = jobs.store.blocking()
    backend.execute(
        PutSchedule(
            Schedule("nightly", "echo", "default", 1, payload(1_000), next_at=2**42, every_ms=1_000)
        )
    )
    backend.close()
    ask = Client(create_app(jobs), jobs)
    shown = [repr(job) for job in jobs.search(limit=100).jobs]
    assert len(shown) == len(ids)
    shown += [repr(jobs.schedules()), repr(jobs.why(ids[0]))]
    for path in (*PAGES, "/jobs?q=anary", *[f"/jobs/{id}" for id in ids]):
        answer = ask("GET", path, follow_redirects=True)
        assert answer.status_code == 200, path
        shown.append(answer.text)
    for path in ("", "/failed", "/history?job_type=echo", "/schedules", *[f"/{id}" for id in ids]):
        found = ask.api("GET", path)
        assert found.status_code == 200, path
        shown.append(found.text)
    url = ["--url", jobs.settings.url]
    for command in (["search"], ["failed"], ["top"], ["schedules"], *[["show", id] for id in ids]):
        assert run([*command, *url]) == 0
        assert run([*command, "--json", *url]) == 0 or command == ["top"]
    shown.append(capsys.readouterr().out)
    assert sum("[too deep]" in one for one in shown) >= len(ids)
    assert not any(CANARY in one for one in shown)


def test_what_is_stored_too_deep_is_searched(jobs: Jobs) -> None:
    stored(jobs)
    assert len(jobs.search(text="value").jobs) >= 2
    for text in (CANARY, "canary", "7f3b19"):
        assert jobs.search(text=text).jobs == (), (
            "not even letter by letter, where it cannot be read"
        )


def test_a_worker_puts_it_aside_and_goes_on(jobs: Jobs, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = stored(jobs)[::2]
    fine = jobs.enqueue("echo", {"value": 7})
    jobs.worker().run_until_empty()
    assert jobs.result(fine.id, timeout=1) == 7
    for id in waiting:
        dead = jobs.find(id)
        assert dead is not None
        assert dead.error is not None
        assert (dead.status, dead.retry_count) == ("failed", 0)
        assert "nested" in dead.error.message
    assert jobs.find(waiting[0]).error.type == "SerializationError"  # type: ignore[union-attr]
    ask = Client(create_app(jobs), jobs)
    for path in ("/dead", "/", "/jobs"):
        assert ask("GET", path).status_code == 200
    for path in ("/failed", "/failures", f"/{waiting[1]}"):
        assert ask.api("GET", path).status_code == 200
    assert run(["failed", "--url", jobs.settings.url]) == 0
    assert jobs.retry_failed().count == len(waiting)
    jobs.worker().run_until_empty()
    assert len(jobs.failed(limit=100)) == len(waiting)


def test_what_was_not_shown_is_not_lost_by_an_edit(jobs: Jobs) -> None:
    id = stored(jobs)[0]
    ask = Client(create_app(jobs), jobs)
    args = ask.api("GET", f"/{id}").json()["job"]["args"]
    answer = ask.api("PUT", f"/{id}/args", json={"args": args})
    assert answer.status_code == 422
    assert "64 levels" in answer.text
    assert ask.api("PUT", f"/{id}/args", json={"args": {"value": 1}}).status_code == 200


def test_json_at_the_prompt_without_a_limit_is_a_usage_error(
    jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    for levels in (100, 5_000):
        text = '{"value": ' + "[" * levels + "]" * levels + "}"
        assert run(["enqueue", "echo", text, "--url", jobs.settings.url]) == 2
        assert "Traceback" not in capsys.readouterr().err
