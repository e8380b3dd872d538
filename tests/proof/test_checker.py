"""The checker sees each violation in a history made by hand, and nothing in a good one."""

from __future__ import annotations

import pytest

from tests.proof.checker import RULES, check
from tests.proof.history import (
    Accepted,
    Asked,
    Began,
    Bounds,
    Claimed,
    Counted,
    Ended,
    Event,
    Fault,
    Fired,
    History,
    Kept,
    Removed,
    Revived,
    RolledBack,
    Stopped,
    Stored,
    TakenBack,
)

DONE = Kept("a", "completed", token=1)


def told(*events: Event, kept: tuple[Kept, ...] = (DONE,), **more: object) -> History:
    """A history in which the store has told everything."""
    bounds = Bounds(max_crashes=2, overlap=100.0, reach=100.0)
    return History(list(events), list(kept), store_told=True, bounds=bounds)._replace(**more)


def journal(*events: Event, kept: tuple[Kept, ...] = (DONE,)) -> History:
    """What handlers, clients and killers saw."""
    return History(list(events), list(kept))


def reaching(*events: Event, kept: tuple[Kept, ...] = (DONE,)) -> History:
    """The same, where leases are 100 ms long."""
    return journal(*events, kept=kept)._replace(bounds=Bounds(reach=100.0))


def waking(*events: Event, kept: tuple[Kept, ...] = (DONE,)) -> History:
    """The same, where a worker that stood still may go on for 50 ms."""
    return journal(*events, kept=kept)._replace(bounds=Bounds(reach=100.0, overlap=50.0))


def run(token: int, at: float, by: str = "w", *, how: str = "succeed") -> list[Event]:
    """A whole run of the job."""
    return [
        Claimed("a", token, by, at),
        Began("a", token, by, at + 1, b"x"),
        Ended("a", token, by, at + 2, how),
        Accepted("a", token, by, at + 3, how),
    ]


def cut_short(token: int, at: float, by: str = "w") -> list[Event]:
    """A run whose worker is killed, and the job taken back when its lease has ended."""
    return [
        Claimed("a", token, by, at),
        Began("a", token, by, at + 1),
        Fault("kill", by, at + 2),
        TakenBack("a", token, by, at + 50, "lease", until=at + 40),
    ]


ASKED = Asked("a", 0, payload=b"x", retries=1)
FAILED_ONCE = [
    *run(1, 10, how="fail"),
    *run(2, 20),
]
DEAD_AND_REVIVED = [
    *run(1, 10, how="fail"),
    *run(2, 20, how="exhaust"),
    Revived("a", 30),
    *run(3, 40, how="fail"),
    *run(4, 50),
]

GOOD = {
    "it runs once": told(ASKED, *run(1, 10), counted=Counted(1, 0, 0)),
    "it fails once": told(
        ASKED, *FAILED_ONCE, kept=(Kept("a", "completed", 2, 1),), counted=Counted(1, 0, 1)
    ),
    "an operator retries it": told(
        ASKED, *DEAD_AND_REVIVED, kept=(Kept("a", "completed", 4, 1),), counted=Counted(1, 1, 2)
    ),
    "its worker is killed": told(ASKED, *cut_short(1, 10), *run(2, 70)),
    "it is never begun and given back": told(
        ASKED, Claimed("a", 1, "v", 1), TakenBack("a", 1, "v", 2, "release"), *run(2, 10)
    ),
    "its worker stops": told(
        ASKED,
        Claimed("a", 1, "v", 1),
        Began("a", 1, "v", 2),
        Fault("sigterm", "v", 3),
        Ended("a", 1, "v", 4, "stopped"),
        TakenBack("a", 1, "v", 5, "left"),
        *run(2, 10),
    ),
    "a paused worker goes on for a moment": told(
        ASKED,
        Claimed("a", 1, "v", 1),
        Began("a", 1, "v", 2),
        Fault("pause", "v", 3, 90),
        TakenBack("a", 1, "v", 50, "lease", until=40),
        *run(2, 60),
        Ended("a", 1, "v", 95, "stopped"),
    ),
    "a paused worker begins what it held": told(
        ASKED,
        Claimed("a", 1, "v", 1),
        Fault("pause", "v", 3, 90),
        TakenBack("a", 1, "v", 50, "lease", until=40),
        *run(2, 60),
        Began("a", 1, "v", 92),
        Ended("a", 1, "v", 95, "stopped"),
    ),
    "a paused worker begins what was retried and cancelled meanwhile": told(
        ASKED,
        Claimed("a", 1, "v", 1),
        Fault("pause", "v", 3, 90),
        TakenBack("a", 1, "v", 50, "crash", until=40),
        Revived("a", 60),
        Stopped("a", 70, "done"),
        Began("a", 1, "v", 92),
        Ended("a", 1, "v", 95, "stopped"),
        kept=(Kept("a", "cancelled", 1),),
    ),
    "it is cancelled while it waits": told(
        ASKED, Stopped("a", 5, "done"), kept=(Kept("a", "cancelled"),)
    ),
    "it is cancelled while it runs": told(
        ASKED,
        *run(1, 10)[:2],
        Stopped("a", 12, "requested"),
        *run(1, 10, how="cancel")[2:],
        kept=(Kept("a", "cancelled", 1),),
    ),
    "nobody knows whether it was stored, and it was not": told(Asked("a", 0, None), kept=()),
    "asked twice, known the second time": told(Asked("a", 0, None), Asked("a", 5), *run(1, 10)),
    "a power cut takes a tick's job": told(
        Fired("daily", 5, 6),
        ASKED,
        RolledBack(7, since=5),
        Fired("daily", 5, 8),
        ASKED,
        *run(1, 10),
    ),
    "it was deleted, and asked for again": told(
        ASKED,
        Stored("a", 1),
        *run(1, 10),
        Removed("a", 20),
        ASKED,
        Stored("a", 21),
        *run(1, 30),
        counted=Counted(2, 0, 0),
    ),
    "it was pruned": told(ASKED, *run(1, 10), Removed("a", 99), kept=()),
    "it ended without being kept": told(ASKED, *run(1, 10), kept=()),
    "a power cut takes the enqueue": told(ASKED, RolledBack(5, since=0), kept=()),
    "a power cut takes the outcome": told(
        ASKED,
        *run(1, 10),
        Fault("restart", "*", 20),
        RolledBack(20, since=12),
        *run(1, 30),
        counted=Counted(1, 0, 0),
    ),
    "a journal of a kill": journal(
        Asked("a", 0),
        Began("a", 1, "1", 10),
        Fault("kill", "1", 11),
        Began("a", 2, "2", 20),
        Ended("a", 2, "2", 21, "succeed"),
        kept=(Kept("a", "completed", 2, crashes=1),),
    ),
    "a journal of a run whose lease a server that was away had ended": reaching(
        Asked("a", 0),
        Fault("killed", "*", 2, 8),
        Began("a", 1, "1", 100),
        Began("a", 2, "2", 120),
        Ended("a", 2, "2", 121, "succeed"),
        kept=(Kept("a", "completed", 2, crashes=1),),
    ),
    "a journal of a run that was claimed before a power cut": reaching(
        Asked("a", 0),
        RolledBack(9, since=9),
        Began("a", 1, "1", 10),
        *run(1, 30)[1:3],
    ),
    "a journal of a worker that stood still": waking(
        Asked("a", 0),
        Began("a", 1, "1", 10),
        Fault("pause", "1", 12, 200),
        Began("a", 2, "2", 150),
        Ended("a", 2, "2", 160, "succeed"),
        Ended("a", 1, "1", 240, "succeed"),
        kept=(Kept("a", "completed", 2, crashes=1),),
    ),
    "a journal of a worker that began what it held when it woke up": waking(
        Asked("a", 0),
        Fault("pause", "1", 12, 200),
        *run(2, 150, "2")[1:3],
        Began("a", 1, "1", 210),
        kept=(Kept("a", "completed", 2, crashes=1),),
    ),
    "a journal of a worker that begins what it held when a handler gives the GIL back": waking(
        Asked("a", 0),
        Fault("block", "1", 12, 200),
        *run(2, 150, "2")[1:3],
        Began("a", 1, "1", 210),
        kept=(Kept("a", "completed", 2, crashes=1),),
    ),
    "a journal of a failed run": journal(
        Asked("a", 0),
        Began("a", 1, "1", 10),
        Ended("a", 1, "1", 11, "fail"),
        Began("a", 2, "1", 20),
        Ended("a", 2, "1", 21, "succeed"),
        kept=(Kept("a", "completed", 2, 1),),
    ),
    "a journal of a cancel that came between claim and beginning": journal(
        Asked("a", 0),
        Stopped("a", 9, "requested"),
        Began("a", 1, "1", 10),
        kept=(Kept("a", "cancelled", 1),),
    ),
}

BAD = {
    "lost": [
        told(ASKED, kept=()),
        told(ASKED, *run(1, 10)[:3], kept=()),
        told(ASKED, RolledBack(5, since=1), kept=()),  # the cut came after the yes
        journal(Asked("a", 0, None), Asked("a", 5), Asked("a", 6, None), kept=()),
    ],
    "unfinished": [
        told(ASKED, kept=(Kept("a", "pending"),)),
        told(ASKED, *run(1, 10)[:2], kept=(Kept("a", "running", 1),)),
        told(ASKED, *run(1, 10, how="fail"), kept=(Kept("a", "retrying", 1, 1),)),
    ],
    "unexpected": [
        told(*run(1, 10)),
        told(kept=(DONE,)),
        told(Asked("a", 0, known=False), *run(1, 10)),
        told(Asked("a", 0, known=False), kept=(DONE,)),
    ],
    "duplicated": [
        told(ASKED, *run(1, 10), *run(2, 20), kept=(Kept("a", "completed", 2),)),
        journal(Asked("a", 0), *run(1, 10)[1:3], *run(1, 20)[1:3]),  # twice under one token
        told(ASKED, *run(1, 10)[:2], *run(1, 20)[1:]),
        told(ASKED, *run(2, 10)[:2], *run(1, 20)),  # under an older one
        told(  # by a worker that had not stood still
            ASKED,
            Claimed("a", 1, "v", 1),
            Fault("drop_request", "v", 3),
            TakenBack("a", 1, "v", 50, "lease", until=40),
            *run(2, 60),
            Began("a", 1, "v", 92),
        ),
        # Its lease ended, but nothing had happened to its worker.
        told(
            ASKED,
            *run(1, 10)[:3],
            TakenBack("a", 1, "w", 500, "lease", until=400),
            *run(2, 600),
        ),
        told(  # Its worker left, and nothing had happened to it.
            ASKED, *run(1, 10)[:3], TakenBack("a", 1, "w", 15, "left"), *run(2, 20)
        ),
        # Given back while it ran, by a worker nobody stopped.
        told(
            ASKED,
            *run(1, 10)[:2],
            Fault("drop_reply", "w", 12),
            Ended("a", 1, "w", 14, "succeed"),
            TakenBack("a", 1, "w", 15, "release"),
            *run(2, 20),
        ),
        journal(Asked("a", 0), Began("a", 1, "1", 10), Began("a", 2, "2", 20)),
        journal(  # somebody else was killed
            Asked("a", 0), Began("a", 1, "1", 10), Fault("kill", "2", 11), Began("a", 2, "2", 20)
        ),
        reaching(  # long after
            Asked("a", 0),
            Fault("killed", "*", 2, 8),
            Began("a", 1, "1", 110),
            Began("a", 2, "2", 120),
        ),
        reaching(  # long after
            Asked("a", 0), RolledBack(5, since=5), Began("a", 1, "1", 110), *run(1, 120)[1:3]
        ),
        waking(  # long after it had woken up
            Asked("a", 0),
            Fault("pause", "1", 12, 200),
            *run(2, 150, "2")[1:3],
            Began("a", 1, "1", 270),
        ),
        journal(  # before it began
            Asked("a", 0), Fault("kill", "1", 9), Began("a", 1, "1", 10), Began("a", 2, "2", 20)
        ),
    ],
    "overlap": [
        waking(  # long after it had woken up
            Asked("a", 0),
            Began("a", 1, "1", 10),
            Fault("pause", "1", 12, 200),
            Began("a", 2, "2", 150),
            Ended("a", 1, "1", 260, "succeed"),
        ),
        told(
            ASKED,
            *run(1, 10, "v")[:2],
            Fault("drop_request", "v", 12),
            TakenBack("a", 1, "v", 50, "lease", until=40),
            *run(2, 60),
            Ended("a", 1, "v", 70, "stopped"),
        ),
        told(  # paused, but it had time enough to notice
            ASKED,
            *run(1, 10, "v")[:2],
            Fault("pause", "v", 12, 60),
            TakenBack("a", 1, "v", 50, "lease", until=40),
            *run(2, 55),
            Ended("a", 1, "v", 200, "stopped"),
        ),
    ],
    "robbed": [
        told(
            ASKED,
            *run(1, 10)[:2],
            Fault("kill", "w", 12),
            TakenBack("a", 1, "w", 30, "lease", until=40),
            *run(2, 60),
        ),
    ],
    "stale": [
        told(
            ASKED,
            *cut_short(1, 10),
            *run(2, 70)[:3],
            Accepted("a", 1, "w", 72, "succeed"),
            kept=(Kept("a", "completed", 2),),
        ),
        journal(Asked("a", 0), Began("a", 1, "1", 1), kept=(Kept("a", "completed", 2, settled=1),)),
        told(ASKED, *run(1, 10), *run(2, 20), RolledBack(24, since=18), *run(2, 30)[3:]),
    ],
    "settled twice": [
        told(ASKED, *run(1, 10), Accepted("a", 1, "w", 20, "succeed")),
        told(ASKED, *run(1, 10), TakenBack("a", 1, "w", 20, "crash")),
    ],
    "fired twice": [told(Fired("daily", 5, 6), ASKED, Fired("daily", 5, 7), *run(1, 10))],
    "unearned": [
        told(ASKED, *run(1, 10)[:2], Accepted("a", 1, "w", 13, "succeed")),
        told(ASKED, *run(1, 10)[:3], *cut_short(2, 20)[:2], Accepted("a", 2, "w", 30, "succeed")),
        journal(Asked("a", 0), Began("a", 1, "1", 10)),
        journal(Asked("a", 0), Began("a", 1, "1", 10), Ended("a", 1, "1", 11, "fail")),
    ],
    "early": [
        told(ASKED._replace(not_before=50), *run(1, 10)),
        told(
            ASKED,
            *run(1, 10)[:3],
            Accepted("a", 1, "w", 13, "fail", not_before=30),
            *run(2, 20),
            kept=(Kept("a", "completed", 2, 1),),
        ),
    ],
    "after cancel": [
        told(ASKED, Stopped("a", 5, "done"), *run(1, 10)),
        told(
            ASKED,
            *run(1, 10)[:2],
            Stopped("a", 12, "requested"),
            Accepted("a", 1, "w", 13, "fail"),
            *run(2, 20),
        ),
        journal(Asked("a", 0), Stopped("a", 9, "done"), Began("a", 1, "1", 10)),
        told(ASKED, *cut_short(1, 10), Revived("a", 70), Stopped("a", 75, "done"), *run(2, 80)),
    ],
    "after stop": [told(ASKED, Fault("sigterm", "w", 5), *run(1, 10))],
    "too late": [
        told(ASKED, *run(1, 10), Began("a", 1, "w", 20)),
        told(
            ASKED,
            Claimed("a", 1, "w", 5),
            Accepted("a", 1, "w", 6, "release"),
            Began("a", 1, "w", 7),
        ),
    ],
    "over budget": [
        told(ASKED, *run(1, 10, how="fail"), *run(2, 20, how="fail"), *run(3, 30)),
        told(ASKED, *cut_short(1, 10), *cut_short(2, 100), *cut_short(3, 200)),
        journal(Asked("a", 0, retries=1), kept=(Kept("a", "failed", retries=2),)),
        journal(Asked("a", 0), kept=(Kept("a", "failed", crashes=4),)),
    ],
    "payload": [
        told(ASKED._replace(payload=b"y"), *run(1, 10)),
        told(ASKED, *run(1, 10), kept=(Kept("a", "completed", 1, payload=b"z"),)),
    ],
    "stats": [
        told(ASKED, *run(1, 10), counted=Counted(2, 0, 0)),
        told(ASKED, *FAILED_ONCE, counted=Counted(1, 0, 0)),
        journal(Asked("a", 0))._replace(counted=Counted(0, 1, 0)),
        told(ASKED, *run(1, 10), RolledBack(20, since=12), *run(1, 30), counted=Counted(2, 0, 0)),
    ],
    "leak": [told(ASKED, *run(1, 10), left=("worker w",))],
}


@pytest.mark.parametrize("history", GOOD.values(), ids=GOOD)
def test_a_good_history_passes(history: History) -> None:
    verdict = check(history)
    assert not verdict.violations, str(verdict)


@pytest.mark.parametrize(
    ("kind", "history"),
    [(kind, history) for kind, histories in BAD.items() for history in histories],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_violation_is_seen(kind: str, history: History) -> None:
    assert kind in check(history).kinds


def test_no_rule_is_without_a_bad_history() -> None:
    assert {rule.__name__.strip("_").replace("_", " ") for rule in RULES} == BAD.keys()


def test_a_verdict_says_which_job_and_counts_what_it_saw() -> None:
    verdict = check(told(ASKED, kept=()))
    assert str(verdict) == "lost: a was acknowledged and is not there"
    assert verdict.counts == {"jobs": 1, "asked": 1}
