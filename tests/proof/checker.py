"""One function from a history to a verdict, for simulations and for real runs.

What belongs here: what a queue that loses nothing and repeats nothing unexplained must fulfil.
What does not: how the history came about. Each rule is one function; `RULES` is the list.

    lost         acknowledged, and not there in the end
    unfinished   there, but it never reached its end
    unexpected   nobody asked for it, or the store had said no
    duplicated   it began once more than its outcomes, crashes and lost leases explain
    overlap      a run went on though its lease was over and its worker in good health
                 (one that stood still may go on, or begin what it held, for a moment)
    robbed       taken from a worker whose lease had not ended
    stale        an outcome under another token than the last one issued was accepted
    settled twice  more than one accepted end
    fired twice  one tick of a schedule, more than one job
    unearned     completed, though no run said that it had come to this end
    early        begun before its instant
    after cancel   begun though it was cancelled
    after stop   claimed and begun by a worker that had been told to stop
    too late     begun though the store had taken its outcome
    over budget  more failed runs, or more crashes, than it may have
    payload      not what was asked for
    stats        counters are not what the history adds up to
    leak         something is left after drain and prune
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from tests.proof.history import (
    AGAIN,
    ENDS,
    FATAL,
    Accepted,
    Asked,
    Began,
    Claimed,
    Counted,
    Ended,
    Event,
    Fault,
    Fired,
    History,
    Removed,
    Revived,
    RolledBack,
    Stopped,
    Stored,
    TakenBack,
)

ANEW = (Revived, RolledBack, Stored)
"""Events after which what was counted of a job does not count any more."""


class Violation(NamedTuple):
    """What is wrong, with which job ("" where it is none), in words."""

    kind: str
    job: str
    text: str


class Verdict(NamedTuple):
    """What was found, and what it was found among."""

    violations: tuple[Violation, ...]
    counts: dict[str, int]

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of violation."""
        return frozenset(one.kind for one in self.violations)

    def __str__(self) -> str:
        lines = [f"{one.kind}: {one.job} {one.text}" for one in self.violations]
        return "\n".join(lines) or f"nothing wrong in {self.counts}"


def check(history: History) -> Verdict:
    """Everything that is wrong with a history."""
    case = Case(history)
    found = [one for rule in RULES for one in rule(case)]
    return Verdict(tuple(found), case.counts())


class Life:
    """What happened to one job, in order; faults and power cuts that concern it among it."""

    def __init__(self, job: str) -> None:
        self.job = job
        self.asked: Asked | None = None
        self.known: bool | None = None
        self.events: list[Event] = []

    def runs(self) -> Iterator[tuple[int, Began]]:
        """Its runs, with their place among the events."""
        for place, event in enumerate(self.events):
            if isinstance(event, Began):
                yield place, event

    def given(self, place: int, run: Began) -> int:
        """Where the claim that brought this run stands; its own place if nobody told of it."""
        for at in range(place, -1, -1):
            one = self.events[at]
            if isinstance(one, Claimed) and one.token == run.token and one.by == run.by:
                return at
        return place

    def claims(self, place: int, run: Began) -> int:
        """How many claims before a place may have brought this run."""
        return sum(
            isinstance(one, Claimed) and one.token == run.token and one.by == run.by
            for one in self.events[:place]
        )


class Case:
    """A history, sorted by job."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.bounds = history.bounds
        self.lives: dict[str, Life] = {}
        self.kept = {one.job: one for one in history.kept}
        self.faults: dict[str, list[Fault]] = {}
        self.cuts: list[RolledBack] = []
        self.fired: list[Fired] = []
        for event in history.events:
            self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case Fired():
                self.fired.append(event)
            case Fault():
                self.faults.setdefault(event.by, []).append(event)
            case RolledBack():
                self.cuts.append(event)
                for life in self.lives.values():
                    life.events.append(event)
            case _:
                life = self.lives.setdefault(event.job, Life(event.job))
                life.events.append(event)
                if isinstance(event, Asked):
                    life.known = _or(life.known, event.known, asked_before=life.asked is not None)
                    life.asked = life.asked or event

    def counts(self) -> dict[str, int]:
        """How much of each there was."""
        kinds = Counter(type(one).__name__.lower() for one in self.history.events)
        return {"jobs": len(self.lives), **{kind: kinds[kind] for kind in sorted(kinds)}}

    def undone(self, at: float) -> bool:
        """Whether a power cut took back what the store did at this moment."""
        return any(cut.since <= at <= cut.at for cut in self.cuts)

    def hit(self, worker: str, since: float, until: float) -> list[Fault]:
        """What befell a worker (or the store) in a span of time."""
        both = (*self.faults.get(worker, ()), *self.faults.get("*", ()))
        slack = self.bounds.tolerance
        return [one for one in both if one.at <= until + slack and max(one.at, one.until) >= since]


def _or(known: bool | None, again: bool | None, *, asked_before: bool) -> bool | None:
    """What is known of a job after it was asked for once more."""
    if not asked_before or again:
        return again
    return known


def _lost(case: Case) -> Iterator[Violation]:
    for life in case.lives.values():
        if life.asked is None or not life.known or life.job in case.kept:
            continue
        if not any(_may_be_gone(one) for one in life.events) and not any(
            case.undone(at) for at in _yeses(life)
        ):
            yield Violation("lost", life.job, "was acknowledged and is not there")


def _may_be_gone(event: Event) -> bool:
    """Whether a job is rightly not there after this."""
    match event:
        case Removed():
            return True
        case Stopped():
            return event.answer == "done"
        case Accepted() | TakenBack():
            return _ends(event)
        case _:
            return False


def _yeses(life: Life) -> list[float]:
    return [one.at for one in life.events if isinstance(one, Asked) and one.known]


def _ends(event: Accepted | TakenBack) -> bool:
    return (event.event if isinstance(event, Accepted) else event.why) in ENDS


def _unfinished(case: Case) -> Iterator[Violation]:
    for one in case.kept.values():
        if one.status not in {"completed", "failed", "cancelled"}:
            yield Violation("unfinished", one.job, f"is {one.status} in the end")


def _unexpected(case: Case) -> Iterator[Violation]:
    for life in case.lives.values():
        ran = any(isinstance(one, Began) for one in life.events)
        if life.asked is None and ran:
            yield Violation("unexpected", life.job, "began, and nobody asked for it")
        elif life.known is False and (ran or life.job in case.kept):
            yield Violation("unexpected", life.job, "is there though the store had refused it")
    for job in case.kept.keys() - case.lives.keys():
        yield Violation("unexpected", job, "is there, and nobody asked for it")


def _duplicated(case: Case) -> Iterator[Violation]:
    for life in case.lives.values():
        before: tuple[int, Began] | None = None
        for place, run in life.runs():
            if _is_ghost(case, life, place, run):
                continue
            if before is not None and not _explained(case, life, before, (place, run)):
                text = f"began under token {before[1].token} at {before[1].at:.0f} and again"
                text += f" under {run.token} at {run.at:.0f} without a reason"
                yield Violation("duplicated", life.job, text)
            before = (place, run)


def _is_ghost(case: Case, life: Life, place: int, run: Began) -> bool:
    """Whether a process that stood still began what it had been given before.

    Its lease ended meanwhile, which it learns a moment after it goes on.
    """
    if case.bounds.overlap is None:
        return False
    if not case.history.store_told:
        return _stood_still(case, life, place, run)
    if life.claims(place, run) > 1:
        return True  # which of its lives, or which side of a power cut, it belongs to is not known
    since = life.events[life.given(place, run) : place]
    if not any(isinstance(one, RolledBack | Removed) or _is_loss(one, run) for one in since):
        return False
    return any(
        one.kind in {"pause", "block"} and one.at <= run.at <= one.until + case.bounds.overlap
        for one in case.hit(run.by, since[0].at, run.at)
    )


def _stood_still(case: Case, life: Life, place: int, run: Began) -> bool:
    """The same, by a journal: its successor had begun before, and it had just woken up."""
    assert case.bounds.overlap is not None
    succeeded = any(isinstance(one, Began) and one.token > run.token for one in life.events[:place])
    return succeeded and any(
        one.kind in {"pause", "block"} and one.at <= run.at <= one.until + case.bounds.overlap
        for one in case.faults.get(run.by, ())
    )


def _is_loss(event: Event, run: Began) -> bool:
    return isinstance(event, TakenBack) and event.token == run.token and event.by == run.by


def _explained(case: Case, life: Life, first: tuple[int, Began], then: tuple[int, Began]) -> bool:
    (start, before), (end, after) = first, then
    between = life.events[start:end]
    if any(isinstance(one, ANEW) for one in between):
        return True
    if any(isinstance(one, RolledBack) for one in life.events[life.given(start, before) : start]):
        return True
    if not case.history.store_told and any(
        0 <= before.at - cut.at <= _reach(case) for cut in case.cuts
    ):
        return True  # claimed before the cut, and begun soon after
    if after.token <= before.token:
        return False
    if any(_lets_go(case, one, before, between) for one in between):
        return True
    if case.history.store_told:
        return False
    again = any(isinstance(one, Ended) and one.how in AGAIN for one in between)
    return again or bool(case.hit(before.by, before.at - _reach(case), after.at))


def _lets_go(case: Case, event: Event, run: Began, between: list[Event]) -> bool:
    """Whether the event is a reason for the job to begin again after this run."""
    match event:
        case Accepted():
            return event.token == run.token and event.event in AGAIN
        case TakenBack(token=run.token, why="lease"):
            return bool(case.hit(run.by, min(run.at, event.until) - _reach(case), event.at))
        case TakenBack(token=run.token, why="left"):
            # By a worker that ends, or one that gave its name up for lost, and what it ran with it.
            return bool(case.hit(run.by, run.at - _reach(case), event.at))
        case TakenBack(token=run.token, why="release"):
            hit = case.hit(run.by, run.at - _reach(case), event.at)
            # By a worker that ends, or one that could not renew its lease and stopped the run.
            was_stopped = any(isinstance(one, Ended) and one.how == "stopped" for one in between)
            return any(one.kind in FATAL or was_stopped for one in hit)
        case _:
            return False


def _reach(case: Case) -> float:
    """How long before a lease ended the fault may lie that ended it."""
    return case.bounds.reach


def _overlap(case: Case) -> Iterator[Violation]:
    allowed = case.bounds.overlap
    if allowed is None:
        return
    for life in case.lives.values():
        runs = [(at, one) for at, one in life.runs() if not _is_ghost(case, life, at, one)]
        for (start, run), (end, after) in pairwise(runs):
            if any(isinstance(one, ANEW) for one in life.events[start:end]):
                continue
            over = _over(case, life, start, run)
            stood = [
                one.until + allowed
                for one in case.hit(run.by, run.at, over)
                if one.kind in {"pause", "block"}
            ]
            if over > max(after.at, *stood, 0.0):
                text = f"went on under token {run.token} while {after.token} ran"
                yield Violation("overlap", life.job, f"{text} from {after.at:.0f} on")


def _over(case: Case, life: Life, start: int, run: Began) -> float:
    """When the run was over: it came to its end, or its process did."""
    for one in life.events[start:]:
        if isinstance(one, Ended) and one.token == run.token and one.by == run.by:
            return one.at
    if not case.history.store_told:
        return run.at  # stopped, which a handler does not write down
    ends = [one.at for one in case.faults.get(run.by, ()) if one.kind in {"kill", "crash"}]
    return min((at for at in ends if at >= run.at), default=case.history.events[-1].at)


def _robbed(case: Case) -> Iterator[Violation]:
    for life in case.lives.values():
        for one in life.events:
            if isinstance(one, TakenBack) and one.why in {"lease", "crash"} and one.at < one.until:
                text = f"taken from {one.by} at {one.at:.0f}, its lease ended at {one.until:.0f}"
                yield Violation("robbed", life.job, text)


def _stale(case: Case) -> Iterator[Violation]:
    for life in case.lives.values():
        issued: Claimed | None = None
        for event in life.events:
            if isinstance(event, Claimed):
                issued = event
            elif isinstance(event, Stored):
                issued = None
            elif isinstance(event, RolledBack):
                issued = _last_claim(life, event)
            elif isinstance(event, Accepted) and issued is not None and event.token != issued.token:
                text = f"token {event.token} was accepted, {issued.token} was the last issued"
                yield Violation("stale", life.job, text)
    for one in case.kept.values():
        if one.settled is not None and one.settled != one.token:
            text = f"has the outcome of token {one.settled}, the last issued is {one.token}"
            yield Violation("stale", one.job, text)


def _last_claim(life: Life, cut: RolledBack) -> Claimed | None:
    """The last claim that a power cut left."""
    before = [one for one in life.events if isinstance(one, Claimed) and one.at < cut.since]
    return before[-1] if before else None


def _settled_twice(case: Case) -> Iterator[Violation]:
    for life in case.lives.values():
        ends = 0
        for event in life.events:
            if isinstance(event, ANEW):
                ends = 0
            elif isinstance(event, Accepted | TakenBack) and _ends(event):
                ends += 1
                if ends > 1:
                    yield Violation("settled twice", life.job, f"ended again at {event.at:.0f}")


def _fired_twice(case: Case) -> Iterator[Violation]:
    ticks = Counter((one.schedule, one.tick) for one in case.fired if not case.undone(one.at))
    for (schedule, tick), times in ticks.items():
        if times > 1:
            yield Violation("fired twice", schedule, f"fired {times} times for {tick:.0f}")


def _unearned(case: Case) -> Iterator[Violation]:
    for life in case.lives.values():
        done: set[int] = set()
        for event in life.events:
            if isinstance(event, Ended) and event.how == "succeed":
                done.add(event.token)
            elif (
                isinstance(event, Accepted) and event.event == "succeed" and event.token not in done
            ):
                yield Violation("unearned", life.job, f"completed under token {event.token}")
        kept = case.kept.get(life.job)
        if kept is not None and kept.status == "completed" and not done:
            yield Violation("unearned", life.job, "is completed, and no run ended so")


def _early(case: Case) -> Iterator[Violation]:
    for life in case.lives.values():
        not_before, since = 0.0, 0
        for place, event in enumerate(life.events):
            if isinstance(event, Accepted | Asked):
                not_before = max(not_before, event.not_before)
            elif isinstance(event, ANEW):
                since = place
                not_before = event.not_before if isinstance(event, Stored) else 0.0
            elif isinstance(event, Began) and event.at < not_before - case.bounds.tolerance:
                if _is_ghost(case, life, place, event) or life.given(place, event) < since:
                    continue
                text = f"began at {event.at:.0f}, not to begin before {not_before:.0f}"
                yield Violation("early", life.job, text)


def _after_cancel(case: Case) -> Iterator[Violation]:
    for life in case.lives.values():
        cancelled = False
        token = 0
        for event in life.events:
            match event:
                case Claimed() | Began() if not cancelled:
                    token = event.token
                case Stopped():
                    cancelled = True
                    # A journal does not say that it was claimed already.
                    unseen = event.answer == "requested" and not case.history.store_told
                    token += unseen
                case RolledBack() | Revived():
                    cancelled = False
                case Stored():
                    cancelled = False
                    token = 0
                case Began() if cancelled and event.token > token:
                    text = f"began under token {event.token} though it was cancelled before"
                    yield Violation("after cancel", life.job, text)
                case _:
                    pass


def _after_stop(case: Case) -> Iterator[Violation]:
    for life in case.lives.values():
        for place, run in life.runs():
            claim = life.events[life.given(place, run)]
            stops = [one for one in case.faults.get(run.by, ()) if one.kind == "sigterm"]
            if isinstance(claim, Claimed) and any(one.at < claim.at for one in stops):
                text = f"claimed at {claim.at:.0f} and begun by {run.by}, which was to stop"
                yield Violation("after stop", life.job, text)


def _too_late(case: Case) -> Iterator[Violation]:
    for life in case.lives.values():
        for place, run in life.runs():
            since = life.events[life.given(place, run) : place]
            taken = any(isinstance(one, Accepted) and one.token == run.token for one in since)
            anew = any(isinstance(one, ANEW) for one in since)
            if taken and not anew and not _is_ghost(case, life, place, run):
                text = f"began at {run.at:.0f}, its outcome was in the store"
                yield Violation("too late", life.job, text)


def _over_budget(case: Case) -> Iterator[Violation]:
    for life in case.lives.values():
        allowed = life.asked.retries if life.asked else 0
        fails = crashes = 0
        for event in life.events:
            if isinstance(event, ANEW):
                fails = crashes = 0
            elif isinstance(event, Accepted) and event.event == "fail":
                fails += 1
            elif isinstance(event, TakenBack) and event.why in {"lease", "crash"}:
                crashes += 1
            if fails > allowed or crashes > case.bounds.max_crashes:
                text = f"failed {fails} times of {allowed + 1}, crashed {crashes} times of "
                yield Violation("over budget", life.job, f"{text}{case.bounds.max_crashes}")
                break
        kept = case.kept.get(life.job)
        if kept and (kept.retries > allowed or kept.crashes > case.bounds.max_crashes):
            text = f"kept with {kept.retries} retries and {kept.crashes} crashes"
            yield Violation("over budget", life.job, text)


def _payload(case: Case) -> Iterator[Violation]:
    for life in case.lives.values():
        wanted = life.asked.payload if life.asked else None
        if wanted is None:
            continue
        seen = [one.payload for one in life.events if isinstance(one, Began)]
        kept = case.kept.get(life.job)
        if kept is not None:
            seen.append(kept.payload)
        for one in seen:
            if one is not None and one != wanted:
                yield Violation("payload", life.job, f"is {one[:40]!r}, was {wanted[:40]!r}")
                break


def _stats(case: Case) -> Iterator[Violation]:
    counted = case.history.counted
    if counted is None:
        return
    told = _added_up(case) if case.history.store_told else _as_kept(case)
    if counted != told:
        yield Violation("stats", "", f"counters say {counted}, the history says {told}")


_COUNTED = {
    "succeed": "succeeded",
    "exhaust": "failed",
    "discard": "failed",
    "quarantine": "failed",
    "crash": "failed",
    "fail": "retried",
}


def _added_up(case: Case) -> Counted:
    sums: Counter[str] = Counter()
    for event in case.history.events:
        if isinstance(event, Accepted | TakenBack) and not case.undone(event.at):
            name = event.event if isinstance(event, Accepted) else event.why
            sums[_COUNTED.get(name, "")] += 1
    return Counted(sums["succeeded"], sums["failed"], sums["retried"])


def _as_kept(case: Case) -> Counted:
    """What counters come to where nothing was deleted and no dead letter revived."""
    statuses = Counter(one.status for one in case.kept.values())
    retries = sum(one.retries for one in case.kept.values())
    return Counted(statuses["completed"], statuses["failed"], retries)


def _leak(case: Case) -> Iterator[Violation]:
    for one in case.history.left:
        yield Violation("leak", "", f"{one} is left after drain and prune")


RULES: tuple[Callable[[Case], Iterator[Violation]], ...] = (
    _lost,
    _unfinished,
    _unexpected,
    _duplicated,
    _overlap,
    _robbed,
    _stale,
    _settled_twice,
    _fired_twice,
    _unearned,
    _early,
    _after_cancel,
    _after_stop,
    _too_late,
    _over_budget,
    _payload,
    _stats,
    _leak,
)
