"""How long each page and endpoint takes over a store with a million jobs: `python -m benchmarks.web_suite`.

Fills a store (1,000,000 finished, 100,000 queued, 10,000 dead; fewer with --scale 0.1), then asks each
route so often and says the median and the slowest. Then 50 viewers watch the overview for ten seconds:
what that costs in processor time. Last a Chromium, where there is one, opens the overview: how soon
something is painted, and how much it loads.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import UUID

import httpx
import uvicorn
from msgspec.structs import replace
from playwright.sync_api import sync_playwright

from boundary.jobs import JobError, Jobs
from boundary.jobs.core import outcome, wire
from boundary.jobs.core.operations import Claim, Enqueue, Outcome, Settle
from boundary.jobs.core.outcome import Keep, Run
from boundary.jobs.web import create_app
from devservers.single import Server
from tests.web import browsing

if TYPE_CHECKING:
    from boundary.jobs.ports import Backend

FINISHED, QUEUED, DEAD = 1_000_000, 100_000, 10_000
QUEUES = ("default", "mail", "media", "payments", "reports")
CAUSES = 25
WATCHED = 10.0
VIEWERS = 50
LIMIT_MS = 250
KEPT_MS = 86_400_000
KEEP = Keep(KEPT_MS, KEPT_MS)
TRACE = """Traceback (most recent call last):
  File "/srv/shop/tasks.py", line 7, in send_mail
    raise Error"""


def batches(count: int, size: int) -> Iterator[int]:
    """`count` in parts."""
    while count > 0:
        yield min(size, count)
        count -= size


def fill(jobs: Jobs, scale: float) -> str:
    """The store is full; the id of a dead letter."""
    door = jobs.store.blocking()
    finish(jobs, door, round(FINISHED * scale))
    dead = bury(jobs, door, round(DEAD * scale))
    enqueue(jobs, door, round(QUEUED * scale))
    return dead


def enqueue(jobs: Jobs, door: Backend, count: int) -> None:
    """So many wait."""
    place = 0
    for size in batches(count, 500):
        made = []
        for _ in range(size):
            place += 1
            args = {"order": place, "to": f"customer-{place}@example.com"}
            made.append(jobs.draft("send_mail", args, {"queue": QUEUES[place % 5]}).new)
        door.execute(Enqueue(tuple(made)))


def finish(jobs: Jobs, door: Backend, count: int) -> None:
    """So many have succeeded."""
    for size in batches(count, 500):
        enqueue(jobs, door, size)
        for part in batches(size, 250):
            claimed = door.execute(Claim("bench", None, part, 600_000, join=True)).jobs
            ended = [
                Outcome(one.id, one.token, "succeed", keep_ms=KEPT_MS, duration_ms=12.0)
                for one in claimed
            ]
            door.execute(Settle("bench", tuple(ended)))


def bury(jobs: Jobs, door: Backend, count: int) -> str:
    """So many are dead letters, of some causes; the id of the last."""
    last, place = b"", 0
    for size in batches(count, 250):
        enqueue(jobs, door, size)
        claimed = door.execute(Claim("bench", None, size, 600_000, join=True))
        ended = []
        for one in claimed.jobs:
            place += 1
            error = JobError(f"no answer for order {place}", f"Error{place % CAUSES}", TRACE)
            payload = replace(wire.decode_payload(one.payload), max_retries=0)
            ended.append(outcome.failed(Run(one, payload, claimed.now, 30.0, 0.5, KEEP), error))
            last = one.id
        door.execute(Settle("bench", tuple(ended)))
    return str(UUID(bytes=last))


def routes(dead: str) -> list[str]:
    """What is asked."""
    api = "/api/admin/jobs"
    return [
        "/", "/?range=24h", "/?range=30d", "/jobs", "/jobs?status=failed", "/jobs?status=pending",
        "/jobs?queue=mail&status=completed", "/jobs?q=customer-77777", "/jobs?q=77777", "/jobs?q=5",
        "/jobs?job_type=nobody",
        f"/jobs/{dead}", "/dead", "/queues", "/schedules", "/workers", "/audit",
        f"{api}/stats", f"{api}/failed", f"{api}?limit=200", f"{api}?text=customer-77777", f"{api}?text=77777", f"{api}/{dead}",
        f"{api}/history?job_type=send_mail", f"{api}/queues", f"{api}/workers", f"{api}/schedules",
        f"{api}/series?minutes=1440", f"{api}/series?hours=720", f"{api}/failures", f"{api}/health",
        f"{api}/audit", f"{api}/openapi.json",
    ]  # fmt: skip


async def measure(jobs: Jobs, dead: str, rounds: int) -> bool:
    """Each route so often; whether each median is within the limit."""
    fine = True
    transport = httpx.ASGITransport(create_app(jobs))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        for path in routes(dead):
            took = []
            for _ in range(rounds):
                began = time.perf_counter()
                told = await client.get(path)
                took.append((time.perf_counter() - began) * 1000)
                assert told.status_code == 200, (path, told.status_code)
            middle = statistics.median(took)
            fine &= middle <= LIMIT_MS
            mark = "" if middle <= LIMIT_MS else "  above the limit"
            shown = path.replace(dead, "{id}")
            print(f"| `{shown}` | {middle:.1f} | {max(took):.1f} |{mark}")
    await jobs.aio.close()
    return fine


async def watched(jobs: Jobs) -> None:
    """What it costs that many watch the overview."""
    app = create_app(jobs)
    config = uvicorn.Config(
        app, port=0, log_level="error", lifespan="on", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    viewers = [await asyncio.open_connection("127.0.0.1", port) for _ in range(VIEWERS)]
    for _, writer in viewers:
        writer.write(b"GET /live/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    reading = [asyncio.create_task(reader.read(-1)) for reader, _ in viewers]
    await asyncio.sleep(2)
    began = time.process_time()
    await asyncio.sleep(WATCHED)
    share = (time.process_time() - began) / WATCHED
    print(f"\n{VIEWERS} viewers of the overview: {share:.1%} of one core, readers included")
    for _, writer in viewers:
        writer.close()
    app.state.hub.end()
    server.should_exit = True
    await serving
    for task in reading:
        task.cancel()
    await jobs.aio.close()


OPENED = 5
"""How often the overview is opened, each time by a browser that has nothing of it."""


def painted(jobs: Jobs) -> None:
    """How soon a browser paints the overview, and how much it loads for it."""
    path = browsing.chromium()
    if path is None:
        print("no Chromium is here, so nothing was painted; name one with CHROMIUM=...")
        return
    seen: list[browsing.Opened] = []
    with (
        browsing.served(create_app(jobs)) as address,
        sync_playwright() as playwright,
        contextlib.closing(
            playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        ) as browser,
    ):
        for _ in range(OPENED):
            with contextlib.closing(browser.new_context()) as context:
                seen.append(browsing.open_page(context.new_page(), address + "/"))
    took = [one.painted_ms for one in seen]
    weight = sum(seen[-1].files.values()) / 1000
    print(
        f"first contentful paint of the overview: {statistics.median(took):.0f} ms in the median, "
        f"{max(took):.0f} ms at most; {weight:.0f} KB with all its files"
    )


def report(url: str, scale: float, rounds: int) -> bool:
    """Fill, ask, watch; whether all medians are within the limit."""
    with Jobs(url) as jobs:
        began = time.perf_counter()
        dead = fill(jobs, scale)
        stats = jobs.stats()
        ready = sum(row.size for row in stats.queues)
        print(
            f"\n### {url.partition(':')[0]}: {stats.total_succeeded:,} finished, {ready:,} queued, "
            f"{stats.total_failed:,} dead (filled in {time.perf_counter() - began:.0f} s)\n"
        )
        print("| route | median, ms | slowest, ms |\n|---|---|---|")
        fine = asyncio.run(measure(jobs, dead, rounds))
        asyncio.run(watched(jobs))
        painted(jobs)
        return fine


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="1: the full sizes")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--store", choices=["sqlite", "redis", "both"], default="both")
    given = parser.parse_args()
    fine = True
    if given.store != "redis":
        with tempfile.TemporaryDirectory() as folder:
            fine &= report(f"sqlite:///{folder}/jobs.db", given.scale, given.rounds)
    if given.store != "sqlite":
        with Server() as server:
            fine &= report(server.url(), given.scale, given.rounds)
    sys.exit(not fine)


if __name__ == "__main__":
    main()
