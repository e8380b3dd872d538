"""How a process ended, in words.

What belongs here: the names of exit codes and signals. What does not: what follows from an end
(`supervision`, `shell.isolation`).
"""

from __future__ import annotations

import signal


def told(code: int) -> str:
    """``exit code 1``, or the signal's name where the code is negative."""
    return f"exit code {code}" if code >= 0 else signal_name(-code)


def signal_name(number: int) -> str:
    """As in SIGKILL."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
