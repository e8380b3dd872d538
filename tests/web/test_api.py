"""The API: the specification's three endpoints exactly, and the others, on each kind of store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from boundary.jobs import Jobs, RetryPolicy
from boundary.jobs.web import create_app
from tests.waiting import eventually
from tests.web.conftest import API, Client
from tests.worker.conftest import working

Dead = Callable[[int], list[str]]
MISSING = "01932c5e-7a3c-7b3e-9a6e-0d5ff2f0a001"


def test_the_statistics(ask: Client, dead: Dead) -> None:
    """S115."""
    dead(2)
    ask.jobs.enqueue("add", {"left": 1, "right": 2})
    ask.jobs.worker().run_until_empty()
    told = ask.api("GET", "/stats")
    assert told.status_code == 200
    body = told.json()
    assert (body["total_processed"], body["total_failed"], body["total_succeeded"]) == (3, 2, 1)
    (mail, sums) = body["queues"]
    assert (mail["queue_name"], mail["failed_total"], mail["size"]) == ("mail", 2, 0)
    assert (sums["queue_name"], sums["succeeded_total"]) == ("sums", 1)


def test_the_failed_jobs(ask: Client, dead: Dead) -> None:
    """S116, S117."""
    ids = dead(22)
    told = ask.api("GET", "/failed")
    assert told.status_code == 200
    assert set(told.json()) == {"jobs"}
    assert len(told.json()["jobs"]) == 20
    assert told.json()["jobs"][0]["error"]["type"] == "ConnectionError"
    three = ask.api("GET", "/failed?limit=3").json()["jobs"]
    assert len(three) == 3
    assert {job["id"] for job in three} <= set(ids)


@pytest.mark.parametrize("limit", ["0", "-1", "x", "", "1.5", "201", "9" * 40, "1&limit=2"])
def test_a_bad_limit_is_refused(peek: Client, limit: str) -> None:
    """S117."""
    told = peek.api("GET", f"/failed?limit={limit}")
    assert told.status_code == 400
    assert told.headers["content-type"] == "application/problem+json"
    assert told.json()["code"] == "invalid_query"
    assert "limit" in told.json()["detail"]


def test_a_retry(ask: Client, dead: Dead) -> None:
    """S118."""
    (job_id,) = dead(1)
    told = ask.api("POST", f"/{job_id}/retry")
    assert told.status_code == 200
    assert told.json()["message"] == "Job queued for retry"
    assert told.json()["job"]["id"] == job_id
    assert told.json()["job"]["status"] == "pending"
    again = ask.api("POST", f"/{job_id}/retry")
    assert (again.status_code, again.json()["code"]) == (409, "illegal_transition")


def test_a_retry_of_what_is_not_there(ask: Client) -> None:
    """S119."""
    told = ask.api("POST", f"/{MISSING}/retry")
    assert (told.status_code, told.json()) == (404, {"error": "Job not found"})
    malformed = ask.api("POST", "/not-a-uuid/retry")
    assert (malformed.status_code, malformed.json()["code"]) == (400, "malformed_id")


def test_one_job_without_its_secrets(ask: Client, dead: Dead) -> None:
    made = ask.jobs.enqueue("add", {"left": 1, "right": 2, "password": "hunter2"})
    job = ask.api("GET", f"/{made.id}").json()["job"]
    assert job["args"] == {"left": 1, "right": 2, "password": "[redacted]"}
    (job_id,) = dead(1)
    told = ask.api("GET", f"/{job_id}")
    assert "hunter2" not in told.text
    assert "password=[redacted]" in told.json()["job"]["error"]["message"]
    assert ask.api("GET", f"/{MISSING}").status_code == 404


def test_a_search_by_everything(ask: Client, dead: Dead) -> None:
    ids = dead(3)
    sums = [
        str(
            ask.jobs.enqueue(
                "add", {"left": n, "right": 4_711, "password": "Zoë"}, metadata={"of": ["Amélie"]}
            ).id
        )
        for n in range(3)
    ]

    def found(**query: str) -> set[str]:
        told = ask.api("GET", "", params=query)
        assert told.status_code == 200, told.text
        return {job["id"] for job in told.json()["jobs"]}

    assert found(status="failed") == set(ids)
    assert found(job_type="add") == found(queue="sums") == found(text="Amélie") == set(sums)
    assert found(text="no answer from") == set(ids)
    assert found(text="4711") == set(sums)
    assert found(text="Zoë") == set(), "what is hidden is not found letter by letter"
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert found(since=tomorrow) == set()
    assert found(until=tomorrow) == {*ids, *sums}


def test_a_search_goes_on_by_its_cursor(ask: Client) -> None:
    made = [str(ask.jobs.enqueue("add", {"left": n, "right": 0}).id) for n in range(5)]
    seen: list[str] = []
    query = {"limit": "2"}
    while True:
        page = ask.api("GET", "", params=query).json()
        seen += [job["id"] for job in page["jobs"]]
        if page["cursor"] is None:
            break
        query = {"limit": "2", "cursor": page["cursor"]}
    assert seen == made[::-1]


@pytest.mark.parametrize(
    "query",
    [
        "status=asleep", "cursor=nonsense", "cursor=-1", "limit=500", "since=yesterday",
        "since=2026-01-01T00:00:00", "queue=a%20b", "job_type=%00", "colour=red", "text=",
        "queue=a&queue=b", "until=null", "until=0.5", "since=1", "limit=%2B3", "limit=3_0", "status=null", "cursor=" + "9" * 300,
    ],
)  # fmt: skip
def test_a_bad_condition_is_refused(peek: Client, query: str) -> None:
    told = peek.api("GET", f"?{query}")
    assert (told.status_code, told.json()["code"]) == (400, "invalid_query")


def test_an_enqueue(ask: Client) -> None:
    job_id = str(uuid4())
    body = {"job_type": "add", "args": {"left": 1, "right": 2}, "job_id": job_id, "priority": "low"}
    told = ask.api("POST", json=body)
    assert told.status_code == 200
    assert (told.json()["job"]["id"], told.json()["job"]["queue"]) == (job_id, "sums")
    wrong = ask.api("POST", json={"job_type": "add", "args": {"centre": 1}})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "arguments")


def test_what_an_enqueue_may_say_of_its_job(ask: Client) -> None:
    given = {
        "timeout": 1.5,
        "expires": 3600,
        "keep_result": 60,
        "max_retries": 7,
        "retry": {"strategy": "linear", "initial_delay": 2, "jitter": False},
    }
    told = ask.api("POST", json={"job_type": "elsewhere", **given})
    assert told.status_code == 200, told.text
    job = ask.jobs.find(told.json()["job"]["id"])
    assert job is not None
    assert (job.timeout, job.keep_result) == (timedelta(seconds=1.5), timedelta(seconds=60))
    assert job.expires_at == job.created_at + timedelta(hours=1)
    assert (job.max_retries, job.retry) == (7, RetryPolicy("linear", 2, jitter=False))
    plain = {"timeout": None, "expires": None, "keep_result": False}
    told = ask.api("POST", json={"job_type": "elsewhere", **plain})
    job = ask.jobs.find(told.json()["job"]["id"])
    assert job is not None
    assert (job.timeout, job.expires_at, job.keep_result) == (None, None, timedelta())
    every = ask.api("PUT", "/schedules/s", json={"job_type": "elsewhere", "every": 60, **given})
    assert every.status_code == 200, every.text
    fired = ask.api("POST", "/schedules/s/fire").json()["job"]
    made = ask.jobs.find(fired["id"])
    assert made is not None
    assert (made.timeout, made.keep_result) == (timedelta(seconds=1.5), timedelta(seconds=60))
    assert made.retry == RetryPolicy("linear", 2, jitter=False)
    assert made.expires_at == made.created_at + timedelta(hours=1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": 0}, {"timeout": -1}, {"timeout": "1s"}, {"timeout": 1e12}, {"expires": -1},
        {"keep_result": -1}, {"keep_result": "no"}, {"retry": {"strategy": "never"}},
        {"retry": {"initial_delay": -1}}, {"retry": {"max_delay": 1e12}}, {"retry": {"first": 1}},
        {"retry": None}, {"retry": "linear"},
    ],
)  # fmt: skip
def test_what_it_may_not_say(peek: Client, wrong: dict[str, Any]) -> None:
    for method, path, more in (("POST", "", {}), ("PUT", "/schedules/s", {"every": 60})):
        told = peek.api(method, path, json={"job_type": "elsewhere", **more, **wrong})
        assert (told.status_code, told.json()["code"]) == (422, "invalid_body"), told.text


def result(ask: Client, id: object, timeout: int = 30) -> httpx.Response:
    return ask.api("GET", f"/{id}/result", params={"timeout": timeout})


def test_a_result_is_waited_for(ask: Client) -> None:
    job = ask.jobs.enqueue("add", {"left": 1, "right": 2})
    early = result(ask, job.id, 0)
    assert (early.status_code, early.json()) == (202, {"id": str(job.id), "status": "pending"})
    with working(ask.jobs):
        told = result(ask, job.id)
    assert told.status_code == 200, told.text
    assert told.json() == {"id": str(job.id), "status": "completed", "result": 3}
    assert result(ask, job.id, 0).json() == told.json()


def test_a_result_that_never_comes_is_told_with_its_reason(ask: Client, dead: Dead) -> None:
    (failed,) = dead(1)
    told = result(ask, failed)
    assert (told.status_code, told.json()["code"]) == (409, "job_failed")
    assert told.headers["content-type"] == "application/problem+json"
    assert "ConnectionError: no answer" in told.json()["detail"]
    assert "hunter2" not in told.text
    job = ask.jobs.enqueue("send_mail", {"to": "a", "token": "s3same"})
    ask.jobs.worker().run_until_empty()
    assert "s3same" not in result(ask, job.id).text
    job = ask.jobs.enqueue("add", {"left": 1, "right": 2})
    ask.jobs.cancel(job.id)
    told = result(ask, job.id)
    assert (told.status_code, told.json()["code"]) == (409, "job_cancelled")
    told = result(ask, MISSING)
    assert (told.status_code, told.json()["code"]) == (404, "job_not_found")
    for wrong in ("31", "-1", "x", "0.5"):
        told = ask.api("GET", f"/{MISSING}/result?timeout={wrong}")
        assert (told.status_code, told.json()["code"]) == (400, "invalid_query")


def test_secrets_in_a_result_are_hidden(peek: Client) -> None:
    @peek.jobs.handler
    def signs_in() -> dict[str, str]:
        return {"user": "ada", "session_token": "hunter2"}

    job = signs_in.enqueue()
    peek.jobs.worker().run_until_empty()
    told = result(peek, job.id).json()["result"]
    assert told == {"user": "ada", "session_token": "[redacted]"}


def test_who_waits_keeps_nobody_waiting_and_may_go_away(url: str) -> None:
    with Jobs(url) as jobs:
        job = jobs.enqueue("nobody_runs_this", {})
        app = create_app(jobs)

        async def waited() -> list[Any]:
            waits, leave, sent = asyncio.Event(), asyncio.Event(), list[Any]()

            async def receive() -> dict[str, Any]:
                if not sent:
                    sent.append("request")
                    return {"type": "http.request", "body": b"", "more_body": False}
                waits.set()
                await leave.wait()
                return {"type": "http.disconnect"}

            async def send(message: Any) -> None:
                sent.append(message)

            scope = {
                "type": "http", "method": "GET", "path": f"{API}/{job.id}/result", "root_path": "",
                "headers": [(b"host", b"localhost")], "query_string": b"", "http_version": "1.1",
                "scheme": "http", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
            }  # fmt: skip
            waiting = asyncio.create_task(app(scope, receive, send))
            async with asyncio.timeout(20):
                transport = httpx.ASGITransport(app, client=("127.0.0.1", 2))
                async with httpx.AsyncClient(transport=transport) as other:
                    told = await other.get(f"http://127.0.0.1{API}/stats")
                assert told.status_code == 200
                assert not waiting.done()
                await waits.wait()
                leave.set()
                await waiting
            await jobs.aio.close()
            return sent

        sent = asyncio.run(waited())
        assert sent[1]["status"] == 400


def test_many_retries_want_to_be_confirmed(ask: Client, dead: Dead) -> None:
    dead(5)
    asked = ask.api("POST", "/retry", json={"queue": "mail", "limit": 3})
    assert (asked.status_code, asked.json()["code"], asked.json()["count"]) == (
        409, "confirm_count", 3,
    )  # fmt: skip
    wrong = ask.api("POST", "/retry", json={"queue": "mail", "limit": 3, "confirm": 5})
    assert wrong.status_code == 409
    done = ask.api("POST", "/retry", json={"queue": "mail", "limit": 3, "confirm": 3})
    assert (done.status_code, done.json()["count"], done.json()["what"]) == (200, 3, "retry")
    assert ask.jobs.queue_stats("mail").size == 3


def test_of_more_causes_than_are_counted_only_as_many_as_were_confirmed(peek: Client) -> None:
    @peek.jobs.handler(max_retries=0)
    def breaks(kind: str) -> None:
        raise type(kind, (Exception,), {})

    for number in range(230):
        peek.jobs.enqueue("breaks", {"kind": f"Error{number}"})
    peek.jobs.worker().run_until_empty()
    asked = peek.api("POST", "/retry", json={"limit": 1000}).json()["count"]
    told = peek.api("POST", "/retry", json={"limit": 1000, "confirm": asked})
    assert told.json()["count"] == asked == 200
    assert len(peek.jobs.failed(1000)) == 30


def test_a_cause_is_counted_however_many_were_seen_later(peek: Client) -> None:
    @peek.jobs.handler(max_retries=0)
    def breaks(kind: str) -> None:
        raise type(kind, (Exception,), {})

    peek.jobs.enqueue("breaks", {"kind": "First"})
    peek.jobs.worker().run_until_empty()
    (first,) = peek.jobs.failure_groups()
    for number in range(230):
        peek.jobs.enqueue("breaks", {"kind": f"Error{number}"})
    peek.jobs.worker().run_until_empty()
    cause = {"fingerprint": first.fingerprint}
    for act in ("retry", "delete"):
        assert peek.api("POST", f"/{act}", json=cause).json()["count"] == 1
    nothing = peek.api("POST", "/delete", json={"fingerprint": "none", "confirm": 0})
    assert (nothing.status_code, nothing.json()["count"]) == (200, 0)
    assert peek.api("POST", "/delete", json={**cause, "confirm": 1}).json()["count"] == 1
    assert len(peek.jobs.failed(1000)) == 230


def test_a_group_of_dead_letters(ask: Client, dead: Dead) -> None:
    dead(5)
    (group,) = ask.api("GET", "/failures").json()["groups"]
    assert (group["count"], group["job_type"], group["queues"]) == (5, "send_mail", ["mail"])
    assert "hunter2" not in ask.api("GET", "/failures").text
    cause = {"fingerprint": group["fingerprint"]}
    slow = ask.api(
        "POST", "/retry", json={**cause, "limit": 2, "confirm": 2, "rate": 0.01, "first": 1}
    )
    assert slow.json()["count"] == 2
    load = ask.jobs.queue_stats("mail")
    assert (load.size, load.scheduled) == (1, 1)
    asked = ask.api("POST", "/delete", json=cause)
    assert (asked.status_code, asked.json()["count"]) == (409, 3)
    gone = ask.api("POST", "/delete", json={**cause, "confirm": 3}).json()
    assert (gone["count"], gone["undoable"]) == (3, True)
    assert ask.api("GET", "/failures").json() == {"groups": []}
    undone = ask.api("POST", f"/audit/{gone['id']}/undo").json()
    assert (undone["restored"], undone["skipped"]) == (3, 0)
    assert ask.api("POST", f"/audit/{gone['id']}/undo").status_code == 409
    acts = [one["what"] for one in ask.api("GET", "/audit").json()["entries"]]
    assert acts == ["undo", "delete", "retry"]


def test_what_is_done_with_schedules_and_workers_is_in_the_log(ask: Client) -> None:
    made = {"job_type": "add", "args": {"left": 1, "right": 1}, "every": 60}
    assert ask.api("PUT", "/schedules/s", json=made).status_code == 200
    assert ask.api("PATCH", "/schedules/s", json={"every": 90}).status_code == 200
    told = ask.api("GET", "/schedules/s/fires", params={"count": 3}).json()
    first, second, third = map(datetime.fromisoformat, told["fires"])
    assert second - first == third - second == timedelta(seconds=90)
    assert ask.api("GET", "/schedules/none/fires").status_code == 404
    assert ask.api("GET", "/schedules/s/fires?count=0").status_code == 400
    for action in ("pause", "resume", "fire"):
        assert ask.api("POST", f"/schedules/s/{action}").status_code == 200
    assert ask.api("DELETE", "/schedules/s").status_code == 204
    for orders in (("quiet", "unquiet", "drain"), ("restart",)):
        eventually("no worker is left of before", lambda: not ask.jobs.workers())
        with working(ask.jobs):
            eventually("the worker is known", ask.jobs.workers)
            for order in orders:
                assert ask.api("POST", f"/workers/all/{order}").json() == {"count": 1}
    entries = ask.api("GET", "/audit").json()["entries"]
    assert {one["by"] for one in entries} == {"local"}
    assert [(one["what"], one["target"]) for one in entries][::-1] == [
        ("schedule", "s"),
        ("edit_schedule", "s"),
        ("pause_schedule", "s"),
        ("resume_schedule", "s"),
        ("fire_schedule", "s"),
        ("unschedule", "s"),
        *((order, "every worker") for order in ("quiet", "unquiet", "drain", "restart")),
    ]


def test_arguments_are_edited(ask: Client, dead: Dead) -> None:
    (job_id,) = dead(1)
    path = f"/{job_id}/args"
    told = ask.api("PUT", path, json={"args": {"to": "b@c.d"}})
    assert (told.status_code, told.json()["job"]["status"]) == (200, "pending")
    assert ask.api("PUT", path, json={"args": {"nobody": 1}}).status_code == 422
    assert ask.api("PUT", f"/{MISSING}/args", json={"args": {}}).status_code == 404
    assert ask.api("PUT", path, json={"args": []}).status_code == 422


def test_orders_to_workers(ask: Client) -> None:
    for word in ("quiet", "unquiet", "drain", "restart"):
        assert ask.api("POST", f"/workers/all/{word}").json() == {"count": 0}
        nobody = ask.api("POST", f"/workers/host:1/{word}")
        assert (nobody.status_code, nobody.json()["code"]) == (404, "worker_not_found")


def test_cancel_and_delete(ask: Client) -> None:
    job_id = ask.jobs.enqueue("add", {"left": 1, "right": 2}).id
    assert ask.api("POST", f"/{job_id}/cancel").json()["job"]["status"] == "cancelled"
    assert ask.api("POST", f"/{job_id}/cancel").status_code == 409
    assert ask.api("DELETE", f"/{job_id}").status_code == 204
    assert ask.api("DELETE", f"/{job_id}").status_code == 404


def test_queues(ask: Client) -> None:
    for _ in range(3):
        ask.jobs.enqueue("add", {"left": 1, "right": 2})
    assert ask.api("POST", "/queues/sums/pause").json() == {"changed": True}
    assert ask.api("POST", "/queues/sums/pause").json() == {"changed": False}
    (row,) = ask.api("GET", "/queues").json()["queues"]
    assert (row["queue_name"], row["size"], row["paused"]) == ("sums", 3, True)
    assert ask.api("POST", "/queues/sums/resume").json() == {"changed": True}
    asked = ask.api("POST", "/queues/sums/purge", json={})
    assert (asked.status_code, asked.json()["count"]) == (409, 3)
    assert ask.api("POST", "/queues/sums/purge", json={"confirm": 3}).json() == {"count": 3}
    assert ask.api("GET", "/queues/sums").json()["size"] == 0
    assert ask.api("GET", "/queues/a%20b").status_code == 400


def test_schedules(ask: Client) -> None:
    body = {"job_type": "add", "args": {"left": 1, "right": 2}, "cron": "0 8 * * *"}
    made = ask.api("PUT", "/schedules/morning", json={**body, "timezone": "Europe/Amsterdam"})
    assert made.status_code == 200, made.text
    assert [one["name"] for one in ask.api("GET", "/schedules").json()["schedules"]] == ["morning"]
    assert ask.api("POST", "/schedules/morning/pause").json()["schedule"]["paused"] is True
    assert ask.api("POST", "/schedules/morning/resume").json()["schedule"]["paused"] is False
    assert ask.api("POST", "/schedules/morning/fire").json()["job"]["status"] == "pending"
    edited = ask.api("PATCH", "/schedules/morning", json={"every": 60, "queue": "later"}).json()
    assert (edited["schedule"]["every"], edited["schedule"]["queue"]) == ("PT60S", "later")
    for act in ("pause", "resume", "fire"):
        assert ask.api("POST", f"/schedules/none/{act}").status_code == 404
    assert ask.api("PATCH", "/schedules/none", json={}).status_code == 404
    for wrong in ({"cron": "61 8 * * *"}, {"cron": None}, {"timezone": "Mars/Base"}):
        assert ask.api("PUT", "/schedules/x", json={**body, **wrong}).status_code in {400, 422}
    assert ask.api("DELETE", "/schedules/morning").status_code == 204
    assert ask.api("DELETE", "/schedules/morning").status_code == 404


def test_series_workers_history_health(ask: Client) -> None:
    ask.jobs.enqueue("add", {"left": 1, "right": 2})
    ask.jobs.worker().run_until_empty()
    assert ask.api("GET", "/series?minutes=5").json()["series"][0]["succeeded"] == 1
    assert ask.api("GET", "/series?minutes=1441").status_code == 400
    assert ask.api("GET", "/workers").json() == {"workers": []}
    (job,) = ask.api("GET", "/history?job_type=add").json()["jobs"]
    assert job["result"] == 3
    assert ask.api("GET", "/health").json()["status"] == "ok"


BODIES: dict[str, tuple[dict[str, Any], int, str]] = {
    "no content type": ({"content": b"{}"}, 415, "not_json"),
    "a form": ({"data": {"limit": "3"}}, 415, "not_json"),
    "no JSON": ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "malformed_json"),
    "deep": ({"content": b"[" * 500_000, "headers": {"content-type": "application/json"}}, 422, "invalid_body"),
    "no UTF-8": ({"content": b'{"queue":"\xff"}', "headers": {"content-type": "application/json"}}, 400, "malformed_json"),
    "huge": ({"content": b" " * 1_100_000, "headers": {"content-type": "application/json"}}, 413, "body_too_large"),
    "unknown field": ({"json": {"colour": "red"}}, 422, "invalid_body"),
    "another type": ({"json": {"limit": "3"}}, 422, "invalid_body"),
    "out of bounds": ({"json": {"limit": 100_001}}, 422, "invalid_body"),
    "a list": ({"json": [1]}, 422, "invalid_body"),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_a_bad_body_is_refused(peek: Client, name: str) -> None:
    given, status, code = BODIES[name]
    told = peek.api("POST", "/retry", **given)
    assert (told.status_code, told.json()["code"]) == (status, code)


def test_a_body_that_does_not_say_its_size_is_bounded_too(peek: Client) -> None:
    async def endless() -> Any:
        for _ in range(40):
            yield b" " * 65_536

    told = peek.api(
        "POST", "/retry", content=endless(), headers={"content-type": "application/json"}
    )
    assert told.status_code == 413


def test_routes_and_methods_that_are_not_there(peek: Client) -> None:
    wrong = peek.api("DELETE", "/stats")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET")
    assert peek.api("PATCH", f"/{MISSING}").headers["allow"] == "DELETE, GET"
    assert peek.api("GET", f"/{MISSING}/nothing").json()["code"] == "no_such_route"
    assert peek.api("HEAD", "/stats").status_code == 200


def test_a_store_that_is_away_is_told(tmp_path: Any) -> None:
    from boundary.jobs.web import create_app

    with Jobs("redis://127.0.0.1:1/0", config={"redis": {"timeout": 200}}) as jobs:
        ask = Client(create_app(jobs), jobs)
        for path in ("/stats", "", "/failed", f"/{MISSING}", "/health", "/schedules"):
            told = ask.api("GET", path)
            assert told.status_code == 503, path
            assert told.json()["code"] == "backend_unavailable"
            assert told.headers["retry-after"] == "1"
        assert ask.api("POST", f"/{MISSING}/retry").status_code == 503


def test_looking_changes_nothing(ask: Client, dead: Dead) -> None:
    (job_id,) = dead(1)
    ask.jobs.enqueue("add", {"left": 1, "right": 2})
    before = (ask.jobs.stats(), ask.jobs.search().jobs, ask.jobs.schedules())
    for path in (
        "/stats",
        "",
        "/failed",
        f"/{job_id}",
        "/queues",
        "/workers",
        "/schedules",
        "/series",
    ):
        assert ask.api("GET", path).status_code == 200
    assert (ask.jobs.stats(), ask.jobs.search().jobs, ask.jobs.schedules()) == before
