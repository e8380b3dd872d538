"""Commands about schedules.

What belongs here: showing, adding and changing them, and how they look. What does not: when they
tick (`core.schedules`).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast
from zoneinfo import ZoneInfo

import typer
from rich.text import Text

from boundary.jobs.core.operations import MISFIRE_CAP
from boundary.jobs.errors import CronError
from boundary.jobs.shell.cli import writing
from boundary.jobs.shell.cli.act import Yes, json_object
from boundary.jobs.shell.cli.done import Done, operator, tell
from boundary.jobs.shell.cli.look import Json
from boundary.jobs.shell.cli.terminal import Terminal, say_error
from boundary.jobs.shell.cli.working import load
from boundary.jobs.shell.schedule_flows import ScheduleEdits, ScheduleInfo
from boundary.jobs.shell.shown import shown, shown_schedule

if TYPE_CHECKING:
    from boundary.jobs.core.operations import Misfire
    from boundary.jobs.core.records import Priority

T = TypeVar("T")

MOST = 1_000
"""Most fire times one look shows."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="The schedule's name.")]
Cron = Annotated[str | None, typer.Option(help="'0 8 * * mon-fri', with seconds first, @daily …")]
Every = Annotated[float | None, typer.Option(help="Or an interval in seconds.")]
Zone = Annotated[str | None, typer.Option("--timezone", help="The time zone of --cron.")]
Policy = Annotated[str | None, typer.Option("--misfire", help="Missed ticks: skip, once or all.")]
Cap = Annotated[int | None, typer.Option("--misfire-cap", help="With all: the most ticks.")]
Queue = Annotated[str | None, typer.Option(help="The queue of its jobs.")]
Rank = Annotated[str | None, typer.Option("--priority", help="critical, high, normal or low.")]


def schedules(
    context: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(metavar="[MODULE[:NAME]]", help="Those its code declares; uses no store."),
    ] = None,
    following: Annotated[
        int | None,
        typer.Option("--next", min=1, max=MOST, help="The next N fire times of all of them."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Schedules by next tick, or their next fire times; from the store or a module."""
    terminal: Terminal = context.obj
    found = [shown_schedule(one) for one in _found(terminal, target)]
    if following is not None:
        times = _timeline(terminal, found, following)
        if as_json:
            terminal.json([{"at": at, **_brief(one)} for at, one in times])
        else:
            terminal.out.print(_times(times))
        return
    terminal.json(found) if as_json else terminal.out.print(_table(found))
    for one in found:
        if one.orphaned and not as_json:
            terminal.err.print(
                f"{one.name} was declared in code, and no worker that is alive declares it; it "
                f"goes on until you say boundary-jobs unschedule {one.name}",
                style="yellow",
                markup=False,
                soft_wrap=True,
            )


def _found(terminal: Terminal, target: str | None) -> list[ScheduleInfo]:
    if target is not None:
        terminal.refuse_config("a module")
        with load(target, terminal.url) as jobs:
            return jobs.declared_schedules()
    with terminal.jobs() as jobs:
        return jobs.schedules()


def _timeline(
    terminal: Terminal, found: Sequence[ScheduleInfo], count: int
) -> list[tuple[datetime, ScheduleInfo]]:
    """The next `count` ticks of all of them, as they come."""
    lines: list[list[tuple[datetime, ScheduleInfo]]] = []
    for one in found:
        try:
            lines.append([(at, one) for at in one.upcoming(count)])
        except CronError as error:  # put by a program that knows more than is known here
            say_error(terminal.err, f"schedule {one.name} is left out: {error.message}")
    ticks = heapq.merge(*lines, key=lambda tick: (tick[0], tick[1].name))
    return list(islice(ticks, count))


def _brief(one: ScheduleInfo) -> dict[str, Any]:
    return {"name": one.name, "job_type": one.job_type, "queue": one.queue}


def _times(times: Sequence[tuple[datetime, ScheduleInfo]]) -> Any:
    if not times:
        return Text("nothing ticks: no schedule is set, or all are paused", style="dim")
    return writing.table(
        "Fire times",
        ("at", ">in", "name", "~type"),
        ((_local(at, one), _from_now(at), one.name, one.job_type) for at, one in times),
    )


def _table(rows: Sequence[ScheduleInfo]) -> Any:
    if not rows:
        return Text("no schedule is set", style="dim")
    columns: dict[str, Callable[[ScheduleInfo], Any]] = {
        "name": lambda one: one.name,
        "type": lambda one: one.job_type,
        "when": _when,
        "missed": _missed,
        "~next": _next,
        ">in": lambda one: "-" if one.next_at is None else _from_now(one.next_at),
        ">last": lambda one: writing.ago(one.fired_at),
        "": _state,
    }
    return writing.Fitting(
        "Schedules",
        tuple(columns),
        ([cell(one) for cell in columns.values()] for one in sorted(rows, key=_order)),
        least=(">last", "type", "missed", ">in"),
    )


def _missed(one: ScheduleInfo) -> str:
    return f"all {one.misfire_cap}" if one.misfire == "all" else one.misfire


def _next(one: ScheduleInfo) -> Text:
    if one.next_at is None:
        return Text("paused", style="yellow")
    return Text(_local(one.next_at, one).partition(" ")[2])  # the weekday is what gives way


def _order(one: ScheduleInfo) -> tuple[bool, float, str]:
    """By the next tick, paused ones last."""
    return one.paused, one.next_at.timestamp() if one.next_at else 0.0, one.name


def _when(one: ScheduleInfo) -> str:
    return one.cron or f"every {_interval(one.every or timedelta())}"


def _interval(span: timedelta) -> str:
    """Exact, unlike a time that has passed: ``90 s`` is not ``2 min``."""
    milliseconds = span // timedelta(milliseconds=1)
    for size, unit in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")):
        if milliseconds % size == 0:
            return f"{milliseconds // size} {unit}"
    return f"{milliseconds / 1000:g} s" if milliseconds > 1000 else f"{milliseconds} ms"  # noqa: PLR2004


def _local(moment: datetime, one: ScheduleInfo) -> str:
    """In the schedule's own zone, or in UTC where nobody knows it."""
    try:
        zone = ZoneInfo(one.timezone)
    except (KeyError, ValueError, OSError):
        zone = ZoneInfo("UTC")
    return f"{moment.astimezone(zone):%a %Y-%m-%d %H:%M:%S %Z}"


def _from_now(moment: datetime) -> str:
    said = writing.ago(moment)
    return said.removeprefix("in ") if said.startswith("in ") else "now"


def _state(one: ScheduleInfo) -> Text:
    if one.orphaned:
        return Text("orphaned", style="bold red")
    return Text(one.origin if one.origin == "edited" else "", style="dim")


# Change


def schedule(
    context: typer.Context,
    name: Name,
    job_type: Annotated[str, typer.Argument(metavar="TYPE", help="The handler's name.")],
    args: Annotated[str, typer.Argument(metavar="JSON", help="Arguments, a JSON object.")] = "{}",
    cron: Cron = None,
    every: Every = None,
    timezone: Zone = None,
    misfire: Policy = None,
    misfire_cap: Cap = None,
    queue: Queue = None,
    priority: Rank = None,
    paused: Annotated[
        bool | None,
        typer.Option("--paused/--running", help="Default: unchanged; a new one runs."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Add or replace a schedule: such a job at each tick of --cron or --every."""
    terminal: Terminal = context.obj
    options: dict[str, Any] = {"queue": queue, "priority": priority}
    with terminal.jobs() as jobs:
        made = jobs.schedule(
            name,
            handler=job_type,
            args=json_object(args),
            cron=cron,
            every=every,
            timezone=timezone or "UTC",
            misfire=cast("Misfire", misfire or "once"),
            misfire_cap=MISFIRE_CAP if misfire_cap is None else misfire_cap,
            paused=paused,
            by=operator(),
            **cast("Any", {key: value for key, value in options.items() if value is not None}),
        )
    _say(terminal, made, as_json=as_json)


def edit_schedule(
    context: typer.Context,
    name: Name,
    cron: Cron = None,
    every: Every = None,
    timezone: Zone = None,
    misfire: Policy = None,
    misfire_cap: Cap = None,
    queue: Queue = None,
    priority: Rank = None,
    as_json: Json = False,
) -> None:
    """Change when a schedule ticks or where its jobs go; the rest stays as it is."""
    terminal: Terminal = context.obj
    edits = ScheduleEdits(
        cron=cron,
        every=every,
        timezone=timezone,
        misfire=cast("Misfire | None", misfire),
        misfire_cap=misfire_cap,
        queue=queue,
        priority=cast("Priority | None", priority),
    )
    if all(value is None for value in edits.values()):
        terminal.fail("say what to change, such as --cron '0 8 * * *'", 2)
    with terminal.jobs() as jobs:
        _say(
            terminal,
            _known(terminal, jobs.edit_schedule(name, by=operator(), **edits), name),
            as_json=as_json,
        )


def pause_schedule(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Stop a schedule from ticking until it is resumed, across restarts."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        one = _known(terminal, jobs.pause_schedule(name, by=operator()), name)
    _say(terminal, one, as_json=as_json)


def resume_schedule(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Let a paused schedule tick again from now on; missed ticks are not made up for."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        one = _known(terminal, jobs.resume_schedule(name, by=operator()), name)
    _say(terminal, one, as_json=as_json)


def fire_schedule(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Enqueue one of a schedule's jobs now; its ticks are not affected."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        job = _known(terminal, jobs.fire_schedule(name, by=operator()), name)
    terminal.json(shown(job)) if as_json else terminal.out.print(
        f"enqueued {job.id} in {job.queue}", soft_wrap=True
    )


def unschedule(context: typer.Context, name: Name, yes: Yes = False, as_json: Json = False) -> None:
    """Delete a schedule; jobs it created stay."""
    terminal: Terminal = context.obj
    with terminal.jobs() as jobs:
        known = {one.name: one for one in jobs.schedules()}
        one = _known(terminal, known.get(name), name)
        terminal.confirm(f"Remove schedule {name} ({_when(one)}) for good?", yes=yes)
        jobs.unschedule(name, by=operator())
    done = Done(what="unschedule", target=name, count=1, action=None)
    tell(terminal, done, f"{name} is gone", as_json=as_json)
    if not as_json and one.origin != "run time" and not one.orphaned:
        terminal.out.print(
            f"[dim]code declares it: the next worker that starts puts it back; to stop it for "
            f"good, take it out of the code, or boundary-jobs pause-schedule {name}[/dim]"
        )


def _known(terminal: Terminal, found: T | None, name: str) -> T:
    if found is None:
        terminal.fail(f"there is no schedule {name}; see boundary-jobs schedules")
    return found


def _say(terminal: Terminal, one: ScheduleInfo, *, as_json: bool = False) -> None:
    if as_json:
        terminal.json(shown_schedule(one))
    elif one.next_at is None:
        terminal.out.print(f"{one.name} is paused")
    else:
        next_at = _local(one.next_at, one)
        terminal.out.print(f"{one.name} ticks next {next_at}, {writing.ago(one.next_at)}")
