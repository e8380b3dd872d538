"""What a key does: the live view's state, and what it asks of the store.

What belongs here: decisions, pure. What does not: reading keys (`keys`), carrying out what is asked
(`watching`), how a state looks (`drawing`).

What is selected is a row by its name, never a place on the screen: the rows move while one looks, and
what is done must be done to what was meant.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from boundary.jobs.core.records import Job
from boundary.jobs.core.stats import QueueStats, WorkerInfo
from boundary.jobs.shell.cli.top.glimpse import KINDS, Glimpse, Kind, Row, rows

What: TypeAlias = Literal["pause", "resume", "retry", "cancel", "undo"]

PAGE: Final = 10
"""Rows, or lines, a page key goes."""
LONGEST: Final = 100
"""Characters of a filter."""
OPEN: Final = frozenset({"pending", "running", "retrying"})
"""Statuses of jobs that can be cancelled."""


class Command(Struct, frozen=True):
    """What the store is asked to do: to a queue, a job or an act, by its name."""

    what: What
    target: str


class Asking(Struct, frozen=True):
    """A question, and what is done if the answer is yes."""

    question: str
    command: Command


class Said(Struct, frozen=True):
    """A sentence at the foot of the view."""

    text: str
    bad: bool = False


class State(Struct, frozen=True):
    """What one sees of the store, and how.

    Attributes:
        selected: The row the keys are about; None: the first.
        place: Where that row was, should it go.
        opened: The job that is shown by itself.
        scroll: Lines of it, or of the help, that are above the screen.
        typing: Keys are letters of the filter.
        act: What `u` undoes.
        hurry: Look again at once.
    """

    selected: tuple[Kind, str] | None = None
    place: int = 0
    opened: str | None = None
    scroll: int = 0
    sought: str = ""
    typing: bool = False
    helping: bool = False
    asking: Asking | None = None
    said: Said | None = None
    act: UUID | None = None
    hurry: bool = False
    left: bool = False


Step: TypeAlias = tuple[State, Command | None]


def settled(state: State, glimpse: Glimpse) -> State:
    """The state over these rows: if the one selected has gone, the one that has its place now."""
    found = rows(glimpse, state.sought)
    if not found:
        return replace(state, selected=None, place=0)
    places = [row.place for row in found]
    if state.selected in places:
        return replace(state, place=places.index(state.selected))
    place = min(state.place, len(found) - 1)
    return replace(state, selected=places[place], place=place)


def selected(state: State, found: tuple[Row, ...]) -> Row | None:
    """The row the keys are about."""
    return next((row for row in found if row.place == state.selected), None)


def step(state: State, key: str, glimpse: Glimpse) -> Step:
    """What is shown after this key, and what the store is asked."""
    if key == "ctrl-c":
        return replace(state, left=True), None
    if state.asking is not None:
        return _answered(state, state.asking, key)
    if state.typing:
        return _typed(state, key, glimpse), None
    state = replace(state, said=None)
    if state.helping:
        return _scrolled(state, key) or replace(state, helping=False, scroll=0), None
    if key == "?":
        return replace(state, helping=True, scroll=0), None
    if key == "u":
        return _undo(state)
    return _in_job(state, key, glimpse) if state.opened else _in_list(state, key, glimpse)


def _answered(state: State, asking: Asking, key: str) -> Step:
    state = replace(state, asking=None)
    return (state, asking.command) if key == "y" else (replace(state, said=NOTHING), None)


NOTHING: Final = Said("nothing was changed")


def _typed(state: State, key: str, glimpse: Glimpse) -> State:
    sought = state.sought
    if key == "esc":
        state = replace(state, sought="", typing=False)
    elif key == "enter":
        state = replace(state, typing=False)
    elif key == "backspace":
        state = replace(state, sought=sought[:-1])
    elif len(key) == 1 and key.isprintable() and len(sought) < LONGEST:
        state = replace(state, sought=sought + key)
    return settled(state, glimpse)


def _scrolled(state: State, key: str) -> State | None:
    """Drawing keeps `scroll` within what there is to see."""
    by = {"up": -1, "k": -1, "down": 1, "j": 1, "page-up": -PAGE, "page-down": PAGE, " ": PAGE}
    if key in {"home", "g"}:
        return replace(state, scroll=0)
    return replace(state, scroll=max(0, state.scroll + by[key])) if key in by else None


def _undo(state: State) -> Step:
    if state.act is None:
        return replace(
            state, said=Said("nothing was done here that could be undone", bad=True)
        ), None
    return replace(state, act=None), Command("undo", str(state.act))


# One job


def _in_job(state: State, key: str, glimpse: Glimpse) -> Step:
    if key in {"esc", "q", "backspace", "left", "h"}:
        return replace(state, opened=None, scroll=0), None
    scrolled = _scrolled(state, key)
    if scrolled is not None:
        return scrolled, None
    job = None if glimpse.opened is None else glimpse.opened.job
    if job is None or str(job.id) != state.opened:
        return state, None
    if key == "p":
        queue = next((one for one in glimpse.stats.queues if one.queue_name == job.queue), None)
        return _paused(state, job.queue, paused=queue is not None and queue.paused)
    return _done_to(state, key, job)


# All


def _in_list(state: State, key: str, glimpse: Glimpse) -> Step:
    found = rows(glimpse, state.sought)
    row = selected(state, found)
    if key == "q":
        return replace(state, left=True), None
    if key == "/":
        return replace(state, typing=True), None
    if key == "esc":
        return settled(replace(state, sought=""), glimpse), None
    moved = _moved(state, key, found)
    if moved is not None:
        return moved, None
    if row is None:
        return state, None
    if key in {"enter", "right", "l"}:
        return _entered(state, row, glimpse), None
    return _done_with(state, key, row)


def _moved(state: State, key: str, found: tuple[Row, ...]) -> State | None:
    last = len(found) - 1
    ways = {
        "up": state.place - 1,
        "k": state.place - 1,
        "down": state.place + 1,
        "j": state.place + 1,
        "page-up": state.place - PAGE,
        "page-down": state.place + PAGE,
        "home": 0,
        "g": 0,
        "end": last,
        "G": last,
    }
    if key in {"tab", "shift-tab"}:
        place = _next_kind(state, found, 1 if key == "tab" else -1)
    elif key in ways:
        place = max(0, min(ways[key], last))
    else:
        return None
    return replace(state, selected=found[place].place, place=place) if found else state


def _next_kind(state: State, found: tuple[Row, ...], by: int) -> int:
    """Where the first row of the next kind is, of those that have any."""
    kinds = [kind for kind in KINDS if any(row.kind == kind for row in found)]
    if state.selected is None or not kinds:
        return 0
    wanted = kinds[(kinds.index(state.selected[0]) + by) % len(kinds)]
    return next(place for place, row in enumerate(found) if row.kind == wanted)


def _entered(state: State, row: Row, glimpse: Glimpse) -> State:
    """A job opens; of a queue or a worker, all that is its is what is shown."""
    if isinstance(row.about, Job):
        return replace(state, opened=row.key, scroll=0, hurry=True)
    name = row.key if isinstance(row.about, QueueStats) else worker_name(row.about)
    return settled(replace(state, sought=name), glimpse)


def worker_name(worker: WorkerInfo) -> str:
    """What people call a worker."""
    return f"{worker.host}:{worker.pid}"


def _done_with(state: State, key: str, row: Row) -> Step:
    if isinstance(row.about, Job):
        return _done_to(state, key, row.about)
    if key == "p" and isinstance(row.about, QueueStats):
        return _paused(state, row.key, paused=row.about.paused)
    wrong = {"p": "select a queue to pause it", **NO_JOB}.get(key)
    return replace(state, said=None if wrong is None else Said(wrong, bad=True)), None


NO_JOB: Final = {"r": "select a dead letter to retry it", "c": "select a job to cancel it"}


def _paused(state: State, queue: str, *, paused: bool) -> Step:
    return state, Command("resume" if paused else "pause", queue)


def _done_to(state: State, key: str, job: Job) -> Step:
    id = str(job.id)
    if key == "r" and job.status == "failed":
        return state, Command("retry", id)
    if key == "c" and job.status in OPEN:
        what = "Ask it to stop" if job.status == "running" else "Cancel it, so that it never runs"
        question = f"{job.job_type} in {job.queue} is {job.status}. {what}?"
        return replace(state, asking=Asking(question, Command("cancel", id))), None
    wrong = {
        "r": f"only a dead letter is retried; this job is {job.status}",
        "c": f"it has ended: it is {job.status}",
        "p": "select a queue to pause it",
    }.get(key)
    return replace(state, said=None if wrong is None else Said(wrong, bad=True)), None
