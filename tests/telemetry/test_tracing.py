"""Spans from an enqueue to its runs, by the real SDK, in processes of their own.

A provider of tracers can be set once a process, so each case is a program.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

SETUP = """
import json
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)
mine = trace.get_tracer("mine")

def tell(**more):
    rows = [
        dict(
            name=one.name, kind=one.kind.name, trace=one.context.trace_id, id=one.context.span_id,
            parent=one.parent and one.parent.span_id, attributes=dict(one.attributes),
            status=one.status.status_code.name,
            events=[dict(name=e.name, attributes=dict(e.attributes)) for e in one.events],
        )
        for one in spans.get_finished_spans()
    ]
    print(json.dumps({"spans": rows, **more}))
"""

JOBS = """
from boundary.jobs import Jobs
jobs = Jobs("memory://")

@jobs.handler(queue="mail")
async def send(to):
    with mine.start_as_current_span("inside"):
        pass

@jobs.handler(queue="mail")
def resize(path):
    with mine.start_as_current_span("inside"):
        pass

@jobs.handler(max_retries=0)
def breaks(secret):
    raise ValueError(f"broken by {secret}")
"""


def run(code: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def named(told: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [one for one in told["spans"] if one["name"] == name]
    return found


@pytest.mark.parametrize("handler", ["send", "resize"])
@pytest.mark.parametrize("middleware", [False, True])
def test_a_run_is_in_the_trace_of_its_enqueue(handler: str, middleware: bool) -> None:
    around = """
@jobs.middleware
async def around(ctx, call_next):
    return await call_next(ctx)
"""
    told = run(
        SETUP
        + JOBS
        + (around if middleware else "")
        + f"""
with mine.start_as_current_span("request"):
    job = {handler}.enqueue("a")
jobs.worker().run_until_empty()
tell(id=str(job.id), metadata=jobs.find(job.id).metadata, given=job.metadata)
"""
    )
    request, create = named(told, "request"), named(told, "create mail")
    process, inside = named(told, "process mail"), named(told, "inside")
    assert create["parent"] == request["id"]
    assert process["parent"] == create["id"]
    assert inside["parent"] == process["id"]
    assert {one["trace"] for one in told["spans"]} == {request["trace"]}
    assert (create["kind"], process["kind"]) == ("PRODUCER", "CONSUMER")
    assert named(told, "send mail")["kind"] == "CLIENT"
    attributes = process["attributes"]
    assert attributes.pop("boundary_jobs.worker")
    assert attributes == {
        "messaging.system": "boundary-jobs",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "mail",
        "messaging.message.id": told["id"],
        "boundary_jobs.job_type": handler,
        "boundary_jobs.attempt": 1,
        "boundary_jobs.outcome": "succeeded",
    }
    assert told["metadata"] == told["given"]
    assert told["metadata"]["traceparent"].split("-")[1] == f"{request['trace']:032x}"


def test_a_failed_run_says_so_and_no_argument_is_told() -> None:
    told = run(
        SETUP
        + JOBS
        + """
breaks.enqueue("canary-55aa")
jobs.worker().run_until_empty()
tell()
"""
    )
    process = named(told, "process default")
    assert process["status"] == "ERROR"
    assert process["attributes"]["error.type"] == "ValueError"
    assert process["attributes"]["boundary_jobs.outcome"] == "dead"
    (event,) = process["events"]
    assert event["name"] == "exception"
    assert event["attributes"]["exception.message"] == "broken by [redacted]"
    assert "canary" not in json.dumps(told)


def test_many_and_on_a_loop() -> None:
    told = run(
        SETUP
        + JOBS
        + """
import asyncio

async def main():
    async with jobs:
        await jobs.aio.enqueue_many(send.job(str(n)) for n in range(3))
        await send.using(metadata={"user": 7}).aenqueue("x")
        await jobs.worker().run(burst=True)

asyncio.run(main())
tell()
"""
    )
    creates = [one for one in told["spans"] if one["name"] == "create mail"]
    runs = [one for one in told["spans"] if one["name"] == "process mail"]
    assert len(creates) == len(runs) == 4
    assert {one["id"] for one in creates} == {one["parent"] for one in runs}


def test_without_a_provider_nothing_is_made_or_imported() -> None:
    told = run(
        "import json, sys\n"
        + JOBS.replace('with mine.start_as_current_span("inside"):', "if True:")
        + """
job = send.enqueue("a")
jobs.worker().run_until_empty()
loaded = [name for name in sys.modules if name.startswith(("opentelemetry", "prometheus"))]
print(json.dumps({"loaded": loaded, "metadata": jobs.find(job.id).metadata}))
"""
    )
    assert told == {"loaded": [], "metadata": {}}


def test_with_the_interface_alone_nothing_is_made() -> None:
    told = run(
        "import json\nfrom opentelemetry import trace\nmine = trace.get_tracer('mine')\n"
        + JOBS
        + """
job = send.enqueue("a")
jobs.worker().run_until_empty()
print(json.dumps({"metadata": jobs.find(job.id).metadata}))
"""
    )
    assert told == {"metadata": {}}
