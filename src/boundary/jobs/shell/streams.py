"""Standard output and error of a worker's process, whatever handlers do to them.

What belongs here: knowing where they led, putting them back, keeping what is printed out of a file
that got their number. What does not: when to look (`calling`, `executor`, `watch`).
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import threading
from pathlib import Path
from typing import TypeAlias

log: logging.Logger = logging.getLogger("boundary.jobs")

NAMES = {1: "standard output", 2: "standard error"}

Identity: TypeAlias = tuple[int, int]
"""Device and inode: what a number leads to."""


class Streams:
    """Knows where standard output and error lead when it is made, until it is closed.

    A number that a handler closed goes to the next file or connection that is opened, and whatever
    is printed then goes into that. So a stream whose number is free is put back at once. A number
    that somebody has already is theirs: to take it from them would ruin what they do with it.
    """

    def __init__(self) -> None:
        self._streams = [_Stream(number) for number in NAMES]
        self._lock = threading.Lock()

    def keep_open(self) -> None:
        """They lead where they led, or it was said where they lead; from any thread.

        Two calls of the system, if nothing happened.
        """
        for one in self._streams:
            if not one.is_sound():
                with self._lock:
                    one.mend()
        for name, number in (("stdout", 1), ("stderr", 2)):
            stream = getattr(sys, name)
            if stream is not None and stream.closed:
                setattr(sys, name, os.fdopen(number, "w", closefd=False))
                log.error("a handler closed sys.%s; it is open again", name)

    def close(self) -> None:
        """Nobody looks after them any more."""
        streams, self._streams = self._streams, []  # handlers left behind may still ask
        for one in streams:
            one.close()


class _Stream:
    """One of them.

    Attributes:
        number: Of its file.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self._copy = _copy(number)
        if _identity(number) is None:  # closed from the beginning
            self._duplicate()
        self._was = _identity(number)
        self._is_nowhere = self._was == _nowhere()
        self._said: set[Identity | None] = set()
        self._printed_from_copy = False

    def is_sound(self) -> bool:
        """It leads where it led."""
        found = _identity(self.number)
        return found is not None and found == self._was and not self._is_nowhere

    def mend(self) -> None:
        """Put back, if nobody has its number; else it is said who has."""
        found = _identity(self.number)
        if found is None:
            if self._duplicate():
                self._say_back()
        elif _is_put_aside(self.number, found):
            os.dup2(self._copy, self.number)
            self._say_back()
        elif found != self._was:
            self._look_at(found)

    def _duplicate(self) -> bool:
        """Under its number or not at all: another may be quicker, and is seen at the next look."""
        import fcntl  # here: not on every system

        made = fcntl.fcntl(self._copy, fcntl.F_DUPFD, self.number)
        if made != self.number:
            os.close(made)
        return made == self.number

    def _say_back(self) -> None:
        self._said.clear()
        where = "leads nowhere" if self._is_nowhere else "leads where it led"
        log.error("a handler closed %s; it %s again", NAMES[self.number], where)

    def _look_at(self, found: Identity) -> None:
        """Somebody else's file. Told once for each, or once for all that were put there on purpose."""
        by_chance = not os.get_inheritable(self.number)
        key = found if by_chance else None
        if key in self._said:
            return
        self._said.add(key)
        if by_chance:
            self._print_from_copy()
            log.error(
                "a handler closed %s, and what was opened next (%s) has its number %d: it is left "
                "alone. Python's own printing goes where it went; what other code prints to this "
                "number damages that file",
                NAMES[self.number],
                _path(self.number),
                self.number,
            )
        else:
            log.warning(
                "%s leads to %s now, no more where it led when the worker began; it is left so",
                NAMES[self.number],
                _path(self.number),
            )

    def _print_from_copy(self) -> None:
        """What Python prints, and has not written yet, goes where the stream led.

        The same file object, as log handlers and others hold it too.
        """
        streams = (sys.stdout, sys.__stdout__) if self.number == 1 else (sys.stderr, sys.__stderr__)
        for stream in streams:
            buffer = getattr(stream, "buffer", None)
            raw = getattr(buffer, "raw", buffer)  # itself, if Python is not to buffer
            if type(raw) is io.FileIO and not raw.closed and raw.fileno() == self.number:
                io.FileIO.__init__(raw, self._copy, "wb", closefd=False)
                self._printed_from_copy = True

    def close(self) -> None:
        """The copy is gone, unless something is printed from it."""
        if not self._printed_from_copy:
            os.close(self._copy)


def _identity(number: int) -> Identity | None:
    try:
        found = os.fstat(number)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _nowhere() -> Identity:
    found = Path(os.devnull).stat()
    return found.st_dev, found.st_ino


def _copy(number: int) -> int:
    """A further number for the same file, none of the standard ones; of nothing: nowhere."""
    import fcntl  # here: as above

    try:
        return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3)
    except OSError:
        nowhere = os.open(os.devnull, os.O_RDWR)
        copy = fcntl.fcntl(nowhere, fcntl.F_DUPFD_CLOEXEC, 3)
        os.close(nowhere)
        return copy


def _is_put_aside(number: int, found: Identity) -> bool:
    """SQLite was quicker: where it would get such a number, it leaves `os.devnull`, to be read."""
    import fcntl  # here: as above

    if found != _nowhere():
        return False
    with contextlib.suppress(OSError):
        return fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
    return False


def _path(number: int) -> str:
    try:
        return str(Path(f"/proc/self/fd/{number}").readlink())
    except OSError:
        return "another file"
