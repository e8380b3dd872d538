"""Somebody who sits at a terminal: a command in a real pty, its screen as one would see it.

What belongs here: starting a command so, pressing keys, waiting for what is on the screen. What does
not: a test.
"""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import pyte

KEYS = {
    "enter": "\r",
    "esc": "\x1b",
    "tab": "\t",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "ctrl-c": "\x03",
}

OVERRIDING = {"NO_COLOR", "COLUMNS", "LINES"}
"""Variables of whoever runs the tests that would say what the terminal says here."""


class Sitting:
    """A command that believes somebody looks at it."""

    def __init__(self, *words: str, columns: int = 150, lines: int = 30, **env: str) -> None:
        self._ours, self._theirs = pty.openpty()
        self.resize(columns, lines)
        self.mode = termios.tcgetattr(self._theirs)
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self.raw = b""
        kept = {name: value for name, value in os.environ.items() if name not in OVERRIDING}
        self.process = subprocess.Popen(
            words,
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            env={**kept, "TERM": "xterm-256color", **env},
            # Nothing here holds a lock the child could wait for.
            preexec_fn=self._take_the_terminal,  # noqa: PLW1509
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _take_the_terminal(self) -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def resize(self, columns: int, lines: int) -> None:
        """The window has another size; the command is told by a signal, as ever."""
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        if hasattr(self, "_screen"):
            with self._lock:
                self._screen.resize(lines, columns)

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._ours, 65_536)
            except OSError:
                return
            if not data:
                return
            with self._lock:
                self.raw += data
                self._stream.feed(data)

    def press(self, *keys: str) -> None:
        """These keys, one after another; a word of `KEYS`, or letters."""
        for key in keys:
            os.write(self._ours, KEYS.get(key, key).encode())

    @property
    def text(self) -> str:
        """What is on the screen."""
        with self._lock:
            return "\n".join(line.rstrip() for line in self._screen.display)

    def line(self, part: str) -> str:
        """The first line of the screen with this in it; empty: none."""
        return next((line for line in self.text.splitlines() if part in line), "")

    def sees(self, part: str, timeout: float = 15) -> str:
        """The screen, once this is on it."""
        return self.until(f"{part!r} is seen", lambda: part in self.text, timeout)

    def until(self, what: str, met: Callable[[], object], timeout: float = 15) -> str:
        """The screen, once that is so."""
        deadline = time.monotonic() + timeout
        while not met():
            assert time.monotonic() < deadline, f"not so: {what}; the screen:\n{self.text}"
            time.sleep(0.02)
        return self.text

    def ended(self, timeout: float = 15) -> int:
        """The exit code, once it has ended and all it wrote is read."""
        code = self.process.wait(timeout)
        seen = -1
        while seen != len(self.raw):
            seen = len(self.raw)
            time.sleep(0.05)
        return code

    def restored(self) -> bool:
        """Whether the terminal is as it was: its mode, its cursor, and not the other screen."""
        mode = termios.tcgetattr(self._theirs)
        shown = self.raw.rfind(b"\x1b[?25h") > self.raw.rfind(b"\x1b[?25l")
        back = self.raw.rfind(b"\x1b[?1049l") > self.raw.rfind(b"\x1b[?1049h")
        return mode == self.mode and shown and back

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)
        os.close(self._theirs)
        os.close(self._ours)
        self._reader.join(5)


@contextmanager
def top(
    url: str, *words: str, columns: int = 150, lines: int = 30, **env: str
) -> Iterator[Sitting]:
    """`boundary-jobs top` over this store, looking ten times a second."""
    command = (sys.executable, "-m", "boundary.jobs", "top", "--url", url, "--interval", "0.1")
    with Sitting(*command, *words, columns=columns, lines=lines, **env) as sitting:
        yield sitting
