"""A worker whose task is cancelled: it ends at once, whatever its store does, and leaves nothing open."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator

import pytest

from boundary.jobs import Job, Jobs
from boundary.jobs.shell import loops
from devservers.single import Server
from tests.waiting import PATIENCE, Stopwatch, eventually

SILENCE_MS = 20_000
"""How long a call may take: who waits for one of a server that stands still is found out."""

LEASE_MS = 3_000

ASKED = 0.3
"""Seconds until a server that stands still, and cannot say so, has been asked."""

AT_ONCE = 0.5
"""Seconds, of which handlers have a fifth to unwind in."""


@pytest.fixture
def server() -> Iterator[Server]:
    """One of its own, to stand still and to go on."""
    with Server() as made:
        yield made


class Scene:
    """A worker on a loop, its server, and a job for it."""

    def __init__(self, server: Server, jobs: Jobs) -> None:
        self.server = server
        self.jobs = jobs
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self._worker = jobs.worker(concurrency=1)
        self.working: asyncio.Task[None]
        self.job: Job

        @jobs.handler
        async def waits() -> None:
            self.begun.set()
            await self.may_end.wait()

        self._job = waits.job()

    def work(self) -> None:
        self.working = asyncio.get_running_loop().create_task(self._worker.run())

    async def joins(self) -> None:
        """The first call it makes."""
        self.server.pause()
        self.work()
        await asyncio.sleep(ASKED)

    async def is_idle(self) -> None:
        """It waits to be told of work."""
        await self.runs()
        self.may_end.set()
        await asyncio.sleep(ASKED)
        self.server.pause()

    async def runs(self) -> None:
        self.job = await self.jobs.aio.send(self._job)
        self.work()
        await asyncio.wait_for(self.begun.wait(), PATIENCE)

    async def runs_a_job(self) -> None:
        await self.runs()
        self.server.pause()

    async def hands_in(self) -> None:
        await self.runs_a_job()
        self.may_end.set()
        await asyncio.sleep(ASKED)

    async def beats(self) -> None:
        """Its heartbeat, in a thread, has no answer."""
        await self.runs_a_job()
        await asyncio.sleep(LEASE_MS / 3000 + ASKED)


MOMENTS = [Scene.joins, Scene.is_idle, Scene.runs_a_job, Scene.hands_in, Scene.beats]


def strangers(server: Server) -> list[str]:
    """Connections to its port."""
    said = server.call("CLIENT", "LIST")
    return [line for line in str(said).splitlines() if f"laddr={server.host}:" in line]


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
def test_a_cancelled_worker_waits_no_more_for_a_store_that_is_silent(
    server: Server,
    moment: Callable[[Scene], Awaitable[None]],
    times: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also one that is cancelled again while it leaves."""
    config = {"redis": {"timeout": SILENCE_MS}, "workers": {"lease": LEASE_MS}}
    took: list[float] = []

    async def main() -> None:
        scene = Scene(server, jobs)
        await moment(scene)
        await jobs.aio.close()
        watch = Stopwatch()
        for _ in range(times):
            scene.working.cancel()
            await asyncio.wait({scene.working}, timeout=0.02)
        with pytest.raises(asyncio.CancelledError):
            await scene.working
        took.append(watch.took())
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with Jobs(server.url(), config=config) as jobs:
        loop = loops.new_loop()
        loop.run_until_complete(main())
        loop.close()  # with nothing done for what is left on it
    gc.collect()  # a connection that is left open is a warning, and pytest makes that an error
    print(f"{moment.__name__}: {took}")
    assert took[0] < AT_ONCE
    assert not [one for one in caplog.records if one.name == "asyncio"]
    server.resume()
    eventually("no connection is left", lambda: not strangers(server))


def test_a_cancelled_worker_gives_its_jobs_back(server: Server) -> None:
    """Its lease would hold them for longer than a test does."""

    async def main() -> None:
        scene = Scene(server, jobs)
        await scene.runs()
        scene.working.cancel()
        await asyncio.wait({scene.working})
        found = await jobs.aio.find(scene.job.id)
        assert found is not None
        assert found.status == "pending"
        await jobs.aio.close()

    with Jobs(server.url(), config={"workers": {"lease": 600_000}}) as jobs:
        loops.run(main())
