import pytest
from app import app
from fastapi.testclient import TestClient
from tasks import build_report, send_welcome


@pytest.fixture
def client(jobs):
    with TestClient(app) as made:
        yield made


def test_an_async_route_enqueues(client, jobs):
    answer = client.post("/signup", json={"email": "ada@example.com"})
    assert answer.status_code == 202
    assert (
        str(jobs.assert_enqueued(send_welcome, email="ada@example.com").id) == answer.json()["job"]
    )


def test_a_blocking_route_enqueues_and_progress_is_seen(client, jobs):
    job = client.post("/reports", json={"rows": [1, 2, 3]}).json()["job"]
    assert client.get(f"/jobs/{job}").json()["status"] == "pending"
    jobs.drain()
    seen = client.get(f"/jobs/{job}").json()
    assert (seen["status"], seen["result"]["rows"], seen["progress"]) == ("completed", 3, 1.0)


def test_a_bad_form_enqueues_nothing(client, jobs):
    assert client.post("/reports", json={"rows": "many"}).status_code == 422
    jobs.assert_not_enqueued(build_report)


def test_a_job_nobody_knows(client):
    assert client.get("/jobs/00000000-0000-0000-0000-000000000000").status_code == 404
