"""Values another program stored that no JSON has: every door shows them or says what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from boundary.jobs import Jobs
from boundary.jobs.core.names import shown_id
from boundary.jobs.core.operations import Enqueue, Save
from boundary.jobs.core.wire import NewJob, Record
from boundary.jobs.shell.cli.app import run
from boundary.jobs.web import create_app
from tests.conftest import StoreUrl
from tests.web.conftest import Client

CANARY = "canary-7f3b19"
STORED = bytes([0xA0 + len(CANARY)]) + CANARY.encode()
VALUES = {
    "a number as a name": b"\x81\x01" + STORED,
    "nothing as a name": b"\x81\xc0\x02",
    "a list as a name": b"\x81\x91\x01\x02",
    "a secret under a name of bytes": b"\x81\xc4\x08password" + STORED,
    "bytes": b"\xc4\x02\xff\xfe",
    "a timestamp": b"\xd6\xff\x00\x00\x00\x01",
    "no number": b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",
    "a fraction as a name": b"\x81\xca\x3f\x80\x00\x00\x02",
    "an extension": b"\xd4\x05\x00",
    "an extension as a name": b"\x81\xd4\x05\x00\x02",
    "an extension beside a secret": b"\x82\xa5token" + STORED + b"\xa1x\xd4\x05\x00",
    "no UTF-8": b"\xa2\xff\xfe",
}
UNREADABLE = {"an extension", "an extension beside a secret", "an extension as a name", "no UTF-8"}


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, store_url: StoreUrl) -> str:
    """A store that other programs can write to."""
    return store_url(request.param)


def stored(jobs: Jobs) -> dict[str, list[str]]:
    """By value: the id of a job that waits and has it as an argument, and of one with it as its result."""
    backend = jobs.store.blocking()
    ids: dict[str, list[str]] = {}
    for place, (name, raw) in enumerate(VALUES.items(), 1):
        id, done = bytes([place]) * 16, bytes([place + 64]) * 16
        payload = b"\x93\x01\x81\xa5value" + raw + b"\x00"
        backend.execute(Enqueue((NewJob(id, "echo", "default", 1, payload),)))
        record = Record(
            0, done, "echo", "default", 1, b"\x93\x01\x80\x00", 1_000, 1_000, "completed",
            started=1_000, completed=1_000, ending="succeed", trail=b"\x81\xa6result" + raw,
        )  # fmt: skip
        assert backend.execute(Save(record, 0)) == "done"
        ids[name] = [str(shown_id(id)), str(shown_id(done))]
    backend.close()
    return ids


def doors(jobs: Jobs, ids: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    ask = Client(create_app(jobs), jobs)
    shown = [repr(job) for job in jobs.search(limit=100).jobs]
    for path in ("/", "/jobs", "/jobs?q=2", "/dead", *[f"/jobs/{id}" for id in ids]):
        page = ask("GET", path)
        assert page.status_code == 200, path
        shown.append(page.text)
    for path in ("", "/failed", "/failures", "/history?job_type=echo", *[f"/{id}" for id in ids]):
        answer = ask.api("GET", path)
        assert answer.status_code == 200, path
        shown.append(answer.text)
    for command in (["search", "--json"], ["search"], ["failed"], *[["show", id] for id in ids]):
        assert run([*command, "--url", jobs.settings.url]) == 0
    return [*shown, capsys.readouterr().out]


def test_they_are_shown_searched_and_run_or_put_aside(
    jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    @jobs.handler(name="echo", max_retries=0)
    def echo(value: Any) -> str:
        return "done"

    ids = stored(jobs)
    every = [id for both in ids.values() for id in both]
    secret = ids["a secret under a name of bytes"]
    found = {str(one.id) for one in jobs.search(text=CANARY).jobs}
    assert found == set(ids["a number as a name"]), "what has no such name is no secret"
    shown = doors(jobs, every, capsys)
    assert "b'password'" in "".join(shown)
    jobs.worker().run_until_empty()
    for name, (id, _) in ids.items():
        job = jobs.find(id)
        assert job is not None
        if name in UNREADABLE:
            assert job.error is not None
            assert (job.status, job.error.type) == ("failed", "RecordError")
            assert "the payload cannot be read" in job.error.message
        else:
            assert (job.status, job.result) == ("completed", "done"), name
    assert "an extension of type 5, 1 bytes, is no JSON" in "".join(doors(jobs, every, capsys))
    ask = Client(create_app(jobs), jobs)
    for id in secret:
        assert CANARY not in ask.api("GET", f"/{id}").text + repr(jobs.find(id))
