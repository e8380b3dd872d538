"""What other languages write by docs/guides/other-languages.md, workers run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from boundary.jobs import Job, Jobs
from tests.docs.pages import DOCS, ROOT, blocks

PAGE = DOCS / "guides" / "other-languages.md"
EXAMPLE = ROOT / "examples" / "other_languages"


@pytest.fixture(params=[1, 4], ids=["whole", "partitions"])
def jobs(redis_url: str, request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    config = tmp_path / "boundary-jobs.toml"
    config.write_text(f"[redis]\npartitions = {request.param}\n")
    with Jobs(redis_url, config=config) as made:
        made.stats()  # the namespace is there
        yield made


def ran(jobs: Jobs, id: str) -> Job:
    """The job, once a worker has had its turn."""
    got: list[tuple[str, str]] = []

    @jobs.handler
    def send_email(to: str, subject: str = "Hi") -> str:
        got.append((to, subject))
        return to

    jobs.worker().run_until_empty()
    job = jobs.find(id)
    assert job is not None
    assert got in ([], [("ada@example.com", "Hi")])
    return job


def test_the_bytes_of_the_page_are_a_job(
    jobs: Jobs, redis_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    ((_, code),) = blocks(PAGE)[0]
    exec(code.replace("redis://localhost:6379/0", redis_url), {"__name__": "page"})
    id = capsys.readouterr().out.strip()
    job = ran(jobs, id)
    assert (job.status, job.result, job.queue, job.max_retries) == (
        "completed",
        "ada@example.com",
        "default",
        3,
    )


@pytest.fixture(scope="session")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, with what it needs."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not here: no JavaScript to enqueue from")
    folder = tmp_path_factory.mktemp("javascript") / "app"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules"))
    fetched = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=90,
    )
    if fetched.returncode != 0:
        pytest.skip(f"npm could not fetch the packages: {fetched.stderr[-300:]}")
    script = subprocess.check_output([sys.executable, "-m", "boundary.jobs", "script"], text=True)
    (folder / "admit.lua").write_text(script)
    return folder


def node(folder: Path, url: str, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        ["node", "enqueue.mjs", *arguments],
        cwd=folder,
        env={**os.environ, "BOUNDARY_JOBS_URL": url},
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.timeout(150)
def test_jobs_from_javascript_run(jobs: Jobs, redis_url: str, javascript: Path) -> None:
    id = str(uuid.uuid4())
    args = '{"to": "ada@example.com"}'
    options = '{"queue": "mails", "priority": "high", "maxRetries": 7}'
    code, said = node(javascript, redis_url, "send_email", args, options, id)
    assert (code, said) == (0, f"{id} enqueued\n")
    again = node(javascript, redis_url, "send_email", args, options, id)
    assert again == (0, f"{id} was known, and stays as it is\n")
    job = jobs.find(id)
    assert job is not None
    assert (job.queue, job.priority, job.max_retries) == ("mails", "high", 7)
    assert ran(jobs, id).status == "completed"
    assert jobs.stats().total_succeeded == 1


@pytest.mark.long
@pytest.mark.timeout(150)
def test_a_job_from_javascript_waits_until_it_is_due(
    jobs: Jobs, redis_url: str, javascript: Path
) -> None:
    args, later = '{"to": "ada@example.com"}', '{"delay": 3600000}'
    id = node(javascript, redis_url, "send_email", args, later)[1].split()[0]
    job = ran(jobs, id)
    assert job.status == "pending"
    assert job.execute_at is not None
    wait = job.execute_at - datetime.now(UTC)
    assert timedelta(minutes=59) < wait < timedelta(minutes=61)


@pytest.mark.long
@pytest.mark.timeout(150)
def test_javascript_does_not_write_into_a_namespace_nobody_opened(
    redis_url: str, javascript: Path
) -> None:
    code, said = node(javascript, redis_url, "send_email", "{}")
    assert code == 1
    assert 'records of format ""' in said
