"""The scripts: read from `lua/`, put together from their parts, named by what they hold.

What belongs here: making one text of a script and its parts, and telling scripts what `core` says
(statuses, events and what they lead to), so that no rule is written twice. What does not: what a
script does.
"""

from __future__ import annotations

import hashlib
import pkgutil
import re
from collections.abc import Callable
from functools import cache
from typing import Final, NamedTuple

from boundary.jobs.core import causes, lifecycle
from boundary.jobs.core.operations import AUDIT
from boundary.jobs.core.records import DEFAULT_QUEUE
from boundary.jobs.core.storetime import SLEW
from boundary.jobs.shell.adapters.redis.records import EVENT, EVENTS, STATUS, WHATS

_INCLUDE = re.compile(r"^--@include (.+)$", re.MULTILINE)
_FLAGS = re.compile(r"^--@flags ?(.*)$", re.MULTILINE)
_COMMENT = re.compile(r"^ *--.*\n|^\n", re.MULTILINE)


class Script(NamedTuple):
    """A script as the server gets it.

    Attributes:
        sha: The name the server knows it by; another version of us has others.
    """

    name: str
    text: str
    sha: str


@cache
def script(name: str) -> Script:
    """The script of this name."""
    source = _read(f"{name}.lua")
    flags = _FLAGS.search(source)
    assert flags is not None, f"{name}.lua has no line --@flags"
    body = _INCLUDE.sub(_included, source)
    head = f"#!lua flags={','.join(flags[1].split())}\n"
    text = head + _COMMENT.sub("", body)
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def _included(match: re.Match[str]) -> str:
    return "".join(_part(name) for name in match[1].split())


@cache
def _part(name: str) -> str:
    made = _MADE.get(name)
    return _read("parts", f"{name}.lua") if made is None else made()


def _read(*path: str) -> str:
    # Not by importlib.resources: with what that loads, it is a quarter of a megabyte of each worker.
    found = pkgutil.get_data(__name__, "/".join(("lua", *path)))
    assert found is not None, "an import system that has our code has what lies beside it"
    return found.decode()


def _core() -> str:
    """The words of `core` that scripts use."""
    lines = [f"local SLEW, DEFAULT = {SLEW}, '{DEFAULT_QUEUE}'"]
    lines += [f"local {name.upper()} = {number}" for name, number in STATUS.items()]
    whats = ", ".join(f"{name} = '{letter}'" for name, letter in WHATS.items())
    lines += [f"local AUDIT, WHATS = {AUDIT}, {{{whats}}}"]
    return "\n".join(lines) + "\n"


def _events() -> str:
    """What each event by which a hold on a job ends leads to, from the table of `lifecycle`."""
    used = ("cancel", "crash", "reclaim", "release")
    lines = [f"local {name.upper()} = {EVENT[name]}" for name in used]
    rows = ",\n".join(_event(name) for name in EVENTS)
    return "\n".join([*lines, f"local EVENTS = {{\n{rows}\n}}"]) + "\n"


def _event(name: str) -> str:
    status = lifecycle.after("running", name)
    fields = {
        "status": STATUS[status],
        "finished": str(status in lifecycle.FINISHED).lower(),
        "dead": str(name in lifecycle.DEAD).lower(),
        "stopped": EVENT[lifecycle.settling(name, cancelling=True)],
    }
    if name in lifecycle.DEAD:
        fields["cause"] = f"'{causes.BY_STORE[name]}'"
    counted = lifecycle.COUNTED.get(name)
    if counted is not None:
        fields["counter"] = f"'{counted}'"
    return "  {" + ", ".join(f"{key} = {value}" for key, value in fields.items()) + "}"


_MADE: Final[dict[str, Callable[[], str]]] = {"core": _core, "events": _events}
