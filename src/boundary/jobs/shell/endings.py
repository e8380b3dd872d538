"""Which outcome a run comes to, whatever its handler does.

What belongs here: from what was returned or raised, or why a run was stopped, to its outcome. What
does not: what an end leads to (`core.outcome`), calling handlers (`calling`).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from boundary.jobs.core import outcome, wire
from boundary.jobs.core.records import JobError
from boundary.jobs.core.steering import Steer, as_job_result
from boundary.jobs.shell.failure import describe
from boundary.jobs.shell.isolation.keeper import CellLost, CellUnavailable
from boundary.jobs.shell.logs import labels

if TYPE_CHECKING:
    from collections.abc import Callable

    from boundary.jobs.core.operations import Outcome
    from boundary.jobs.core.outcome import Keep
    from boundary.jobs.core.wire import Millis, Payload, Record
    from boundary.jobs.ports import Clock
    from boundary.jobs.shell.running import Run

log: logging.Logger = logging.getLogger("boundary.jobs")

NO_PROCESS_MS = 5_000
"""How long a job waits for another chance when no process could be started for it."""


class Endings:
    """Makes the outcomes of one executor's runs.

    Args:
        time: The loop's.
        store_now: The store's time as well as it is known.
        errors: Gets what handlers raise, by the id of the job; None: nobody wants to know.
    """

    def __init__(
        self,
        *,
        keep: Keep,
        max_crashes: int,
        result_limit: int,
        clock: Clock,
        time: Callable[[], float],
        store_now: Callable[[], Millis],
        errors: dict[bytes, BaseException] | None,
    ) -> None:
        self._keep = keep
        self._max_crashes = max_crashes
        self._result_limit = result_limit
        self._clock = clock
        self._time = time
        self._store_now = store_now
        self._errors = errors

    def returned(self, run: Run, value: Any) -> Outcome:
        """The outcome of a run whose handler returned this."""
        if run.stop:
            return self.stopped(run, self.ended_run(run), None)
        if value is None:
            return self._succeeded(run, None)
        answer = as_job_result(value)
        if answer is not None and answer.error is not None:
            return outcome.failed(self.ended_run(run), answer.error)
        result = value if answer is None else answer.result
        done = self._succeeded(run, wire.json_value(result, "result"))
        if len(done.trail) > self._result_limit:
            return outcome.failed(
                self.ended_run(run),
                JobError(
                    f"the result of {run.record.job_type} takes {len(done.trail):,} bytes, more "
                    f"than {self._result_limit:,}; store it elsewhere and return where it is",
                    "PayloadTooLarge",
                ),
            )
        return done

    def raised(self, run: Run, error: BaseException) -> Outcome:
        """The outcome of a run whose handler raised this."""
        ended = self.ended_run(run)
        if self._errors is not None and not run.ended:
            self._errors[run.record.id] = error
        if run.stop:
            return self.stopped(run, ended, error)
        try:
            return self._led_to(run, ended, error)
        except Exception as second:  # noqa: BLE001 - an answer of somebody's class may lack anything
            return outcome.failed(ended, describe(second))

    def _led_to(self, run: Run, ended: outcome.Run, error: BaseException) -> Outcome:
        match error:
            case Steer():
                return outcome.steered(ended, error, describe(error))
            case CellLost():
                return self._lost(run, ended, error)
            case CellUnavailable():
                log.error("no process for %s: %s", run.record.job_type, error)
                return outcome.released(run.record, self._keep.finished, NO_PROCESS_MS)
            case _:
                return outcome.failed(ended, describe(error))

    def _lost(self, run: Run, ended: outcome.Run, error: CellLost) -> Outcome:
        message = f"the process that ran {run.record.job_type} {error}"
        log.error("%s; other jobs go on", message, extra=labels(run.record))
        return outcome.lost(ended, JobError(message, "WorkerLost"), self._max_crashes)

    def stopped(self, run: Run, ended: outcome.Run, error: BaseException | None) -> Outcome:
        """The outcome of a run that was asked to stop, and did."""
        if run.stop == "abandon":
            return outcome.interrupted(ended)
        if run.stop == "cancel":
            return outcome.cancelled(run.record, ended.keep_ms, "cancelled while it ran", ended)
        limit = (run.payload.timeout_ms or 0) / 1000
        took = ended.duration_ms / 1000
        if isinstance(error, CellLost):
            stack, how = None, f"; its process {error}"
        elif error is not None:
            stack, how = describe(error).stacktrace, ""
        else:
            stack, how = None, "; it went on after it was asked to stop"
        message = f"{run.record.job_type} ran for {took:.1f} s, its timeout is {limit:g} s{how}"
        return outcome.failed(ended, JobError(message, "TimeoutError", stack))

    def _succeeded(self, run: Run, result: Any) -> Outcome:
        run.finished = now = self._time()
        keep = outcome.kept(run.payload, self._keep)
        return outcome.succeeded(run.record, result, keep, (now - run.started) * 1000)

    def ended_run(self, run: Run) -> outcome.Run:
        """The run as it ended just now."""
        run.finished = self._time()
        return self.ended(run.record, run.payload, run.started)

    def ended(self, record: Record, payload: Payload, started: float) -> outcome.Run:
        """A run of this job, as it ended just now."""
        duration = (self._time() - started) * 1000
        now, u = self._store_now(), self._clock.u()
        return outcome.Run(record, payload, now, duration, u, self._keep)
