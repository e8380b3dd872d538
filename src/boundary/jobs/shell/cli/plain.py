"""The words of `boundary-jobs worker`, read without the libraries of the command.

What belongs here: reading the plain form of that one command, which every worker process is started
with. What does not: an error or a help text: whatever is not understood here, the whole command reads,
and says what is wrong. The libraries it does that with take 20 MB and more, which a process that goes
on for weeks does not carry for having read five words.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from boundary.jobs.shell.cli.working import Orders

FLAGS: Final = {"--burst": "burst", "--reload": "reload", "--no-color": "no_color"}

TEXTS: Final = {
    "--url": "url",
    "--queues": "queues",
    "--concurrency": "concurrency",
    "-c": "concurrency",
    "--queue-concurrency": "queue_concurrency",
    "--max-memory": "max_memory",
    "--log-level": "log_level",
    "--log-format": "log_format",
}

NUMBERS: Final[dict[str, tuple[str, int, int | None]]] = {
    "--processes": ("processes", 1, 1_000),
    "-p": ("processes", 1, 1_000),
    "--max-jobs": ("max_jobs", 0, None),
    "--health-port": ("health_port", 1, 65_535),
}
"""With the least and the greatest they may be."""

PATHS: Final = {"--config": "config"}


def understood(arguments: Sequence[str]) -> Orders | None:
    """What a worker is asked; None: that is for the whole command to read."""
    given: dict[str, Any] = {}
    words: list[str] = []
    left = list(arguments)
    while left:
        word = left.pop(0)
        if not word.startswith("-"):
            words.append(word)
            continue
        if not _take(word, left, given):
            return None
    if len(words) != len(COMMAND) or words[0] != COMMAND[0]:
        return None
    return Orders(arguments=tuple(arguments), target=words[1], **given)


COMMAND: Final = ("worker", "MODULE[:NAME]")


def _take(word: str, left: list[str], given: dict[str, Any]) -> bool:
    """Whether this option, with its value from what is left, is one a worker is asked by."""
    name, equals, value = word.partition("=")
    if name in FLAGS and not equals:
        given[FLAGS[name]] = True
        return True
    if equals and not name.startswith("--"):
        return False
    if not equals:
        if not left or left[0].startswith("-"):
            return False
        value = left.pop(0)
    if name in TEXTS:
        given[TEXTS[name]] = value
    elif name in PATHS:
        given[PATHS[name]] = Path(value)
    else:
        return _take_number(name, value, given)
    return True


def _take_number(name: str, text: str, given: dict[str, Any]) -> bool:
    if name not in NUMBERS or not (text.isascii() and text.isdecimal()):
        return False
    field, least, most = NUMBERS[name]
    number = int(text)
    given[field] = number
    return least <= number and (most is None or number <= most)
