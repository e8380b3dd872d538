import threading
from datetime import UTC, datetime, timedelta

import pytest
from fake_api import FakeApi
from tasks import pause, summarise


@pytest.fixture
def api(monkeypatch):
    with FakeApi() as server:
        monkeypatch.setenv("AI_API_URL", server.url)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_it_waits_as_long_as_it_is_told(api, jobs):
    api.script = [(429, {"retry-after": "40"}), (429, {"retry-after": "5"})]
    start = jobs.clock.at
    job = summarise.enqueue("a long text")
    runs = jobs.run_for(minutes=2)
    assert [(one.updated_at - start).total_seconds() for one in runs] == [0, 40, 45]
    assert jobs.result(job.id) == "a long tex"


def test_a_server_that_fails_is_asked_less_and_less_often(api, jobs):
    api.script = [(503, {})] * 3
    start = jobs.clock.at
    summarise.enqueue("a long text")
    runs = jobs.run_for(minutes=2)
    assert [(one.updated_at - start).total_seconds() for one in runs] == [0, 2, 6, 14]


def test_what_no_retry_helps_is_given_up_at_once(api, jobs):
    job = summarise.enqueue("a rude text")
    jobs.drain()
    ended = jobs.find(job.id)
    assert ended.status == "failed"
    assert "refuses this text (400)" in ended.reason
    assert jobs.failed() == [], "nobody has to look after it"


def test_an_answer_that_got_lost_is_not_paid_for_again(api, jobs):
    jobs.kill_next(summarise)
    job = summarise.enqueue("a long text")
    jobs.run_for(minutes=1)
    assert jobs.result(job.id) == "a long tex"
    assert api.keys == {str(job.id): 2}, "two calls, one key"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (None, None),
        ("7", timedelta(seconds=7)),
        ("1.5", timedelta(seconds=1.5)),
        ("-3", timedelta(0)),
        ("86400", timedelta(minutes=10)),
        ("Thu, 01 Jan 2026 00:00:30 GMT", timedelta(seconds=30)),
        ("soon", None),
    ],
)
def test_a_retry_after_in_each_form(said, meant):
    assert pause(said, datetime(2026, 1, 1, tzinfo=UTC)) == meant
