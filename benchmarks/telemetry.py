"""What telemetry costs: the same jobs drained with it and without, in turn, in one run.

python -m benchmarks.telemetry [--rounds 3] [--jobs 50000] [--variants logs,metrics,hook,on,events,all]

Each variant drains with one worker process; the ratios are to `off` of the same round, medians of the
rounds, so that a drift of the machine hits all alike. Beside the rate stands the processor time the
worker took for a job, which says the same where nobody else uses the machine, and more where others do.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import ours
from devservers.single import Server

VARIANTS = ("off", "logs", "metrics", "hook", "on", "events", "all", "traces")
"""`on` is what a worker in production has: logs, metrics and a hook. `events` is somebody who follows
every event of every job, another process on the same cores; `all` is both. `traces` are spans by the SDK
of OpenTelemetry, which go nowhere."""

PARTS = {
    "on": {"logs", "metrics", "hook"},
    "all": {"logs", "metrics", "hook", "events"},
}

DRAIN = """
import os, sys, time
wanted = set(os.environ["VARIANT"].split(","))
if "logs" in wanted:
    from boundary.jobs.shell import logs
    logs.configure("INFO", "json", open(os.devnull, "w"))
if "traces" in wanted:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Nowhere(SpanExporter):
        def export(self, spans):
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    trace.set_tracer_provider(provider)
from benchmarks import tasks
from boundary.jobs.shell import loops

told = [0]
if "hook" in wanted:
    @tasks.jobs.on_event("dead", "failed", "retrying")
    def report(event, error):
        told[0] += 1

port = None
if "metrics" in wanted:
    from boundary.jobs.shell.telemetry import exposition, health  # loaded once, not for each job
    import prometheus_client
    port = int(os.environ["PORT"])
sys.stdin.readline()
began, used = time.monotonic(), time.process_time()
loops.run(tasks.jobs.worker().run(burst=True, health_port=port))
print(time.monotonic() - began, time.process_time() - used)
"""

FOLLOW = """
import os, sys
from boundary.jobs import Jobs

seen = 0
with Jobs(os.environ["BOUNDARY_JOBS_URL"]).events(timeout=3) as events:
    print("listening", flush=True)
    for event in events:
        seen += 1
print(seen, events.lost)
"""


def drain(url: str, count: int, variant: str) -> tuple[float, float, str]:
    """Jobs a second, processor time for a job in microseconds, and what a follower heard."""
    parts = PARTS.get(variant, {variant})
    told = {"VARIANT": ",".join(parts), "PORT": str(_port())}
    environ = {**os.environ, "BOUNDARY_JOBS_URL": url, **told}
    ours.enqueue_bulk(url, count)
    with contextlib.ExitStack() as stack:
        follower = None
        if "events" in parts:
            follower = stack.enter_context(_process(FOLLOW, environ))
            assert follower.stdout is not None
            follower.stdout.readline()
        with _process(DRAIN, environ) as worker:
            out, _ = worker.communicate("go\n")
        heard = "" if follower is None else follower.communicate()[0].strip()
    took, used = map(float, out.split())
    return count / took, used / count * 1e6, heard


def _port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _process(code: str, environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environ,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _redis() -> Iterator[str]:
    with Server() as server:
        yield server.url()


@contextlib.contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="boundary-jobs-bench-") as folder:
        yield f"sqlite:///{Path(folder, 'jobs.db')}"


def main() -> None:
    """Run the rounds and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.telemetry", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=50_000)
    parser.add_argument("--variants", default=",".join(VARIANTS), help="with commas between")
    options = parser.parse_args()
    variants = ["off", *(name for name in options.variants.split(",") if name != "off")]
    print(f"load before it began: {os.getloadavg()[0]:.1f}")
    for name, opened in (("redis", _redis), ("sqlite", _sqlite)):
        rows: dict[str, list[tuple[float, float]]] = {variant: [] for variant in variants}
        heard: dict[str, str] = {}
        for _ in range(options.rounds):
            for variant in variants:
                with opened() as url:
                    rate, used, heard[variant] = drain(url, options.jobs, variant)
                rows[variant].append((rate, used))
        print(f"\n{name}, medians of {options.rounds}; parts are of `off`:")
        print(f"{'':>8} {'jobs/s':>9} {'part':>6} {'us a job':>9} {'part':>6}")
        for variant, row in rows.items():
            print(f"{variant:>8} {_columns(row, rows['off'])}  {heard[variant]}")


def _columns(row: list[tuple[float, float]], off: list[tuple[float, float]]) -> str:
    rates, parts, used, more = zip(
        *((rate, rate / o, cpu, cpu / c) for (rate, cpu), (o, c) in zip(row, off, strict=True)),
        strict=True,
    )
    middle = statistics.median
    return f"{middle(rates):>9,.0f} {middle(parts):>6.2f} {middle(used):>9.1f} {middle(more):>6.2f}"


if __name__ == "__main__":
    main()
