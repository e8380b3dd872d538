"""How a store lets others follow events: watchers.

What belongs here: cases of `Backend.watch` and `Announce`. A frame may get lost where nobody comes
to hear it; of these, which are few, each must come.
"""

from __future__ import annotations

import time
from typing import Any

from boundary.jobs.core.operations import (
    FRAME,
    Announce,
    Enqueue,
    Heartbeat,
    Interest,
    SettleAndClaim,
    Time,
    Topic,
)
from boundary.jobs.core.operations import Claim as ClaimSome
from boundary.jobs.core.operations import Settle as SettleAll
from boundary.jobs.testing.clock import FakeClock
from boundary.jobs.testing.contract.doors import (
    LONG,
    SHORT,
    Case,
    Close,
    Elsewhere,
    Hear,
    HearAndClose,
    Listen,
    Wait,
    Watch,
    on_both_doors,
)
from boundary.jobs.testing.contract.words import LEASE, Asking, claim, ended, enqueue, new


def heard(watcher: Any, count: int) -> Asking[list[bytes]]:
    """So many frames; more than one call may be needed for them."""
    frames: list[bytes] = []
    end = time.monotonic() + LONG
    while len(frames) < count and time.monotonic() < end:
        frames += yield Hear(watcher, LONG)
    return frames


class WatchCases:
    """Frames that are announced are heard; while somebody watches, replies say so."""

    @on_both_doors
    def test_what_is_announced_elsewhere_is_heard_in_order(self, clock: FakeClock) -> Case:
        watcher = yield Watch()
        frames = tuple(b"%d" % number for number in range(20))
        for frame in frames:
            assert (yield Elsewhere(Announce((frame,)))) is True
        assert (yield from heard(watcher, 20)) == list(frames)
        assert (yield Hear(watcher, SHORT)) == []
        yield Close(watcher)

    @on_both_doors
    def test_frames_are_bytes_of_any_kind_and_up_to_their_limit(self, clock: FakeClock) -> Case:
        watcher = yield Watch()
        frames = (bytes(range(256)), b"\0" * FRAME, b"\r\n" * 100)
        yield Announce(frames)
        assert (yield from heard(watcher, 3)) == list(frames)
        yield Close(watcher)

    @on_both_doors
    def test_all_who_watch_hear_it(self, clock: FakeClock) -> Case:
        first = yield Watch()
        second = yield Watch()
        yield Announce((b"x",))
        assert (yield from heard(first, 1)) == [b"x"]
        assert (yield from heard(second, 1)) == [b"x"]
        yield Close(first)
        yield Announce((b"y",))
        assert (yield from heard(second, 1)) == [b"y"]
        yield Close(second)

    @on_both_doors
    def test_with_nobody_there_it_is_lost_and_said_so(self, clock: FakeClock) -> Case:
        assert (yield Announce((b"x",))) is False
        watcher = yield Watch()
        assert (yield Hear(watcher, SHORT)) == []
        yield Close(watcher)
        assert (yield Announce((b"y",))) is False

    @on_both_doors
    def test_replies_say_whether_somebody_watches(self, clock: FakeClock) -> Case:
        for round, watched in enumerate((False, True, False)):
            watcher = (yield Watch()) if watched else None
            enqueued = yield Enqueue((new(f"now{round}"), new(f"next{round}")))
            later = yield Enqueue((new(f"later{round}", delay_ms=LEASE),))
            beat = yield Heartbeat("w1", LEASE, b"", join=True)
            claimed = yield from claim()
            first, second = claimed.jobs
            settled = yield SettleAll("w1", (ended(first),))
            look = ClaimSome("w1", None, 0, LEASE)
            both, _ = yield SettleAndClaim(SettleAll("w1", (ended(second),)), look)
            replies = (enqueued, later, beat, claimed, settled, both)
            assert [one.watched for one in replies] == [watched] * 6
            if watcher is not None:
                yield Close(watcher)

    @on_both_doors
    def test_workers_are_told_to_beat_when_somebody_begins(self, clock: FakeClock) -> Case:
        listener = yield Listen(Interest(Topic.CONTROL))
        watcher = yield Watch()
        assert (yield Wait(listener, LONG)) is True
        assert (yield Heartbeat("w1", LEASE, b"", join=True)).watched is True
        yield Close(watcher)
        yield Close(listener)

    @on_both_doors
    def test_silence_ends_with_its_time(self, clock: FakeClock) -> Case:
        watcher = yield Watch()
        yield from enqueue("a")
        yield Time()
        assert (yield Hear(watcher, SHORT)) == []
        assert (yield Hear(watcher, 0)) == []
        yield Close(watcher)

    @on_both_doors
    def test_closing_ends_the_wait(self, clock: FakeClock) -> Case:
        watcher = yield Watch()
        assert (yield HearAndClose(watcher)) == []
        assert (yield Hear(watcher, LONG)) == []
        yield Close(watcher)

    @on_both_doors
    def test_who_never_comes_to_hear_is_in_nobodys_way(self, clock: FakeClock) -> Case:
        watcher = yield Watch()
        flood = Announce(tuple([b"x" * FRAME] * 50))
        began = time.monotonic()
        for _ in range(20):
            yield flood
        assert time.monotonic() - began < LONG
        yield Close(watcher)
