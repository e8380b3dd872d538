"""Which ticks of a schedule fire, and what becomes of a stored one that is put again.

What belongs here: from a schedule and an instant to the ticks to fire, the misfire policies, and
whose word counts (the code's or the operator's). What does not: when a cron expression ticks
(`cron`), storing (`operations.PutSchedule`), making jobs of ticks (`shell.registry`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Literal, TypeAlias, cast, get_args

from msgspec import Struct
from msgspec.structs import replace

from boundary.jobs.core.operations import Misfire, Schedule
from boundary.jobs.core.wire import Millis, at, millis
from boundary.jobs.errors import UsageError

GRACE_MS = 60_000
"""A tick that fires no later than this is on time under ``skip``; sidekiq-cron's grace period."""

MOST = 1_000
"""The largest cap: what a worker finds and fires in a breath."""

Origin: TypeAlias = Literal["run time", "code", "edited"]
"""Where what is stored comes from: put at run time, declared in code, or declared and edited."""


class Due(Struct, frozen=True):
    """What a schedule that is due asks for.

    Attributes:
        ticks: Those to fire, oldest first; none if all that are due were missed and are skipped.
        next_at: Where the schedule stands afterwards.
    """

    ticks: tuple[Millis, ...]
    next_at: Millis


def checked_misfire(misfire: object, cap: object) -> tuple[Misfire, int]:
    """The policy and its cap.

    Raises:
        UsageError: There is no such policy, or the cap is not a whole number from 1 to 1,000.
    """
    if misfire not in get_args(Misfire):
        raise UsageError(
            f"misfire is skip (missed ticks are dropped), once (one job for all of them) or all "
            f"(a job each), not {misfire!r:.40}"
        )
    if not isinstance(cap, int) or isinstance(cap, bool) or not 1 <= cap <= MOST:
        raise UsageError(f"misfire_cap is a whole number from 1 to {MOST:,}, not {cap!r:.40}")
    return cast("Misfire", misfire), cap


# When it ticks


def is_due(one: Schedule, now: Millis) -> bool:
    """Whether its next tick has come."""
    return one.next_at is not None and one.next_at <= now


def first_tick(cron: str | None, every_ms: int | None, timezone: str, now: Millis) -> Millis:
    """The first tick of a schedule that begins now.

    Raises:
        CronError: The expression or the zone is wrong, or it never ticks.
    """
    if cron is not None:
        from boundary.jobs.core import cron as crons  # here, as below: few processes have schedules

        return millis(crons.next_tick(cron, timezone, at(now)))
    return now + (every_ms or 1)


def following(one: Schedule, tick: Millis, after: Millis) -> Millis:
    """The first tick after `after` of a schedule that ticks at `tick`."""
    from boundary.jobs.core import cron as crons

    if one.cron is not None:
        return millis(crons.next_tick(one.cron, one.timezone, at(after)))
    return crons.next_interval(tick, one.every_ms or 1, after)


def upcoming(one: Schedule) -> Iterator[Millis]:
    """Its ticks from the next one on, without end; none while it is paused."""
    tick = one.next_at
    while tick is not None:
        yield tick
        tick = following(one, tick, tick)


def due(one: Schedule, now: Millis) -> Due:
    """What to fire of a schedule whose next tick has come.

    ``once`` fires the latest tick, for all that were missed; ``skip`` does if it is no more than
    `GRACE_MS` late; ``all`` fires the latest `misfire_cap` ticks.

    Raises:
        CronError: Its expression or zone is not understood here.
    """
    first = one.next_at
    if first is None:
        raise UsageError(f"schedule {one.name} is paused, nothing of it is due")
    now = max(now, first)  # a worker's idea of the store's time may be a moment behind
    next_at = following(one, first, now)
    if one.misfire == "all":
        return Due(tuple(_last(one, first, now, one.misfire_cap)), next_at)
    latest = _latest(one, first, now)
    missed = one.misfire == "skip" and now - latest > GRACE_MS
    return Due(() if missed else (latest,), next_at)


def _latest(one: Schedule, first: Millis, now: Millis) -> Millis:
    from boundary.jobs.core import cron as crons

    if one.cron is not None:
        return millis(crons.latest_tick(one.cron, one.timezone, at(first), at(now)))
    return first + (now - first) // (one.every_ms or 1) * (one.every_ms or 1)


def _last(one: Schedule, first: Millis, now: Millis, count: int) -> list[Millis]:
    """The last `count` ticks from `first` up to and with `now`, oldest first.

    Where they begin is found by halving, so a long series costs little more than a short one.
    """
    if one.cron is None:
        every = one.every_ms or 1
        latest = _latest(one, first, now)
        return list(range(max(first, latest - (count - 1) * every), latest + 1, every))
    ticks = _ticks(one, first, now, 2 * count)
    early, late = first, now
    while not count <= len(ticks) <= 2 * count and (ticks[:1] != [first] or len(ticks) > count):
        middle = (early + late) // 2
        ticks = _ticks(one, following(one, first, middle), now, 2 * count)
        if len(ticks) > 2 * count:
            early = middle
        else:
            late = middle
    return ticks[-count:]


def _ticks(one: Schedule, begin: Millis, now: Millis, most: int) -> list[Millis]:
    """The ticks from `begin`, one itself, up to `now`; if there are more than `most`, one more."""
    found: list[Millis] = []
    tick = begin
    while tick <= now and len(found) <= most:
        found.append(tick)
        tick = following(one, tick, tick)
    return found


# Whose word counts


def fingerprint(one: Schedule) -> bytes:
    """What tells one declaration from another: everything but the name and where it stands."""
    from hashlib import blake2b

    from msgspec import msgpack

    said = (one.job_type, one.queue, one.priority, one.payload, *one.ticks, one.misfire)
    return blake2b(msgpack.encode((*said, one.misfire_cap)), digest_size=8).digest()


def origin(one: Schedule) -> Origin:
    """Where it comes from."""
    if not one.declared:
        return "run time"
    return "code" if one.declared == fingerprint(one) else "edited"


def put_over(old: Schedule | None, new: Schedule, *, paused: bool | None = None) -> Schedule:
    """What to store when `new`, which stands at its first tick after now, is put over `old`.

    If it ticks as before it goes on at its next tick, so nothing is skipped or repeated. It stays
    paused, or not, unless `paused` says otherwise. That it was declared in code is not forgotten.
    """
    if old is None:
        return replace(new, next_at=None) if paused else new
    asleep = old.next_at is None if paused is None else paused
    goes_on = old.next_at is not None and old.ticks == new.ticks
    next_at = None if asleep else old.next_at if goes_on else new.next_at
    return with_last(replace(new, next_at=next_at, declared=new.declared or old.declared), old)


def declared_over(old: Schedule | None, new: Schedule) -> Schedule:
    """What to store when the code declares `new`: its word counts if it is another than before.

    Otherwise what is stored stands, with whatever was edited since. A pause stays in any case.
    """
    new = replace(new, declared=fingerprint(new))
    if old is not None and old.declared == new.declared:
        return old
    return put_over(old, new)


def resumed(one: Schedule, now: Millis) -> Schedule:
    """It ticks again, from the first tick after now on: none of those it slept through."""
    if one.next_at is not None:
        return one
    return replace(one, next_at=first_tick(one.cron, one.every_ms, one.timezone, now))


def with_last(new: Schedule, old: Schedule | None) -> Schedule:
    """The new one, with what is told of the old one's last firing."""
    if old is None:
        return replace(new, fired_at=None, last_job=None)
    return replace(new, fired_at=old.fired_at, last_job=old.last_job)


def first_of(one: Schedule, count: int) -> list[Millis]:
    """Its next ticks, `count` of them, or none if it is paused."""
    return list(islice(upcoming(one), count))
