"""The pages: what they show, what their buttons do, and that looking changes nothing."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote, urlencode

import pytest

from boundary.jobs import Jobs
from boundary.jobs.core.operations import Claim
from boundary.jobs.shell.web.pages.acting import ACTIONS
from boundary.jobs.web import TokenAuth, create_app
from tests.web.conftest import Client

Dead = Callable[[int], list[str]]
FORM = {"content-type": "application/x-www-form-urlencoded"}
MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
PAGES = ("/", "/?range=24h", "/?range=30d", "/jobs", "/jobs?status=failed", "/dead", "/queues",
         "/schedules", "/workers", "/audit")  # fmt: skip


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", " ", page))


@pytest.mark.parametrize("path", PAGES)
def test_each_page_of_an_empty_store(peek: Client, path: str) -> None:
    told = peek("GET", path)
    assert told.status_code == 200
    assert told.headers["content-type"] == "text/html; charset=utf-8"
    assert not re.search(r"<style|<script(?! src=)|\son\w+=|style=", told.text)
    assert len(told.content) < 40_000


def test_pages_and_files_are_small(ask: Client, dead: Dead) -> None:
    dead(60)
    page = ask("GET", "/").text
    files = re.findall(r'(?:href|src)="(/static/[^"]*)"', page)
    sizes = [len(ask("GET", html.unescape(file)).content) for file in files]
    assert len(sizes) == 3
    assert len(page) + sum(sizes) < 150_000
    assert len(ask("GET", "/jobs").content) < 150_000


def test_a_file_may_be_kept_for_good(peek: Client) -> None:
    (path,) = re.findall(r'href="(/static/dashboard.css[^"]*)"', peek("GET", "/").text)
    told = peek("GET", path)
    assert told.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert told.headers["content-type"].startswith("text/css")
    assert peek("GET", "/static/../app.py").status_code == 404
    assert peek("GET", "/static/nothing.js").status_code == 404


def test_markup_is_shown_not_run(small: Jobs, peek: Client) -> None:
    @small.handler(name="bad", max_retries=0)
    def bad(text: str) -> None:
        raise ValueError(text)

    failed = small.enqueue("bad", {"text": MARKUP}, metadata={MARKUP: MARKUP})
    waits = small.enqueue("other", {MARKUP: [MARKUP]}, delay=100)
    small.schedule("s", handler="bad", args={"text": MARKUP}, every=60)
    small.worker().run_until_empty()
    for path in (*PAGES, f"/jobs/{failed.id}", f"/jobs/{waits.id}", f"/jobs?q={MARKUP}", f"/jobs?queue={MARKUP}",
                 f"/jobs/{MARKUP}", f"/{MARKUP}", f"/dead?job_type={MARKUP}"):  # fmt: skip
        told = peek("GET", path.replace("#", ""))
        assert "<script>alert" not in told.text, path
        assert "<img" not in told.text, path


def test_one_job(ask: Client, dead: Dead) -> None:
    (job_id,) = dead(1)
    told = ask("GET", f"/jobs/{job_id}")
    text = text_of(told.text)
    assert "It failed for good" in text
    assert "ConnectionError" in text
    assert "hunter2" not in told.text
    assert "failed for good" in text
    assert "Retry" in text
    assert ask("GET", "/jobs/nonsense").status_code == 400
    assert ask("GET", "/jobs/01932c5e-7a3c-7b3e-9a6e-0d5ff2f0a001").status_code == 404


def test_the_trace_a_job_belongs_to_is_shown(peek: Client) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    for parent, known in (
        (f"00-{trace}-b7ad6b7169203331-01", True),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", False),
        ("nonsense", False),
        (7, False),
        (None, False),
    ):
        metadata = {} if parent is None else {"traceparent": parent}
        job = peek.jobs.enqueue("add", {"left": 1, "right": 2}, metadata=metadata)
        page = peek("GET", f"/jobs/{job.id}").text
        assert (f"<dt>Trace</dt><dd><code>{trace}</code></dd>" in page) is known, parent
        assert ("<dt>Trace</dt>" in page) is known, parent


def test_a_search_for_an_id_leads_to_the_job(ask: Client) -> None:
    job_id = ask.jobs.enqueue("add", {"left": 1, "right": 2}).id
    told = ask("GET", "/jobs", params={"q": f" {job_id} ", "status": ""})
    assert (told.status_code, told.headers["location"]) == (303, f"/jobs/{job_id}")


@pytest.mark.parametrize(
    ("query", "status"),
    [("queue=a%20b", 400), ("job_type=%3Cb%3E", 400), ("status=asleep", 400), ("colour=red", 400),
     ("cursor=x", 400), ("q=" + "x" * 201, 400), ("within=2h", 400), ("q=&status=&queue=", 200)],
)  # fmt: skip
def test_conditions_that_are_none(peek: Client, query: str, status: int) -> None:
    told = peek("GET", f"/jobs?{query}")
    assert told.status_code == status
    assert told.headers["content-type"].startswith("text/html")


def test_buttons(ask: Client, dead: Dead) -> None:
    (job_id,) = dead(1)

    def press(path: str, **form: str) -> str:
        told = ask("POST", path, data={"back": "/queues?x=1", **form})
        assert (told.status_code, told.headers["location"]) == (303, "/queues?x=1")
        ask.cookies = {"boundary-jobs-note": told.cookies["boundary-jobs-note"]}
        page = text_of(ask("GET", "/queues").text)
        ask.cookies = {}
        return page

    assert "send_mail waits in mail again" in press(f"/jobs/{job_id}/retry")
    assert "only a failed job can be retried" in press(f"/jobs/{job_id}/retry")
    assert "mail is paused" in press("/queues/mail/pause")
    assert "mail was paused already" in press("/queues/mail/pause")
    assert "mail is served again" in press("/queues/mail/resume")
    assert "1 jobs wait in mail by now, not 0" in press("/queues/mail/purge", confirm="0")
    assert "confirm is a whole number" in press("/queues/mail/purge", confirm="-1")
    assert "is cancelled and will not run" in press(f"/jobs/{job_id}/cancel")
    assert "is gone" in press(f"/jobs/{job_id}/delete")
    assert "no job" in press(f"/jobs/{job_id}/delete")
    (act,) = [one for one in ask.jobs.audit() if one.what == "delete"]
    assert (act.by, act.target) == ("local", job_id)
    assert "Undone: 1 is as it was." in press(f"/audit/{act.id}/undo")
    assert "it has been undone" in press(f"/audit/{act.id}/undo")
    assert ask.jobs.find(job_id) is not None
    ask.jobs.schedule("s", handler="add", args={"left": 1, "right": 1}, every=60)
    assert "s is paused" in press("/schedules/s/pause")
    assert "s ticks again" in press("/schedules/s/resume")
    assert "add waits in sums now" in press("/schedules/s/fire")
    assert "s stays as it was" in press("/schedules/s/edit", every="60", queue="", misfire="once")
    edited = press("/schedules/s/edit", every="90", queue="sums", priority="high", cron=" ")
    assert "s is changed: every, priority" in edited
    assert "a number of seconds, not 'soon'" in press("/schedules/s/edit", every="soon")
    assert "not both" in press("/schedules/s/edit", every="30", cron="* * * * *")
    assert "s is changed: cron, timezone" in press(
        "/schedules/s/edit", every="", cron="0 8 * * *", timezone="Europe/Amsterdam"
    )
    (one,) = ask.jobs.schedules()
    assert (one.cron, one.every, one.timezone) == ("0 8 * * *", None, "Europe/Amsterdam")
    page = ask("GET", "/schedules").text
    for at in one.upcoming(5):
        assert f"{at:%Y-%m-%d %H:%M:%S} UTC" in page
    assert "no schedule is called 'none'" in press("/schedules/none/edit", every="1")
    assert "s ticks no more" in press("/schedules/s/delete")
    audit = text_of(ask("GET", "/audit").text)
    for what in ("pause schedule", "resume schedule", "fire schedule", "unschedule"):
        assert what in audit
    assert "no schedule is called 's'" in press("/schedules/s/delete")
    assert "has left meanwhile" in press("/workers/nobody:1/quiet")


def test_a_group_is_retried_and_deleted(ask: Client, dead: Dead) -> None:
    dead(5)
    (group,) = ask.jobs.failure_groups()
    page = ask("GET", "/dead").text
    assert f'name="fingerprint" value="{html.escape(group.fingerprint)}"' in page
    form = {"fingerprint": group.fingerprint, "back": "/dead"}

    def press(path: str, **more: str) -> str:
        told = ask("POST", path, data={**form, **more})
        return unquote(told.cookies["boundary-jobs-note"])

    assert "3 dead letters wait again" in press("/dead/retry", limit="3")
    assert "the rate is a number" in press("/dead/retry", rate="fast")
    assert "rate is jobs a second" in press("/dead/retry", rate="0")
    assert "confirm says how many" in press("/dead/delete", confirm="0")
    assert "2 dead letters are gone" in press("/dead/delete", confirm="9")
    assert ask.jobs.queue_stats("mail").size == 3
    retried, deleted = [one.what for one in ask.jobs.audit()][::-1]
    assert (retried, deleted) == ("retry", "delete")


def test_of_a_group_only_the_jobs_that_were_shown_are_acted_on(ask: Client, dead: Dead) -> None:
    dead(2)
    for to in ("a", "b"):
        ask.jobs.enqueue("send_mail", {"to": to}, queue="other")
    ask.jobs.worker().run_until_empty()
    (group,) = ask.jobs.failure_groups(queue="other")
    assert group.count == 2
    page = ask("GET", "/dead", params={"queue": "other"}).text
    assert page.count('name="queue" value="other"') == 2
    assert 'name="limit" value="2"' in page
    assert 'name="confirm" value="2"' in page
    form = {"fingerprint": group.fingerprint, "queue": "other", "limit": "1", "confirm": "5"}
    for act in ("retry", "delete"):
        ask("POST", f"/dead/{act}", data=form)
    assert ask.jobs.queue_stats("other").size == 1
    (left,) = ask.jobs.failure_groups()
    assert (left.queues, left.count) == (("mail",), 2)


def test_edited_arguments_keep_what_was_hidden(ask: Client) -> None:
    job_id = ask.jobs.enqueue("send_mail", {"to": "a@b.c", "token": "canary"}).id
    ask.jobs.worker().run_until_empty()
    page = ask("GET", f"/jobs/{job_id}").text
    assert "canary" not in page
    given = {"args": '{"to": "d@e.f", "token": "[redacted]"}', "back": "/"}
    assert ask("POST", f"/jobs/{job_id}/edit", data=given).status_code == 303
    job = ask.jobs.find(job_id)
    assert job is not None
    assert (job.status, job.args) == ("pending", {"to": "d@e.f", "token": "canary"})
    for wrong in ("{", "[]", '{"nobody": 1}', "\ud800", "[" * 9000):
        ask(
            "POST",
            f"/jobs/{job_id}/edit",
            content=f"args={quote(wrong, errors='replace')}",
            headers=FORM,
        )
    assert ask.jobs.find(job_id) == job


@pytest.mark.parametrize(
    "back",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "evil",
        "/a\r\nb",
        "javascript:1",
    ],
)
def test_nobody_is_led_elsewhere(peek: Client, back: str) -> None:
    assert peek("POST", "/queues/a/pause", data={"back": back}).headers["location"] == "/"


def test_forms_that_are_none(peek: Client) -> None:
    for given in ({"json": {}}, {"content": b"x" * 1_200_000, "headers": FORM}, {"content": b"\xff=1", "headers": FORM},
                  {"content": b"a=1&" * 100, "headers": FORM}):  # fmt: skip
        assert peek("POST", "/queues/mail/pause", **given).status_code in {303, 413}
    assert not peek.jobs.queue_stats("mail").paused


@pytest.mark.parametrize("path", ACTIONS)
def test_only_operators_press_buttons(small: Jobs, path: str) -> None:
    ask = Client(create_app(small, TokenAuth("operator", "viewer")), small)
    there = path.format(
        id="01932c5e-7a3c-7b3e-9a6e-0d5ff2f0a001", name="mail", worker="w:1", number=1
    )
    given: dict[str, Any] = {"data": {"back": "/"}}
    assert ask("GET", there, headers={"authorization": "Bearer operator"}).status_code in {404, 405}
    assert ask("POST", there, **given).headers["location"] == "/sign-in?refused=yes"
    viewer = ask("POST", there, headers={"authorization": "Bearer viewer"}, **given)
    assert viewer.status_code == 403
    cross = ask("POST", there, headers={"sec-fetch-site": "cross-site"}, **given)
    assert cross.status_code == 403
    assert (
        ask("POST", there, headers={"authorization": "Bearer operator"}, **given).status_code == 303
    )


@pytest.mark.parametrize("path", [*PAGES, "/nothing"])
def test_pages_want_a_role(small: Jobs, path: str) -> None:
    ask = Client(create_app(small, TokenAuth("operator", "viewer")), small)
    told = ask("GET", path)
    wanted = "" if path == "/" else f"?{urlencode({'next': path})}"
    assert (told.status_code, told.headers["location"]) == (303, f"/sign-in{wanted}")
    shown = ask("GET", path, headers={"authorization": "Bearer viewer"})
    assert shown.status_code in {200, 404}
    assert 'method="post" action="/queues' not in shown.text


def test_signing_in_and_out(small: Jobs) -> None:
    small.enqueue("add", {"left": 1, "right": 2})
    ask = Client(create_app(small, TokenAuth("operator", "viewer")), small)
    assert ask("GET", "/sign-in").status_code == 200
    wrong = ask("POST", "/sign-in", data={"token": "guess"})
    assert wrong.status_code == 401
    assert "no token known here" in wrong.text
    right = ask("POST", "/sign-in", data={"token": "viewer"})
    assert right.status_code == 303
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(right.headers["set-cookie"].split("; "))
    cookie = right.cookies["boundary-jobs"]
    assert "viewer" not in cookie
    ask.cookies = {"boundary-jobs": cookie}
    assert ask("GET", "/queues").status_code == 200
    assert ask("POST", "/queues/sums/pause", data={}).status_code == 403
    until, _, mark = cookie.partition(".")
    for forged in (
        f"{int(until) + 9}.{mark}",
        f"{until}.{mark[:-1]}",
        "1." + mark,
        "",
        "x",
        "9" * 40 + ".",
    ):
        ask.cookies = {"boundary-jobs": forged}
        assert ask("GET", "/queues").status_code == 303
    assert (
        "secure"
        in ask("POST", "/sign-in", data={"token": "viewer"}, base="https://127.0.0.1")
        .headers["set-cookie"]
        .lower()
    )


def test_looking_changes_nothing(ask: Client, dead: Dead) -> None:
    (job_id,) = dead(1)
    ask.jobs.enqueue("add", {"left": 1, "right": 2})
    before = (ask.jobs.stats(), ask.jobs.search().jobs, ask.jobs.schedules())
    for path in (*PAGES, f"/jobs/{job_id}"):
        assert ask("GET", path).status_code == 200
    assert (ask.jobs.stats(), ask.jobs.search().jobs, ask.jobs.schedules()) == before


def test_a_store_that_is_away(tmp_path: Any) -> None:
    with Jobs("redis://127.0.0.1:1/0", config={"redis": {"timeout": 200}}) as jobs:
        ask = Client(create_app(jobs), jobs)
        told = ask("GET", "/")
        assert told.status_code == 503
        assert "data-live" in told.text
        assert ask("POST", "/queues/mail/pause", data={"back": "/"}).status_code == 303


def test_of_many_causes_none_is_passed_over_in_silence(small: Jobs, peek: Client) -> None:
    @small.handler(max_retries=0)
    def often() -> None:
        raise ValueError("often")

    for _ in range(7):
        small.enqueue(often)
    small.worker().run_until_empty()
    for number in range(60):

        @small.handler(name=f"once_{number}", max_retries=0)
        def once() -> None:
            raise ValueError("once")

        small.enqueue(once)
    small.worker().run_until_empty()
    page = text_of(peek("GET", "/dead").text)
    assert "67 jobs, 61 causes" in page
    assert "11 more, of 17 jobs" in page
    assert "often" not in page
    page = text_of(peek("GET", "/dead", params={"causes": "all"}).text)
    assert "often" in page
    assert "more, of" not in page


def test_an_undo_that_finds_nothing_to_undo_says_so(ask: Client, dead: Dead) -> None:
    (job_id,) = dead(1)
    ask("POST", f"/jobs/{job_id}/retry", data={"back": "/"})
    ask.jobs.worker().run_until_empty()  # dead again: the retry has gone on
    (act,) = ask.jobs.audit()
    told = ask("POST", f"/audit/{act.id}/undo", data={"back": "/audit"})
    ask.cookies = {"boundary-jobs-note": told.cookies["boundary-jobs-note"]}
    page = ask("GET", "/audit").text
    assert (
        '<div class="note bad" role="status"><p>Nothing is undone: 1 has gone on meanwhile.' in page
    )


def test_who_signs_in_comes_to_where_they_wanted_to_be(small: Jobs) -> None:
    ask = Client(create_app(small, TokenAuth("operator")), small)
    asked = ask("GET", "/dead?queue=mail&job_type=a%20b").headers["location"]
    form = html.unescape(ask("GET", asked).text)
    assert 'name="next" value="/dead?queue=mail&job_type=a%20b"' in form
    data = {"next": "/dead?queue=mail&job_type=a%20b"}
    wrong = ask("POST", "/sign-in", data=data | {"token": "guess"})
    assert 'value="/dead?queue=mail&job_type=a%20b"' in html.unescape(wrong.text)
    told = ask("POST", "/sign-in", data=data | {"token": "operator"})
    assert told.headers["location"] == "/dead?queue=mail&job_type=a%20b"
    for elsewhere in ("//evil.example", "https://evil.example/", "/\\evil.example"):
        data = {"next": elsewhere, "token": "operator"}
        assert ask("POST", "/sign-in", data=data).headers["location"] == "/"
        assert "evil" not in ask("GET", "/sign-in", params={"next": elsewhere}).text


def test_who_acts_and_was_signed_out_is_told_that_nothing_was_done(small: Jobs) -> None:
    ask = Client(create_app(small, TokenAuth("operator")), small)
    page = {"referer": "http://127.0.0.1:8210/queues?x=1"}
    told = ask("POST", "/queues/mail/pause", data={}, headers=page)
    assert told.headers["location"] == "/sign-in?next=%2Fqueues%3Fx%3D1&refused=yes"
    form = ask("GET", told.headers["location"]).text
    assert "so nothing was done" in form
    assert 'name="next" value="/queues?x=1"' in form
    assert not small.queue_stats("mail").paused


def test_a_stream_is_refused_and_not_led_to_a_page(small: Jobs) -> None:
    ask = Client(create_app(small, TokenAuth("operator")), small)
    assert ask("GET", "/live/queues").status_code == 401


def test_only_a_deletion_that_can_be_undone_offers_it(ask: Client) -> None:
    args = {"left": 1, "right": 2}
    running = ask.jobs.enqueue("add", args)
    waiting = ask.jobs.enqueue("add", args, queue="later")
    ask.jobs.store.blocking().execute(Claim("w", ("sums",), 1, 60_000, join=True))
    for job, says, undoable in (
        (running, "are gone for good", False),
        (waiting, "can be undone", True),
    ):
        assert says in ask("GET", f"/jobs/{job.id}").text
        told = ask("POST", f"/jobs/{job.id}/delete", data={"back": "/jobs"})
        note = unquote(told.cookies["boundary-jobs-note"])
        assert "is gone" in note
        assert ('"undo":null' not in note) is undoable
