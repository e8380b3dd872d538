import pytest
from app import create_app
from tasks import export


@pytest.fixture
def app(tmp_path):
    made = create_app(TESTING=True, EXPORTS=tmp_path)
    with made.app_context():
        yield made


def test_an_export_is_asked_for_and_made(app, jobs, tmp_path):
    client = app.test_client()
    answer = client.post("/exports", data={"customer": "ada"})
    assert answer.status_code == 202
    jobs.assert_enqueued(export, customer="ada")
    jobs.drain(raising=True)
    assert (tmp_path / "ada.csv").read_text() == "customer\nada\n"
    assert client.get(answer.json["look"]).json == {"status": "completed", "result": "ada.csv"}


def test_a_job_nobody_knows(app):
    client = app.test_client()
    assert client.get("/jobs/00000000-0000-0000-0000-000000000000").status_code == 404
    assert client.get("/jobs/7").status_code == 400


def test_exporting_twice_is_exporting_once(app, jobs, tmp_path):
    jobs.check_idempotent(
        export.job("ada"),
        snapshot=lambda: [(path.name, path.read_text()) for path in tmp_path.iterdir()],
        reset=lambda: [path.unlink() for path in tmp_path.iterdir()],
    )
