"""Tracebacks in parts: frames of the application open, frames of libraries folded.

What belongs here: reading the text of a traceback, pure. What does not: markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from msgspec import Struct

_FRAME: Final = re.compile(r'\s*File "(?P<file>[^"]*)", line \d+')
_LIBRARY: Final = re.compile(
    r"[\\/](?:site-packages|dist-packages|lib[\\/]python\d[\d.]*)[\\/]"
    r"|[\\/]boundary[\\/]jobs[\\/](?:shell|core|testing)[\\/](?!cli[\\/]demo)"
    r"|^<frozen |^<string>"
)


class Part(Struct, frozen=True):
    """Some lines of a traceback; `frames` counts those folded, 0 for lines that are not."""

    text: str
    frames: int = 0


def parts(trace: str) -> list[Part]:
    """The traceback, each run of frames of libraries as one folded part."""
    pieces = list(_pieces(trace.rstrip("\n").split("\n")))
    if all(library for library, lines in pieces if _FRAME.match(lines[0])):
        return [Part(trace.rstrip("\n"))]  # nothing of the application would be left
    found: list[Part] = []
    for library, group in groupby(pieces, key=lambda piece: piece[0]):
        run = [lines for _, lines in group]
        text = "\n".join(line for lines in run for line in lines)
        found.append(Part(text, len(run) if library else 0))
    return found


def place(trace: str) -> str:
    """Where it went wrong: the innermost frame of the application, else of all; "" if there is none."""
    frames = [line for line in trace.split("\n") if _FRAME.match(line)]
    own = [line for line in frames if not _LIBRARY.search(_file(line))]
    last = re.search(r'File "([^"]*)", (line \d+), in (.+)', (own or frames or [""])[-1])
    if last is None:
        return ""
    short = "/".join(re.split(r"[\\/]", last[1])[-2:])
    return f"{last[3]}, {short} {last[2]}"


def _file(line: str) -> str:
    frame = _FRAME.match(line)
    return frame["file"] if frame else ""


def _pieces(lines: list[str]) -> Iterator[tuple[bool, list[str]]]:
    """Each frame with the lines of code below it, and what stands between; whether it is a library's."""
    piece: list[str] = []
    library = False
    for line in lines:
        frame = _FRAME.match(line)
        if frame or (piece and not line.startswith("    ")):
            if piece:
                yield library, piece
            piece = []
            library = bool(frame and _LIBRARY.search(frame["file"]))
        piece.append(line)
    if piece:
        yield library, piece
