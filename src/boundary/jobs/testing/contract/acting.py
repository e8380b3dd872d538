"""What an `Act` adds to an operation, and the log: `Audit`.

What belongs here: cases of what is told of acts. What does not: taking them back (`undoing`).
"""

from __future__ import annotations

from boundary.jobs.core.operations import (
    Audit,
    Cancel,
    Delete,
    Entry,
    SetPaused,
    Undone,
)
from boundary.jobs.testing.clock import FakeClock
from boundary.jobs.testing.contract.doors import Case, on_both_doors
from boundary.jobs.testing.contract.words import (
    MINUTE,
    act,
    enqueue,
    ident,
    idents,
    undo,
)


class ActCases:
    """Who did what, when, to how many."""

    @on_both_doors
    def test_nobody_did_anything(self, clock: FakeClock) -> Case:
        yield SetPaused("mail", paused=True)
        yield from enqueue("a")
        yield Cancel(idents("a"), None)
        assert (yield Audit()) == ()
        assert (yield from undo("none")) == Undone("missing")

    @on_both_doors
    def test_who_what_when_on_how_many(self, clock: FakeClock) -> Case:
        yield from enqueue("a b c")
        now = clock.now()
        yield Cancel(idents("a b x"), None, act("1", "cancel"))
        clock.advance(1)
        yield Cancel(idents("c"), None, act("1", "cancel"))
        yield SetPaused("mail", paused=True, act=act("2", "pause", "mail"))
        yield SetPaused("mail", paused=True, act=act("3", "pause", "mail"))
        yield Delete(idents("x"), act("4", "delete"))
        first = Entry(ident("1"), now, "ada", "cancel", "it", 3, now + MINUTE)
        second = Entry(ident("2"), now + 1_000, "ada", "pause", "mail", 1, now + 1_000 + MINUTE)
        assert (yield Audit()) == (second, first)
        assert (yield Audit(limit=1)) == (second,)
        assert (yield Audit(before=ident("2"))) == (first,)
