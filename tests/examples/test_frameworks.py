"""Each example as its README says: its own tests, then a real server and a real worker on SQLite."""

from __future__ import annotations

import os
import re
import sys
import threading
from pathlib import Path

import pytest

from boundary.jobs import Jobs
from tests.examples.conftest import EXAMPLES, Place

pytestmark = pytest.mark.long


@pytest.mark.example("fastapi_app", "fastapi", "uvicorn", "httpx")
def test_fastapi(place: Place) -> None:
    import httpx

    assert "4 passed" in place.own_tests()
    place.environ["BOUNDARY_JOBS_URL"] = place.url
    with place.served("-m", "uvicorn", "app:app", "--port", "{port}") as address:
        first = httpx.post(f"{address}/signup", json={"email": "ada@example.com"}).json()["job"]
        second = httpx.post(f"{address}/reports", json={"rows": [1, 2, 3]}).json()["job"]
        assert httpx.get(f"{address}/jobs/{first}").json()["status"] == "pending"
        place.worker("tasks")
        seen = httpx.get(f"{address}/jobs/{first}").json()
        assert (seen["status"], seen["result"]) == ("completed", "sent to ada@example.com")
        assert httpx.get(f"{address}/jobs/{second}").json()["result"]["rows"] == 3
        assert httpx.get(f"{address}/jobs/7").status_code == 422


@pytest.mark.example("fastapi_app", "fastapi", "uvicorn", "httpx", "boundary.jobs.web")
def test_fastapi_serves_the_dashboard(place: Place) -> None:
    import httpx

    with place.served(
        "-m", "uvicorn", "app:app", "--port", "{port}", DASHBOARD_TOKEN="correct horse battery"
    ) as address:
        stats = f"{address}/ops/api/admin/jobs/stats"
        assert httpx.get(stats).status_code == 401
        asked = httpx.get(stats, headers={"authorization": "Bearer correct horse battery"})
        assert asked.json()["total_processed"] == 0


@pytest.mark.example("flask_app", "flask", "httpx")
def test_flask(place: Place) -> None:
    import httpx

    assert "3 passed" in place.own_tests()
    place.environ["BOUNDARY_JOBS_URL"] = place.url
    with place.served("-m", "flask", "run", "--port", "{port}") as address:
        asked = httpx.post(f"{address}/exports", data={"customer": "ada"})
        assert asked.status_code == 202
        place.worker("tasks")
        seen = httpx.get(address + asked.json()["look"]).json()
        assert seen == {"status": "completed", "result": "ada.csv"}
    assert (place.folder / "exports" / "ada.csv").read_text() == "customer\nada\n"


SERVERS = {
    "wsgi": ("orders", ["manage.py", "runserver", "--noreload", "{port}"]),
    "asgi": ("async/orders", ["-m", "uvicorn", "mysite.asgi:application", "--port", "{port}"]),
}


@pytest.mark.example("django_app", "django", "uvicorn", "httpx")
@pytest.mark.parametrize("kind", SERVERS)
def test_django(place: Place, kind: str) -> None:
    import httpx

    path, command = SERVERS[kind]
    place.run("manage.py", "migrate", "--verbosity", "0")
    with place.served(*command) as address:
        asked = httpx.post(f"{address}/{path}", data={"customer": "ada"})
        number = asked.json()["order"]
        assert httpx.get(f"{address}/orders/{number}").json()["status"] == "placed"
        # An order without a customer is an error of the view, and enqueues nothing.
        assert httpx.post(f"{address}/{path}", data={"customer": ""}).status_code == 500
        place.worker("mysite.worker")
        seen = httpx.get(f"{address}/orders/{number}").json()
        assert seen == {"status": "confirmed", "confirmations": 1}
    with Jobs(place.url) as jobs:
        assert jobs.stats().total_processed == 1


@pytest.mark.example("django_app", "django")
def test_djangos_own_tests(place: Place) -> None:
    del place.environ["BOUNDARY_JOBS_URL"]
    assert "Ran 5 tests" in place.run("manage.py", "test")
    assert not list(place.folder.glob("boundary-jobs.db*")), "a test reached the real store"


@pytest.mark.example("cron_only")
def test_cron_only(place: Place) -> None:
    assert "4 passed" in place.own_tests()
    place.environ["BOUNDARY_JOBS_URL"] = place.url
    beat = place.folder / "heartbeat.txt"
    worker = ("-m", "boundary.jobs", "worker", "nightly")
    # Two of them: a tick fires once all the same.
    with place.started(*worker, ready=beat.exists), place.started(*worker, ready=beat.exists):
        listed = place.run("-m", "boundary.jobs", "schedules", "--json")
    assert {"back_up", "heartbeat", "remind_the_team"} <= set(
        re.findall(r'"name": ?"(\w+)"', listed)
    )
    with Jobs(place.url) as jobs:
        beats = jobs.search(job_type="heartbeat", status="completed").jobs
    assert len({job.id for job in beats}) == len(beats) >= 1
    assert len({job.created_at.replace(microsecond=0) for job in beats}) == len(beats)


@pytest.mark.example("ai_worker", "httpx")
def test_ai_worker(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "11 passed" in place.own_tests()
    place.environ["BOUNDARY_JOBS_URL"] = place.url
    monkeypatch.syspath_prepend(str(place.folder))
    from fake_api import FakeApi

    with FakeApi(script=[(429, {"retry-after": "0.5"}), (429, {"retry-after": "0"})]) as api:
        threading.Thread(target=api.serve_forever, daemon=True).start()
        code = "from tasks import summarise; print(summarise.enqueue('a long text').id)"
        job = place.run("-c", code).strip()
        with Jobs(place.url) as jobs:

            def is_done() -> bool:
                found = jobs.find(job)
                return found is not None and found.status == "completed"

            worker = ("-m", "boundary.jobs", "worker", "tasks", "--concurrency", "4")
            with place.started(*worker, ready=is_done, AI_API_URL=api.url):
                pass
            done = jobs.find(job)
        api.shutdown()
    sys.modules.pop("fake_api", None)
    assert done is not None
    assert (done.result, done.retry_count) == ("a long tex", 2)
    assert done.started_at is not None
    assert (done.started_at - done.created_at).total_seconds() >= 0.5
    assert api.keys == {job: 1}


FOLDERS = sorted(path for path in EXAMPLES.iterdir() if path.is_dir() and path.name[0] not in "._")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_every_example_says_how_it_is_run(folder: Path) -> None:
    lines = (folder / "README.md").read_text().splitlines()
    assert lines[0].startswith("# ")
    assert len(lines) <= 16
    assert any(line.startswith("    ") for line in lines)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_every_command_of_a_readme_names_files_that_are_there(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    for target in re.findall(r"boundary-jobs worker ([\w.]+)", text):
        assert (folder / (target.replace(".", os.sep) + ".py")).exists(), target
    for name in re.findall(r"`([\w/]+\.(?:py|toml))`", text):
        assert (folder / name).exists(), name


@pytest.mark.example("cron_only")
def test_a_server_that_does_not_start_says_why(place: Place) -> None:
    """The fixture itself: a process that ends at once is no server."""
    with (
        pytest.raises(AssertionError, match="no such module|there is no module"),
        place.started("-m", "boundary.jobs", "worker", "nothing", ready=lambda: False),
    ):
        pass
