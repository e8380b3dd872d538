"""The terminal as keys: single ones, at once, unseen, and by name.

What belongs here: the terminal's mode, and what its bytes mean. What does not: what a key does
(`brain`).
"""

from __future__ import annotations

import codecs
import os
import re
import select
import termios
import tty
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, cast

NAMES: Final = {
    "\x1b[A": "up", "\x1b[B": "down", "\x1b[C": "right", "\x1b[D": "left",
    "\x1bOA": "up", "\x1bOB": "down", "\x1bOC": "right", "\x1bOD": "left",
    "\x1b[H": "home", "\x1b[F": "end", "\x1bOH": "home", "\x1bOF": "end",
    "\x1b[1~": "home", "\x1b[4~": "end", "\x1b[5~": "page-up", "\x1b[6~": "page-down",
    "\x1b[Z": "shift-tab", "\t": "tab", "\r": "enter", "\n": "enter", "\x1b": "esc",
    "\x7f": "backspace", "\x08": "backspace", "\x03": "ctrl-c", "\x04": "ctrl-c",
}  # fmt: skip
"""What the bytes of keys without a letter are called; others of the kind are passed over."""

_KEY: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1bO.|\x1b|.", re.DOTALL)
_BEGUN: Final = re.compile(r"\x1b(?:\[[0-9;?]*|O)?\Z")
PATIENCE: Final = 0.05
"""Seconds the rest of a key may take that began with an escape."""


def parse(text: str) -> list[str]:
    """The names of the keys that send this."""
    found = cast("list[str]", _KEY.findall(text))
    return [NAMES.get(one, one) for one in found if one in NAMES or one.isprintable()]


@contextmanager
def single_keys(fd: int) -> Generator[None]:
    """The terminal gives each key at once and does not show it; afterwards it is as it was."""
    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd, termios.TCSADRAIN)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


class Keyboard:
    """Keys from a file descriptor, and a bell that ends a wait for them.

    Args:
        fd: The terminal.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._text = codecs.getincrementaldecoder("utf-8")("replace")
        self._heard, self._bell = os.pipe()
        os.set_blocking(self._heard, False)
        os.set_blocking(self._bell, False)
        self.gone: bool = False

    def close(self) -> None:
        """The bell is put away."""
        os.close(self._heard)
        os.close(self._bell)

    @property
    def bell(self) -> int:
        """Where a byte ends the wait; for `signal.set_wakeup_fd`."""
        return self._bell

    def ring(self) -> None:
        """The wait ends; callable from any thread."""
        try:
            os.write(self._bell, b"!")
        except OSError:
            return  # it is full, so it rings already; or closed, so nobody waits

    def wait(self, timeout: float) -> list[str]:
        """The keys pressed, as soon as there are any; none if the bell rang or the time is over."""
        ready, _, _ = select.select([self._fd, self._heard], [], [], max(0.0, timeout))
        if self._heard in ready:
            os.read(self._heard, 4_096)
        return parse(self._read()) if self._fd in ready else []

    def _read(self) -> str:
        text = self._some()
        # A key may come in two parts; an escape by itself is the key of that name.
        while _BEGUN.search(text) and select.select([self._fd], [], [], PATIENCE)[0]:
            more = self._some()
            if not more:
                break
            text += more
        return text

    def _some(self) -> str:
        try:
            data = os.read(self._fd, 1_024)
        except OSError:
            data = b""
        self.gone = not data
        return self._text.decode(data)
