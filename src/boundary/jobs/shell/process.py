"""What handlers may do to the process they run in, and what is done about it.

What belongs here: knowing a copy a handler forked, opening anew a standard stream it closed. What
does not: when to look (`executor`, `watch`).
"""

from __future__ import annotations

import logging
import os
import sys
from errno import EBADF
from pathlib import Path

log: logging.Logger = logging.getLogger("boundary.jobs")


class Lineage:
    """Tells a forked copy from its parent, without a call of the system.

    Attributes:
        forks: How many lie between this process and the one that was started.
    """

    __slots__ = ("forks",)

    def __init__(self) -> None:
        self.forks: int = 0

    def forked(self) -> None:
        """This process is a copy."""
        self.forks += 1


LINEAGE = Lineage()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=LINEAGE.forked)


def keep_streams_open() -> None:
    """Standard output and error can be written to. Two calls of the system, if they can.

    A number that is free goes to the next file or connection that is opened, and whatever is
    printed then goes into that. So a closed stream is opened at once, and leads nowhere. SQLite may
    have been quicker: where it would get such a number for a file, it leaves `os.devnull` there, to
    be read.
    """
    for number in (1, 2):
        try:
            os.write(number, b"")
        except OSError as error:
            if error.errno == EBADF and _is_free(number):
                _open_nowhere(number)
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is not None and stream.closed:
            setattr(sys, name, os.fdopen(number, "w", closefd=False))
            log.error("a handler closed sys.%s; it is open again", name)


def _is_free(number: int) -> bool:
    """Nobody has it, or SQLite has put it aside."""
    try:
        return os.fstat(number).st_rdev == Path(os.devnull).stat().st_rdev
    except OSError:
        return True


def _open_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)
    log.error("a handler closed standard stream %d; it leads nowhere now", number)
