"""What a seed is: workers, jobs, what clients do and when, which faults befall whom.

What belongs here: drawing all of it from the seed. What does not: carrying it out.
"""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any, NamedTuple

from boundary.jobs import RetryPolicy
from boundary.jobs.shell.settings import (
    RetentionSettings,
    ScheduledSettings,
    Settings,
    WorkerSettings,
)
from tests.simulation.faults import Mix

HOUR = 3_600_000
CLIENTS = 2
QUICK = RetryPolicy("constant", 0.05, 0.05)
SLOW = RetryPolicy("constant", 0.8, 0.8)
FOREVER = 100 * HOUR


class JobPlan(NamedTuple):
    """A job to be asked for.

    Attributes:
        kind: "task", "blocking", "unknown" (no handler) or "garbage" (an unreadable payload).
        options: For the handler's `using`.
    """

    number: int
    kind: str
    steps: list[list[Any]]
    options: dict[str, Any]


class Action(NamedTuple):
    """Something a client does at an instant (seconds)."""

    at: float
    what: str
    job: JobPlan | None = None
    target: int = 0


class Plan(NamedTuple):
    """Everything that is drawn from a seed."""

    seed: int
    settings: Settings
    mix: Mix
    workers: int
    concurrency: int
    skews: tuple[int, ...]
    scripts: tuple[tuple[Action, ...], ...]
    calm_at: float
    restarts: tuple[tuple[float, float, float, bool], ...]
    stops: tuple[tuple[float, int, str, float], ...]

    @property
    def lease(self) -> float:
        """Seconds."""
        return self.settings.workers.lease / 1000


@cache
def _settings(lease: int, poll: int, shutdown: int, max_crashes: int) -> Settings:
    return Settings(
        url="memory://",
        workers=WorkerSettings(
            lease=lease,
            poll_interval=poll,
            shutdown_timeout=shutdown,
            max_crashes=max_crashes,
            max_unhandled=300,
        ),
        scheduled_processor=ScheduledSettings(interval=500),
        retention=RetentionSettings(finished=FOREVER, dead=FOREVER),
    )


def draw(seed: int) -> Plan:
    """The plan of a seed."""
    chance = Random(seed)
    lease = chance.choice((600, 600, 1_000))
    settings = _settings(
        lease, chance.choice((100, 400)), chance.choice((100, 600)), chance.choice((1, 2, 3))
    )
    mix = Mix(chance, lease / 1000 * chance.choice((0.1, 0.2, 0.3)))
    calm_at = lease / 1000 * 5
    workers = chance.choice((1, 2, 2, 3))
    spans = LONG if chance.random() < 0.25 else SPANS
    skewed = "skew" in mix.kinds
    skews = tuple(
        chance.choice((-HOUR, HOUR)) if skewed and chance.random() < 0.7 else 0
        for _ in range(workers + CLIENTS)
    )
    return Plan(
        seed,
        settings,
        mix,
        workers,
        chance.choice((1, 2, 4)),
        skews,
        _scripts(chance, calm_at, spans),
        calm_at,
        _restarts(chance, calm_at) if "restart" in mix.kinds else (),
        (
            *_stops(chance, mix, calm_at, workers, lease / 1000),
            *_loss(chance, mix, calm_at, workers, lease / 1000, spans),
        ),
    )


# Jobs


SPANS = (0.0, 0.0, 0.01, 0.05, 0.2, 0.5, 1.2, 2.5)
LONG = (0.5, 2.5, 2.5, 2.5)
"""Longer than a lease: what goes on without one, is seen to."""


def _steps(chance: Random, spans: tuple[float, ...]) -> list[list[Any]]:
    """What the first, second … run does."""
    if spans is LONG and chance.random() < 0.7:
        return [["ok", chance.choice(spans)]]
    count = chance.choice((0, 0, 0, 1, 1, 2, 3))
    before = [
        [_DETOURS[int(chance.random() * len(_DETOURS))], chance.choice(spans)] for _ in range(count)
    ]
    end = _ENDS[int(chance.random() * len(_ENDS))]
    return [*before, [end, chance.choice(spans)]]


_DETOURS = ("fail", "fail", "again", "snooze", "snooze", "die", "block", "report")
_ENDS = ("ok",) * 12 + ("linger", "report", "fail", "fail", "discard", "cancel", "die", "block")


def _job(chance: Random, number: int, spans: tuple[float, ...]) -> JobPlan:
    kind = chance.choice(("task",) * 12 + ("blocking", "blocking", "unknown", "garbage"))
    options: dict[str, Any] = {"max_retries": chance.choice((0, 1, 2, 3)), "retry": QUICK}
    if chance.random() < 0.4:
        options["retry"] = SLOW
    if chance.random() < 0.25:
        options["delay"] = chance.random() * 1.5
    if chance.random() < 0.15:
        options["timeout"] = 0.25
    if chance.random() < 0.1:
        options["expires"] = 0.4
    if chance.random() < 0.1:
        options["keep_result"] = 0.0
    if chance.random() < 0.3:
        options["queue"] = "other"
    options["priority"] = chance.choice(("normal", "normal", "high", "low"))
    return JobPlan(number, kind, _steps(chance, spans), options)


# Clients


def _scripts(
    chance: Random, calm_at: float, spans: tuple[float, ...]
) -> tuple[tuple[Action, ...], ...]:
    """One client that brings jobs in, one that operates."""
    count = chance.choice((2, 4, 6) if spans is LONG else (4, 6, 8, 12))
    burst = chance.random() < 0.4
    end = 0.3 if burst else calm_at * 0.8
    brings = [
        Action(chance.random() * end, "enqueue", _job(chance, one, spans)) for one in range(count)
    ]
    if chance.random() < 0.3:
        brings.append(Action(0.0, "schedule", None, chance.choice((150, 400))))
        brings.append(Action(calm_at, "unschedule"))
    failing = [one.job.number for one in brings if one.job and one.job.steps[0][0] == "fail"]
    numbers = [*range(count), *failing * 3]
    acts = [
        Action(chance.random() * calm_at, what, None, chance.choice(numbers))
        for what in (*("cancel",) * 5, *("retry",) * 3, "again", "delete", "pause")
        if chance.random() < 0.5
    ]
    acts += [Action(one.at + 0.3, "resume") for one in acts if one.what == "pause"]
    return tuple(sorted(brings, key=_at)), tuple(sorted(acts, key=_at))


def _at(action: Action) -> float:
    return action.at


# Faults that befall no single call


def _restarts(chance: Random, calm_at: float) -> tuple[tuple[float, float, float, bool], ...]:
    """(instant, seconds since the last flush, seconds down, whether each answer is flushed)."""
    always = chance.random() < 0.6
    rows: list[tuple[float, float, float, bool]] = []
    at = 0.1
    for _ in range(chance.choice((1, 2))):
        at += 0.1 + chance.random() * calm_at * 0.4
        lag = chance.random() * (0.01 if always else 0.5)
        down = chance.choice((0.02, 0.1, 0.6))
        rows.append((at, min(lag, at, 0.1 if rows else lag), down, always))
        at += down + 0.1
    return tuple(rows)


def _stops(
    chance: Random, mix: Mix, calm_at: float, workers: int, lease: float
) -> tuple[tuple[float, int, str, float], ...]:
    """(instant, machine, what, seconds)."""
    rows: list[tuple[float, int, str, float]] = []
    for kind in ("kill", "pause", "sigterm", "cut", "fuse"):
        if kind not in mix.kinds and (kind != "fuse" or "kill" not in mix.kinds):
            continue
        for _ in range(chance.choice((1, 2, 3) if kind == "cut" else (0, 1, 2))):
            at = chance.random() * calm_at
            seconds = lease * chance.choice((0.2, 0.7, 1.5, 2.5))
            rows.append((at, chance.randrange(workers + CLIENTS), kind, seconds))
    return tuple(rows)


def _loss(
    chance: Random, mix: Mix, calm_at: float, workers: int, lease: float, spans: tuple[float, ...]
) -> tuple[tuple[float, int, str, float], ...]:
    """Where jobs are long, a worker that loses its lease while it runs one."""
    if spans is not LONG or not mix.kinds or chance.random() < 0.5:
        return ()
    at = calm_at * (0.2 + chance.random() * 0.4)
    return ((at, chance.randrange(workers), chance.choice(("pause", "cut")), lease * 1.5),)
