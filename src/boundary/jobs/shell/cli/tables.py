"""Records as tables in a terminal.

What belongs here: which of its values a record is shown by. What does not: fetching records, and how
a value is written (`writing`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from boundary.jobs.shell.cli import writing
from boundary.jobs.shell.logs import one_line

if TYPE_CHECKING:
    from boundary.jobs.core.records import Attempt, Job
    from boundary.jobs.core.stats import QueueStats, WorkerInfo
    from boundary.jobs.core.why import Why
    from boundary.jobs.shell.hands import AuditEntry
    from boundary.jobs.shell.operator_flows import FailureGroup

OUTCOMES = {"succeed": "green", "fail": "yellow", "exhaust": "red", "discard": "red"}

SHOWN = 10
"""Lines of one kind below a job."""


def queues(rows: Sequence[QueueStats]) -> RenderableType:
    """Queues with what waits, runs and was done."""
    if not rows:
        return Text("no queue has had a job yet", style="dim")
    return writing.Fitting(
        "Queues",
        (
            "~queue",
            ">ready",
            ">later",
            ">runs",
            ">oldest",
            ">/min",
            ">done",
            ">failed",
            ">retried",
            ">avg ms",
        ),
        (
            (
                _queue(row),
                f"{row.size:,}",
                f"{row.scheduled:,}",
                f"{row.running:,}",
                writing.ago(row.oldest_ready_at).removesuffix(" ago"),
                f"{row.per_minute:,.1f}",
                f"{row.succeeded_total:,}",
                Text(f"{row.failed_total:,}", style="red" if row.failed_total else ""),
                f"{row.retried_total:,}",
                f"{row.avg_duration_ms:.1f}",
            )
            for row in rows
        ),
        least=(">avg ms", ">retried", ">/min", ">done", ">oldest", ">later", ">runs"),
    )


def _queue(row: QueueStats) -> Text:
    name = writing.text(row.queue_name)
    return Text.assemble(name, (" paused", "yellow")) if row.paused else name


def workers(rows: Sequence[WorkerInfo]) -> RenderableType:
    """Workers with what they run."""
    if not rows:
        return Text("no worker is alive; start one: boundary-jobs worker MODULE", style="yellow")
    return writing.Fitting(
        "Workers",
        ("worker", "status", ">jobs", ">slots", "~queues", "since"),
        (
            (
                f"{row.host}:{row.pid}",
                writing.status(row.status),
                len(row.running),
                row.concurrency,
                _wrapped(",".join(row.queues) or "all"),
                writing.ago(row.started_at),
            )
            for row in rows
        ),
        least=("since", ">slots"),
    )


def jobs(rows: Sequence[Job], title: str = "Jobs") -> RenderableType:
    """Jobs with their whole ids, and below each what there is to say of it."""
    if not rows:
        return Text(f"{title}: none", style="dim")
    types = max(len(job.job_type) for job in rows)
    lines = [Text(title, style="bold")]
    for job in rows:
        lines.append(
            Text.assemble(
                f"{job.id}  ",
                writing.text(job.job_type.ljust(types)),
                "  ",
                writing.status(job.status),
                " " * (10 - len(job.status)),
                (f"run {job.retry_count + 1}, {writing.ago(job.updated_at)}", "dim"),
            )
        )
        note = _note(job)
        if note.plain.strip():
            lines.append(Text.assemble("  ", note))
    return Group(*lines)


def _note(job: Job) -> Text:
    if job.error is not None and job.status in {"failed", "retrying"}:
        return writing.text(f"{job.error.type}: {job.error.message}", "red")
    if job.progress is not None and job.status == "running":
        said = f"{job.progress.fraction:.0%} {job.progress.message or ''}"
        return writing.text(said, "blue")
    return writing.text(job.reason or "", "dim")


def groups(rows: Sequence[FailureGroup]) -> RenderableType:
    """Dead letters by cause, each with its error below."""
    if not rows:
        return Text("Dead letters: none", style="dim")
    made = writing.Fitting(
        "Dead letters by cause",
        ("cause", ">count", "type", "~error", "first", "last"),
        (
            (
                row.fingerprint,
                Text(f"{row.count:,}", style="red"),
                row.job_type,
                _wrapped(f"{row.error.type}: {row.error.message}" if row.error else "-"),
                writing.ago(row.first_seen),
                writing.ago(row.last_seen),
            )
            for row in rows
        ),
        least=("first", "last", "type"),
    )
    hint = "again: boundary-jobs retry --group CAUSE --first 3 · one: boundary-jobs show ID"
    return Group(made, Text(hint, style="dim"))


def audit(rows: Sequence[AuditEntry]) -> RenderableType:
    """What operators did, the latest first: each with its whole id, and below it what was done."""
    if not rows:
        return Text("nobody has done anything yet", style="dim")
    now = datetime.now(UTC)
    lines = [Text("What operators did", style="bold")]
    for row in rows:
        state = _undoing(row, now)
        gap = "  " if state.plain else ""
        lines.append(
            Text.assemble(
                f"{row.id}  {writing.ago(row.at, now)}, ", writing.text(row.by), gap, state
            )
        )
        what = (row.what.replace("_", " "), "bold")
        lines.append(Text.assemble("  ", what, f" {row.count:,}: ", _wrapped(row.target)))
    return Group(*lines)


def _undoing(row: AuditEntry, now: datetime) -> Text:
    if row.undone_at is not None:
        return Text("undone", style="yellow")
    if row.undo_until is not None and row.undo_until > now:
        return Text("can be undone", style="green")
    return Text("")


def why(one: Why) -> RenderableType:
    """Why a job is not running: the sentence, what it rests on, and the next step."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim")
    facts.add_column(overflow="fold")
    facts.add_row("job", _wrapped(f"{one.job_id}  {one.job_type} in {one.queue}"))
    facts.add_row("status", writing.status(one.status))
    facts.add_row("reason", Text(one.reason, style="bold"))
    facts.add_row("why", _wrapped(one.sentence))
    if one.until is not None:
        facts.add_row("until", writing.local(one.until))
    for worker in one.workers[:SHOWN]:
        facts.add_row("worker", _wrapped(worker))
    for busy in one.busy_with[:SHOWN]:
        facts.add_row("busy with", _wrapped(f"{busy.job_type} {busy.job_id} on {busy.worker}"))
    facts.add_row("next", Text(one_line(one.next_step), style="green", overflow="fold"))
    return facts


def job(one: Job) -> RenderableType:
    """Everything about one job."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim")
    facts.add_column()
    for name, value in _facts(one):
        facts.add_row(name, value if isinstance(value, Text) else _wrapped(str(value)))
    runs = [_attempts(one.attempts)] if one.attempts else []
    return Group(facts, *runs, *(_failed_run(run) for run in one.errors), *_latest_trace(one))


def _attempts(rows: Sequence[Attempt]) -> RenderableType:
    return writing.table(
        "\nRuns",
        (">run", "outcome", "started", ">took", "~worker"),
        (
            (
                row.number,
                Text(row.outcome, style=OUTCOMES.get(row.outcome, "")),
                writing.local(row.started_at),
                _took(row),
                row.worker or "-",
            )
            for row in rows
        ),
    )


def _took(row: Attempt) -> str:
    if row.started_at is None:
        return "-"
    return writing.span((row.ended_at - row.started_at).total_seconds())


def _facts(one: Job) -> Iterable[tuple[str, Any]]:
    yield "id", str(one.id)
    yield "type", one.job_type
    yield "status", writing.status(one.status)
    yield "queue", f"{one.queue}, priority {one.priority}"
    yield "run", f"{one.retry_count + 1} of at most {one.max_retries + 1}"
    yield "args", _json(one.args)
    if one.metadata:
        yield "metadata", _json(one.metadata)
    for name in ("created_at", "execute_at", "started_at", "completed_at", "expires_at"):
        moment = getattr(one, name)
        if moment is not None:
            yield name.removesuffix("_at"), writing.local(moment)
    if one.progress is not None:
        yield "progress", f"{one.progress.fraction:.0%} {one.progress.message or ''}"
    if one.status == "completed":
        yield "result", _json(one.result)
    if one.reason:
        yield "reason", one.reason
    if one.crash_count:
        yield "crashes", _lost(one.crash_count)
    if one.worker:
        yield "worker", one.worker
    if one.cancel_requested:
        yield "cancelling", "it was asked to stop"


def _lost(crashes: int) -> str:
    if crashes == 1:
        return "1 worker was lost while it ran it"
    return f"{crashes} workers were lost while they ran it"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _wrapped(value: str) -> Text:
    return Text(one_line(value), overflow="fold")


def _failed_run(run: Any) -> RenderableType:
    head = (
        f"run {run.attempt} failed {writing.local(run.at)}: {run.error.type}: {run.error.message}"
    )
    return Text("\n" + one_line(head), style="red", overflow="fold")


def _latest_trace(one: Job) -> Iterable[RenderableType]:
    if one.error is None:
        return
    if not one.errors:
        yield Text("\n" + one_line(f"{one.error.type}: {one.error.message}"), style="red")
    if one.error.stacktrace:
        # Each line behind a rule, so that none passes for one of ours.
        lines = (f"│ {one_line(line)}" for line in one.error.stacktrace.splitlines())
        yield Text("\n" + "\n".join(lines), style="dim", overflow="fold")
