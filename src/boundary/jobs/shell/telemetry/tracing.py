"""Spans for OpenTelemetry: from the enqueue of a job to its runs.

What belongs here: making spans by the conventions for messaging, and the W3C trace context that
travels in a job's metadata (`traceparent`, `tracestate`). What does not: setting up OpenTelemetry; a
program does, or does not, and then nothing of it is imported here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from boundary.jobs.core.events import ENDS
from boundary.jobs.core.names import shown_id
from boundary.jobs.core.telling import told_error

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

    from boundary.jobs.core.operations import Outcome
    from boundary.jobs.core.wire import Payload, Record

SYSTEM: Final = "boundary-jobs"
CONTEXT: Final = ("traceparent", "tracestate")
"""What a job's metadata may hold; a program may put its own there."""

S = TypeVar("S")
R = TypeVar("R")

Attributes: TypeAlias = "dict[str, str | int | float | bool]"


def tracer() -> Tracer | None:
    """Where spans go; None where the program has set up no provider of tracers.

    Source: semantic conventions for messaging spans, opentelemetry.io.
    """
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None or _untouched(trace):
        return None
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):
        return None
    made: Tracer = provider.get_tracer(SYSTEM, _version())
    return made


def _untouched(trace: Any) -> bool:
    """Whether nobody has set a provider, nor names one by a variable.

    As `get_tracer_provider` finds, which looks the variable up each time: a tenth of what making a job
    takes where OpenTelemetry is installed and not used.
    """
    return getattr(trace, "_TRACER_PROVIDER", trace) is None and not _named()


@cache
def _named() -> bool:
    return "OTEL_PYTHON_TRACER_PROVIDER" in os.environ


@cache
def _version() -> str:
    from importlib.metadata import version

    return version("boundary-jobs")


def created(job_type: str, queue: str, id: bytes) -> Mapping[str, str] | None:
    """What goes into the metadata of a job that is being made: the context of its own span."""
    found = tracer()
    if found is None:
        return None
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation import tracecontext

    carrier: dict[str, str] = {}
    with found.start_as_current_span(
        f"create {queue}",
        kind=SpanKind.PRODUCER,
        attributes=_attributes("create", job_type, queue, id),
    ):
        tracecontext.TraceContextTextMapPropagator().inject(carrier)
    return carrier or None


def sent(steps: Generator[S, Any, R], queue: str | None = None) -> Generator[S, Any, R]:
    """The steps of a call that enqueues, in a span of their own.

    Args:
        queue: None: several.
    """
    found = tracer()
    if found is None:
        return (yield from steps)
    from opentelemetry.trace import SpanKind

    attributes: Attributes = {
        "messaging.system": SYSTEM,
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
    }
    if queue is not None:
        attributes["messaging.destination.name"] = queue
    name = "send" if queue is None else f"send {queue}"
    with found.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=attributes):
        return (yield from steps)


def _attributes(operation: str, job_type: str, queue: str, id: bytes) -> Attributes:
    return {
        "messaging.system": SYSTEM,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": queue,
        "messaging.message.id": str(shown_id(id)),
        "boundary_jobs.job_type": job_type,
    }


class Ending:
    """A run's span, to be told how the run ended."""

    __slots__ = ("_payload", "_span")

    def __init__(self, span: Span, payload: bytes) -> None:
        self._span = span
        self._payload = payload

    def tell(self, outcome: Outcome) -> None:
        """It ended so."""
        kind = ENDS[outcome.event]
        self._span.set_attribute("boundary_jobs.outcome", kind)
        if kind not in {"retrying", "failed", "dead"}:
            return
        from opentelemetry.trace import Status, StatusCode

        error = told_error(self._payload, outcome.trail)
        if error is None:
            self._span.set_status(Status(StatusCode.ERROR))
            return
        self._span.set_status(Status(StatusCode.ERROR, f"{error.type}: {error.message}"))
        self._span.set_attribute("error.type", error.type)
        details = {"exception.type": error.type, "exception.message": error.message}
        if error.stacktrace is not None:
            details["exception.stacktrace"] = error.stacktrace
        self._span.add_event("exception", details)


class Processing:
    """Makes the span around each run, in the trace its job was enqueued in."""

    def __init__(self, tracer: Tracer) -> None:
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation import tracecontext

        self._tracer = tracer
        self._kind = SpanKind.CONSUMER
        self._propagator = tracecontext.TraceContextTextMapPropagator()

    @contextmanager
    def around(self, record: Record, payload: Payload) -> Generator[Ending]:
        """The current span is the run's, for spans its handler makes."""
        metadata = payload.metadata or {}
        carrier = {name: metadata[name] for name in CONTEXT if isinstance(metadata.get(name), str)}
        attributes = _attributes("process", record.job_type, record.queue, record.id)
        attributes["boundary_jobs.attempt"] = record.retry_count + 1
        if record.worker is not None:
            attributes["boundary_jobs.worker"] = record.worker
        with self._tracer.start_as_current_span(
            f"process {record.queue}",
            context=self._propagator.extract(carrier),
            kind=self._kind,
            attributes=attributes,
        ) as span:
            yield Ending(span, record.payload)
