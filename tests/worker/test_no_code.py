"""Whoever writes to the store makes registered handlers run, and nothing else runs by a name or bytes in it."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boundary.jobs import Job, Jobs
from boundary.jobs.core.operations import Enqueue
from boundary.jobs.core.wire import VERSION, NewJob, Payload, encode_payload
from tests.conftest import StoreUrl
from tests.waiting import eventually

NAMES = (
    "os.system",
    "builtins.eval",
    "builtins.exec",
    "posix:system",
    "subprocess.call",
    "trap_of_the_store",
    "trap_of_the_store.spring",
    "trap_of_the_store:spring",
)


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, store_url: StoreUrl) -> str:
    """A store that other programs can write to."""
    return store_url(request.param)


@pytest.fixture
def jobs(url: str) -> Iterator[Jobs]:
    config = {"workers": {"max_unhandled": 10}}
    with Jobs(url, config=config) as made:

        @made.handler(name="echo", max_retries=0)
        def echo(command: Any) -> Any:
            return command

        yield made


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is there once the trap's module was imported, or what it or a shell was told was done."""
    mark = tmp_path / "sprung"
    trap = f"import os\ndef spring(command=None): os.system({f'touch {mark}'!r})\nspring()\n"
    folder = tmp_path / "importable"
    folder.mkdir()
    (folder / "trap_of_the_store.py").write_text(trap)
    monkeypatch.syspath_prepend(str(folder))
    return mark


class Sprung:
    """What does something when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


def put(jobs: Jobs, job_type: str, payload: bytes, number: int) -> None:
    backend = jobs.store.blocking()
    new = NewJob(bytes([number]) * 16, job_type, "default", 1, payload)
    backend.execute(Enqueue((new,)))
    backend.close()


def dead_letters(jobs: Jobs, count: int) -> list[Job]:
    """After a worker has gone over them, and another job."""

    def worked() -> list[Job]:
        jobs.worker().run_until_empty()
        dead = jobs.failed(limit=100)
        return dead if len(dead) == count else []

    found: list[Job] = eventually("they are dead letters", worked)
    fine = jobs.enqueue("echo", {"command": 7})
    jobs.worker().run_until_empty()
    assert jobs.result(fine.id, timeout=1) == 7, "the worker goes on"
    return found


def as_it_runs(jobs: Jobs) -> set[str]:
    """The modules there are once all that a worker needs by itself was used."""
    put(jobs, "nobody", encode_payload(Payload(VERSION, {}, 0)), 101)
    put(jobs, "echo", b"\xc1", 102)
    dead_letters(jobs, 2)
    return set(sys.modules)


def test_a_type_is_never_a_name_of_something_to_call(jobs: Jobs, mark: Path) -> None:
    before = as_it_runs(jobs)
    args = {"command": f"touch {mark}"}
    for number, name in enumerate(NAMES):
        put(jobs, name, encode_payload(Payload(VERSION, args, 3)), number)
    found = dead_letters(jobs, 2 + len(NAMES))
    for name in NAMES:
        (dead,) = [one for one in found if one.job_type == name]
        assert dead.error is not None
        assert dead.error.type == "NoHandlerError"
        assert f"handler for job type {name!r}" in dead.error.message
    assert set(sys.modules) == before
    assert not mark.exists()


def test_nothing_is_unpickled(jobs: Jobs, mark: Path) -> None:
    bombs = [
        pickle.dumps(Sprung(mark), protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    ]
    before = as_it_runs(jobs)
    for number, bomb in enumerate(bombs):
        put(jobs, "echo", bomb, number)
    found = dead_letters(jobs, 2 + len(bombs))
    told = [one.error for one in found if one.id.bytes[0] < len(bombs)]
    assert len(told) == len(bombs)
    for error in told:
        assert error is not None
        assert error.type == "RecordError"
        assert "the payload cannot be read" in error.message
    assert set(sys.modules) == before
    assert not mark.exists()


def test_bytes_for_pickle_among_arguments_stay_bytes(jobs: Jobs, mark: Path) -> None:
    bomb = pickle.dumps(Sprung(mark))
    put(
        jobs,
        "echo",
        encode_payload(Payload(VERSION, {"command": {"__reduce__": bomb.hex()}}, 3)),
        1,
    )
    jobs.worker().run_until_empty()
    (job,) = jobs.search(job_type="echo").jobs
    assert (job.status, job.result) == ("completed", {"__reduce__": bomb.hex()})
    assert not mark.exists()


def test_the_traps_would_spring(mark: Path) -> None:
    """Else the tests above prove nothing."""
    pickle.loads(pickle.dumps(Sprung(mark)))
    assert mark.exists()
    mark.unlink()
    __import__("trap_of_the_store")
    sys.modules.pop("trap_of_the_store")
    assert mark.exists()
