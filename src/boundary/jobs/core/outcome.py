"""How the end of a run becomes an `Outcome`: complete, retry, snooze, discard or dead letter.

What belongs here: the one decision every run ends in. What does not: running the handler, and
what a store does with the outcome.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from boundary.jobs.core import lifecycle, retry, trails, wire
from boundary.jobs.core.causes import fingerprint
from boundary.jobs.core.nesting import NESTING_LIMIT, is_too_deep
from boundary.jobs.core.operations import Outcome
from boundary.jobs.core.records import JobError
from boundary.jobs.core.steering import Cancel, Discard, Retry, Snooze, Steer
from boundary.jobs.core.values import JSON
from boundary.jobs.core.wire import Millis, Payload, Record

UNHANDLED_DELAY_MS = 5_000


class Keep(Struct, frozen=True):
    """How long finished records stay (ms): dead letters, and all others."""

    finished: int
    dead: int


def kept(payload: Payload, keep: Keep) -> int:
    """How long (ms) the record of a job stays that ends well."""
    own = payload.keep_ms
    return keep.finished if own is None else own


class Run(Struct, frozen=True, gc=False):
    """A run that has ended.

    Attributes:
        now: The store's time at its end, as well as the worker knows it.
        duration_ms: How long it took.
        u: In [0, 1), for the jitter of a retry.
    """

    record: Record
    payload: Payload
    now: Millis
    duration_ms: float
    u: float
    keep: Keep

    @property
    def ended(self) -> Millis:
        """When it ended; a worker's idea of the store's time may lag behind its claim."""
        return max(self.now, self.record.started or self.now)

    def row(self, event: str) -> trails.RunRow:
        """The run as its job remembers it, ended with this event."""
        record = self.record
        return record.retry_count + 1, record.worker, record.started, self.ended, event

    @property
    def keep_ms(self) -> int:
        """How long this job's record stays if it ends well."""
        return kept(self.payload, self.keep)


def waited(record: Record) -> int:
    """How long (ms) the run of a claimed job was waited for since it was wanted.

    It was wanted at its instant, or when it came in, or when its last run ended. Of a dead letter
    that was retried nobody knows since when: 0.
    """
    since = max(record.created, record.execute_at or 0)
    if record.trail:
        runs = trails.runs_of(record.trail)
        if runs and runs[-1][4] in lifecycle.DEAD:
            return 0
        since = max([since, *[ended for *_, ended, _ in runs[-1:]]])
    return max(0, (record.started or since) - since)


def succeeded(record: Record, result: JSON, keep_ms: int, duration_ms: float) -> Outcome:
    """The job is completed with `result`, a JSON value."""
    return Outcome(
        record.id,
        record.token,
        "succeed",
        trails.succeeded(record.trail, result, record.worker),
        record.retry_count,
        0,
        keep_ms,
        duration_ms,
        waited(record),
    )


def failed(run: Run, error: JobError, after_ms: int | None = None) -> Outcome:
    """The job waits for its next retry, or is a dead letter if it has none left.

    Args:
        after_ms: Wait so long instead of what the retry policy says.
    """
    record, payload = run.record, run.payload
    number = record.retry_count + 1
    exhausted = retry.next_step(record.retry_count, payload.max_retries) == "exhausted"
    row = run.row("exhaust" if exhausted else "fail")
    trail = trails.failed(record.trail, number, run.ended, error, row)
    if exhausted:
        return Outcome(
            record.id,
            record.token,
            "exhaust",
            trail,
            record.retry_count,
            keep_ms=run.keep.dead,
            duration_ms=run.duration_ms,
            wait_ms=waited(record),
            cause=fingerprint(record.job_type, error),
        )
    if after_ms is None:
        after_ms = retry.delay_ms(number, wire.retry_policy(payload.retry), run.u)
    return Outcome(
        record.id,
        record.token,
        "fail",
        trail,
        number,
        after_ms,
        run.keep_ms,
        run.duration_ms,
        waited(record),
    )


def lost(run: Run, error: JobError, max_crashes: int) -> Outcome:
    """The process a job had to itself ended in the middle of its run.

    That is a failed run, with the error that says how the process ended, and one crash more: the
    job is a dead letter after its last retry, or at `max_crashes`, whichever comes first.
    """
    record = run.record
    trail, times = trails.lost(record.trail, record.retry_count)
    run = replace(run, record=replace(record, trail=trail))
    if record.crashes + times < max_crashes:
        return failed(run, error)
    message = f"{error.message} (crash {record.crashes + times}; max_crashes is {max_crashes})"
    error = JobError(message, error.type, error.stacktrace)
    return Outcome(
        record.id,
        record.token,
        "exhaust",
        trails.failed(trail, record.retry_count + 1, run.now, error),
        record.retry_count,
        keep_ms=run.keep.dead,
        duration_ms=run.duration_ms,
    )


def steered(run: Run, answer: Steer, error: JobError) -> Outcome:
    """The job goes where its handler sent it by raising `answer`; `error` is that as text."""
    record = run.record
    match answer:
        case Retry():
            return failed(run, error, answer.after_ms)
        case Snooze():
            return Outcome(
                record.id,
                record.token,
                "snooze",
                trails.ran(record.trail, run.row("snooze")),
                record.retry_count,
                answer.delay_ms,
                run.keep_ms,
            )
        case Discard():
            row = run.row("discard")
            trail = trails.failed(record.trail, record.retry_count + 1, run.ended, error, row)
            return Outcome(
                record.id,
                record.token,
                "discard",
                trails.because(trail, answer.reason),
                record.retry_count,
                0,
                run.keep_ms,
                run.duration_ms,
                waited(record),
            )
        case Cancel():
            return cancelled(record, run.keep_ms, answer.reason, run)
        case _:
            return failed(run, error)


def cancelled(record: Record, keep_ms: int, reason: str, run: Run | None = None) -> Outcome:
    """The job is cancelled, for `reason`; `run`: if it had begun."""
    trail = trails.because(record.trail, reason, None if run is None else run.row("cancel"))
    return Outcome(record.id, record.token, "cancel", trail, record.retry_count, 0, keep_ms)


def released(record: Record, keep_ms: int, delay_ms: int = 0) -> Outcome:
    """The job goes back as if it had not been claimed: to the head of its queue, or for a while."""
    return Outcome(
        record.id, record.token, "release", record.trail, record.retry_count, delay_ms, keep_ms
    )


def interrupted(run: Run) -> Outcome:
    """The run was broken off because its worker stops; another one begins anew, and soon."""
    done = released(run.record, run.keep_ms)
    return replace(done, trail=trails.ran(done.trail, run.row("release")))


def on_last_chance(record: Record, max_crashes: int) -> bool:
    """Whether one more crash makes the job a dead letter.

    A lost worker takes all its jobs with it, and nobody knows which of them killed it. So each has
    a crash more; but its last chance every job gets apart from others in the same case: the
    culprit dies alone, its neighbours live.
    """
    return 0 < record.crashes >= max_crashes - 1


def expired(record: Record, payload: Payload) -> bool:
    """Whether the job was claimed after the instant until which it may start."""
    if payload.expires_ms is None or record.started is None:
        return False
    return record.started > record.created + payload.expires_ms


def unhandled(run: Run, known: tuple[str, ...], longest_ms: int) -> Outcome:
    """Another worker may know the job type: released for a while, dead after `longest_ms`.

    Args:
        known: The job types this worker has handlers for.
    """
    record = run.record
    trail, waited = trails.unhandled(record.trail, run.now)
    if waited >= longest_ms:
        error = JobError(
            f"no worker has had a handler for job type {record.job_type!r} for "
            f"{waited / 1000:.0f} s; this one knows {_list(known)}. Start a worker that registers "
            "it, then retry the job",
            "NoHandlerError",
        )
        return Outcome(
            record.id,
            record.token,
            "exhaust",
            trails.failed(trail, record.retry_count + 1, run.now, error),
            record.retry_count,
            keep_ms=run.keep.dead,
            cause=fingerprint(record.job_type, error),
        )
    delay = min(UNHANDLED_DELAY_MS, max(longest_ms // 4, 1))
    return Outcome(
        record.id, record.token, "release", trail, record.retry_count, delay, run.keep_ms
    )


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names[:20]) or "none"


def is_refused(record: Record, payload: Payload) -> bool:
    """Whether no handler gets the arguments, which another program nested without a limit."""
    return is_too_deep(payload.args, record.payload, NESTING_LIMIT + 1)


def refused(run: Run) -> Outcome:
    """The job `is_refused`: a dead letter at once, for another run would get the same."""
    record = run.record
    error = JobError(
        f"the arguments of {record.job_type} are nested in more than {NESTING_LIMIT} levels, and "
        "it was not run; enqueue it with flat ones, or edit them and retry it",
        "SerializationError",
    )
    return Outcome(
        record.id,
        record.token,
        "exhaust",
        trails.failed(record.trail, record.retry_count + 1, run.now, error),
        record.retry_count,
        keep_ms=run.keep.dead,
        cause=fingerprint(record.job_type, error),
    )


def quarantined(record: Record, keep_ms: int) -> Outcome:
    """The record cannot be read: a dead letter with its bytes as they are."""
    return Outcome(
        record.id, record.token, "quarantine", record.trail, record.retry_count, keep_ms=keep_ms
    )
